//! The house as a whole: `scripts/up --apart`, a real agent, real signatures, processes that are killed.

mod house;
mod investigator;
mod kill_services;
