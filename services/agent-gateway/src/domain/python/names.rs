//! The names that a piece of Python source binds and declares by itself, without the functions and classes in it.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, ExceptHandler, Expr, ExprContext, Identifier, Parameters, Pattern, Stmt,
};
use ruff_text_size::TextRange;
use std::collections::{HashMap, HashSet};

/// Is what one scope says of names.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// Where each name is declared global.
    pub(super) globals: HashMap<&'a str, TextRange>,
    /// Where each name is declared nonlocal.
    pub(super) nonlocals: HashMap<&'a str, TextRange>,
    /// The names that get a value here.
    pub(super) bound: HashSet<&'a str>,
    /// The names of the parameters; they get a value too.
    pub(super) parameters: HashSet<&'a str>,
    /// Where names get a value by something that is no expression; imports do not count.
    pub(super) stated: Vec<(&'a str, TextRange)>,
}

impl<'a> Names<'a> {
    /// Gathers the names of a body and of the parameters before it.
    pub(super) fn of(parameters: Option<&'a Parameters>, body: &'a [Stmt]) -> Self {
        let mut names = Self::default();
        for parameter in parameters.into_iter().flatten() {
            names.parameters.insert(parameter.name().as_str());
        }
        names.visit_body(body);
        names
    }

    fn state(&mut self, name: &'a Identifier) {
        self.bound.insert(name.as_str());
        self.stated.push((name.as_str(), name.range));
    }
}

impl<'a> Visitor<'a> for Names<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.state(&function.name);
                function.decorator_list.iter().for_each(|of| self.visit_decorator(of));
                self.visit_parameters(&function.parameters);
                function.returns.iter().for_each(|of| self.visit_annotation(of));
            }
            Stmt::ClassDef(class) => {
                self.state(&class.name);
                class.decorator_list.iter().for_each(|of| self.visit_decorator(of));
                class.arguments.iter().for_each(|of| self.visit_arguments(of));
            }
            Stmt::Global(declared) => {
                for name in &declared.names {
                    self.globals.entry(name.as_str()).or_insert(name.range);
                }
            }
            Stmt::Nonlocal(declared) => {
                for name in &declared.names {
                    self.nonlocals.entry(name.as_str()).or_insert(name.range);
                }
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        let whole = alias.asname.as_ref().unwrap_or(&alias.name);
        let name = whole.as_str().split('.').next().unwrap_or_default();
        if name != "*" {
            self.bound.insert(name);
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(of) = handler;
        of.name.iter().for_each(|name| self.state(name));
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(of) => of.name.as_ref(),
            Pattern::MatchStar(of) => of.name.as_ref(),
            Pattern::MatchMapping(of) => of.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.state(name);
        }
        visitor::walk_pattern(self, pattern);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if matches!(name.ctx, ExprContext::Store | ExprContext::Del) => {
                self.bound.insert(name.id.as_str());
            }
            // what it binds is its own
            Expr::Lambda(lambda) => {
                lambda.parameters.iter().for_each(|of| self.visit_parameters(of));
            }
            _ => visitor::walk_expr(self, expression),
        }
    }
}
