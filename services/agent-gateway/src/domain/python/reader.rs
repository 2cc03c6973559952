//! Goes through a plugin's source as Python's compiler does: scope by scope, asking of each place what it may hold.

use super::names::Names;
use super::{Source, line_of};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, Parameters, PythonVersion, Stmt, StmtClassDef,
    StmtFunctionDef, StmtImportFrom,
};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
};
use ruff_text_size::{Ranged, TextRange};
use std::cell::RefCell;

/// The newest Python that agents run on; what older ones cannot read is theirs to refuse.
pub(super) const NEWEST: PythonVersion = PythonVersion::PY314;

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
}

/// Reads the statements of a module.
pub(super) struct Reader<'a> {
    source: &'a str,
    found: Source,
    scopes: Vec<Scope<'a>>,
    checker: SemanticSyntaxChecker,
    has_future_annotations: bool,
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
            fault: RefCell::default(),
        };
        reader.within(Kind::Module, Names::of(None, body), |reader| reader.visit_body(body));
        reader.fault.into_inner().map_or(Ok(reader.found), Err)
    }

    fn fault(&self, what: &str, range: TextRange) {
        let line = line_of(self.source, range.start().into());
        self.fault.borrow_mut().get_or_insert(format!("is not Python: line {line}: {what}"));
    }

    /// Goes into a scope and out again.
    fn within(&mut self, kind: Kind, names: Names<'a>, inside: impl FnOnce(&mut Self)) {
        self.check_names(&names);
        self.scopes.push(Scope { kind, names, loops: 0 });
        inside(self);
        self.scopes.pop();
    }

    /// Refuses names that are declared global or nonlocal too late, or as both; where an expression uses one, the checker and
    /// [`Self::visit_expr`] see it.
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
        for statement in &class.body {
            let Stmt::FunctionDef(StmtFunctionDef { name, parameters, decorator_list, .. }) =
                statement
            else {
                continue;
            };
            if name.as_str() == "__init__" && decorator_list.is_empty() {
                self.found.construction = construction(parameters);
            }
            let names = parameters
                .iter_non_variadic_params()
                .map(|parameter| parameter.parameter.name.to_string());
            self.found.methods.insert(name.to_string(), names.collect());
        }
    }

    fn visit_loop(&mut self, body: &'a [Stmt], orelse: &'a [Stmt]) {
        self.count_loop(true);
        self.visit_body(body);
        self.count_loop(false);
        self.visit_body(orelse);
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

/// Says why agents cannot make a plugin: they give it nothing but, from `staging` on, `api`
/// (specs/runbook/plugins-and-tasks.md §3).
fn construction(parameters: &Parameters) -> Option<String> {
    let Parameters { posonlyargs, args, vararg, kwonlyargs, .. } = parameters;
    let mut places = posonlyargs.iter().chain(args);
    if places.next().is_none() && vararg.is_none() {
        return Some("__init__ of `class Plugin` does not take self".into());
    }
    let mut needed = places.chain(kwonlyargs).filter(|of| of.default.is_none());
    let other = needed.find(|of| of.parameter.name.as_str() != "api")?;
    let name = other.parameter.name.as_str();
    Some(format!(
        "__init__ of `class Plugin` needs {name:?}, which agents do not give; give it a default"
    ))
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
                self.visit_loop(&each.body, &each.orelse);
            }
            Stmt::While(again) => {
                self.visit_expr(&again.test);
                self.visit_loop(&again.body, &again.orelse);
            }
            Stmt::Expr(of) if of.value.is_starred_expr() => {
                self.fault("a starred expression cannot stand alone", of.value.range());
            }
            Stmt::Try(of) => {
                let mut before = of.handlers.iter().rev().skip(1);
                let all = before.find_map(|handler| {
                    let ExceptHandler::ExceptHandler(handler) = handler;
                    handler.type_.is_none().then_some(handler.range)
                });
                if let Some(range) = all {
                    self.fault("the 'except:' of everything must be the last", range);
                }
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

impl SemanticSyntaxContext for Reader<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        self.has_future_annotations
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        None
    }

    fn python_version(&self) -> PythonVersion {
        NEWEST
    }

    fn source(&self) -> &str {
        self.source
    }

    fn global(&self, name: &str) -> Option<TextRange> {
        self.names()?.globals.get(name).copied()
    }

    fn has_nonlocal_binding(&self, name: &str) -> bool {
        for Scope { kind, names, .. } in self.scopes.iter().rev().skip(1) {
            match kind {
                // every method may speak of its class
                Kind::Class if name == "__class__" => return true,
                Kind::Function { .. } | Kind::Lambda if names.globals.contains_key(name) => {
                    return false;
                }
                Kind::Function { .. } | Kind::Lambda
                    if names.bound.contains(name) || names.parameters.contains(name) =>
                {
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    fn in_async_context(&self) -> bool {
        let around = self
            .kinds()
            .find(|kind| matches!(kind, Kind::Class | Kind::Lambda | Kind::Function { .. }));
        around == Some(Kind::Function { is_async: true })
    }

    fn in_await_allowed_context(&self) -> bool {
        let around = self.kinds().find(|kind| !matches!(kind, Kind::Comprehension { .. }));
        matches!(around, Some(Kind::Function { .. } | Kind::Lambda | Kind::Generator))
    }

    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.current(), Kind::Function { .. } | Kind::Lambda)
    }

    fn in_sync_comprehension(&self) -> bool {
        self.kinds().any(|kind| kind == Kind::Comprehension { is_async: false })
    }

    fn in_class_body_comprehension(&self) -> bool {
        let around =
            self.kinds().find(|kind| !matches!(kind, Kind::Comprehension { .. } | Kind::Generator));
        around == Some(Kind::Class)
    }

    fn in_module_scope(&self) -> bool {
        self.current() == Kind::Module
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.current(), Kind::Function { .. })
    }

    fn in_generator_context(&self) -> bool {
        self.kinds().any(|kind| kind == Kind::Generator)
    }

    fn in_notebook(&self) -> bool {
        false
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        self.fault(&error.to_string(), error.range());
    }

    fn in_loop_context(&self) -> bool {
        self.scopes.last().is_some_and(|scope| scope.loops > 0)
    }

    fn is_bound_parameter(&self, name: &str) -> bool {
        self.names().is_some_and(|names| names.parameters.contains(name))
    }
}
