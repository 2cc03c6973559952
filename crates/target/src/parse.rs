//! Reads conditions: recursive descent, one function a rule of the grammar.
//!
//! Precedence is SQL's: `OR`, `AND`, `NOT`, then comparisons. What stands in parentheses may be a condition or a
//! value; which of them, is known only behind the closing one.

mod found;
mod value;

use crate::ast::{Expr, Op, Value};
use crate::cursor::Cursor;
use crate::error::{TargetError, TargetErrorKind};
use crate::lexer::Token;
use crate::like::Like;
use crate::regexp::Regexp;

type Parsed<T> = Result<T, TargetError>;

/// Reads a whole target.
pub(crate) fn target(text: &str) -> Parsed<Expr> {
    let mut cursor = Cursor::new(text)?;
    if *cursor.peek() == Token::End {
        return Err(cursor.at().error(TargetErrorKind::Empty));
    }
    let expr = or(&mut cursor)?;
    match cursor.peek() {
        Token::End => Ok(expr),
        _ => Err(cursor.expected("AND, OR or the end")),
    }
}

fn or(cursor: &mut Cursor) -> Parsed<Expr> {
    chain(cursor, "or", and, Expr::Or)
}

fn and(cursor: &mut Cursor) -> Parsed<Expr> {
    chain(cursor, "and", not, Expr::And)
}

/// Reads one or more conditions with a word between them.
fn chain(
    cursor: &mut Cursor,
    word: &str,
    part: fn(&mut Cursor) -> Parsed<Expr>,
    join: fn(Vec<Expr>) -> Expr,
) -> Parsed<Expr> {
    let first = part(cursor)?;
    if !cursor.word(word) {
        return Ok(first);
    }
    let mut parts = vec![first, part(cursor)?];
    while cursor.word(word) {
        parts.push(part(cursor)?);
    }
    Ok(join(parts))
}

fn not(cursor: &mut Cursor) -> Parsed<Expr> {
    if cursor.word("not") {
        return cursor.nested(|cursor| Ok(Expr::Not(Box::new(not(cursor)?))));
    }
    if !cursor.symbol("(") {
        let value = value::operand(cursor)?;
        return comparison(cursor, value);
    }
    let inner = cursor.nested(or)?;
    cursor.need_symbol(")")?;
    match inner {
        Expr::Truth(value) => {
            let value = value::postfix(cursor, value)?;
            comparison(cursor, value)
        }
        condition => Ok(condition),
    }
}

/// Reads what may follow the left value of a comparison.
fn comparison(cursor: &mut Cursor, left: Value) -> Parsed<Expr> {
    if cursor.word("is") {
        let negated = cursor.word("not");
        cursor.need_word("null")?;
        return Ok(Expr::IsNull { value: left, negated });
    }
    if let Some(op) = op(cursor) {
        return Ok(Expr::Compare { left, op, right: value::operand(cursor)? });
    }
    if let Token::Symbol(symbol @ ("~" | "~*" | "!~" | "!~*")) = *cursor.peek() {
        cursor.next();
        let negated = symbol.starts_with('!');
        return Ok(Expr::Match { left, negated, pattern: regexp(cursor, symbol.ends_with('*'))? });
    }
    let negated = cursor.word("not");
    if cursor.word("in") {
        return membership(cursor, left, negated);
    }
    if cursor.word("between") {
        let low = value::operand(cursor)?;
        cursor.need_word("and")?;
        return Ok(Expr::Between { value: left, negated, low, high: value::operand(cursor)? });
    }
    if cursor.word("like") {
        return Ok(Expr::Like { left, negated, pattern: like(cursor, false)? });
    }
    if cursor.word("ilike") {
        return Ok(Expr::Like { left, negated, pattern: like(cursor, true)? });
    }
    if negated {
        return Err(cursor.expected("IN, LIKE, ILIKE or BETWEEN"));
    }
    match cursor.peek() {
        Token::End | Token::Symbol(")") => Ok(Expr::Truth(left)),
        Token::Word(word) if matches!(word.as_str(), "and" | "or") => Ok(Expr::Truth(left)),
        _ => Err(cursor.expected("a comparison such as =, LIKE or IN")),
    }
}

fn op(cursor: &mut Cursor) -> Option<Op> {
    let Token::Symbol(symbol) = cursor.peek() else { return None };
    let op = match *symbol {
        "=" => Op::Equal,
        "<>" | "!=" => Op::NotEqual,
        "<" => Op::Less,
        "<=" => Op::LessOrEqual,
        ">" => Op::Greater,
        ">=" => Op::GreaterOrEqual,
        _ => return None,
    };
    cursor.next();
    Some(op)
}

fn regexp(cursor: &mut Cursor, insensitive: bool) -> Parsed<Regexp> {
    let (at, text) = cursor.need_text("a quoted regular expression")?;
    let malformed = |reason| {
        let what = "regular expression";
        at.error(TargetErrorKind::Malformed { what, text: text.clone(), reason })
    };
    if !cursor.count_regexp() {
        return Err(malformed("it is one too many in this target"));
    }
    Regexp::parse(text.clone(), insensitive).map_err(malformed)
}

fn like(cursor: &mut Cursor, insensitive: bool) -> Parsed<Like> {
    let (at, text) = cursor.need_text("a quoted pattern")?;
    let escape = if cursor.word("escape") {
        Some(cursor.need_text("a quoted character or ''")?.1)
    } else {
        None
    };
    Like::parse(text.clone(), escape.as_deref(), insensitive)
        .map_err(|reason| at.error(TargetErrorKind::Malformed { what: "pattern", text, reason }))
}

fn membership(cursor: &mut Cursor, left: Value, negated: bool) -> Parsed<Expr> {
    cursor.need_symbol("(")?;
    if matches!(cursor.peek(), Token::Word(word) if word == "select") {
        return found::subselect(cursor, left, negated);
    }
    let mut list = vec![literal(cursor)?];
    while cursor.symbol(",") {
        list.push(literal(cursor)?);
    }
    cursor.need_symbol(")")?;
    Ok(Expr::In { left, negated, list })
}

/// Reads a value that is no column and no function.
fn literal(cursor: &mut Cursor) -> Parsed<Value> {
    const EXPECTED: &str = "a quoted text, a number, TRUE, FALSE or NULL";
    match cursor.peek() {
        Token::Text(_) | Token::Number(_) | Token::Symbol("+" | "-") => {}
        Token::Word(word) if matches!(word.as_str(), "true" | "false" | "null") => {}
        _ => return Err(cursor.expected(EXPECTED)),
    }
    value::primary(cursor)
}

#[cfg(test)]
mod tests;
