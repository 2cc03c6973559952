//! Real services for tests, cheap enough to use everywhere: PostgreSQL and RabbitMQ of our own, a database for each
//! test, a virtual host for each test, an ear on the exchange, keys, lines that can be cut, and waiting for conditions.
//!
//! Everything here panics instead of returning errors: a fixture that cannot be had fails the test that wanted it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails the test that wanted it"
)]

mod answer;
mod broker;
mod browser;
mod coverage;
mod database;
mod gpg;
mod hostile;
pub mod keys;
pub mod loader;
mod process;
mod proxy;
mod rows;
mod scans;
mod services;
mod tap;
mod wait;

pub use answer::Answer;
pub use broker::{Vhost, vhost};
pub use browser::Browser;
pub use coverage::{Route, routes, unauthorized_coverage};
pub use database::Database;
pub use gpg::Gpg;
pub use hostile::INJECTIONS;
pub use process::Process;
pub use proxy::Proxy;
pub use rows::{Known, count, know, texts};
pub use scans::Scans;
pub use services::{Server, Services, postgres, rabbitmq};
pub use tap::{Heard, Tap};
pub use wait::{PATIENCE, until};
