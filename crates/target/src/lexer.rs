//! Cuts a target into words, texts, numbers and symbols.

use crate::ast::At;
use crate::error::{TargetError, TargetErrorKind};

/// The greatest length of a target in characters; MIG keeps targets in a `varchar(2048)`.
pub const MAX_CHARS: usize = 2048;
/// The greatest length of a target in bytes: nothing longer is looked at.
pub const MAX_BYTES: usize = 8192;

/// Longer symbols stand before those they begin with.
const SYMBOLS: [&str; 21] = [
    "->>", "#>>", "!~*", "->", "::", "<=", ">=", "<>", "!=", "~*", "!~", "(", ")", ",", ".", "=",
    "<", ">", "~", "+", "-",
];

/// Is one piece of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A keyword or a name, in lower case.
    Word(String),
    /// What stands between quotes.
    Text(String),
    /// Digits, maybe with a point among them.
    Number(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// Nothing more.
    End,
}

/// Cuts the text; the last token is always [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(At, Token)>, TargetError> {
    if text.len() > MAX_BYTES || text.chars().count() > MAX_CHARS {
        let byte = text.char_indices().nth(MAX_CHARS).map_or(0, |(byte, _)| byte);
        return Err(At { byte, char: MAX_CHARS }.error(TargetErrorKind::TooLong));
    }
    let mut lexer = Lexer { rest: text, at: At::default() };
    let mut tokens = Vec::new();
    loop {
        lexer.take(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
        let at = lexer.at;
        let token = lexer.token()?;
        let last = token == Token::End;
        tokens.push((at, token));
        if last {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    at: At,
}

impl Lexer<'_> {
    fn token(&mut self) -> Result<Token, TargetError> {
        let at = self.at;
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        if first == '\'' {
            return self.text();
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Word(self.take(is_word).to_ascii_lowercase()));
        }
        if self.rest.starts_with("--") || self.rest.starts_with("/*") {
            return Err(at.error(TargetErrorKind::Comment));
        }
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)) else {
            return Err(at.error(TargetErrorKind::Character(first)));
        };
        for _ in symbol.chars() {
            self.bump();
        }
        Ok(Token::Symbol(symbol))
    }

    /// Reads `'…'`, where `''` is one quote and a backslash is a backslash.
    fn text(&mut self) -> Result<Token, TargetError> {
        let start = self.at;
        let mut text = String::new();
        self.bump();
        loop {
            let at = self.at;
            match self.bump() {
                Some('\'') if self.rest.starts_with('\'') => {
                    self.bump();
                    text.push('\'');
                }
                Some('\'') => return Ok(Token::Text(text)),
                // PostgreSQL has no such character in a text
                Some('\0') => return Err(at.error(TargetErrorKind::Character('\0'))),
                Some(c) => text.push(c),
                None => return Err(start.error(TargetErrorKind::Unterminated)),
            }
        }
    }

    fn number(&mut self) -> Result<Token, TargetError> {
        let at = self.at;
        let text = self.take(|c| is_word(c) || c == '.');
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if digits(whole) && digits(fraction) {
            Ok(Token::Number(text))
        } else {
            Err(at.error(TargetErrorKind::Number(text)))
        }
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.rest.chars().next().filter(|c| wanted(*c)) {
            taken.push(c);
            self.bump();
        }
        taken
    }

    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.at.byte = self.at.byte.saturating_add(c.len_utf8());
        self.at.char = self.at.char.saturating_add(1);
        Some(c)
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (usize, TargetErrorKind) {
        let error = tokens(text).unwrap_err();
        (error.column, error.kind)
    }

    #[test]
    fn cuts_words_texts_numbers_and_symbols() {
        let tokens: Vec<Token> = tokens("Name!~*'it''s\\' and\tx->>-1 >=2.50")
            .unwrap()
            .into_iter()
            .map(|t| t.1)
            .collect();
        let word = |w: &str| Token::Word(w.into());
        assert_eq!(
            tokens,
            [
                word("name"),
                Token::Symbol("!~*"),
                Token::Text("it's\\".into()),
                word("and"),
                word("x"),
                Token::Symbol("->>"),
                Token::Symbol("-"),
                Token::Number("1".into()),
                Token::Symbol(">="),
                Token::Number("2.50".into()),
                Token::End
            ]
        );
    }

    #[test]
    fn counts_bytes_and_characters() {
        let error = tokens("'äö' ; x").unwrap_err();
        assert_eq!((error.at, error.column), (7, 6));
    }

    #[test]
    fn refuses_what_is_not_of_the_language() {
        for c in [';', '"', '$', '`', '\\', '/', '*', '|', '?', '@', '[', '{', 'ä', '\u{a0}', '\0']
        {
            assert_eq!(fault(&format!("a {c}")), (3, TargetErrorKind::Character(c)));
        }
        assert_eq!(fault("a = 1 -- x"), (7, TargetErrorKind::Comment));
        assert_eq!(fault("a /* x */"), (3, TargetErrorKind::Comment));
        assert_eq!(fault("a = 'x"), (5, TargetErrorKind::Unterminated));
        assert_eq!(fault("a = 'x''"), (5, TargetErrorKind::Unterminated));
        assert_eq!(fault("a = 'x\0'"), (7, TargetErrorKind::Character('\0')));
        for number in ["1e5", "0x10", "1.", "1.2.3", "1_000"] {
            assert_eq!(fault(&format!("a={number}")), (3, TargetErrorKind::Number(number.into())));
        }
    }

    #[test]
    fn limits_the_length() {
        assert!(tokens(&"ä".repeat(0)).is_ok());
        let longest = format!("'{}'", "ä".repeat(MAX_CHARS - 2));
        assert!(tokens(&longest).is_ok());
        assert_eq!(fault(&format!("{longest} ")), (MAX_CHARS + 1, TargetErrorKind::TooLong));
        assert_eq!(fault(&"x".repeat(100_000)).1, TargetErrorKind::TooLong);
    }
}
