//! The plain JSON documents of `/v1`, `/oauth` and `/agent/v1`: what servers, agents and the CLI exchange.

pub mod action;
pub mod agent;
pub mod device;
pub mod loader;
pub mod manifest;
pub mod playbook;
pub mod plugin;
pub mod problem;
pub mod step;
pub mod task;
pub mod team;
pub mod work;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Is one page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// What to pass as `cursor` for the next page; null on the last.
    pub next: Option<String>,
}

/// The page size when none is asked for.
pub const DEFAULT_LIMIT: i64 = 100;
/// The largest page size that may be asked for.
pub const MAX_LIMIT: i64 = 500;
