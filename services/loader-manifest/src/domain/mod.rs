//! Rules without I/O.

pub(crate) mod delivery;
pub(crate) mod host;
pub(crate) mod key;
pub(crate) mod shelf;
pub(crate) mod text;
