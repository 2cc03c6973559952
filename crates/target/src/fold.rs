//! Letter cases, one character for one, as the database's `lower` and `upper` change them.

/// Gives the lower case.
pub(crate) fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// Gives the upper case; a letter whose upper case is several letters stays.
pub(crate) fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}
