//! The encoding that a source says it has (PEP 263). Agents write every source as UTF-8 and have Python read it as what
//! it says.

/// How Python's UTF-8 is called, also with something behind it as editors write it.
const UTF8: [&str; 4] = ["utf-8", "utf8", "utf", "u8"];
/// Which other encodings hold ASCII as it is.
const LIKE_ASCII: [&str; 10] = [
    "ascii",
    "us-ascii",
    "latin-1",
    "latin1",
    "iso-8859-1",
    "iso8859-1",
    "iso-latin-1",
    "iso-8859-15",
    "cp1252",
    "windows-1252",
];

/// Refuses a source that says it is something else than it will be.
pub(super) fn check(source: &str) -> Result<(), String> {
    let (text, is_marked) = match source.strip_prefix('\u{feff}') {
        Some(text) => (text, true),
        None => (source, false),
    };
    let mut lines = text.split(['\n', '\r']);
    let first = lines.next().unwrap_or_default();
    // between CR and LF
    if text.get(first.len()..).is_some_and(|rest| rest.starts_with("\r\n")) {
        lines.next();
    }
    let is_empty = |line: &str| {
        let line = line.trim_start_matches(BLANK);
        line.is_empty() || line.starts_with('#')
    };
    let said = encoding(first)
        .map(|said| (1, said))
        .or_else(|| Some((2, encoding(lines.next().filter(|_| is_empty(first))?)?)));
    let Some((line, said)) = said else { return Ok(()) };
    let name = said.to_ascii_lowercase().replace('_', "-");
    let is_utf8 = UTF8.contains(&name.as_str()) || name.starts_with("utf-8-");
    if is_utf8 || (!is_marked && source.is_ascii() && LIKE_ASCII.contains(&name.as_str())) {
        return Ok(());
    }
    Err(format!(
        "is not Python: line {line}: it says that its encoding is {said:?}, and agents store it as utf-8; say utf-8 or nothing"
    ))
}

const BLANK: [char; 3] = [' ', '\t', '\x0c'];

/// Gives the encoding that a line names, if it is a comment that names one.
fn encoding(line: &str) -> Option<&str> {
    let comment = line.trim_start_matches(BLANK).strip_prefix('#')?;
    let mut rest = comment;
    loop {
        let (_, behind) = rest.split_once("coding")?;
        rest = behind;
        let Some(value) = rest.strip_prefix([':', '=']) else { continue };
        let value = value.trim_start_matches([' ', '\t']);
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let end = value.find(|c| !is_of_name(c)).unwrap_or(value.len());
        if let Some(name) = value.get(..end).filter(|name| !name.is_empty()) {
            return Some(name);
        }
    }
}
