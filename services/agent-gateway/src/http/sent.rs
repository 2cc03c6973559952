//! Results of RunbookSolutions agents: any size is taken, only so much is kept. An agent loses a result for good when
//! it is answered anything but 200.

use super::held::{self, Came, Room};
use crate::app::patience::Patience;
use crate::app::{App, room};
use crate::domain::exact;
use crate::domain::task::Outcome;
use crate::domain::tree::{DEEPEST, TREE_BYTES};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use types::{AgentId, go_json};
use web::Problem;

/// How long a body may take after it began.
const DRAIN: Duration = Duration::from_mins(5);
/// How much of the time that an agent is held is left when there is room for its result, and when it can be taken
/// apart: what is left is for the database.
const RESERVE_OF_ROOM: Duration = Duration::from_secs(20);
const RESERVE_OF_DESK: Duration = Duration::from_secs(10);
/// Is how long `{"data":}` is.
const AROUND: usize = 9;

/// Is a result, with the room that it takes until it is kept.
pub(super) struct Received {
    pub(super) outcome: Arc<Outcome>,
    _room: (Option<Room>, Option<OwnedSemaphorePermit>),
}

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
    /// Reads the result. One that is larger than what is kept is cut, and so is one for which there is no room in time,
    /// or that comes too slowly for it: these agents do not come again.
    pub(super) async fn receive(
        mut self,
        app: &App,
        agent: AgentId,
        patience: &mut Patience,
    ) -> Result<Received, Problem> {
        let limit = app.config.max_result;
        let told = held::told(&self.request);
        if told.is_some_and(|told| told > held::LIMIT) {
            return self.drain(0, patience).await;
        }
        let room = held::wait_for_room(app, agent, told);
        let Some(room) = app.in_time(*patience, RESERVE_OF_ROOM, room).await else {
            return self.drain(0, patience).await;
        };
        let room = room?;
        let came = timed(patience, held::read(&mut self.payload, told, DRAIN)).await?;
        let bytes = match came {
            Came::Whole(bytes) => bytes,
            Came::Large(so_far) | Came::Slowly(so_far) => {
                drop(room);
                return self.drain(so_far, patience).await;
            }
        };
        let size = compact_size(&bytes);
        let cut = || {
            let cut = is_result(&bytes).then(|| Received::cut(size.saturating_sub(AROUND)));
            cut.ok_or_else(|| Problem::malformed("body-not-json", "the body is not {\"data\": …}"))
        };
        if size > limit.saturating_add(AROUND) && is_result(&bytes) {
            return cut();
        }
        let tree = room::tree_of(&bytes).await;
        if tree.bytes > TREE_BYTES || tree.depth > DEEPEST {
            return cut();
        }
        let desk = held::wait_for_desk(app, tree.bytes);
        let Some(desk) = app.in_time(*patience, RESERVE_OF_DESK, desk).await else {
            return cut();
        };
        let desk = desk?;
        let reading = while_busy(async || {
            let bytes = bytes.clone();
            held::take_apart(bytes.len(), move || read(&bytes, limit)).await
        });
        let Some(outcome) = app.in_time(*patience, RESERVE_OF_DESK, reading).await else {
            return cut();
        };
        Ok(Received { outcome: outcome??.into(), _room: (Some(room), desk) })
    }

    /// Throws the rest of the body away, counting it.
    async fn drain(mut self, so_far: usize, patience: &mut Patience) -> Result<Received, Problem> {
        let draining = async {
            let mut count = so_far;
            while let Some(chunk) = self.payload.next().await {
                count += chunk.map_err(held::broken)?.len();
            }
            Ok::<_, Problem>(count)
        };
        let count = timed(patience, async {
            tokio::time::timeout(DRAIN, draining).await.map_err(|_late| late())?
        });
        count.await.map(Received::cut)
    }
}

impl Received {
    /// Is a result of so many bytes that is not kept, and takes no room.
    fn cut(bytes: usize) -> Self {
        Self { outcome: Outcome::cut(bytes).into(), _room: (None, None) }
    }
}

/// Waits for the body, which is the agent's time and not ours.
async fn timed<T>(
    patience: &mut Patience,
    reading: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let began = Instant::now();
    let read = reading.await;
    patience.pass_over(began.elapsed());
    read
}

/// Does `work` again as long as the processors are busy with what others sent.
async fn while_busy<T>(work: impl AsyncFn() -> Result<T, Problem>) -> Result<T, Problem> {
    loop {
        match work().await {
            Err(problem) if problem.status() == StatusCode::SERVICE_UNAVAILABLE => {}
            done => return done,
        }
    }
}

fn late() -> Problem {
    Problem::malformed("body-late", "the body came too slowly")
}

/// Reads `{"data": …}`, as leniently as Python writes it: half a surrogate must not lose a result, nor a digit of a
/// number, nor may a depth that Python knows and we do not; such a result is noted as cut.
fn read(body: &Bytes, limit: usize) -> Result<Outcome, Problem> {
    let text = go_json::mend(body);
    let quoted = exact::quote(&text);
    let exact = match &quoted {
        Cow::Borrowed(_) => None,
        Cow::Owned(_) => Some(data_of(&text)?),
    };
    let value = match serde_json::from_str(&quoted) {
        Ok(value) => value,
        Err(_) if is_result(body) => {
            return Ok(Outcome::cut(body.len().saturating_sub(AROUND)));
        }
        Err(error) => return Err(not_json(&error)),
    };
    let Value::Object(mut members) = value else {
        return Err(Problem::invalid(
            "body-invalid",
            "the body is not an object with a member data",
        ));
    };
    let Some(data) = members.remove("data") else {
        return Err(Problem::invalid("body-invalid", "the body has no member data"));
    };
    Ok(Outcome::of(data, exact, limit))
}

