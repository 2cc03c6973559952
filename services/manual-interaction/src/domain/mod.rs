//! Rules without time, waiting or storage.

pub(crate) mod answer;
pub(crate) mod text;
