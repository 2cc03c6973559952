//! Walks over the tokens and counts how deep the parser is.

use crate::ast::At;
use crate::error::{Shown, TargetError, TargetErrorKind};
use crate::lexer::{Token, tokens};

/// How deep parentheses, NOTs, functions and casts may nest.
pub const MAX_DEPTH: usize = 64;

/// How many regular expressions a target may have: PostgreSQL compiles each of them for every query.
const MAX_REGEXPS: usize = 16;

/// Is a place among the tokens.
pub(crate) struct Cursor {
    tokens: std::iter::Peekable<std::vec::IntoIter<(At, Token)>>,
    end: At,
    depth: usize,
    regexps: usize,
}

impl Cursor {
    /// Cuts the text and stands before its first token.
    pub(crate) fn new(text: &str) -> Result<Self, TargetError> {
        let tokens = tokens(text)?;
        let end = tokens.last().map_or(At::default(), |(at, _)| *at);
        Ok(Self { tokens: tokens.into_iter().peekable(), end, depth: 0, regexps: 0 })
    }

    /// Gives the next token without taking it.
    pub(crate) fn peek(&mut self) -> &Token {
        self.tokens.peek().map_or(&Token::End, |(_, token)| token)
    }

    /// Gives the place of the next token.
    pub(crate) fn at(&mut self) -> At {
        self.tokens.peek().map_or(self.end, |(at, _)| *at)
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Token {
        self.tokens.next().map_or(Token::End, |(_, token)| token)
    }

    /// Takes the next token if it is this symbol.
    pub(crate) fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(next) if *next == symbol);
        if found {
            self.next();
        }
        found
    }

    /// Takes the next token if it is this word.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(next) if next == word);
        if found {
            self.next();
        }
        found
    }

    /// Takes this symbol, or says that it is missing.
    pub(crate) fn need_symbol(&mut self, symbol: &'static str) -> Result<(), TargetError> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    /// Takes this word, or says that it is missing.
    pub(crate) fn need_word(&mut self, word: &'static str) -> Result<(), TargetError> {
        if self.word(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    /// Takes a quoted text, or says that it is missing.
    pub(crate) fn need_text(
        &mut self,
        expected: &'static str,
    ) -> Result<(At, String), TargetError> {
        let at = self.at();
        let Token::Text(text) = self.peek() else { return Err(self.expected(expected)) };
        let text = text.clone();
        self.next();
        Ok((at, text))
    }

    /// Makes the error that something else should stand here.
    pub(crate) fn expected(&mut self, expected: &'static str) -> TargetError {
        let at = self.at();
        let found = match self.peek() {
            Token::Word(word) => Shown(word).to_string(),
            Token::Text(text) => format!("the text {}", Shown(text)),
            Token::Number(number) => format!("the number {}", Shown(number)),
            Token::Symbol(symbol) => Shown(symbol).to_string(),
            Token::End => "the end".into(),
        };
        at.error(TargetErrorKind::Expected { expected, found })
    }

    /// Counts one more regular expression; says whether that is allowed.
    pub(crate) fn count_regexp(&mut self) -> bool {
        self.regexps = self.regexps.saturating_add(1);
        self.regexps <= MAX_REGEXPS
    }

    /// Parses something nested, unless that is too deep already.
    pub(crate) fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, TargetError>,
    ) -> Result<T, TargetError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.at().error(TargetErrorKind::TooDeep));
        }
        self.depth = self.depth.saturating_add(1);
        let parsed = parse(self);
        self.depth = self.depth.saturating_sub(1);
        parsed
    }
}
