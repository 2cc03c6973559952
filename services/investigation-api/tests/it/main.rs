//! investigation-api as the others see it: HTTP and messages in, HTTP and messages out.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod house;
#[cfg(test)]
mod investigators;
#[cfg(test)]
mod permissions;
