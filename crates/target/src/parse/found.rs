//! Reads the one sub-select that clients make (`mig -target-found`, `-target-notfound`):
//! `id IN (select agentid from commands, json_array_elements(commands.results) as r
//! where actionid=12345 and r#>>'{foundanything}' = 'true')`.

use super::Parsed;
use crate::ast::{Expr, Value, ValueKind};
use crate::cursor::Cursor;
use crate::lexer::Token;
use types::ActionId;

/// Reads from `select` to the closing parenthesis.
pub(super) fn subselect(cursor: &mut Cursor, id: Value, negated: bool) -> Parsed<Expr> {
    let is_id = matches!(&id.kind, ValueKind::Column { name, .. } if name == "id");
    if !is_id {
        return Err(cursor.expected("a list of values (a sub-select may only follow id IN)"));
    }
    for word in ["select", "agentid", "from", "commands"] {
        cursor.need_word(word)?;
    }
    cursor.need_symbol(",")?;
    cursor.need_word("json_array_elements")?;
    cursor.need_symbol("(")?;
    cursor.need_word("commands")?;
    cursor.need_symbol(".")?;
    cursor.need_word("results")?;
    cursor.need_symbol(")")?;
    cursor.word("as");
    let alias = alias(cursor)?;
    cursor.need_word("where")?;
    if cursor.word("commands") {
        cursor.need_symbol(".")?;
    }
    cursor.need_word("actionid")?;
    cursor.need_symbol("=")?;
    let action = action(cursor)?;
    cursor.need_word("and")?;
    if !cursor.word(&alias) {
        return Err(cursor.expected("the name given to the results"));
    }
    member(cursor)?;
    cursor.need_symbol("=")?;
    let found = flag(cursor)?;
    cursor.need_symbol(")")?;
    Ok(Expr::Found { id, negated, action, found })
}

fn alias(cursor: &mut Cursor) -> Parsed<String> {
    match cursor.peek() {
        Token::Word(word) if !matches!(word.as_str(), "where" | "as" | "and" | "commands") => {
            let word = word.clone();
            cursor.next();
            Ok(word)
        }
        _ => Err(cursor.expected("a name for the results")),
    }
}

fn action(cursor: &mut Cursor) -> Parsed<ActionId> {
    let number = match cursor.peek() {
        Token::Number(number) => number.parse().ok().map(ActionId),
        _ => None,
    };
    let action = number.ok_or_else(|| cursor.expected("the number of an action"))?;
    cursor.next();
    Ok(action)
}

/// Reads `#>>'{foundanything}'` or `->>'foundanything'`.
fn member(cursor: &mut Cursor) -> Parsed<()> {
    const EXPECTED: &str = "#>>'{foundanything}' or ->>'foundanything'";
    let name = if cursor.symbol("#>>") {
        "{foundanything}"
    } else if cursor.symbol("->>") {
        "foundanything"
    } else {
        return Err(cursor.expected(EXPECTED));
    };
    if !matches!(cursor.peek(), Token::Text(text) if text == name) {
        return Err(cursor.expected(EXPECTED));
    }
    cursor.next();
    Ok(())
}

fn flag(cursor: &mut Cursor) -> Parsed<bool> {
    let flag = match cursor.peek() {
        Token::Text(text) if text == "true" => true,
        Token::Text(text) if text == "false" => false,
        _ => return Err(cursor.expected("'true' or 'false'")),
    };
    cursor.next();
    Ok(flag)
}
