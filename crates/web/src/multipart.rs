//! A small reader of `multipart/form-data` for MIG's one upload: the whole body at once, within limits.
//!
//! Only what its clients send is read: parts with a name, perhaps a file name, content as it is. A body that is cut
//! off, has no boundary, too many parts or headers that are no text is refused.

use crate::{Problem, body};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

/// Says how many parts a body may have.
const MOST_PARTS: usize = 32;
/// Says how long the headers of a part may be.
const LONGEST_HEAD: usize = 4096;
/// Says how long a boundary may be (RFC 2046 §5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// Is a body of named parts, at most `LIMIT` bytes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multipart<const LIMIT: usize = { 1 << 20 }>(Vec<Part>);

/// Is one part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    is_file: bool,
    content: Vec<u8>,
}

impl<const LIMIT: usize> Multipart<LIMIT> {
    /// Gives the first text of this name; a part with a file name is no text.
    pub fn text(&self, name: &str) -> Option<String> {
        let part = self.0.iter().find(|part| part.name == name && !part.is_file)?;
        Some(String::from_utf8_lossy(&part.content).into_owned())
    }

    /// Gives the first file of this name.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        let part = self.0.iter().find(|part| part.name == name && part.is_file)?;
        Some(&part.content)
    }
}

impl<const LIMIT: usize> FromRequest for Multipart<LIMIT> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let kind = request.headers().get(header::CONTENT_TYPE);
            let boundary = boundary(kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default())?;
            let bytes = body::read(&request, payload, LIMIT).await?;
            parse(&bytes, &boundary).map(Self)
        })
    }
}

/// Finds the boundary in a content type.
fn boundary(kind: &str) -> Result<String, Problem> {
    let mut fields = kind.split(';').map(str::trim);
    if !fields.next().is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data")) {
        return Err(malformed("request Content-Type isn't multipart/form-data"));
    }
    let value = fields
        .filter_map(|field| field.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim().trim_matches('"'))
        .filter(|value| (1..=LONGEST_BOUNDARY).contains(&value.len()));
    value.map(Into::into).ok_or_else(|| malformed("no multipart boundary param in Content-Type"))
}

fn parse(body: &[u8], boundary: &str) -> Result<Vec<Part>, Problem> {
    let next = format!("\r\n--{boundary}").into_bytes();
    let delimiter = next.get(2..).unwrap_or_default();
    // the first delimiter may stand at the very start, all others after a line's end
    let mut rest = match body.strip_prefix(delimiter) {
        Some(rest) => rest,
        None => cut(body, &next).ok_or_else(ended_early)?.1,
    };
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let (blanks, after) = cut(rest, b"\r\n").ok_or_else(ended_early)?;
        if !blanks.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(malformed("a boundary has text after it"));
        }
        if parts.len() == MOST_PARTS {
            return Err(malformed(format!("at most {MOST_PARTS} parts are taken")));
        }
        let (part, after) = cut(after, &next).ok_or_else(ended_early)?;
        parts.extend(read_part(part)?);
        rest = after;
    }
}

/// Reads a part; one without a name counts as nothing.
fn read_part(part: &[u8]) -> Result<Option<Part>, Problem> {
    let (head, content) = match part.strip_prefix(b"\r\n") {
        Some(content) => (&[][..], content),
        None => {
            cut(part, b"\r\n\r\n").ok_or_else(|| malformed("a part has no end of its headers"))?
        }
    };
    if head.len() > LONGEST_HEAD {
        return Err(malformed(format!(
            "the headers of a part have more than {LONGEST_HEAD} bytes"
        )));
    }
    let head = std::str::from_utf8(head)
        .map_err(|error| malformed(format!("the headers of a part are not UTF-8: {error}")))?;
    let disposition = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .map_or("", |(_, value)| value);
    let Some(name) = parameter(disposition, "name") else { return Ok(None) };
    let is_file = parameter(disposition, "filename").is_some_and(|file| !file.is_empty());
    Ok(Some(Part { name, is_file, content: content.to_vec() }))
}

/// Finds `name` in `form-data; name="x"; filename="y"`; quoted texts may hold `;` and escaped quotes.
fn parameter(disposition: &str, name: &str) -> Option<String> {
    let mut fields = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for character in disposition.chars() {
        let field = fields.last_mut()?;
        match character {
            _ if escaped => {
                field.push(character);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => fields.push(String::new()),
            _ => field.push(character),
        }
    }
    fields.iter().filter_map(|field| field.split_once('=')).find_map(|(key, value)| {
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Parts `bytes` before and after the first `mark`.
fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}

fn ended_early() -> Problem {
    malformed("multipart: NextPart: EOF")
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::malformed("multipart-invalid", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Multipart, Problem> {
        parse(body.as_bytes(), "b").map(Multipart)
    }

    #[test]
    fn texts_and_files_are_told_apart() {
        let form = read(concat!(
            "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nA; \"B\"\r\n\r\n--\r\n",
            "--b\r\ncontent-disposition: form-data; filename=\"a;\\\"b.asc\"; name=publickey\r\nX: y\r\n\r\nkey\r\n\r\n",
            "--b  \r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n",
            "--b\r\n\r\nnameless\r\n",
            "--b--\r\nepilogue"
        ))
        .unwrap();
        assert_eq!(form.text("name").unwrap(), "A; \"B\"\r\n\r\n--");
        assert_eq!(form.file("publickey").unwrap(), b"key\r\n");
        assert_eq!(form.text("publickey"), None, "a file is no text");
        assert_eq!(form.file("name"), None, "a text is no file");
        assert_eq!(form.text("empty").unwrap(), "");
        assert_eq!(form.0.len(), 3);
    }

    #[test]
    fn a_body_that_is_cut_off_is_refused() {
        let whole =
            "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nvalue\r\n--b--";
        assert_eq!(read(whole).unwrap().text("n").unwrap(), "value");
        for end in 0..whole.len() {
            let cut = whole.get(..end).unwrap();
            assert_eq!(read(cut).unwrap_err().status(), 400, "{cut:?}");
        }
        for bad in ["", "--bb\r\n", "--b junk\r\n\r\n\r\n--b--", "--b\r\nname\r\n--b--"] {
            assert_eq!(read(bad).unwrap_err().status(), 400, "{bad:?}");
        }
        let many = "--b\r\n\r\n\r\n".repeat(MOST_PARTS + 1) + "--b--";
        assert!(read(&many).is_ok(), "parts without a name count as nothing");
        let named = "--b\r\nContent-Disposition: form-data; name=n\r\n\r\n\r\n";
        assert!(read(&(named.repeat(MOST_PARTS + 1) + "--b--")).is_err());
    }

    #[test]
    fn the_boundary_is_found_in_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=----x").unwrap(), "----x");
        assert_eq!(boundary("Multipart/Form-Data;charset=x; Boundary=\"a b\"").unwrap(), "a b");
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for bad in
            ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=", &long]
        {
            assert_eq!(boundary(bad).unwrap_err().status(), 400, "{bad}");
        }
    }
}
