//! What the checker of Python's rules asks of the place that is being read.

use super::{Kind, NEWEST, Reader, Scope};
use ruff_python_ast::PythonVersion;
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxContext, SemanticSyntaxError,
};
use ruff_text_size::{Ranged, TextRange};

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
