//! The login of pages for people: they show their API key once and have a session then.

use crate::page::{Cookie, form_word, is_from_elsewhere, is_own_form};
use crate::{Form, Guesses, Origin, Peer, Problem, Values, Witness};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use auth::{Caller, PAGE_SESSION, PageSessions};
use time::OffsetDateTime;

/// Is the way into one page.
#[derive(Debug, Clone, Copy)]
pub struct Entrance<'a> {
    /// The cookie of its sessions.
    pub cookie: Cookie,
    /// Its sessions.
    pub sessions: PageSessions<'a>,
    /// Who was wrong lately.
    pub guesses: &'a Guesses,
    /// The time.
    pub now: OffsetDateTime,
}

/// Says what became of somebody who showed an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// They are in; the browser is given this cookie.
    In(String),
    /// The form is not one of the page.
    Forged,
    /// The key is wrong, and their address was wrong too often.
    Shut,
    /// The key is not that of an active investigator who may come in.
    Wrong,
}

/// Is somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Who.
    pub caller: Caller,
    /// The word that each form of theirs carries.
    pub csrf: String,
}

impl Entrance<'_> {
    /// Tells whether an address was wrong too often.
    pub fn is_shut(&self, peer: Peer) -> bool {
        self.guesses.is_shut(peer.0, self.now)
    }

    /// Lets in who shows in `form` the API key of somebody who may come in.
    pub async fn enter(
        &self,
        request: &HttpRequest,
        peer: Peer,
        origin: &Origin,
        form: &Values,
    ) -> Result<Entry, Problem> {
        if is_from_elsewhere(request) {
            return Ok(Entry::Forged);
        }
        let key = form.first("key").unwrap_or_default().trim();
        // a right key is taken whoever else comes from the address: keys are too long to be guessed, and behind a proxy
        // that is not trusted all come from one
        let Some((secret, caller)) = self.sessions.open(key, self.now).await? else {
            if self.is_shut(peer) {
                let code = "too-many-guesses";
                let detail = "too many wrong codes or keys came from the address";
                let status = StatusCode::TOO_MANY_REQUESTS;
                let problem = Problem::new(status, code, "Too many guesses", detail);
                Witness::tell_refused_login(request, &problem);
                return Ok(Entry::Shut);
            }
            self.guesses.note(peer.0, self.now);
            let detail = "the API key is not that of an active investigator who may come in";
            Witness::tell_refused_login(request, &Problem::unauthorized(detail));
            return Ok(Entry::Wrong);
        };
        // for the witness
        request.extensions_mut().insert(caller);
        Ok(Entry::In(self.cookie.set(&secret, PAGE_SESSION.as_secs(), origin)))
    }

    /// Gives who asks, if they are signed in and may still come in.
    pub async fn visitor(&self, request: &HttpRequest) -> Result<Option<Visitor>, Problem> {
        let Some(secret) = self.cookie.of(request) else { return Ok(None) };
        let found = self.sessions.find(secret, self.now).await?;
        Ok(found.map(|caller| {
            // for the witness, once it is known how the request ended
            request.extensions_mut().insert(caller.clone());
            Visitor { caller, csrf: form_word(secret) }
        }))
    }

    /// Gives who sent a form, if the form is one of theirs.
    pub async fn sender(
        &self,
        request: &HttpRequest,
        form: &Values,
    ) -> Result<Option<Visitor>, Problem> {
        if self.own_form(request, form).is_none() {
            return Ok(None);
        }
        self.visitor(request).await
    }

    /// Reads a form of somebody who is signed in, if it is one of theirs; of nobody else's is anything read.
    pub async fn receive<const LIMIT: usize>(
        &self,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Option<(Visitor, Form<LIMIT>)>, Problem> {
        if is_from_elsewhere(request) {
            return Ok(None);
        }
        let Some(visitor) = self.visitor(request).await? else { return Ok(None) };
        let form = Form::<LIMIT>::from_request(request, payload).await?;
        Ok(self.own_form(request, &form).is_some().then_some((visitor, form)))
    }

    /// Ends the session that sent a form, if the form is one of it; gives what takes its cookie away.
    pub async fn leave(
        &self,
        request: &HttpRequest,
        form: &Values,
    ) -> Result<Option<String>, Problem> {
        let Some(secret) = self.own_form(request, form) else { return Ok(None) };
        if let Some(caller) = self.sessions.find(secret, self.now).await? {
            request.extensions_mut().insert(caller);
        }
        self.sessions.end(secret).await?;
        Ok(Some(self.cookie.clear()))
    }

    /// Gives the secret of the session that sent a form, if the form is one of it.
    fn own_form<'a>(&self, request: &'a HttpRequest, form: &Values) -> Option<&'a str> {
        self.cookie.of(request).filter(|secret| is_own_form(request, form, secret))
    }
}
