//! Reads a plugin's source as Python does, without running any of it (decision 0011).
//!
//! Sources are hostile: how deeply an expression may nest is bounded before it is parsed.

#[cfg(test)]
mod corpus;
mod encoding;
mod methods;
mod names;
mod reader;

use methods::Method;
use reader::{NEWEST, Reader};
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, ParseOptions, lexer};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::thread;

/// How deep Python itself goes into brackets and indentation.
const BRACKETS: usize = 200;
const INDENTS: usize = 100;
/// How many words an expression may have without a comma; Python's own compiler gives up near three thousand levels.
const WORDS: usize = 4_000;
/// Room for an expression of so many levels.
const STACK: usize = 64 << 20;

/// Is what a plugin's source defines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// Whether there is a class `Plugin`.
    pub has_plugin: bool,
    /// Its methods by name.
    pub methods: BTreeMap<String, Method>,
    /// Why agents cannot make one, if they cannot.
    pub construction: Option<String>,
}

/// Reads `source`; says what is wrong with it, and in which line.
pub(crate) fn read(source: &str) -> Result<Source, String> {
    thread::scope(|scope| {
        let reader = thread::Builder::new().name("python".into()).stack_size(STACK);
        let reader = reader.spawn_scoped(scope, || parse(source));
        let read = reader.map_err(|error| format!("cannot be checked now: {error}"))?;
        read.join().unwrap_or_else(|_panic| Err("cannot be read by the parser".into()))
    })
}

fn parse(source: &str) -> Result<Source, String> {
    encoding::check(source)?;
    bound(source)?;
    let wrong = |offset: u32, what: &dyn Display| {
        format!("is not Python: line {}: {what}", line_of(source, offset))
    };
    let options = ParseOptions::from(Mode::Module).with_target_version(NEWEST);
    let parsed = ruff_python_parser::parse(source, options)
        .map_err(|error| wrong(error.location.start().into(), &error.error))?;
    if let Some(error) = parsed.unsupported_syntax_errors().first() {
        return Err(wrong(error.range.start().into(), error));
    }
    let parsed = parsed.try_into_module().ok_or("is not a module")?;
    Reader::read(source, parsed.suite())
}

/// Refuses what would need a deep stack to be read.
fn bound(source: &str) -> Result<(), String> {
    let mut lexer = lexer::lex(source, Mode::Module);
    // how many words stand before this place at each level of brackets, and whether commas there part anything
    let mut levels = vec![(0_usize, true)];
    let (mut words, mut indents) = (0_usize, 0_usize);
    loop {
        let kind = lexer.next_token();
        match kind {
            TokenKind::EndOfFile => return Ok(()),
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => levels.push((0, true)),
            TokenKind::Newline | TokenKind::Semi => (levels, words) = (vec![(0, true)], 0),
            TokenKind::Indent => indents += 1,
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace if levels.len() > 1 => {
                words -= levels.pop().map_or(0, |(count, _)| count);
                words += count(&mut levels, 2, true);
            }
            TokenKind::Comma if levels.last().is_some_and(|(_, parts)| *parts) => {
                words -= levels.last_mut().map_or(0, |(count, _)| std::mem::take(count));
            }
            _ => words += count(&mut levels, 1, kind != TokenKind::Lambda),
        }
        if levels.len() > BRACKETS {
            return Err(format!("has more than {BRACKETS} brackets in each other"));
        }
        if words > WORDS {
            return Err(format!("has an expression of more than {WORDS} words; take it apart"));
        }
        if indents > INDENTS {
            return Err(format!("has more than {INDENTS} levels of indentation"));
        }
    }
}

/// Counts words at the innermost level.
fn count(levels: &mut [(usize, bool)], more: usize, commas_part: bool) -> usize {
    let Some((count, parts)) = levels.last_mut() else { return 0 };
    *count += more;
    *parts &= commas_part;
    more
}

