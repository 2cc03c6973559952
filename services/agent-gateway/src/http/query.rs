//! Query parameters of single routes.

use serde::Deserialize;
use utoipa::IntoParams;

/// Is how long an agent is ready to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Seconds to wait for work when there is none, 0 to 60; 0 when absent.
    #[param(minimum = 0, maximum = 60)]
    pub(super) wait: Option<u64>,
}

/// Is the code that a device shows, filled in by the link it gave.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ShownCode {
    /// The code; case and dashes do not matter.
    pub(super) code: Option<String>,
}
