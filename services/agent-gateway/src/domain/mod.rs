//! Rules without time, waiting or storage.

pub(crate) mod agent;
pub(crate) mod answer;
pub(crate) mod cron;
pub(crate) mod exact;
pub(crate) mod heartbeat;
pub(crate) mod mig_command;
pub(crate) mod mig_result;
pub(crate) mod operations;
pub(crate) mod parameters;
pub(crate) mod plugin;
pub(crate) mod presence;
pub(crate) mod python;
pub(crate) mod receipt;
pub(crate) mod returned;
pub(crate) mod silence;
pub(crate) mod task;
pub(crate) mod text;
pub(crate) mod tree;
pub(crate) mod user_code;
pub(crate) mod whitelist;