fn line_of(source: &str, offset: u32) -> usize {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let before = source.get(..offset).unwrap_or(source).replace("\r\n", "\n");
    1 + before.bytes().filter(|byte| matches!(byte, b'\n' | b'\r')).count()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn methods_and_their_parameters_are_found() {
        let source = read(
            "import os\nif os:\n    class Plugin(object):\n        x: int = 1\n        def a(self, b, /, c=1, *args, d, **rest):\n            return [i for i in b]\n        async def e(self): await self\n    def Plugin_(): return 1\nclass Other:\n    def f(self): pass\n",
        )
        .unwrap();
        assert!(source.has_plugin);
        let methods: Vec<_> = source
            .methods
            .iter()
            .map(|(name, of)| (name.as_str(), of.parameters.join(" ")))
            .collect();
        assert_eq!(methods, [("a", "self b c d".into()), ("e", "self".into())]);
        assert!(
            !read("class Plugins: pass\ndef f():\n    class Plugin: pass\n").unwrap().has_plugin
        );
    }

    #[test]
    fn agents_have_to_be_able_to_make_a_plugin() {
        let made = |parameters: &str| {
            let source = format!("class Plugin:\n    def __init__({parameters}): pass\n");
            read(&source).unwrap().construction
        };
        for good in [
            "self",
            "self, api",
            "self, api=None",
            "self, a=1",
            "self, *args, **kwargs",
            "*args",
            "self, *, b=2, api",
            "self, /",
        ] {
            assert_eq!(made(good), None, "{good}");
        }
        for (bad, name) in [
            ("", "does not take self"),
            ("**kwargs", "does not take self"),
            ("self, config", "needs \"config\","),
            ("self, api, url", "needs \"url\","),
            ("self, *, key", "needs \"key\","),
        ] {
            assert!(made(bad).is_some_and(|reason| reason.contains(name)), "{bad}");
        }
        assert_eq!(read("class Plugin: pass").unwrap().construction, None);
        let other = "class Plugin:\n  class Inner:\n    def __init__(self, a): pass\nclass Other:\n  class Plugin:\n    def __init__(self, a): pass\n";
        assert_eq!(read(other).unwrap().construction, None);
    }

    #[test]
    fn any_line_ends_and_letters_are_python() {
        for good in [
            "class Plugin:\r\n    pass\r\n",
            "class Plugin:\r    pass",
            "\u{feff}class Plugin:\n    pass",
            "# 😀 漢字\nclass Plugin:\n    größe = '😀'",
            "class Plugin: pass",
            "for i in []:\n    if i: break\nelse:\n    x = f'{1+1!r:>{2}}'\nclass Plugin:\n  def f(self):\n    match self:\n      case [1, *_] | {'a': 1}: return\n      case _: yield\n",
        ] {
            assert!(
                read(good).unwrap_or_else(|fault| panic!("{good:?}: {fault}")).methods.len() < 2
            );
        }
    }

    #[test]
    fn what_does_not_compile_is_refused_with_its_line() {
        for (bad, line) in [
            ("class Plugin:\n  def f(self:\n    pass\n", "line 3"),
            ("class Plugin:\npass", "line 2"),
            ("x = 1\r\n\r\nreturn 1", "line 3: `return`"),
            ("class Plugin:\n    return 1", "line 2: `return`"),
            ("while 1:\n    def f():\n        break", "line 3: `break`"),
            ("continue", "line 1: `continue`"),
            ("def f():\n    x = 1\n    nonlocal x", "line 2"),
            ("def f():\n    nonlocal x", "line 2"),
            ("print 'hello'", "line 1"),
            ("x = (1", "line 1"),
            ("'abc", "line 1"),
            ("\tx = 1\n        y = 2", "line"),
            ("\0", ""),
        ] {
            let fault = read(bad).err();
            assert!(fault.as_ref().is_some_and(|fault| fault.contains(line)), "{bad:?}: {fault:?}");
        }
    }

    #[test]
    fn hostile_sources_end_soon() {
        let many = |piece: &str| piece.repeat((1 << 20) / piece.len());
        for bad in [
            many("("),
            many("["),
            many("{"),
            many("-"),
            many("not "),
            many("lambda a,b:"),
            many("a."),
            many("f()"),
            many("x if y else "),
            many("a+"),
            many("1**"),
            many("await "),
            many("f'{"),
            many("[a,"),
            many("if x:\n"),
            many("lambda:"),
            many("a[b]"),
            many(":"),
            many("@"),
            many("*"),
            (0..200)
                .fold(String::new(), |text, depth| format!("{text}{}if 1:\n", " ".repeat(depth))),
        ] {
            assert!(read(&bad).is_err(), "{:?}", bad.get(..20));
        }
        let flat = format!("class Plugin:\n  x = [{}]\n", "-1, ".repeat(100_000));
        assert!(read(&flat).unwrap().has_plugin);
    }
}
