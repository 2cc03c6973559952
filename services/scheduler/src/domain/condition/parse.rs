//! Reads a condition: words, then `OR` over `AND` over `NOT` over comparisons.

use super::{Condition, Operator, Right};

/// Says how deep parentheses may nest.
const MAX_DEPTH: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A text, and whether it was quoted.
    Text(String, bool),
    Operator(Operator),
    Open,
    Close,
    Comma,
}

/// Reads a condition.
pub(super) fn condition(source: &str) -> Result<Condition, String> {
    let mut parser = Parser { tokens: tokens(source)?.into_iter().peekable(), depth: 0 };
    let condition = parser.or()?;
    match parser.tokens.next() {
        None => Ok(condition),
        Some(token) => {
            Err(format!("{} is one too many; put quotes around a value with spaces", say(&token)))
        }
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn or(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.and()?];
        while self.word("OR") {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Condition::Or))
    }

    fn and(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.not()?];
        while self.word("AND") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Condition::And))
    }

    fn not(&mut self) -> Result<Condition, String> {
        let mut negated = false;
        while self.word("NOT") {
            negated = !negated;
        }
        let part = self.primary()?;
        Ok(if negated { Condition::Not(Box::new(part)) } else { part })
    }

    fn primary(&mut self) -> Result<Condition, String> {
        match self.tokens.next() {
            Some(Token::Open) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(format!("parentheses nest deeper than {MAX_DEPTH}"));
                }
                let inner = self.or()?;
                self.depth -= 1;
                match self.tokens.next() {
                    Some(Token::Close) => Ok(inner),
                    _ => Err("a parenthesis is not closed".into()),
                }
            }
            Some(Token::Text(left, _)) => self.comparison(left),
            Some(token) => Err(format!("{} stands where a value should", say(&token))),
            None => Err("a value is missing at the end".into()),
        }
    }

    fn comparison(&mut self, left: String) -> Result<Condition, String> {
        let negated = self.word("NOT");
        let operator = match self.tokens.peek() {
            Some(Token::Operator(operator)) => *operator,
            Some(Token::Text(word, false)) if word.eq_ignore_ascii_case("IN") => Operator::In,
            Some(Token::Text(word, false)) if !is_word(word) => {
                return Err(format!(
                    "{word:?} is no operator; there are = == != <> < <= > >= IN, AND, OR and NOT"
                ));
            }
            _ if negated => return Err("NOT has no operator behind it".into()),
            _ => return Ok(Condition::Flag(left)),
        };
        self.tokens.next();
        let right = match self.tokens.next() {
            Some(Token::Text(right, _)) => Right::One(right),
            Some(Token::Open) if operator == Operator::In => Right::Set(self.set()?),
            Some(token) => return Err(format!("{} stands where a value should", say(&token))),
            None => return Err("a value is missing at the end".into()),
        };
        let compared = Condition::Compare(left, operator, right);
        Ok(if negated { Condition::Not(Box::new(compared)) } else { compared })
    }

    fn set(&mut self) -> Result<Vec<String>, String> {
        let mut members = Vec::new();
        loop {
            match self.tokens.next() {
                Some(Token::Text(member, _)) => members.push(member),
                _ => return Err("a set holds values between commas".into()),
            }
            match self.tokens.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(members),
                _ => return Err("a set is not closed".into()),
            }
        }
    }

    /// Takes a word of the language, in either case.
    fn word(&mut self, word: &str) -> bool {
        let there = matches!(self.tokens.peek(), Some(Token::Text(text, false)) if text.eq_ignore_ascii_case(word));
        if there {
            self.tokens.next();
        }
        there
    }
}

fn is_word(text: &str) -> bool {
    ["AND", "OR", "NOT"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

fn say(token: &Token) -> String {
    match token {
        Token::Text(text, _) => format!("{text:?}"),
        Token::Operator(_) => "an operator".into(),
        Token::Open => "an opening parenthesis".into(),
        Token::Close => "a closing parenthesis".into(),
        Token::Comma => "a comma".into(),
    }
}

fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        let equal = matches!(c, '=' | '!' | '<' | '>') && chars.next_if_eq(&'=').is_some();
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' | '[' => Token::Open,
            ')' | ']' => Token::Close,
            ',' => Token::Comma,
            '=' => Token::Operator(Operator::Equal),
            '!' if equal => Token::Operator(Operator::NotEqual),
            '!' => return Err("'!' stands alone; not equal is !=".into()),
            '<' if equal => Token::Operator(Operator::LessOrEqual),
            '<' if chars.next_if_eq(&'>').is_some() => Token::Operator(Operator::NotEqual),
            '<' => Token::Operator(Operator::Less),
            '>' if equal => Token::Operator(Operator::GreaterOrEqual),
            '>' => Token::Operator(Operator::Greater),
            '\'' | '"' => {
                let mut text = String::new();
                loop {
                    match chars.next() {
                        Some('\\') => text.extend(chars.next()),
                        Some(end) if end == c => break,
                        Some(inner) => text.push(inner),
                        None => return Err("a quote is not closed".into()),
                    }
                }
                Token::Text(text, true)
            }
            c => {
                let mut text = String::from(c);
                let ends = |c: &char| c.is_whitespace() || "()[],=!<>'\"".contains(*c);
                while let Some(inner) = chars.next_if(|c| !ends(c)) {
                    text.push(inner);
                }
                Token::Text(text, false)
            }
        };
        tokens.push(token);
    }
    Ok(tokens)
}
