//! Collection+JSON as MIG writes it (specs/mig/api.md §1.2): compact, fixed order, no newline.

use crate::{Problem, go};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use std::sync::atomic::{AtomicI64, Ordering};
use time::OffsetDateTime;

/// Is an answer under a MIG path.
#[derive(Debug, Clone, Default)]
pub struct Collection {
    href: String,
    items: Vec<Item>,
    error: Option<(String, String)>,
}

/// Is one item of a [`Collection`]: named values and links.
#[derive(Debug, Clone, Default)]
pub struct Item {
    href: String,
    data: Vec<(String, Result<String, String>)>,
    links: Vec<(String, String)>,
}

impl Item {
    /// Makes an item without values.
    pub fn new(href: impl Into<String>) -> Self {
        Self { href: href.into(), ..Self::default() }
    }

    /// Adds a value; its members stay in the order of their type.
    #[must_use]
    pub fn with<T: Serialize + ?Sized>(mut self, name: impl Into<String>, value: &T) -> Self {
        self.data.push((name.into(), go::encode(value).map_err(|error| error.to_string())));
        self
    }

    /// Adds a link.
    #[must_use]
    pub fn link(mut self, rel: impl Into<String>, href: impl Into<String>) -> Self {
        self.links.push((rel.into(), href.into()));
        self
    }

    /// Gives the bytes on the wire.
    pub fn encode(&self) -> Result<String, Problem> {
        let href = text(&self.href)?;
        let mut data = Vec::with_capacity(self.data.len());
        for (name, value) in &self.data {
            let value = value.as_ref().map_err(|error| {
                Problem::internal(anyhow::anyhow!("the value {name:?} cannot be written: {error}"))
            })?;
            data.push(format!("{{\"name\":{},\"value\":{value}}}", text(name)?));
        }
        let mut links = Vec::with_capacity(self.links.len());
        for (rel, href) in &self.links {
            links.push(format!("{{\"rel\":{},\"href\":{}}}", text(rel)?, text(href)?));
        }
        let (data, links) = (data.join(","), member("links", &links));
        Ok(format!("{{\"href\":{href},\"data\":[{data}]{links}}}"))
    }
}

impl Collection {
    /// Makes an empty answer to the request at `href`.
    pub fn new(href: impl Into<String>) -> Self {
        Self { href: href.into(), ..Self::default() }
    }

    /// Adds an item.
    #[must_use]
    pub fn item(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    /// Says what went wrong; the code is a fresh operation id, which is logged.
    #[must_use]
    pub fn error(mut self, message: impl Into<String>) -> Self {
        let code = operation_id();
        let message = message.into();
        tracing::debug!(operation.id = code, message, "answered with an error");
        self.error = Some((code.to_string(), message));
        self
    }

    /// Gives the bytes on the wire.
    pub fn encode(&self) -> Result<String, Problem> {
        let items = self.items.iter().map(Item::encode).collect::<Result<Vec<_>, _>>()?;
        let items = member("items", &items);
        let error = match &self.error {
            Some((code, message)) => {
                format!("\"code\":{},\"message\":{}", text(code)?, text(message)?)
            }
            None => String::new(),
        };
        Ok(format!("{}{items},\"template\":{{}},\"error\":{{{error}}}}}}}", head(&self.href)?))
    }

    /// Gives the bytes before the first item, for an answer whose items are written one after the other, with commas
    /// between them; [`Collection::END`] ends it.
    pub fn begin(href: &str) -> Result<String, Problem> {
        Ok(format!("{},\"items\":[", head(href)?))
    }

    /// Ends what [`Collection::begin`] began.
    pub const END: &str = "],\"template\":{},\"error\":{}}}";

    /// Begins an answer with MIG's headers.
    pub fn answer(status: StatusCode) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(status);
        answer.insert_header((header::CONTENT_TYPE, "application/json"));
        answer.insert_header((header::CACHE_CONTROL, "no-cache"));
        answer
    }

    /// Gives the answer with MIG's headers.
    pub fn respond(&self, status: StatusCode) -> Result<HttpResponse, Problem> {
        Ok(Self::answer(status).body(self.encode()?))
    }
}

/// Writes what every answer begins with.
fn head(href: &str) -> Result<String, Problem> {
    Ok(format!("{{\"collection\":{{\"version\":\"1.0\",\"href\":{}", text(href)?))
}

/// Writes a list as a further member, or nothing where it is empty.
fn member(name: &str, list: &[String]) -> String {
    if list.is_empty() { String::new() } else { format!(",\"{name}\":[{}]", list.join(",")) }
}

fn text(text: &str) -> Result<String, Problem> {
    go::encode(text).map_err(Problem::internal)
}

/// Gives the next operation id: MIG's series `(seconds since its epoch + 1) << 16`, then one more each time; below
/// 2^53.
#[expect(
    clippy::disallowed_methods,
    reason = "the number only has to be new; no rule depends on it"
)]
fn operation_id() -> i64 {
    const EPOCH: i64 = 1_367_258_400;
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let fresh = (OffsetDateTime::now_utc().unix_timestamp() - EPOCH + 1) << 16;
    let _ = NEXT.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_original() {
        #[derive(Serialize)]
        struct ByVersion {
            version: &'static str,
            count: i64,
        }
        let item = Item::new("http://h/api/v1/dashboard")
            .with("online agents", &1)
            .with("online agents by version", &[ByVersion { version: "a<b", count: 1 }])
            .with("idle agents by version", &None::<i64>)
            .link("action", "http://h/api/v1/action?actionid=1");
        let collection = Collection::new("http://h/api/v1/search?type=action&limit=1").item(item);
        assert_eq!(
            collection.encode().unwrap(),
            concat!(
                r#"{"collection":{"version":"1.0","href":"http://h/api/v1/search?type=action\u0026limit=1","#,
                r#""items":[{"href":"http://h/api/v1/dashboard","data":[{"name":"online agents","value":1},"#,
                r#"{"name":"online agents by version","value":[{"version":"a\u003cb","count":1}]},"#,
                r#"{"name":"idle agents by version","value":null}],"#,
                r#""links":[{"rel":"action","href":"http://h/api/v1/action?actionid=1"}]}],"#,
                r#""template":{},"error":{}}}"#
            )
        );
    }

    #[test]
    fn pieces_make_the_same_answer() {
        let item = Item::new("/a").with("b", &1);
        let whole = Collection::new("/h").item(item.clone()).item(item.clone()).encode().unwrap();
        let (begin, item) = (Collection::begin("/h").unwrap(), item.encode().unwrap());
        assert_eq!(format!("{begin}{item},{item}{}", Collection::END), whole);
    }

    #[test]
    fn an_error_has_a_number_and_no_items() {
        let text = Collection::new("/api/v1/action").error("no -> way").encode().unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let code: i64 = value["collection"]["error"]["code"].as_str().unwrap().parse().unwrap();
        assert!(code > 28_051_203_489_801 && code < 1 << 53, "{code}");
        assert!(text.ends_with(r#""message":"no -\u003e way"}}}"#), "{text}");
        assert!(!text.contains("items"));
    }
}
