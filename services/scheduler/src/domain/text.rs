//! Variables in texts: `__name__:value` is replaced once, each kind of text in its own safe way.
//!
//! SOARCA pastes values as they are (specs/soarca/cacao.md §4), so a quote breaks a JSON body and a line break a
//! header. Here a value never leaves the place it was put: it cannot end a JSON string, a path segment, a header or a
//! shell word.

use super::variable::{Variable, Variables, is_literal};
use std::fmt::Write;
use types::cacao::VariableType;

const SUFFIX: &str = ":value";

/// Says how many bytes a line or a path may have with its values.
const LINE: usize = 64 << 10;
/// Says how many bytes any other text that goes out may have with its values: as many as a playbook.
const MOST: usize = 4 << 20;
/// Says how many bytes a text may have with its values to be compared.
pub(crate) const COMPARED: usize = 1 << 20;

/// Is a text that grows up to a limit: a playbook may name a large value many times.
struct Filled {
    text: String,
    most: usize,
}

impl Filled {
    fn new(most: usize) -> Self {
        Self { text: String::new(), most }
    }

    fn push(&mut self, part: &str) -> Result<(), String> {
        if part.len() > self.most.saturating_sub(self.text.len()) {
            return Err(format!("the text has more than {} bytes with its values", self.most));
        }
        self.text.push_str(part);
        Ok(())
    }
}

/// Is a part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Value(&'a str, &'a Variable),
}

/// Cuts `text` at the variables that are in `scope`; unknown names stay as they are.
fn pieces<'a>(text: &'a str, scope: &'a Variables) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|tail| tail.find(SUFFIX)).map(|at| at + from) {
        let (head, tail) = rest.split_at(at);
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let start = head.rfind(|c| !word(c)).map_or(0, |before| {
            before + head.get(before..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8)
        });
        let run = head.get(start..).unwrap_or_default();
        let found = run.char_indices().find_map(|(offset, _)| {
            let name = run.get(offset..)?;
            scope.get_key_value(name).map(|(name, variable)| (offset, name, variable))
        });
        let Some((offset, name, variable)) = found else {
            from = at + SUFFIX.len();
            continue;
        };
        pieces.push(Piece::Text(head.get(..start + offset).unwrap_or_default()));
        pieces.push(Piece::Value(name, variable));
        rest = tail.get(SUFFIX.len()..).unwrap_or_default();
        from = 0;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Gives the first variable of `scope` that `text` names.
pub(crate) fn first<'a>(text: &'a str, scope: &'a Variables) -> Option<&'a Variable> {
    pieces(text, scope).into_iter().find_map(|piece| match piece {
        Piece::Value(_, variable) => Some(variable),
        Piece::Text(_) => None,
    })
}

/// Fills in values as they are, up to `most` bytes: for texts that only people read, and for values that are compared.
pub(crate) fn plain(text: &str, scope: &Variables, most: usize) -> Result<String, String> {
    let mut filled = Filled::new(most);
    for piece in pieces(text, scope) {
        match piece {
            Piece::Text(text) => filled.push(text)?,
            Piece::Value(_, variable) => filled.push(variable.value())?,
        }
    }
    Ok(filled.text)
}

/// Fills values as they are into the body of a request.
pub(crate) fn body(text: &str, scope: &Variables) -> Result<String, String> {
    plain(text, scope, MOST)
}

/// Fills values into a line, such as a header or a name: no control character may come in.
pub(crate) fn line(text: &str, scope: &Variables) -> Result<String, String> {
    for piece in pieces(text, scope) {
        if let Piece::Value(name, variable) = piece
            && variable.value().chars().any(char::is_control)
        {
            return Err(format!(
                "the value of {name} has a line break or another control character"
            ));
        }
    }
    plain(text, scope, LINE)
}

/// Fills values into the path and query of a URL: they are percent-encoded, unless one variable is all of it.
pub(crate) fn path(text: &str, scope: &Variables) -> Result<String, String> {
    let pieces = pieces(text, scope);
    let whole = matches!(pieces.as_slice(), [Piece::Text(""), Piece::Value(..), Piece::Text("")]);
    let mut filled = Filled::new(LINE);
    for piece in pieces {
        match piece {
            Piece::Text(text) => filled.push(text)?,
            Piece::Value(name, variable) if whole => {
                let value = variable.value();
                if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
                    return Err(format!(
                        "the value of {name} is no path: it has a space or a line break"
                    ));
                }
                filled.push(value)?;
            }
            Piece::Value(name, variable) => {
                if matches!(variable.value(), "." | "..") {
                    return Err(format!(
                        "the value of {name} would lead out of its place in the path"
                    ));
                }
                filled.push(&encode(variable.value()))?;
            }
        }
    }
    Ok(filled.text)
}

