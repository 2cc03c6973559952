//! Writes JSON as the original's encoder does, because the text is signed: one byte off is another document.
//!
//! Every number has gone through a float64, members are sorted by their bytes, `<`, `>`, `&`, U+2028 and U+2029 are
//! escaped, and so are control characters, all in the long form but `\n`, `\r`, `\t`. Go 1.22 and later writes `\b`
//! and `\f` too; MIG's binaries are older (specs/mig/data-model.md §3.1).

use serde_json::{Map, Number, Value};
use std::fmt::Write as _;

/// Appends `value` to `out`.
pub(crate) fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => write_list(out, '[', ']', items, write),
        Value::Object(members) => write_object(out, members),
    }
}

/// Appends `text` with its quotes.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Appends `items` between `open` and `close`, each written by `each`.
pub(crate) fn write_list<T>(
    out: &mut String,
    open: char,
    close: char,
    items: impl IntoIterator<Item = T>,
    each: impl Fn(&mut String, T),
) {
    out.push(open);
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(close);
}

fn write_object(out: &mut String, members: &Map<String, Value>) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    write_list(out, '{', '}', sorted, |out, (name, value)| {
        write_string(out, name);
        out.push(':');
        write(out, value);
    });
}

fn write_number(out: &mut String, number: &Number) {
    match number.as_f64() {
        Some(float) => write_float(out, float),
        None => out.push_str(&number.to_string()),
    }
}

/// Appends the shortest digits that read back as `float`; an exponent only below 1e-6 and from 1e21 on.
fn write_float(out: &mut String, float: f64) {
    let size = float.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        let _ = write!(out, "{float}");
        return;
    }
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => {
            let _ = write!(out, "{digits}e+{exponent}");
        }
        _ => out.push_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = String::new();
        write(&mut out, &types::go_json::parse(text.as_bytes()).unwrap());
        out
    }

    #[test]
    fn numbers_go_through_a_float64() {
        for (read, want) in [
            ("12345678901234567890", "12345678901234567000"),
            ("9007199254740993", "9007199254740992"),
            ("18446744073709551615", "18446744073709552000"),
            ("18446744073709551616", "18446744073709552000"),
            ("-9223372036854775808", "-9223372036854776000"),
            ("100000000000000000000", "100000000000000000000"),
            ("999999999999999999999", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("-1E+21", "-1e+21"),
            ("123456789e15", "1.23456789e+23"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("0.1", "0.1"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("0.00000012345", "1.2345e-7"),
            ("1.25e-8", "1.25e-8"),
            ("9.999999e-7", "9.999999e-7"),
            ("1e-10", "1e-10"),
            ("5e-324", "5e-324"),
            ("1e-400", "0"),
            ("-0", "-0"),
            ("-0.0", "-0"),
            ("0", "0"),
            ("201503121200", "201503121200"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("3.6173820933249795e-303", "3.6173820933249795e-303"),
            ("2.2250738585072011e-308", "2.225073858507201e-308"),
        ] {
            assert_eq!(written(read), want, "{read}");
        }
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        let text = r#""<b>&amp;'\"/\\ \u0000\u0001\b\f\n\r\t\u001f\u007fé\u2028\u2029😀\ud800x\/""#;
        assert_eq!(
            written(text),
            "\"\\u003cb\\u003e\\u0026amp;'\\\"/\\\\ \\u0000\\u0001\\u0008\\u000c\\n\\r\\t\\u001f\u{7f}é\
             \\u2028\\u2029😀\u{fffd}x/\""
        );
    }

    #[test]
    fn members_are_sorted_by_bytes_and_the_last_duplicate_wins() {
        let text = r#"{"b":1,"a":2,"Z":3,"\ufb00":7,"😀":8,"é":6,"aa":5,"_":4,"b":{"y":[],"x":{}},"<":null}"#;
        assert_eq!(
            written(text),
            "{\"\\u003c\":null,\"Z\":3,\"_\":4,\"a\":2,\"aa\":5,\"b\":{\"x\":{},\"y\":[]},\"é\":6,\
             \"\u{fb00}\":7,\"😀\":8}"
        );
    }

    proptest! {
        #[test]
        fn a_written_number_reads_back_as_itself(float: f64) {
            prop_assume!(float.is_finite());
            let mut out = String::new();
            write_float(&mut out, float);
            prop_assert_eq!(out.parse::<f64>().unwrap().to_bits(), float.to_bits());
            let value = types::go_json::parse(out.as_bytes()).unwrap();
            prop_assert_eq!(value.as_f64().unwrap().to_bits(), float.to_bits());
        }

        #[test]
        fn a_written_string_reads_back_as_itself(text: String) {
            let mut out = String::new();
            write_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
