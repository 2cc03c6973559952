//! Reads `[…]`: characters, ranges, and classes such as `[:alpha:]` and `\d`.

use super::translate::{Input, escaped, literal};

/// Translates what stands after `[`, up to and with the `]`.
pub(super) fn translate(input: &mut Input<'_>, out: &mut String) -> Result<(), &'static str> {
    out.push('[');
    out.extend(input.next_if_eq(&'^'));
    let mut first = true;
    loop {
        let c = input.next().ok_or("a '[' has no ']'")?;
        match c {
            ']' if !first => break,
            '[' if matches!(input.peek(), Some(':' | '.' | '=')) => class(input, out)?,
            '\\' if matches!(input.peek(), Some('d' | 's' | 'w')) => {
                out.push_str(match input.next() {
                    Some('d') => "0-9",
                    Some('s') => r"\s",
                    _ => r"\w",
                });
                no_range(input)?;
            }
            '-' if !first && input.peek() != Some(&']') => return Err(MINUS),
            _ => range(c, input, out)?,
        }
        first = false;
    }
    out.push(']');
    Ok(())
}

const MINUS: &str = "a '-' in brackets stands first, last or between the ends of a range";

/// Reads one character or two with a `-` between them.
fn range(first: char, input: &mut Input<'_>, out: &mut String) -> Result<(), &'static str> {
    let low = end(first, input)?;
    literal(out, low);
    let mut ahead = input.clone();
    if ahead.next() != Some('-') || ahead.peek() == Some(&']') {
        return Ok(());
    }
    input.next();
    let next = input.next().ok_or("a '[' has no ']'")?;
    if next == '[' && matches!(input.peek(), Some(':' | '.' | '=')) {
        return Err(MINUS);
    }
    let high = end(next, input)?;
    if high < low {
        return Err("a range in brackets ends before it begins");
    }
    out.push('-');
    literal(out, high);
    no_range(input)
}

/// Reads one character, maybe escaped.
fn end(c: char, input: &mut Input<'_>) -> Result<char, &'static str> {
    if c != '\\' {
        return Ok(c);
    }
    input.next().and_then(escaped).ok_or("it has an unknown escape in brackets")
}

/// Makes sure that no range begins with what is none of its characters.
fn no_range(input: &Input<'_>) -> Result<(), &'static str> {
    let mut ahead = input.clone();
    if ahead.next() == Some('-') && ahead.peek() != Some(&']') {
        return Err(MINUS);
    }
    Ok(())
}

/// Reads `:name:]`.
fn class(input: &mut Input<'_>, out: &mut String) -> Result<(), &'static str> {
    const UNKNOWN: &str = "it has an unknown class in brackets, such as [:alpha:] is one";
    input.next_if_eq(&':').ok_or(UNKNOWN)?;
    let mut name = String::new();
    while let Some(c) = input.next_if(char::is_ascii_lowercase) {
        name.push(c);
    }
    if input.next() != Some(':') || input.next() != Some(']') {
        return Err(UNKNOWN);
    }
    out.push_str(match name.as_str() {
        "alpha" => r"\p{Alphabetic}",
        "alnum" => r"\p{Alphabetic}\p{Nd}",
        "upper" => r"\p{Uppercase}",
        "lower" => r"\p{Lowercase}",
        "digit" => "0-9",
        "space" => r"\s",
        "blank" => r" \t",
        "xdigit" => "[:xdigit:]",
        "punct" => r"\p{P}\p{S}\p{M}",
        "graph" => r"\p{L}\p{N}\p{P}\p{S}\p{M}",
        "print" => r"\p{L}\p{N}\p{P}\p{S}\p{M}\p{Zs}",
        "cntrl" => r"\p{Cc}",
        _ => return Err(UNKNOWN),
    });
    no_range(input)
}
