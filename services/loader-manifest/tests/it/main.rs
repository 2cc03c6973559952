//! loader-manifest as people and loaders see it: HTTP and messages in, HTTP, rows and messages out.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod access;
#[cfg(test)]
mod archives;
#[cfg(test)]
mod house;
#[cfg(test)]
mod large;
#[cfg(test)]
mod loaders;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod rollout;
#[cfg(test)]
mod rsa;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod signers;
