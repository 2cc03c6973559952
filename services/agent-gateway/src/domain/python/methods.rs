//! What agents can do with the class of a plugin: make one and call its methods.

use super::names::Names;
use crate::domain::parameters::Parameters;
use ruff_python_ast::{
    Expr, ParameterWithDefault, Parameters as Declared, Stmt, StmtClassDef, StmtFunctionDef,
};
use std::collections::{BTreeMap, HashSet};
use std::slice;

/// Is a method as it is written in a class.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Method {
    /// Its parameters, the first one included.
    pub parameters: Vec<String>,
    /// What it may be given, unless only running the source tells.
    pub takes: Option<Parameters>,
    /// Why agents cannot call it, if they cannot.
    pub fault: Option<String>,
}

impl Method {
    fn of(function: &StmtFunctionDef) -> Self {
        let declared = &function.parameters;
        let names = declared.iter_non_variadic_params().map(|of| of.parameter.name.to_string());
        let parameters = names.collect();
        let is_bound = match function.decorator_list.as_slice() {
            [] => true,
            [one] => match &one.expression {
                Expr::Name(name) if name.id.as_str() == "staticmethod" => false,
                Expr::Name(name) if name.id.as_str() == "classmethod" => true,
                _ => return Self { parameters, ..Self::default() },
            },
            _ => return Self { parameters, ..Self::default() },
        };
        match takes(declared, is_bound) {
            _ if function.is_async => {
                let fault = "is `async def`: agents do not wait for it and never tell what it gives; use `def`";
                Self { parameters, takes: None, fault: Some(fault.into()) }
            }
            Ok(takes) => Self { parameters, takes, fault: None },
            Err(fault) => Self { parameters, takes: None, fault: Some(fault) },
        }
    }

    /// Forgets what only holds if the method is what an agent finds by its name.
    pub(super) fn doubt(&mut self) {
        (self.takes, self.fault) = (None, None);
    }
}

/// Says what a method may be given by name; nothing where Python changes the names, or why it can never be called.
fn takes(declared: &Declared, is_bound: bool) -> Result<Option<Parameters>, String> {
    let Declared { posonlyargs, args, vararg, kwonlyargs, kwarg, .. } = declared;
    let (mut places, mut named) = (posonlyargs.iter(), args.iter());
    if is_bound && places.next().is_none() && named.next().is_none() && vararg.is_none() {
        return Err("does not take self".into());
    }
    if let Some(of) = places.find(|of| of.default.is_none()) {
        let name = of.parameter.name.as_str();
        return Err(format!(
            "needs {name:?} by its place; agents give arguments by name, so remove the `/`"
        ));
    }
    let entry = |of: &ParameterWithDefault| (of.parameter.name.to_string(), of.default.is_none());
    let names: BTreeMap<String, bool> = named.chain(kwonlyargs).map(entry).collect();
    let is_changed = |name: &String| !name.is_ascii() || name.starts_with("__");
    if names.keys().any(is_changed) {
        return Ok(None);
    }
    Ok(Some(Parameters { names, others: kwarg.is_some() }))
}

/// Gives the methods of a class.
pub(super) fn methods(class: &StmtClassDef) -> BTreeMap<String, Method> {
    let mut methods = BTreeMap::new();
    let mut bound_otherwise = HashSet::new();
    for statement in &class.body {
        match statement {
            Stmt::FunctionDef(function) => {
                methods.insert(function.name.to_string(), Method::of(function));
            }
            _ => bound_otherwise.extend(Names::of(None, slice::from_ref(statement)).bound),
        }
    }
    let is_changed = !class.decorator_list.is_empty()
        || class.arguments.as_ref().is_some_and(|of| !of.keywords.is_empty());
    for (name, method) in &mut methods {
        if is_changed || bound_otherwise.contains(name.as_str()) {
            method.doubt();
        }
    }
    methods
}

/// Tells whether a module binds the name of the class just once, as a statement of its own.
pub(super) fn is_bound_once(body: &[Stmt], name: &str) -> bool {
    let mut binds =
        body.iter().filter(|of| Names::of(None, slice::from_ref(*of)).bound.contains(name));
    binds.next().is_some_and(Stmt::is_class_def_stmt) && binds.next().is_none()
}

/// Says why agents cannot make a plugin: they give it nothing but, from `staging` on, `api`
/// (specs/runbook/plugins-and-tasks.md §3).
pub(super) fn construction(class: &StmtClassDef) -> Option<String> {
    let mut functions = class.body.iter().filter_map(Stmt::as_function_def_stmt);
    let init = functions.rfind(|of| of.name.as_str() == "__init__")?;
    if !init.decorator_list.is_empty() {
        return None;
    }
    if init.is_async {
        return Some("__init__ of `class Plugin` is `async def`; use `def`".into());
    }
    let Declared { posonlyargs, args, vararg, kwonlyargs, .. } = &*init.parameters;
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
