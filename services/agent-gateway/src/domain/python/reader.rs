//! Goes through a plugin's source as Python's compiler does: scope by scope, asking of each place what it may hold.

mod context;

use super::methods::{construction, is_bound_once, methods};
use super::names::Names;
use super::{Source, line_of};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, ExprContext, PythonVersion, Stmt, StmtClassDef,
    StmtImportFrom, StmtTry,
};
use ruff_python_parser::semantic_errors::SemanticSyntaxChecker;
use ruff_text_size::{Ranged, TextRange};
use std::cell::RefCell;
use std::collections::HashSet;

/// The newest Python that agents run on; what older ones cannot read is theirs to refuse.
pub(super) const NEWEST: PythonVersion = PythonVersion::PY314;
/// How many blocks Python's compiler holds in each other within one function.
const BLOCKS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Module,
    Class,
    Function { is_async: bool },
    Lambda,
    Comprehension { is_async: bool },
    Generator,
}

/// Is a place in which names live.
struct Scope<'a> {
    kind: Kind,
    names: Names<'a>,
    loops: usize,
    blocks: usize,
    /// Within how many loops the innermost handler of a group of exceptions stands, if there is one around.
    group: Option<usize>,
}

/// Reads the statements of a module.
pub(super) struct Reader<'a> {
    source: &'a str,
    found: Source,
    scopes: Vec<Scope<'a>>,
    checker: SemanticSyntaxChecker,
    has_future_annotations: bool,
    /// The names that something is assigned to in an object, which may be a plugin.
    attributes: HashSet<&'a str>,
    fault: RefCell<Option<String>>,
}

impl<'a> Reader<'a> {
    /// Reads a whole module; says what Python's compiler would refuse first.
    pub(super) fn read(source: &'a str, body: &'a [Stmt]) -> Result<Source, String> {
        let mut reader = Self {
            source,
            found: Source::default(),
            scopes: Vec::new(),
            checker: SemanticSyntaxChecker::new(),
            has_future_annotations: false,
            attributes: HashSet::new(),
            fault: RefCell::default(),
        };
        reader.within(Kind::Module, Names::of(None, body), |reader| reader.visit_body(body));
        let is_certain = is_bound_once(body, "Plugin");
        for (name, method) in &mut reader.found.methods {
            if !is_certain || reader.attributes.contains(name.as_str()) {
                method.doubt();
            }
        }
        reader.fault.into_inner().map_or(Ok(reader.found), Err)
    }

    fn fault(&self, what: &str, range: TextRange) {
        let line = line_of(self.source, range.start().into());
        self.fault.borrow_mut().get_or_insert(format!("is not Python: line {line}: {what}"));
    }

    /// Goes into a scope and out again.
    fn within(&mut self, kind: Kind, names: Names<'a>, inside: impl FnOnce(&mut Self)) {
        self.check_names(&names);
        self.scopes.push(Scope { kind, names, loops: 0, blocks: 0, group: None });
        inside(self);
        self.scopes.pop();
    }

    /// Refuses names that are declared global or nonlocal too late, or as both; where an expression uses one, the
    /// checker and [`Self::visit_expr`] see it.
    fn check_names(&self, names: &Names<'_>) {
        for (name, range) in &names.nonlocals {
            if names.globals.contains_key(name) {
                self.fault(&format!("name '{name}' is nonlocal and global"), *range);
            }
        }
        for (name, range) in &names.stated {
            for (kind, declared) in [("global", &names.globals), ("nonlocal", &names.nonlocals)] {
                if declared.get(name).is_some_and(|at| range.start() < at.start()) {
                    let what = format!("name '{name}' is assigned to before {kind} declaration");
                    self.fault(&what, *range);
                }
            }
        }
    }

    fn note_plugin(&mut self, class: &StmtClassDef) {
        self.found.has_plugin = true;
        self.found.construction = construction(class);
        self.found.methods.extend(methods(class));
    }

    fn visit_loop(&mut self, range: TextRange, body: &'a [Stmt], orelse: &'a [Stmt]) {
        self.count_loop(true);
        self.visit_block(1, range, body);
        self.count_loop(false);
        self.visit_body(orelse);
    }

    /// Goes into a block of which Python's compiler holds only so many in each other.
    fn visit_block(&mut self, blocks: usize, range: TextRange, body: &'a [Stmt]) {
        let Some(scope) = self.scopes.last_mut() else { return };
        scope.blocks += blocks;
        if scope.blocks > BLOCKS {
            self.fault("too many statically nested blocks", range);
        }
        self.visit_body(body);
        if let Some(scope) = self.scopes.last_mut() {
            scope.blocks -= blocks;
        }
    }

