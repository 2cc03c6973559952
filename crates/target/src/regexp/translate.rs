//! Reads PostgreSQL's regular expressions and writes them for the `regex` crate.

use super::bracket;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// How deep groups may nest.
const DEPTH: usize = 32;
/// How many characters an expression may have after its repetitions are written out.
const SIZE: u32 = 1024;
/// How many of them, or of its branches, may be left out: PostgreSQL's work grows with the third power.
const OPTIONAL: u32 = 128;
/// How much its anchors may weigh: PostgreSQL's work grows exponentially.
const ANCHORS: u32 = 8;
/// The greatest count in braces.
const REPEAT: u32 = 255;

pub(super) type Input<'a> = Peekable<Chars<'a>>;

/// Translates a whole expression.
pub(super) fn translate(text: &str) -> Result<String, &'static str> {
    let mut translator = Translator { input: text.chars().peekable(), out: String::new() };
    translator.alternatives(0)?;
    if translator.input.peek().is_some() {
        return Err("a ')' has no '('");
    }
    Ok(translator.out)
}

/// Writes a character that stands for itself.
pub(super) fn literal(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        out.push(c);
    } else {
        // writing to a String does not fail
        let _ = write!(out, r"\x{{{:x}}}", u32::from(c));
    }
}

/// What PostgreSQL pays for a piece.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    size: u32,
    optional: u32,
    anchors: u32,
}

impl Cost {
    const ONE: Self = Self { size: 1, optional: 0, anchors: 0 };

    fn plus(self, other: Self) -> Result<Self, &'static str> {
        Self {
            size: self.size.saturating_add(other.size),
            optional: self.optional.saturating_add(other.optional),
            anchors: self.anchors.saturating_add(other.anchors),
        }
        .checked()
    }

    /// Repeats a piece `least` times, and then maybe up to `most` times or without end.
    fn repeated(self, least: u32, most: Option<u32>) -> Result<Self, &'static str> {
        if self.anchors > 0 {
            return Err("what holds an anchor cannot be repeated");
        }
        let copies = most.unwrap_or(least.saturating_add(1)).max(1);
        let loose = copies.saturating_sub(least);
        Self {
            size: self.size.saturating_mul(copies),
            optional: self.optional.saturating_mul(copies).saturating_add(loose),
            anchors: 0,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, &'static str> {
        if self.size > SIZE || self.optional > OPTIONAL {
            return Err("it repeats too much");
        }
        if self.anchors > ANCHORS {
            return Err("it has too many anchors");
        }
        Ok(self)
    }
}

struct Translator<'a> {
    input: Input<'a>,
    out: String,
}

