//! Who may come in. Under SOARCA's paths anyone may, where the operators said so (`WRIT_MANUAL_AUTH=off`); not under
//! `/status`, of which SOARCA's own tools ask `/status/ping` only (specs/soarca/gui-and-clients.md).

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};
use types::Permission;
use web::{Dialect, Investigator, Needs, Permitted, Problem, SoarcaCaller};

/// Is an investigator with `playbook_read`, wherever they ask.
pub(super) type KnownReader = Permitted<Read>;

/// Needs `playbook_read`.
pub(super) enum Read {}

impl Needs for Read {
    const PERMISSION: Permission = Permission::PlaybookRead;
}

/// Is a caller who may read.
#[derive(Debug, Clone)]
pub(super) struct Reader;

/// Is a caller who may store playbooks, with their number when they had to say who they are.
#[derive(Debug, Clone)]
pub(super) struct Writer(pub(super) Option<i64>);

/// Is a caller who may begin and cancel executions.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    pub(super) id: Option<i64>,
    pub(super) name: String,
}

fn caller(request: &HttpRequest, permission: Permission) -> Result<Option<auth::Caller>, Problem> {
    match Dialect::of(request.path()) {
        Dialect::Soarca => SoarcaCaller::who_may(request, permission),
        _ => Investigator::who_may(request, permission).map(Some),
    }
}

impl FromRequest for Reader {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request, Permission::PlaybookRead).map(|_caller| Self))
    }
}

impl FromRequest for Writer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            caller(request, Permission::PlaybookWrite)
                .map(|caller| Self(caller.map(|caller| caller.id.0))),
        )
    }
}

impl FromRequest for Runner {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request, Permission::PlaybookRun).map(|caller| match caller {
            Some(caller) => Self { id: Some(caller.id.0), name: caller.name.clone() },
            None => Self { id: None, name: "anonymous".into() },
        }))
    }
}