/// Percent-encodes everything but letters, digits and `-._~`.
fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Fills values into a form body: percent-encoded.
pub(crate) fn form(text: &str, scope: &Variables) -> Result<String, String> {
    let mut filled = Filled::new(MOST);
    for piece in pieces(text, scope) {
        match piece {
            Piece::Text(text) => filled.push(text)?,
            Piece::Value(_, variable) => filled.push(&encode(variable.value()))?,
        }
    }
    Ok(filled.text)
}

/// Fills values into a JSON text: inside of a string they are escaped; outside, numbers, bools and dictionaries stand
/// as they are, and everything else becomes a string.
pub(crate) fn json(text: &str, scope: &Variables) -> Result<String, String> {
    let mut filled = Filled::new(MOST);
    let (mut quoted, mut escaped) = (false, false);
    for piece in pieces(text, scope) {
        match piece {
            Piece::Text(text) => {
                for c in text.chars() {
                    match c {
                        _ if escaped => escaped = false,
                        '\\' if quoted => escaped = true,
                        '"' => quoted = !quoted,
                        _ => {}
                    }
                }
                filled.push(text)?;
            }
            Piece::Value(_, variable) => filled.push(&json_value(variable, quoted))?,
        }
    }
    Ok(filled.text)
}

fn json_value(variable: &Variable, quoted: bool) -> String {
    let value = variable.value();
    let string = serde_json::Value::from(value).to_string();
    if quoted {
        return string.get(1..string.len() - 1).unwrap_or_default().to_owned();
    }
    if variable.value.is_none() {
        return "null".into();
    }
    let literal = serde_json::from_str::<serde_json::Value>(value);
    let stands = match literal {
        Ok(serde_json::Value::Object(_)) => variable.kind == VariableType::Dictionary,
        Ok(serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => is_literal(variable.kind),
        _ => false,
    };
    if stands { value.to_owned() } else { string }
}

/// Fills values into a command for a shell. There is no quoting that is right in every place of a script, so a value
/// holds only characters that mean nothing to a shell, and does not begin like an option.
pub(crate) fn shell(text: &str, scope: &Variables) -> Result<String, String> {
    for piece in pieces(text, scope) {
        let Piece::Value(name, variable) = piece else { continue };
        let value = variable.value();
        let harmless = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(c, '_' | '@' | '%' | '+' | '=' | ':' | ',' | '.' | '/' | '-')
        };
        if let Some(c) = value.chars().find(|c| !harmless(*c)) {
            return Err(format!(
                "the value of {name} has {c:?}; only letters, digits and _@%+=:,./- are put into a command"
            ));
        }
        if value.starts_with('-') && !is_literal(variable.kind) {
            return Err(format!("the value of {name} begins with '-', as an option does"));
        }
    }
    plain(text, scope, MOST)
}