/// Gives the JSON of `data` as it came, without blanks; null when there is none.
fn data_of(text: &str) -> Result<String, Problem> {
    match serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) {
        Ok(members) => {
            Ok(members.get("data").map_or_else(|| "null".into(), |data| exact::compact(data.get())))
        }
        Err(error) if error.is_data() => Ok("null".into()),
        Err(error) => Err(not_json(&error)),
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::malformed("body-not-json", format!("the body is not JSON: {error}"))
}

/// Tells whether a body is JSON of the right form, without keeping any of it.
fn is_result(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Form {
        #[serde(rename = "data")]
        _data: serde::de::IgnoredAny,
    }
    serde_json::from_slice::<Form>(body).is_ok()
}

/// Measures JSON without its blanks and escapes, without keeping any of it; Python writes both.
fn compact_size(json: &[u8]) -> usize {
    let (mut size, mut is_text, mut at) = (0_usize, false, 0_usize);
    while let Some(byte) = json.get(at) {
        let (used, counts) = match (is_text, byte) {
            (false, b' ' | b'\n' | b'\r' | b'\t') => (1, 0),
            (true, b'\\') if json.get(at + 1) == Some(&b'u') => {
                let hex = json.get(at + 2..at + 6).and_then(|hex| std::str::from_utf8(hex).ok());
                let unit =
                    hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or_default();
                // half of a pair is half of four bytes
                let counts = match unit {
                    0..0x20 => 6,
                    0x20..0x80 => 1,
                    0x80..0x800 | 0xD800..=0xDFFF => 2,
                    _ => 3,
                };
                (6, counts)
            }
            (true, b'\\') => (2, 2),
            (_, b'"') => {
                is_text = !is_text;
                (1, 1)
            }
            _ => (1, 1),
        };
        at += used;
        size += counts;
    }
    size
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
            assert_eq!(outcome.exact, None);
            assert_eq!((outcome.data, outcome.cut), (data, false));
            assert_eq!(outcome.bytes, u64::try_from(bytes).unwrap());
        }
        let half = Bytes::from_static(b"{\"data\":\"\\ud800\"}");
        assert_eq!(read(&half, 1_000).unwrap().data, json!("\u{fffd}"));
    }

    #[test]
    fn what_is_no_result_is_refused_and_what_is_large_is_cut() {
        for body in [
            "",
            "{",
            "{}",
            "[]",
            "null",
            "{\"data\":NaN}",
            "{\"data\":1",
            "1e999",
            "[1e999]",
            "{\"other\":1e999}",
            "{\"data\":1.e999}",
            "{\"data\":099999999999999999999}",
            "{\"data\":1e999",
        ] {
            assert!(read(&body.into(), 1_000).is_err(), "{body}");
        }
        let outcome = read(&json!({"data": "x".repeat(999)}).to_string().into(), 1_000).unwrap();
        assert_eq!((outcome.data, outcome.bytes, outcome.cut), (Value::Null, 1_001, true));
    }

    #[test]
    fn what_only_python_can_read_is_noted() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let outcome = read(&format!("{{\"data\":{deep}}}").into(), 10_000).unwrap();
        let bytes = u64::try_from(deep.len()).unwrap();
        assert_eq!((outcome.data, outcome.bytes, outcome.cut), (Value::Null, bytes, true));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let power = "1180591620717411303424";
        let body = format!("{{\"data\": {{\"n\": [{power}, 1e400, 1, \"a b\"]}}, \"more\": 1}}");
        let outcome = read(&body.into(), 1_000).unwrap();
        assert_eq!(outcome.data, json!({"n": [power, "1e400", 1, "a b"]}));
        assert_eq!(outcome.json(), format!("{{\"n\":[{power},1e400,1,\"a b\"]}}"));
        assert_eq!(outcome.bytes, u64::try_from(outcome.json().len()).unwrap());
        let long = format!("{{\"data\":1{}}}", "0".repeat(400));
        assert_eq!(read(&long.clone().into(), 1_000).unwrap().json().len(), 401);
        assert!(read(&long.into(), 400).unwrap().cut);
    }

    #[tokio::test]
    async fn busy_processors_are_waited_for() {
        let tries = std::cell::Cell::new(0);
        let busy = || Problem::unavailable("busy", None);
        let taken = while_busy(async || {
            tries.set(tries.get() + 1);
            if tries.get() < 3 { Err(busy()) } else { Ok(tries.get()) }
        });
        assert_eq!(taken.await.unwrap(), 3);
        let refused = while_busy(async || Err::<(), _>(Problem::malformed("x", "x"))).await;
        assert_eq!(refused.unwrap_err().code(), "x");
    }

    #[test]
    fn json_is_measured_as_it_is_kept() {
        for (written, kept) in [
            (r#"{"data": [1, "a b\\\" c"]}"#, r#"{"data":[1,"a b\\\" c"]}"#),
            ("{\"data\": \"\\u00e9\\u20ac\\ud83d\\ude00\\u0041\"}", "{\"data\":\"é€😀A\"}"),
            ("{\"data\": \"\\u0001\\n\"}", "{\"data\":\"\\u0001\\n\"}"),
        ] {
            assert_eq!(compact_size(written.as_bytes()), kept.len(), "{written}");
            let value: Value = serde_json::from_str(written).unwrap();
            assert_eq!(value.to_string().len(), kept.len());
        }
    }
}
