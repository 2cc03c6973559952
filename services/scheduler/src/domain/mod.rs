//! Rules without a database, a clock or a network.

pub(crate) mod answer;
pub(crate) mod condition;
pub(crate) mod destination;
pub(crate) mod dispatch;
pub(crate) mod execution;
pub(crate) mod machine;
pub(crate) mod order;
pub(crate) mod playbook;
pub(crate) mod run;
pub(crate) mod text;
pub(crate) mod variable;
pub(crate) mod word;
