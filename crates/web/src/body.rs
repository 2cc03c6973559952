//! Bodies: read with a limit and a deadline, JSON with a pointer at what is wrong.

use crate::Problem;
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::ops::Deref;
use std::time::Duration;

/// Says how long a caller may take to send a body, beside what a large one takes.
const DEADLINE: Duration = Duration::from_mins(1);
/// Says how many bytes a second are expected of a line.
const SLOWEST: u64 = 256 << 10;

/// Is a body as it came, at most `LIMIT` bytes of it.
#[derive(Debug, Clone)]
pub struct Body<const LIMIT: usize = { 1 << 20 }>(pub Bytes);

impl<const LIMIT: usize> FromRequest for Body<LIMIT> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move { read(&request, payload, LIMIT).await.map(Self) })
    }
}

/// Is a JSON body of at most `LIMIT` bytes and 128 levels, read into `T`.
#[derive(Debug, Clone)]
pub struct Json<T, const LIMIT: usize = { 1 << 20 }>(pub T);

impl<T, const LIMIT: usize> Json<T, LIMIT> {
    /// Gives the value away.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T, const LIMIT: usize> Deref for Json<T, LIMIT> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static, const LIMIT: usize> FromRequest for Json<T, LIMIT> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            if !may_be_json(&request) {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "not-json",
                    "The body's type is not supported",
                    "send the body as application/json",
                ));
            }
            parse(&read(&request, payload, LIMIT).await?).map(Self)
        })
    }
}

fn may_be_json(request: &HttpRequest) -> bool {
    let Some(kind) = request.headers().get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.is_empty() || kind == "application/json" || kind.ends_with("+json")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        explain(&pointer, error.inner())
    })?;
    json.end().map_err(|error| explain("", &error))?;
    Ok(value)
}

fn explain(pointer: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    match error.classify() {
        Category::Data => {
            let what = text.split(" at line ").next().unwrap_or(&text);
            let place = if pointer.is_empty() { "the body" } else { pointer };
            Problem::invalid("body-invalid", format!("{place}: {what}")).fault(pointer, what)
        }
        _ => Problem::malformed("body-not-json", format!("the body is not JSON: {text}")),
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&part);
    }
    pointer
}

/// Reads a whole body, at most `limit` bytes of it, within a deadline.
pub(crate) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    limit: usize,
) -> Result<Bytes, Problem> {
    let told = request.headers().get(header::CONTENT_LENGTH);
    let told = told.and_then(|value| value.to_str().ok()?.parse::<usize>().ok()).unwrap_or(0);
    if told > limit {
        return Err(too_large(limit));
    }
    let reading = async {
        let mut bytes = BytesMut::with_capacity(told.min(64 << 10));
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| {
                Problem::malformed("body-broken", format!("the body cannot be read: {error}"))
            })?;
            if bytes.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    };
    let most = if told == 0 { limit } else { told };
    let patience = DEADLINE + Duration::from_secs(u64::try_from(most).unwrap_or(0) / SLOWEST);
    tokio::time::timeout(patience, reading).await.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-late",
            "The body came too slowly",
            format!("the whole body must come within {} seconds", patience.as_secs()),
        ))
    })
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The body is too large",
        format!("at most {limit} bytes are taken here"),
    )
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only its parsing matters")]
        items: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "only its parsing matters")]
        count: u8,
    }

    #[test]
    fn a_fault_is_pointed_at() {
        let problem = parse::<Order>(br#"{"items":[{"count":1},{"count":"x"}]}"#).unwrap_err();
        assert_eq!(problem.status(), 422);
        assert_eq!(problem.parts().faults[0].pointer, "/items/1/count");
        let problem = parse::<Order>(br#"{"items":[],"extra":1}"#).unwrap_err();
        assert!(problem.to_string().contains("unknown field `extra`"), "{problem}");
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = "[".repeat(200);
        for text in ["", "{", "nul", deep.as_str(), r#"{"items":[]} trailing"#] {
            let problem = parse::<Order>(text.as_bytes()).unwrap_err();
            assert!(matches!(problem.status().as_u16(), 400 | 422), "{problem}");
        }
        assert_eq!(parse::<serde_json::Value>(deep.as_bytes()).unwrap_err().status(), 400);
    }
}
