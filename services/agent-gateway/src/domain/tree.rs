//! How much memory JSON takes when it is taken apart: three bytes may become hundreds.

/// Is how much of it one body may take; what is above that is cut.
pub(crate) const TREE_BYTES: usize = 256 << 20;
/// Is how deep a result may be: others read it inside of a message, and JSON has 128 levels here.
pub(crate) const DEEPEST: usize = 110;

/// Is an entry of an array, which grows by doubling, or the better part of one of an object.
const ITEM: usize = 64;
/// Is what an entry of an object takes beside.
const NAME: usize = 48;
/// Is an array that is not empty: room for four at first.
const ARRAY: usize = 144;
/// Is an object that is not empty: room for eleven at first.
const OBJECT: usize = 656;
/// Is a text, without its letters.
const TEXT: usize = 32;

/// Is what becomes of JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// How many bytes of memory it takes at most.
    pub bytes: usize,
    /// How many levels it has.
    pub depth: usize,
}

impl Tree {
    /// Measures `json` without keeping any of it; what is no JSON is measured as well.
    pub(crate) fn of(json: &[u8]) -> Self {
        // the texts, and a copy of all in which they are mended
        let mut tree = Self { bytes: json.len().saturating_mul(2), depth: 0 };
        let (mut depth, mut opened) = (0_usize, 0);
        let mut bytes = json.iter();
        while let Some(byte) = bytes.next() {
            let more = match byte {
                b'"' => {
                    pass_text(&mut bytes);
                    opened + TEXT
                }
                b'[' | b'{' => {
                    depth += 1;
                    tree.depth = tree.depth.max(depth);
                    let before = opened;
                    opened = if *byte == b'[' { ARRAY } else { OBJECT };
                    tree.bytes = tree.bytes.saturating_add(before);
                    continue;
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    0
                }
                b',' => ITEM,
                b':' => NAME,
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                _ => opened,
            };
            opened = 0;
            tree.bytes = tree.bytes.saturating_add(more);
        }
        tree
    }
}

/// Goes behind the text whose first quote was read.
fn pass_text<'a>(bytes: &mut impl Iterator<Item = &'a u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Counts what a tree takes at least: what its entries are, without any that is kept free.
    fn least(value: &Value) -> usize {
        size_of::<Value>()
            + match value {
                Value::String(text) => text.len(),
                Value::Array(items) => items.iter().map(least).sum(),
                Value::Object(members) => members
                    .iter()
                    .map(|(name, value)| size_of::<String>() + name.len() + least(value))
                    .sum(),
                Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            }
    }

    #[test]
    fn hostile_documents_are_told_from_honest_ones() {
        let spread = |text: &str| Tree::of(text.as_bytes()).bytes / text.len();
        let many = |one: &str| format!("[{}0]", one.repeat(10_000));
        for (one, least, most) in [
            ("[],", 20, 30),
            ("{},", 20, 30),
            ("0,", 30, 40),
            ("[0],", 50, 60),
            ("{\"\":0},", 110, 130),
            ("{\"\":{\"\":0}},", 120, 140),
            ("\"a long text, as there are many in what modules find\",", 3, 4),
        ] {
            let spread = spread(&many(one));
            assert!((least..=most).contains(&spread), "{one} {spread}");
        }
        let found = json!({"file": "/usr/lib/systemd/system/ssh.service", "search": {"names": ["ssh"], "contents": ["Exec"]},
            "fileinfo": {"lastmodified": "2026-11-21 18:36:45 +0000 UTC", "mode": "-rw-r--r--", "size": 538.0, "sha2": ""}});
        let spread = spread(&many(&format!("{found},")));
        assert!(spread < 24, "{spread}");
    }

    #[test]
    fn brackets_in_texts_do_not_count() {
        assert_eq!(Tree::of(br#""[[{\"{[,,,""#), Tree { bytes: 24 + TEXT, depth: 0 });
        assert_eq!(Tree::of(b"[[],{}, [ ]]").depth, 2);
        assert_eq!(Tree::of(&[b'['; 300]).depth, 300);
        assert_eq!(Tree::of(b""), Tree::default());
    }

    proptest! {
        #[test]
        fn a_tree_is_never_taken_for_smaller(seed in proptest::collection::vec(any::<u8>(), 1..400)) {
            // builds some value out of bytes
            let mut stack = vec![json!([])];
            for byte in seed {
                let new = match byte % 6 {
                    0 => json!([]),
                    1 => json!({}),
                    2 => json!("x".repeat(usize::from(byte))),
                    3 => json!(byte),
                    4 if stack.len() < 90 => { stack.push(json!([])); continue }
                    _ if stack.len() > 1 => stack.pop().unwrap(),
                    _ => {
                        let top = stack.last_mut().unwrap();
                        *top = json!({"a": top.take(), "b": byte});
                        continue
                    }
                };
                match stack.last_mut().unwrap() {
                    Value::Array(items) => items.push(new),
                    Value::Object(members) => { members.insert(format!("m{}", members.len()), new); }
                    _ => {}
                }
            }
            let value = json!(stack);
            let tree = Tree::of(value.to_string().as_bytes());
            prop_assert!(tree.bytes + size_of::<Value>() >= least(&value), "{} {}", tree.bytes, least(&value));
        }

        #[test]
        fn any_bytes_are_measured(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Tree::of(&bytes).bytes >= bytes.len());
        }
    }
}
