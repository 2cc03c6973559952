//! Patterns of PostgreSQL's `ILIKE`: `%` for anything, `_` for one character, backslash before what means itself.

/// Says how long a pattern may be.
const LONGEST: usize = 2048;

/// Says why PostgreSQL would not take a pattern.
pub(crate) fn fault(text: &str) -> Option<String> {
    let slashes = text.chars().rev().take_while(|&c| c == '\\').count();
    if text.contains('\0') {
        Some("holds a NUL character".into())
    } else if text.chars().count() > LONGEST {
        Some(format!("has more than {LONGEST} characters"))
    } else if slashes % 2 == 1 {
        Some("ends with a backslash that escapes nothing".into())
    } else {
        None
    }
}

/// Tells whether a pattern of `ILIKE` means the lower-case `word`; the work is bounded by their lengths.
pub(crate) fn like(pattern: &str, word: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let word: Vec<char> = word.chars().collect();
    // reached[i]: the pattern so far can have eaten i characters
    let mut reached = vec![false; word.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    let mut pattern = pattern.iter();
    while let Some(&c) = pattern.next() {
        if c == '%' {
            let mut any = false;
            for here in &mut reached {
                any |= *here;
                *here = any;
            }
            continue;
        }
        let wanted = match c {
            '_' => None,
            '\\' => pattern.next().copied(),
            c => Some(c),
        };
        let steps = reached.iter().zip(&word);
        let after = steps.map(|(&here, &at)| here && wanted.is_none_or(|wanted| wanted == at));
        reached = std::iter::once(false).chain(after).collect();
    }
    reached.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_postgresql_takes_it_for() {
        let cases = [
            ("ONLINE", "online", true),
            ("%line", "offline", true),
            ("_dle", "idle", true),
            ("_", "idle", false),
            ("o\\%", "online", false),
            ("\\online", "online", true),
            ("%%", "", true),
            ("%l%n%", "online", true),
            ("", "online", false),
        ];
        for (pattern, word, want) in cases {
            assert_eq!(like(pattern, word), want, "{pattern} {word}");
        }
    }

    #[test]
    fn what_postgresql_would_refuse_is_told() {
        assert!(fault("a\0").is_some());
        assert!(fault("a\\").is_some());
        assert!(fault(&"a".repeat(LONGEST + 1)).is_some());
        assert_eq!(fault("a\\\\"), None);
    }
}
