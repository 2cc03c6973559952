//! One manner of HTTP for all services: errors in the dialect of the path, credentials, limits, request ids, OpenAPI.
//!
//! Handlers return `Result<_, Problem>`; what a problem looks like on the wire is decided in one place, by path.

pub mod admin;
mod body;
pub mod collection;
mod cors;
mod cpu;
mod dialect;
mod entrance;
pub mod go;
mod guesses;
mod investigator;
mod manner;
pub mod mig;
pub mod mig_number;
mod multipart;
pub mod openapi;
mod origin;
pub mod page;
mod page_query;
mod peer;
mod permitted;
mod problem;
mod query;
mod render;
mod request_id;
pub mod server;
mod soarca;
mod span;
mod values;
mod witness;

pub use body::{Body, Json};
pub use collection::{Collection, Item};
pub use cors::Cors;
pub use cpu::cpu;
pub use dialect::Dialect;
pub use entrance::{Entrance, Entry, Visitor};
pub use guesses::{Guesses, asker};
pub use investigator::Investigator;
pub use multipart::Multipart;
pub use origin::Origin;
pub use page_query::PageQuery;
pub use peer::{Network, Peer, TrustedProxies};
pub use permitted::{Needs, Permitted};
pub use problem::Problem;
pub use query::Query;
pub use request_id::RequestId;
pub use server::Site;
pub use soarca::{SoarcaAuth, SoarcaCaller};
pub use values::{Form, QueryValues, Values};
pub use witness::{Noted, Outcome, Witness};