/// Fills values into a target (the language of `crates/target`): inside of its quotes only, where a quote is doubled;
/// outside of them, numbers.
pub(crate) fn target(text: &str, scope: &Variables) -> Result<String, String> {
    let mut filled = Filled::new(MOST);
    let mut quoted = false;
    for piece in pieces(text, scope) {
        match piece {
            Piece::Text(text) => {
                if text.matches('\'').count() % 2 == 1 {
                    quoted = !quoted;
                }
                filled.push(text)?;
            }
            Piece::Value(_, variable) if quoted => {
                filled.push(&variable.value().replace('\'', "''"))?;
            }
            Piece::Value(name, variable) => {
                let value = variable.value();
                if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
                    return Err(format!("{name} stands outside of quotes and is not a number"));
                }
                filled.push(value)?;
            }
        }
    }
    Ok(filled.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(values: &[(&str, &str)]) -> Variables {
        values.iter().map(|(name, value)| ((*name).to_owned(), Variable::text(*value))).collect()
    }

    #[test]
    fn known_names_are_replaced_once_and_unknown_stay() {
        let scope = scope(&[("__a__", "__b__:value"), ("__b__", "B"), ("__é__", "x")]);
        for (text, want) in [
            ("__a__:value", "__b__:value"),
            ("é__b__:value-__b__:value", "éB-B"),
            ("x__b__:values", "xBs"),
            ("__c__:value __b__ :value", "__c__:value __b__ :value"),
            (":value", ":value"),
            ("", ""),
        ] {
            assert_eq!(plain(text, &scope, MOST).unwrap(), want);
        }
    }

    #[test]
    fn a_value_cannot_leave_its_place() {
        let evil = scope(&[
            ("__v__", "a\"b'c\r\n; rm -rf / #"),
            ("__dots__", ".."),
            ("__opt__", "-oProxyCommand=x"),
        ]);
        for text in [r#"{"k":"__v__:value"}"#, r#"{"k":__v__:value}"#] {
            assert_eq!(json(text, &evil).unwrap(), r#"{"k":"a\"b'c\r\n; rm -rf / #"}"#);
        }
        assert!(line("X __v__:value", &evil).is_err());
        assert_eq!(
            path("/a/__v__:value?q", &evil).unwrap(),
            "/a/a%22b%27c%0D%0A%3B%20rm%20-rf%20%2F%20%23?q"
        );
        assert!(path("/a/__dots__:value", &evil).is_err());
        assert!(path("__v__:value", &evil).is_err());
        assert_eq!(
            form("a=__dots__:value&b=__opt__:value", &evil).unwrap(),
            "a=..&b=-oProxyCommand%3Dx"
        );
        assert!(shell("echo '__v__:value'", &evil).is_err());
        assert!(shell("ssh __opt__:value", &evil).is_err());
        assert_eq!(
            target("name='__v__:value'", &scope(&[("__v__", "x' OR 'a'='a")])).unwrap(),
            "name='x'' OR ''a''=''a'"
        );
        assert!(target("name=__v__:value", &evil).is_err());
    }

    #[test]
    fn typed_values_stand_bare_in_json() {
        let typed = |kind, value: &str| Variable { kind, ..Variable::text(value) };
        let scope: Variables = [
            ("__n__".to_owned(), typed(VariableType::Integer, "5")),
            ("__b__".to_owned(), typed(VariableType::Bool, "true")),
            ("__d__".to_owned(), typed(VariableType::Dictionary, "{\"a\":[1]}")),
            ("__t__".to_owned(), typed(VariableType::Bool, "T")),
            ("__u__".to_owned(), Variable::default()),
        ]
        .into();
        let text = r#"[__n__:value,__b__:value,__d__:value,__t__:value,__u__:value,"__n__:value \" __b__:value"]"#;
        assert_eq!(json(text, &scope).unwrap(), r#"[5,true,{"a":[1]},"T",null,"5 \" true"]"#);
    }

    #[test]
    fn no_text_outgrows_its_place() {
        let large = scope(&[("__v__", &"7".repeat(100_000))]);
        let many = "__v__:value".repeat(1_000);
        let quoted = format!("name='{many}'");
        for filled in [
            plain(&many, &large, COMPARED),
            body(&many, &large),
            line(&many, &large),
            path(&many, &large),
            form(&many, &large),
            json(&many, &large),
            shell(&many, &large),
            target(&many, &large),
            target(&quoted, &large),
        ] {
            assert!(filled.unwrap_err().contains("bytes with its values"));
        }
        assert_eq!(plain("__v__:value", &large, 100_000).unwrap().len(), 100_000);
    }

    proptest! {
        #[test]
        fn json_stays_json(value in ".{0,30}") {
            let scope = scope(&[("__v__", &value)]);
            let filled = json(r#"{"a":"x__v__:value\\","b":__v__:value}"#, &scope).unwrap();
            let read: serde_json::Value = serde_json::from_str(&filled).unwrap();
            prop_assert_eq!(read["a"].as_str().unwrap(), format!("x{value}\\"));
            prop_assert_eq!(read["b"].as_str().unwrap(), &value);
        }

        #[test]
        fn any_text_is_cut_without_loss(text in "[_a:value é-]{0,40}") {
            prop_assert_eq!(plain(&text, &Variables::new(), MOST).unwrap(), text);
        }
    }
}
