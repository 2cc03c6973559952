//! Short texts that people and machines give: bounded, and without the one character PostgreSQL cannot keep.

use std::ops::RangeInclusive;
use types::api::problem::Fault;

/// Notes a fault at `pointer` unless `text` is within `bytes` and holds no NUL.
pub(crate) fn check(
    faults: &mut Vec<Fault>,
    pointer: &str,
    text: &str,
    bytes: RangeInclusive<usize>,
) {
    if !bytes.contains(&text.len()) {
        let (least, most) = (bytes.start(), bytes.end());
        let detail = format!("is {} bytes long; {least} to {most} are allowed", text.len());
        faults.push(Fault { pointer: pointer.into(), detail });
    } else if text.contains('\0') {
        let detail = "holds a NUL character, which cannot be stored".into();
        faults.push(Fault { pointer: pointer.into(), detail });
    }
}

/// Cuts what is told of a fault, which may quote all that somebody sent.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Writes `name` as one step of a JSON pointer.
pub(crate) fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_bytes_and_nul_is_refused() {
        for (text, good) in [("", false), ("é", true), ("éé", true), ("ééé", false), ("a\0", false)]
        {
            let mut faults = Vec::new();
            check(&mut faults, "/name", text, 1..=4);
            assert_eq!(faults.is_empty(), good, "{text:?}: {faults:?}");
        }
        assert_eq!(step("a/b~c"), "a~1b~0c");
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!(short(&"é".repeat(200)), "é".repeat(200));
        assert_eq!(short(&"é".repeat(201)), format!("{}…", "é".repeat(200)));
    }
}
