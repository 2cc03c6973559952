//! Rules without time, waiting or storage.

pub(crate) mod address;
pub(crate) mod agent;
pub(crate) mod answer;
pub(crate) mod plugin;
pub(crate) mod receipt;
pub(crate) mod text;
pub(crate) mod user_code;