impl Translator<'_> {
    /// Reads branches between `|` up to a `)` or the end.
    fn alternatives(&mut self, depth: usize) -> Result<Cost, &'static str> {
        if depth > DEPTH {
            return Err("its groups are nested too deep");
        }
        let mut cost = self.branch(depth)?;
        while self.input.next_if_eq(&'|').is_some() {
            self.out.push('|');
            cost = cost.plus(Cost::ONE)?.plus(self.branch(depth)?)?;
        }
        Ok(cost)
    }

    fn branch(&mut self, depth: usize) -> Result<Cost, &'static str> {
        let mut cost = Cost::default();
        if matches!(self.input.peek(), None | Some('|' | ')')) {
            cost.optional = 1;
        }
        while let Some(c) = self.input.next_if(|c| !matches!(c, '|' | ')')) {
            let atom = self.atom(c, depth)?;
            cost = cost.plus(self.quantified(atom)?)?;
        }
        Ok(cost)
    }

    fn atom(&mut self, c: char, depth: usize) -> Result<Cost, &'static str> {
        match c {
            '^' | '$' => return self.anchor(if c == '^' { r"\A" } else { r"\z" }, 1),
            '(' => return self.group(depth),
            '.' => self.out.push('.'),
            '[' => bracket::translate(&mut self.input, &mut self.out)?,
            '\\' => return self.escape(),
            '*' | '+' | '?' => return Err("a repetition has nothing to repeat"),
            '{' => return Err(r"a '{' begins a count such as {2,3}; write \{ for the character"),
            _ => literal(&mut self.out, c),
        }
        Ok(Cost::ONE)
    }

    fn anchor(&mut self, anchor: &str, weight: u32) -> Result<Cost, &'static str> {
        self.out.push_str(anchor);
        if matches!(self.input.peek(), Some('*' | '+' | '?' | '{')) {
            return Err("an anchor cannot be repeated");
        }
        Cost { size: 1, optional: 0, anchors: weight }.checked()
    }

    fn group(&mut self, depth: usize) -> Result<Cost, &'static str> {
        if self.input.next_if_eq(&'?').is_some() && self.input.next_if_eq(&':').is_none() {
            return Err(
                "of the forms that begin with '(?' only '(?:' is known; use ~* to ignore case",
            );
        }
        self.out.push_str("(?:");
        let cost = self.alternatives(depth.saturating_add(1))?;
        self.input.next_if_eq(&')').ok_or("a '(' has no ')'")?;
        self.out.push(')');
        cost.plus(Cost::ONE)
    }

    fn escape(&mut self) -> Result<Cost, &'static str> {
        let c = self.input.next().ok_or("it ends with a backslash")?;
        match c {
            'A' => return self.anchor(r"\A", 1),
            'Z' => return self.anchor(r"\z", 1),
            'm' => return self.anchor(r"\b{start}", 2),
            'M' => return self.anchor(r"\b{end}", 2),
            'y' => return self.anchor(r"\b", 2),
            'Y' => return self.anchor(r"\B", 2),
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' | 'W' | 's' | 'S' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'b' => return Err(r"\b is no word boundary here; write \y"),
            _ => literal(&mut self.out, escaped(c).ok_or("it has an unknown escape")?),
        }
        Ok(Cost::ONE)
    }

    /// Reads what may follow an atom.
    fn quantified(&mut self, atom: Cost) -> Result<Cost, &'static str> {
        let (least, most) = match self.input.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.input.next();
                return self.counted(atom);
            }
            _ => return Ok(atom),
        };
        self.out.extend(self.input.next());
        self.lazy();
        atom.repeated(least, most)
    }

    /// Reads `m}`, `m,}` or `m,n}`.
    fn counted(&mut self, atom: Cost) -> Result<Cost, &'static str> {
        const BAD: &str =
            r"a count is written {2}, {2,} or {2,3}, at most 255; write \{ for the character";
        let least = self.number().ok_or(BAD)?;
        let most = if self.input.next_if_eq(&',').is_none() {
            Some(least)
        } else if self.input.peek() == Some(&'}') {
            None
        } else {
            Some(self.number().ok_or(BAD)?)
        };
        if self.input.next() != Some('}') || most.is_some_and(|most| most < least) {
            return Err(BAD);
        }
        let most_text = most.map(|most| most.to_string()).unwrap_or_default();
        // writing to a String does not fail
        let _ = write!(self.out, "{{{least},{most_text}}}");
        self.lazy();
        atom.repeated(least, most)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = self.input.next_if(char::is_ascii_digit)?.to_digit(10)?;
        while let Some(digit) = self.input.next_if(char::is_ascii_digit) {
            number = number.checked_mul(10)?.checked_add(digit.to_digit(10)?)?;
        }
        (number <= REPEAT).then_some(number)
    }

    /// Reads the `?` that asks for the shortest match; whether there is a match does not hang on it.
    fn lazy(&mut self) {
        self.out.extend(self.input.next_if_eq(&'?'));
    }
}

/// Gives the character that an escape stands for, where it stands for one.
pub(super) fn escaped(c: char) -> Option<char> {
    match c {
        't' => Some('\t'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        'f' => Some('\u{c}'),
        'v' => Some('\u{b}'),
        _ if c.is_ascii_alphanumeric() || !c.is_ascii() => None,
        _ => Some(c),
    }
}
