//! Conditions of if- and while-steps: CACAO's STIX patterns as real playbooks write them (specs/soarca/cacao.md §5).

use super::text;
use super::variable::{VariableType, Variables, mac, parse_bool};
use std::cmp::Ordering;
use std::net::IpAddr;
use uuid::Uuid;

/// Says how deep parentheses may nest.
const MAX_DEPTH: usize = 32;

/// Is a condition, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    /// A bool alone.
    Flag(String),
    Compare(String, Operator, Right),
}

/// Is what stands on the right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Right {
    One(String),
    Set(Vec<String>),
}

/// Says how two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A text, and whether it was quoted.
    Text(String, bool),
    Operator(Operator),
    Open,
    Close,
    Comma,
}

impl Condition {
    /// Reads a condition.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(source)?.into_iter().peekable(), depth: 0 };
        let condition = parser.or()?;
        match parser.tokens.next() {
            None => Ok(condition),
            Some(token) => Err(format!(
                "{} is one too many; put quotes around a value with spaces",
                say(&token)
            )),
        }
    }

    /// Tells whether it holds.
    pub(crate) fn holds(&self, scope: &Variables) -> Result<bool, String> {
        match self {
            Self::Or(parts) => {
                for part in parts {
                    if part.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::And(parts) => {
                for part in parts {
                    if !part.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(part) => Ok(!part.holds(scope)?),
            Self::Flag(flag) => {
                let value = text::plain(flag, scope);
                parse_bool(&value).ok_or_else(|| format!("{flag} is {value:?}, which is no bool"))
            }
            Self::Compare(left, operator, right) => compare(left, *operator, right, scope),
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

fn compare(
    left: &str,
    operator: Operator,
    right: &Right,
    scope: &Variables,
) -> Result<bool, String> {
    let texts = match right {
        Right::One(one) => std::slice::from_ref(one),
        Right::Set(set) => set.as_slice(),
    };
    let named = text::first(left, scope)
        .or_else(|| texts.iter().find_map(|right| text::first(right, scope)));
    let kind = named.map_or(VariableType::String, |variable| variable.kind);
    let left = text::plain(left, scope);
    match right {
        Right::One(one) => holds(kind, &left, operator, &text::plain(one, scope)),
        Right::Set(set) => {
            for member in set {
                if holds(kind, &left, Operator::Equal, &text::plain(member, scope))? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

fn holds(kind: VariableType, left: &str, operator: Operator, right: &str) -> Result<bool, String> {
    use VariableType as T;
    match kind {
        T::String | T::HexString | T::Hash | T::Md5Hash | T::Sha256Hash => match operator {
            // SOARCA's order: the left one holds the right one
            Operator::In => Ok(left.contains(right)),
            _ => ordered(kind, left.cmp(right), operator),
        },
        T::Integer | T::Long => {
            let (left, right) = both(kind, left, right, |text| text.trim().parse::<i64>().ok())?;
            ordered(kind, left.cmp(&right), operator)
        }
        T::Float => {
            let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
            let (left, right) = both(kind, left, right, number)?;
            ordered(kind, left.total_cmp(&right), operator)
        }
        T::Bool => {
            let (left, right) = both(kind, left, right, parse_bool)?;
            equal(kind, left == right, operator)
        }
        T::Ipv4Addr | T::Ipv6Addr if operator == Operator::In => {
            let network: web::Network = right.parse().map_err(|error| format!("{error}"))?;
            let address: IpAddr =
                left.parse().map_err(|error| format!("{left:?} is no {}: {error}", kind.name()))?;
            Ok(network.contains(address))
        }
        T::Ipv4Addr | T::Ipv6Addr => {
            let (left, right) = both(kind, left, right, |text| text.parse::<web::Network>().ok())?;
            equal(kind, left == right, operator)
        }
        T::MacAddr if operator == Operator::In => Ok(left.contains(right)),
        T::MacAddr => {
            let (left, right) = both(kind, left, right, mac)?;
            ordered(kind, left.cmp(&right), operator)
        }
        T::Uuid => {
            let (left, right) = both(kind, left, right, |text| text.parse::<Uuid>().ok())?;
            equal(kind, left == right, operator)
        }
        T::Uri => equal(kind, left == right, operator),
        T::Dictionary => Err("a dictionary cannot be compared".into()),
    }
}

/// Reads both sides.
fn both<T>(
    kind: VariableType,
    left: &str,
    right: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<(T, T), String> {
    let one = |text: &str| read(text).ok_or_else(|| format!("{text:?} is no {}", kind.name()));
    Ok((one(left)?, one(right)?))
}

fn ordered(kind: VariableType, order: Ordering, operator: Operator) -> Result<bool, String> {
    match operator {
        Operator::Equal => Ok(order.is_eq()),
        Operator::NotEqual => Ok(order.is_ne()),
        Operator::Less => Ok(order.is_lt()),
        Operator::LessOrEqual => Ok(order.is_le()),
        Operator::Greater => Ok(order.is_gt()),
        Operator::GreaterOrEqual => Ok(order.is_ge()),
        Operator::In => Err(format!("IN does not apply to {}", kind.name())),
    }
}

fn equal(kind: VariableType, same: bool, operator: Operator) -> Result<bool, String> {
    match operator {
        Operator::Equal => Ok(same),
        Operator::NotEqual => Ok(!same),
        _ => Err(format!("values of type {} are only equal or not", kind.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::variable::Variable;
    use proptest::prelude::*;

    fn scope() -> Variables {
        [
            ("__s__", "string", "a b"),
            ("__empty__", "string", ""),
            ("__n__", "integer", "10"),
            ("__f__", "float", "2.50"),
            ("__flag__", "bool", "true"),
            ("__ip__", "ipv4-addr", "192.0.2.7"),
            ("__six__", "ipv6-addr", "2001:DB8::1"),
            ("__mac__", "mac-addr", "AA-BB-CC-00-11-22"),
            ("__id__", "uuid", "0B1D6A3E-52A4-4D0E-9F0C-1D1F6C1F2A01"),
            ("__d__", "dictionary", "{}"),
        ]
        .into_iter()
        .map(|(name, kind, value)| {
            let kind = VariableType::parse(kind).unwrap();
            (name.to_owned(), Variable { kind, ..Variable::text(value) })
        })
        .collect()
    }

    fn holds(source: &str) -> Result<bool, String> {
        Condition::parse(source)?.holds(&scope())
    }

    #[test]
    fn the_forms_of_real_playbooks_are_read() {
        for (source, want) in [
            ("__s__:value = 'a b'", true),
            ("__s__:value == \"a b\"", true),
            ("'__s__:value' = 'a b'", true),
            ("__s__:value='x'", false),
            ("__s__:value = x", false),
            ("__empty__:value = ''", true),
            ("__n__:value > 5", true),
            ("__n__:value > 9", true),
            ("__n__:value <= '10'", true),
            ("5 < __n__:value", true),
            ("__f__:value = 2.5", true),
            ("__flag__:value", true),
            ("NOT __flag__:value", false),
            ("__flag__:value == '1'", true),
            ("__flag__:value AND __n__:value != 10", false),
            ("__n__:value = 1 OR __n__:value = 10 AND __flag__:value", true),
            ("(__n__:value = 10 OR __n__:value = 1) AND NOT (__flag__:value)", false),
            ("[__ip__:value IN '192.0.2.0/24']", true),
            ("__ip__:value IN 198.51.100.0/24", false),
            ("__six__:value = 2001:db8:0::1", true),
            ("__mac__:value = aa:bb:cc:00:11:22", true),
            ("__id__:value = 0b1d6a3e-52a4-4d0e-9f0c-1d1f6c1f2a01", true),
            ("__s__:value IN 'a'", true),
            ("__n__:value IN ('1', 10)", true),
            ("__n__:value NOT IN (1,2)", true),
            ("__n__:value NOT = 10", false),
            ("__n__:value <> 10", false),
        ] {
            assert_eq!(holds(source), Ok(want), "{source}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for source in [
            "", "=", "a =", "a = b c", "a b", "(a = b", "a = b)", "a ! b", "a = 'b", "a LIKE b",
            "NOT", "a NOT", "a IN (b", "a IN ()", "a AND",
        ] {
            assert!(Condition::parse(source).is_err(), "{source}");
        }
        let deep = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        assert!(Condition::parse(&deep).is_err());
        for source in [
            "__n__:value > x",
            "__d__:value = '{}'",
            "__flag__:value > 0",
            "__s__:value",
            "__ip__:value < 1.2.3.4",
            "__n__:value IN 10",
            "__ip__:value = x",
        ] {
            assert!(holds(source).is_err(), "{source}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fall_over(source in "[a_:value'\"() ANDORIN=<>!,\\[\\]\\\\]{0,60}") {
            let _ = holds(&source);
        }
    }
}
