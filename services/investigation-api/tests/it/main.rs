//! investigation-api as the others see it: HTTP and messages in, HTTP, rows and messages out.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod accept;
#[cfg(test)]
mod access;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod dispatch;
#[cfg(test)]
mod events;
#[cfg(test)]
mod house;
#[cfg(test)]
mod investigators;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod large;
#[cfg(test)]
mod loaders;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod proposals;
#[cfg(test)]
mod refuse;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod search;
#[cfg(test)]
mod search_bad;
#[cfg(test)]
mod search_rows;
#[cfg(test)]
mod support;
#[cfg(test)]
mod told;
