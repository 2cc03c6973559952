//! Results of RunbookSolutions agents: any size is taken, only so much is kept. An agent loses a result for good when it
//! is answered anything but 200.

use super::held;
use crate::domain::task::Outcome;
use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use serde_json::Value;
use std::future::{Ready, ready};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use types::go_json;
use web::Problem;

/// How long the rest of a body that is too large may take; it is read and thrown away.
const DRAIN: Duration = Duration::from_mins(5);
/// Larger bodies are read beside the event loops.
const QUICK_BYTES: usize = 64 << 10;

/// Is a result that was not read yet.
pub(super) struct Sent {
    request: HttpRequest,
    payload: Payload,
}

impl FromRequest for Sent {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self { request: request.clone(), payload: payload.take() }))
    }
}

impl Sent {
    /// Reads the result; one larger than `limit` is cut. The room that it takes is to be held until nothing of it is
    /// needed any more.
    pub(super) async fn receive(
        mut self,
        limit: usize,
    ) -> Result<(Outcome, Option<OwnedSemaphorePermit>), Problem> {
        if held::told(&self.request).is_some_and(|told| told > held::LIMIT) {
            return Ok((self.drain(0).await?, None));
        }
        let room = held::wait_for_room(&self.request).await?;
        let mut bytes = Vec::new();
        let reading = async {
            while let Some(chunk) = self.payload.next().await {
                let chunk = chunk.map_err(broken)?;
                if bytes.len() + chunk.len() > held::LIMIT {
                    return Ok(Some(bytes.len() + chunk.len()));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok::<_, Problem>(None)
        };
        let overflow = tokio::time::timeout(DRAIN, reading).await.map_err(|_late| late())?;
        if let Some(so_far) = overflow? {
            drop(bytes);
            drop(room);
            return Ok((self.drain(so_far).await?, None));
        }
        let bytes = Bytes::from(bytes);
        let outcome = if bytes.len() > QUICK_BYTES {
            web::cpu(move || read(&bytes, limit)).await??
        } else {
            read(&bytes, limit)?
        };
        Ok((outcome, Some(room)))
    }

    /// Throws the rest of the body away, counting it.
    async fn drain(&mut self, so_far: usize) -> Result<Outcome, Problem> {
        let draining = async {
            let mut count = so_far;
            while let Some(chunk) = self.payload.next().await {
                count += chunk.map_err(broken)?.len();
            }
            Ok::<_, Problem>(count)
        };
        let count = tokio::time::timeout(DRAIN, draining).await.map_err(|_late| late())??;
        Ok(Outcome { data: Value::Null, bytes: count.try_into().unwrap_or(u64::MAX), cut: true })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "called by map_err")]
fn broken(error: actix_web::error::PayloadError) -> Problem {
    Problem::malformed("body-broken", format!("the body cannot be read: {error}"))
}

fn late() -> Problem {
    Problem::malformed("body-late", "the body came too slowly")
}

/// Reads `{"data": …}`, as leniently as Python writes it: half a surrogate must not lose a result.
fn read(body: &Bytes, limit: usize) -> Result<Outcome, Problem> {
    let value = go_json::parse(body).map_err(|error| {
        Problem::malformed("body-not-json", format!("the body is not JSON: {error}"))
    })?;
    let Value::Object(mut members) = value else {
        return Err(Problem::invalid(
            "body-invalid",
            "the body is not an object with a member data",
        ));
    };
    let Some(data) = members.remove("data") else {
        return Err(Problem::invalid("body-invalid", "the body has no member data"));
    };
    Ok(Outcome::of(data, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_json_is_a_result() {
        for data in [json!(null), json!(0), json!("x"), json!([]), json!({"a": [1.5]})] {
            let body = json!({"data": data, "more": 1}).to_string();
            let outcome = read(&body.into(), 1_000).unwrap();
            let bytes = data.to_string().len();
            assert_eq!((outcome.data, outcome.cut), (data, false));
            assert_eq!(outcome.bytes, u64::try_from(bytes).unwrap());
        }
        let half = Bytes::from_static(b"{\"data\":\"\\ud800\"}");
        assert_eq!(read(&half, 1_000).unwrap().data, json!("\u{fffd}"));
    }

    #[test]
    fn what_is_no_result_is_refused_and_what_is_large_is_cut() {
        for body in ["", "{", "{}", "[]", "null", "{\"data\":NaN}"] {
            assert!(read(&body.into(), 1_000).is_err(), "{body}");
        }
        let outcome = read(&json!({"data": "x".repeat(999)}).to_string().into(), 1_000).unwrap();
        assert_eq!((outcome.data, outcome.bytes, outcome.cut), (Value::Null, 1_001, true));
    }
}
