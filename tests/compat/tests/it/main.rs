//! What MIG's own clients sent and got, sent again: recorded requests answered as they were, and the clients'
//! sequences; and what SOARCA's front ends and tools do.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod capture;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod differences;
#[cfg(test)]
mod go;
#[cfg(test)]
mod json;
#[cfg(test)]
mod loaders;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod soarca;
#[cfg(test)]
mod soarca_models;
#[cfg(test)]
mod world;
