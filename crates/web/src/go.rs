//! Writes JSON byte for byte as Go's encoder does (specs/mig/api.md §1.3), because the original's clients were written
//! against it and signed documents quote it.

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};
use std::io::{self, Write};

/// Encodes `value` in one line without a newline at its end.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Go))?;
    String::from_utf8(bytes).map_err(<serde_json::Error as serde::ser::Error>::custom)
}

struct Go;

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut chars = after.chars();
            let special = chars.next().map_or(0, u32::from);
            write!(writer, "\\u{special:04x}")?;
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Backspace => writer.write_all(b"\\u0008"),
            CharEscape::FormFeed => writer.write_all(b"\\u000c"),
            other => CompactFormatter.write_char_escape(writer, other),
        }
    }

    fn write_raw_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // what Go escapes stands in texts only
        self.write_string_fragment(writer, fragment)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if size != 0.0 && !(1e-6..1e21).contains(&size) {
            let text = format!("{value:e}");
            let text = if text.contains("e-") { text } else { text.replace('e', "e+") };
            return writer.write_all(text.as_bytes());
        }
        write!(writer, "{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn text_is_escaped_as_go_escapes_it() {
        for (text, want) in [
            ("a<b>&c", r#""a\u003cb\u003e\u0026c""#),
            ("\u{2028}\u{2029}∞é\u{7f}", "\"\\u2028\\u2029∞é\u{7f}\""),
            ("\n\r\t\u{8}\u{c}\u{1}\"\\/", r#""\n\r\t\u0008\u000c\u0001\"\\/""#),
            ("", "\"\""),
        ] {
            assert_eq!(encode(text).unwrap(), want);
        }
    }

    #[test]
    fn json_that_is_passed_on_is_escaped_too() {
        let text = r#"{"a":["<&>\n",1.50,"\u2028é"]}"#;
        let raw = serde_json::value::RawValue::from_string(text.into()).unwrap();
        assert_eq!(encode(&raw).unwrap(), r#"{"a":["\u003c\u0026\u003e\n",1.50,"\u2028é"]}"#);
    }

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (number, want) in [
            (5.0, "5"),
            (0.0, "0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
        ] {
            assert_eq!(encode(&number).unwrap(), want);
        }
        assert_eq!(encode(&28_051_203_489_801_i64).unwrap(), "28051203489801");
    }
}
