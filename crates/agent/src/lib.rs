//! Writ's reference agent: the fleet side, small.
//!
//! It enrols by device code ([`enrol()`]), then works ([`Agent`]): it takes orders from the server, decides for itself
//! whether they may run ([`Rules`]), runs built-in modules and plugins, and keeps the answers on disk until the server
//! has them. The server is not trusted: it can neither make an order, nor have one run twice, nor choose a path.
//!
//! | file | holds |
//! |---|---|
//! | `config`, `command` | the command line |
//! | `enrol`, `client`, `question`, `backoff`, `facts` | towards the server |
//! | `check`, `acl`, `ledger` | whether an order may run |
//! | `work`, `run`, `sending`, `spool`, `state` | the agent at work, and what survives its end |
//! | `simulation` | very many agents in one process, for tests of servers: `writ-fleet` |
//! | `operation`, `modules`, `plugin`, `python`, `runner.py` | what orders do |

mod acl;
mod backoff;
mod check;
mod client;
mod command;
mod config;
mod enrol;
mod facts;
mod go_text;
mod ledger;
mod modules;
mod operation;
mod plugin;
mod python;
mod question;
mod run;
mod sending;
pub mod simulation;
mod spool;
mod state;
mod work;

pub use acl::Acl;
pub use backoff::Pace;
pub use check::Rules;
pub use client::Server;
pub use command::main;
pub use enrol::{Announcement, EnrolError, Enrolment, enrol};
pub use work::{Agent, Ending, NotEnrolled, Settings};
