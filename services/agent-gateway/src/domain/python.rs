//! Reads a plugin's source as Python does, without running any of it (decision 0011).
//!
//! What the parser lets pass and Python's compiler does not is looked for here as far as plugin authors run into it.
//! Sources are hostile: how deeply an expression may nest is bounded before it is parsed.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::visitor::{Visitor, walk_stmt};
use ruff_python_ast::{Expr, Stmt, StmtClassDef, StmtFunctionDef};
use ruff_python_parser::{Mode, lexer, parse_module};
use std::collections::BTreeMap;
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
    /// The parameters of its methods, by name, the first one included.
    pub methods: BTreeMap<String, Vec<String>>,
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
    bound(source)?;
    let parsed = parse_module(source).map_err(|error| {
        let line = line_of(source, error.location.start().into());
        format!("is not Python: line {line}: {}", error.error)
    })?;
    let mut reader = Reader { source, ..Reader::default() };
    for statement in parsed.suite() {
        reader.visit_stmt(statement);
    }
    match reader.fault {
        Some(fault) => Err(fault),
        None => Ok(reader.found),
    }
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

/// Goes through the statements; expressions hold nothing that is looked for.
#[derive(Default)]
struct Reader<'a> {
    source: &'a str,
    found: Source,
    fault: Option<String>,
    functions: usize,
    loops: usize,
}

impl Reader<'_> {
    fn fault(&mut self, what: &str, offset: u32) {
        let line = line_of(self.source, offset);
        self.fault.get_or_insert(format!("is not Python: line {line}: {what}"));
    }

    /// Goes into a body in which loops and functions around it do not count.
    fn enter(&mut self, functions: usize, body: &[Stmt]) {
        let outside = (self.functions, self.loops);
        (self.functions, self.loops) = (functions, 0);
        for statement in body {
            self.visit_stmt(statement);
        }
        (self.functions, self.loops) = outside;
    }

    fn note_plugin(&mut self, class: &StmtClassDef) {
        self.found.has_plugin = true;
        for statement in &class.body {
            if let Stmt::FunctionDef(StmtFunctionDef { name, parameters, .. }) = statement {
                let names = parameters
                    .iter_non_variadic_params()
                    .map(|parameter| parameter.parameter.name.to_string());
                self.found.methods.insert(name.to_string(), names.collect());
            }
        }
    }
}

impl<'a> Visitor<'a> for Reader<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::ClassDef(class) => {
                if self.functions == 0 && class.name.as_str() == "Plugin" {
                    self.note_plugin(class);
                }
                self.enter(0, &class.body);
            }
            Stmt::FunctionDef(function) => self.enter(self.functions + 1, &function.body),
            Stmt::For(each) => {
                self.loops += 1;
                each.body.iter().for_each(|statement| self.visit_stmt(statement));
                self.loops -= 1;
                each.orelse.iter().for_each(|statement| self.visit_stmt(statement));
            }
            Stmt::While(again) => {
                self.loops += 1;
                again.body.iter().for_each(|statement| self.visit_stmt(statement));
                self.loops -= 1;
                again.orelse.iter().for_each(|statement| self.visit_stmt(statement));
            }
            Stmt::Return(end) if self.functions == 0 => {
                self.fault("'return' outside function", end.range.start().into());
            }
            Stmt::Break(end) if self.loops == 0 => {
                self.fault("'break' outside loop", end.range.start().into());
            }
            Stmt::Continue(end) if self.loops == 0 => {
                self.fault("'continue' outside loop", end.range.start().into());
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
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
        let methods: Vec<_> =
            source.methods.iter().map(|(name, of)| (name.as_str(), of.join(" "))).collect();
        assert_eq!(methods, [("a", "self b c d".into()), ("e", "self".into())]);
        assert!(
            !read("class Plugins: pass\ndef f():\n    class Plugin: pass\n").unwrap().has_plugin
        );
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
            ("x = 1\r\n\r\nreturn 1", "line 3: 'return' outside function"),
            ("class Plugin:\n    return 1", "line 2: 'return'"),
            ("while 1:\n    def f():\n        break", "line 3: 'break'"),
            ("continue", "line 1: 'continue'"),
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