    fn visit_try(&mut self, of: &'a StmtTry) {
        let mut before = of.handlers.iter().rev().skip(1);
        let all = before.find_map(|handler| {
            let ExceptHandler::ExceptHandler(handler) = handler;
            handler.type_.is_none().then_some(handler.range)
        });
        if let Some(range) = all {
            self.fault("the 'except:' of everything must be the last", range);
        }
        let outer = usize::from(!of.finalbody.is_empty());
        let inner = outer + usize::from(!of.handlers.is_empty());
        self.visit_block(inner, of.range, &of.body);
        for handler in &of.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            handler.type_.iter().for_each(|of| self.visit_expr(of));
            let loops = self.scopes.last().map(|scope| scope.loops);
            let before = self.scopes.last_mut().and_then(|scope| {
                let loops = loops.filter(|_| of.is_star).or(scope.group);
                std::mem::replace(&mut scope.group, loops)
            });
            self.visit_block(outer + 2, handler.range, &handler.body);
            if let Some(scope) = self.scopes.last_mut() {
                scope.group = before;
            }
        }
        self.visit_block(outer, of.range, &of.orelse);
        self.visit_block(outer, of.range, &of.finalbody);
    }

    /// Refuses to leave the handler of a group of exceptions.
    fn check_leaves(&self, statement: &Stmt) {
        let Some(scope) = self.scopes.last() else { return };
        let leaves = match statement {
            Stmt::Return(_) => scope.group.is_some(),
            _ => scope.group.is_some_and(|loops| scope.loops <= loops),
        };
        if leaves {
            let what = "'break', 'continue' and 'return' cannot appear in an 'except*' block";
            self.fault(what, statement.range());
        }
    }

    fn count_loop(&mut self, enters: bool) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.loops = if enters { scope.loops + 1 } else { scope.loops.saturating_sub(1) };
        }
    }

    /// The first iterable is read outside, the rest within.
    fn visit_comprehension_of(
        &mut self,
        is_generator: bool,
        generators: &'a [Comprehension],
        results: &[&'a Expr],
    ) {
        let is_async = generators.iter().any(|of| of.is_async);
        let kind = if is_generator { Kind::Generator } else { Kind::Comprehension { is_async } };
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        self.within(kind, Names::default(), |reader| {
            for (place, of) in generators.iter().enumerate() {
                if place > 0 {
                    reader.visit_expr(&of.iter);
                }
                reader.visit_expr(&of.target);
                of.ifs.iter().for_each(|condition| reader.visit_expr(condition));
            }
            for result in results {
                reader.visit_expr(result);
            }
        });
    }

    fn current(&self) -> Kind {
        self.scopes.last().map_or(Kind::Module, |scope| scope.kind)
    }

    /// Gives the kinds of the scopes, the innermost first.
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.scopes.iter().rev().map(|scope| scope.kind)
    }

    fn names(&self) -> Option<&Names<'a>> {
        self.scopes.last().map(|scope| &scope.names)
    }
}

impl<'a> Visitor<'a> for Reader<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let mut checker = std::mem::take(&mut self.checker);
        checker.visit_stmt(statement, &*self);
        self.checker = checker;
        match statement {
            Stmt::ClassDef(class) => {
                if self.scopes.len() == 1 && class.name.as_str() == "Plugin" {
                    self.note_plugin(class);
                }
                class.decorator_list.iter().for_each(|of| self.visit_decorator(of));
                class.type_params.iter().for_each(|of| self.visit_type_params(of));
                class.arguments.iter().for_each(|of| self.visit_arguments(of));
                let names = Names::of(None, &class.body);
                self.within(Kind::Class, names, |reader| reader.visit_body(&class.body));
            }
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|of| self.visit_decorator(of));
                function.type_params.iter().for_each(|of| self.visit_type_params(of));
                self.visit_parameters(&function.parameters);
                function.returns.iter().for_each(|of| self.visit_annotation(of));
                let kind = Kind::Function { is_async: function.is_async };
                let names = Names::of(Some(&function.parameters), &function.body);
                self.within(kind, names, |reader| reader.visit_body(&function.body));
            }
            Stmt::For(each) => {
                self.visit_expr(&each.iter);
                self.visit_expr(&each.target);
                self.visit_loop(each.range, &each.body, &each.orelse);
            }
            Stmt::While(again) => {
                self.visit_expr(&again.test);
                self.visit_loop(again.range, &again.body, &again.orelse);
            }
            Stmt::Expr(of) if of.value.is_starred_expr() => {
                self.fault("a starred expression cannot stand alone", of.value.range());
            }
            Stmt::Try(of) => self.visit_try(of),
            Stmt::With(of) => {
                of.items.iter().for_each(|item| self.visit_with_item(item));
                self.visit_block(of.items.len(), of.range, &of.body);
            }
            Stmt::Break(_) | Stmt::Continue(_) => self.check_leaves(statement),
            Stmt::Return(_) => {
                self.check_leaves(statement);
                visitor::walk_stmt(self, statement);
            }
            Stmt::ImportFrom(StmtImportFrom { module, names, .. }) => {
                let future = module.as_ref().is_some_and(|module| module == "__future__");
                self.has_future_annotations |=
                    future && names.iter().any(|name| &name.name == "annotations");
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        let mut checker = std::mem::take(&mut self.checker);
        checker.visit_expr(expression, &*self);
        self.checker = checker;
        match expression {
            Expr::Name(name) => {
                let declared = self.names().and_then(|names| names.nonlocals.get(name.id.as_str()));
                if declared.is_some_and(|at| name.range.start() < at.start()) {
                    let what = format!("name '{}' is used prior to nonlocal declaration", name.id);
                    self.fault(&what, name.range);
                }
            }
            Expr::Attribute(of) if !matches!(of.ctx, ExprContext::Load) => {
                self.attributes.insert(of.attr.as_str());
                visitor::walk_expr(self, expression);
            }
            Expr::Lambda(lambda) => {
                lambda.parameters.iter().for_each(|of| self.visit_parameters(of));
                let names = Names::of(lambda.parameters.as_deref(), &[]);
                self.within(Kind::Lambda, names, |reader| reader.visit_expr(&lambda.body));
            }
            Expr::ListComp(of) => self.visit_comprehension_of(false, &of.generators, &[&of.elt]),
            Expr::SetComp(of) => self.visit_comprehension_of(false, &of.generators, &[&of.elt]),
            Expr::Generator(of) => self.visit_comprehension_of(true, &of.generators, &[&of.elt]),
            Expr::DictComp(of) => {
                let results: Vec<&Expr> =
                    of.key.iter().chain([&of.value]).map(AsRef::as_ref).collect();
                self.visit_comprehension_of(false, &of.generators, &results);
            }
            _ => visitor::walk_expr(self, expression),
        }
    }
}
