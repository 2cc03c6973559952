//! Patterns of `LIKE` and `ILIKE`: `%` is any text, `_` any character, and one character takes that meaning away.

use crate::fold::lower;

/// Is a pattern that PostgreSQL takes without complaint, whatever text it meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Like {
    /// The pattern as written.
    pub(crate) pattern: String,
    /// What takes the meaning of `%` and `_` away.
    pub(crate) escape: Escape,
    /// Whether it is `ILIKE`.
    pub(crate) insensitive: bool,
    pieces: Vec<Piece>,
}

/// Names what takes the meaning of `%` and `_` away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// The backslash, as nothing else was said.
    Usual,
    /// The character after `ESCAPE`.
    Char(char),
    /// Nothing: `ESCAPE ''`.
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Char(char),
    AnyChar,
    AnyText,
}

impl Like {
    /// Reads a pattern and what stands after `ESCAPE`; the error says why it is none.
    pub(crate) fn parse(
        pattern: String,
        escape: Option<&str>,
        insensitive: bool,
    ) -> Result<Self, &'static str> {
        let escape = match escape.map(|text| (text.chars().next(), text.chars().nth(1))) {
            None => Escape::Usual,
            Some((None, _)) => Escape::Off,
            Some((Some(c), None)) => Escape::Char(c),
            Some(_) => return Err("the text after ESCAPE is one character or empty"),
        };
        let active = match escape {
            Escape::Usual => Some('\\'),
            Escape::Char(c) => Some(c),
            Escape::Off => None,
        };
        let mut pieces = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                // first, as the escape character may be `%` or `_` itself
                _ if Some(c) == active => {
                    Piece::Char(chars.next().ok_or("it ends with its escape character")?)
                }
                '%' => Piece::AnyText,
                '_' => Piece::AnyChar,
                _ => Piece::Char(c),
            });
        }
        Ok(Self { pattern, escape, insensitive, pieces })
    }

    /// Writes the pattern with PostgreSQL's own escape character.
    pub(crate) fn standard(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::AnyText => text.push('%'),
                Piece::AnyChar => text.push('_'),
                Piece::Char(c) => {
                    if matches!(c, '%' | '_' | '\\') {
                        text.push('\\');
                    }
                    text.push(*c);
                }
            }
        }
        text
    }

    /// Says whether the whole text is as the pattern wants it.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let fold = |c: char| if self.insensitive { lower(c) } else { c };
        let text: Vec<char> = text.chars().map(fold).collect();
        let pieces: Vec<Piece> = self
            .pieces
            .iter()
            .map(|piece| if let Piece::Char(c) = piece { Piece::Char(fold(*c)) } else { *piece })
            .collect();
        walk(&pieces, &text)
    }
}

/// Goes through both once; after a mismatch only the last `%` need take one character more.
fn walk(mut pieces: &[Piece], mut text: &[char]) -> bool {
    let mut last: Option<(&[Piece], &[char])> = None;
    loop {
        match (pieces.split_first(), text.split_first()) {
            (None, None) => return true,
            (Some((Piece::AnyText, after)), _) => {
                last = Some((after, text));
                pieces = after;
                continue;
            }
            (Some((piece, after)), Some((c, rest))) if piece.fits(*c) => {
                (pieces, text) = (after, rest);
                continue;
            }
            _ => {}
        }
        let Some((after, from)) = last else { return false };
        let Some((_, rest)) = from.split_first() else { return false };
        last = Some((after, rest));
        (pieces, text) = (after, rest);
    }
}

impl Piece {
    fn fits(self, c: char) -> bool {
        match self {
            Self::Char(wanted) => wanted == c,
            Self::AnyChar => true,
            Self::AnyText => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(pattern: &str, text: &str) -> bool {
        Like::parse(pattern.into(), None, false).unwrap().matches(text)
    }

    #[test]
    fn matches_the_whole_text() {
        assert!(like("", "") && !like("", "a"));
        assert!(
            like("linux.%", "linux.x") && like("linux.%", "linux.") && !like("linux.%", "xlinux.x")
        );
        assert!(like("%mysql%", "db.mysql.1") && !like("%mysql%", "db.mysq"));
        assert!(like("a_c", "aäc") && !like("a_c", "ac") && !like("a_c", "abbc"));
        assert!(like("%a%b%", "xxaxxbxx") && !like("%a%b", "xxaxxbxx"));
        assert!(like(r"%\.scl3\.%", "host.scl3.example"));
        assert!(like(r"100\%", "100%") && !like(r"100\%", "1000"));
        assert!(like("%%%", "") && like("%_%", "a") && !like("%_%", ""));
        assert!(!like("a", "A"));
    }

    #[test]
    fn ilike_ignores_case() {
        let pattern = Like::parse("X%Ä".into(), None, true).unwrap();
        assert!(pattern.matches("xyzä") && pattern.matches("XÄ") && !pattern.matches("yä"));
    }

    #[test]
    fn another_escape_character_or_none() {
        let like =
            |pattern: &str, escape| Like::parse(pattern.into(), Some(escape), false).unwrap();
        assert!(like("50!%", "!").matches("50%") && !like("50!%", "!").matches("500"));
        assert_eq!(like(r"50!%!!\", "!").standard(), r"50\%!\\");
        assert!(like(r"a\%", "").matches(r"a\b"));
        assert_eq!(like(r"a\%", "").standard(), r"a\\%");
        assert!(like("%%x", "%").matches("%x") && !like("%%x", "%").matches("ax"));
    }

    #[test]
    fn refuses_what_postgresql_would() {
        assert!(Like::parse(r"abc\".into(), None, false).is_err());
        assert!(Like::parse("abc!".into(), Some("!"), false).is_err());
        assert!(Like::parse("abc".into(), Some("!!"), false).is_err());
    }

    #[test]
    fn many_wildcards_do_not_take_long() {
        assert!(!like(&"%a".repeat(500), &"ab".repeat(499)));
    }
}
