//! The audit hook of every server: who is told of what the audit keeps, which is logins that were refused, and what
//! investigators changed or were refused.

use crate::manner::ServiceName;
use crate::{Peer, Problem};
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use auth::Caller;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use std::fmt;
use std::sync::{Arc, LazyLock};

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("web")
        .u64_counter("writ.logins.refused")
        .with_description("Logins of investigators that were refused")
        .build()
});

/// Is something that the audit keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Where it came from.
    pub from: Peer,
    /// Who asked; absent when nobody was recognised: the login was refused.
    pub caller: Option<Caller>,
    /// The method and path that were asked for, without the query, and what was done where they do not tell.
    pub asked: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// Says what came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, with this status.
    Done(StatusCode),
    /// It was refused.
    Refused {
        /// The word for programs, such as `permission-missing`.
        code: &'static str,
        /// Why; holds no credential.
        reason: String,
    },
}

/// Is told of everything that the audit keeps of one service's requests; it must not wait.
#[derive(Clone)]
pub struct Witness(Arc<dyn Fn(Noted) + Send + Sync>);

#[derive(Debug)]
struct Remark(String);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Witness {
    /// Calls `tell` for everything there is to tell.
    pub fn new(tell: impl Fn(Noted) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Adds what was done to the note of a request whose path does not tell it.
    pub fn remark(request: &HttpRequest, what: impl Into<String>) {
        request.extensions_mut().insert(Remark(what.into()));
    }

    /// Tells the service's witness, if it has one, of a login that was refused.
    pub(crate) fn tell_refused_login(request: &HttpRequest, problem: &Problem) {
        Self::count(request);
        Self::tell(request, None, refused(problem));
    }

    /// Tells the service's witness, if it has one, how a request of an investigator ended that would change something,
    /// or that needed a permission they do not have.
    pub(crate) fn tell_end(request: &HttpRequest, status: StatusCode, problem: Option<&Problem>) {
        let Some(caller) = request.extensions().get::<Caller>().cloned() else { return };
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match problem {
            Some(problem) if !reads || problem.code() == Problem::PERMISSION_MISSING => {
                Self::tell(request, Some(caller), refused(problem));
            }
            Some(_) => {}
            None if reads => {}
            // a page sends the browser on after what it did
            None if status.is_success() || status.is_redirection() => {
                Self::tell(request, Some(caller), Outcome::Done(status));
            }
            // a page says in words what was wrong
            None => {
                let reason = format!("the answer was {status}");
                Self::tell(request, Some(caller), Outcome::Refused { code: "refused", reason });
            }
        }
    }

    /// Counts refused logins, by service; who and why is in the audit.
    fn count(request: &HttpRequest) {
        let service = request.app_data::<ServiceName>().map_or("none", |name| name.0);
        REFUSED.add(1, &[KeyValue::new("service.name", service)]);
    }

    fn tell(request: &HttpRequest, caller: Option<Caller>, outcome: Outcome) {
        let Some(witness) = request.app_data::<web::Data<Self>>() else { return };
        let Ok(from) = Peer::from_request(request, &mut Payload::None).into_inner();
        let mut asked = format!("{} {}", request.method(), request.path());
        if let Some(Remark(what)) = request.extensions().get() {
            asked = format!("{asked} ({what})");
        }
        (witness.0)(Noted { from, caller, asked, outcome });
    }
}

fn refused(problem: &Problem) -> Outcome {
    Outcome::Refused { code: problem.code(), reason: problem.parts().detail.clone() }
}
