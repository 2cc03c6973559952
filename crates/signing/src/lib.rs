//! What is signed, by whom, and whether it counts: computed the same way by server, agent, loader and CLI.
//!
//! - [`action`]: the string that an action's signers sign, exact to the byte;
//! - [`token`]: the `X-PGPAUTHORIZATION` header;
//! - [`manifest`]: the same of a manifest, and its archive;
//! - [`armor`]: packets as text, in blocks and in MIG's one-line form;
//! - [`key`]: public keys and secret keys;
//! - [`KeySet`] and [`Policy`]: whose signature it is, and which signatures count.
//!
//! Nothing here reads a file, a socket or the clock: the time is always given.

pub mod action;
pub mod armor;
pub mod key;
pub mod manifest;
pub mod token;

mod certificate;
mod go_json;
mod go_time;
mod key_set;
mod policy;
mod seconds;
mod verify_error;

pub use key::{KeyError, PublicKey, SecretKey, SignError};
pub use key_set::{KeySet, Verified};
pub use policy::Policy;
pub use token::{Token, TokenError};
pub use verify_error::VerifyError;
