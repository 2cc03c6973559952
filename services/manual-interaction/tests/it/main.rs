//! manual-interaction as the others see it: HTTP and messages in, HTTP and messages out.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod access;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod page;
#[cfg(test)]
mod process;
#[cfg(test)]
mod soarca;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod support;
