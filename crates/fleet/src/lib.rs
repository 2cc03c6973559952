//! The copy of the agents.
