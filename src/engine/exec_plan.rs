//! Plans an EXEC: from the parsed statement to a logical plan that calls a procedure.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias};

use super::fault::{Fault, from_datafusion};
use super::{dialect, table_names};
use crate::error::{Result, nearest};
use crate::resource::{Callable, Method, Registry, Resource};
use crate::sql::{Argument, Exec, Wait};
use crate::table::exec::{ArgumentSlot, CallProcedure};

/// The plan of an EXEC. Names of arguments, and values that are literals, are checked here.
pub(super) fn plan(state: &SessionState, registry: &Registry, exec: &Exec) -> Result<LogicalPlan> {
    let callable = find(state, registry, &exec.procedure)?;
    let mut values = Vec::new();
    for Argument { name, value } in &exec.arguments {
        values.push((ArgumentSlot::Named(name.clone()), expression(state, value, placeholder_field(&callable, name))?));
    }
    if let Some(json) = &exec.json {
        values.push((ArgumentSlot::Json, expression(state, json, None)?));
    }
    match &exec.wait {
        Some(Wait::For(limit)) => values.push((ArgumentSlot::Wait, expression(state, limit, None)?)),
        Some(Wait::Usual) => values.push((ArgumentSlot::Wait, CallProcedure::usual_wait())),
        None => {}
    }
    let node = CallProcedure::try_new(callable, values)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// The field that a placeholder for this parameter of the procedure gets.
fn placeholder_field(callable: &Callable, name: &str) -> Option<Field> {
    callable.procedure.parameter(name).map(|parameter| Field::new(name, parameter.data_type.clone(), true))
}

/// The parameters of an EXEC, "1", "2", …, all nullable. A parameter has the type of the argument that it is bound to;
/// text if that is unknown.
pub(super) fn parameters(plan: &LogicalPlan, count: usize) -> Result<SchemaRef> {
    let types = plan.get_parameter_types().map_err(from_datafusion)?;
    let mut fields = Vec::with_capacity(count);
    for number in 1..=count {
        let data_type = match types.get(&format!("${number}")).cloned().flatten() {
            None | Some(DataType::Null) => DataType::Utf8,
            Some(known) => known,
        };
        fields.push(Field::new(number.to_string(), data_type, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn expression(state: &SessionState, value: &SqlExpr, wanted: Option<Field>) -> Result<Expr> {
    let mut value = ExprWithAlias { expr: value.clone(), alias: None };
    dialect::translate_expression(state, &mut value.expr)?;
    let expr = state.create_logical_expr_from_sql_expr(value, &DFSchema::empty()).map_err(from_datafusion)?;
    Ok(match (expr, wanted) {
        (Expr::Placeholder(Placeholder { id, field: None }), Some(wanted)) => {
            Expr::Placeholder(Placeholder::new_with_field(id, Some(Arc::new(wanted))))
        }
        (expr, _) => expr,
    })
}

/// The method that a name refers to.
pub(super) enum Found {
    /// A method that EXEC calls.
    Callable(Arc<Callable>),
    /// A method that SELECT reads.
    Method(Arc<Resource>, Method),
}

fn find(state: &SessionState, registry: &Registry, parts: &[String]) -> Result<Arc<Callable>> {
    match find_method(state, registry, parts)? {
        Found::Callable(callable) => Ok(callable),
        Found::Method(resource, method) => {
            let terms: Vec<_> = method.path.parameters().map(|name| format!("{name} = …")).collect();
            let filter = if terms.is_empty() { String::new() } else { format!(" WHERE {}", terms.join(" AND ")) };
            let query = format!("SELECT * FROM {resource}{filter}");
            Err(Fault::NotCalled { method: format!("{resource}.{}", method.name), query }.into())
        }
    }
}

/// Finds a method by its name, which may lack the catalog and the service.
///
/// # Errors
/// [`Fault::Unknown`], with the nearest known name.
pub(super) fn find_method(state: &SessionState, registry: &Registry, parts: &[String]) -> Result<Found, Fault> {
    let [.., name] = parts else { return Err(unknown_method(&parts.join("."), None)) };
    let table = full_name(state, registry, &parts[..parts.len() - 1], 3)?;
    let nearest_one = || nearest_method(registry, parts);
    let Some(resource) = registry.named(&table) else { return Err(unknown_method(&parts.join("."), nearest_one())) };
    let callable = registry
        .callables()
        .find(|callable| Arc::ptr_eq(&callable.resource, resource) && callable.procedure.name == *name);
    if let Some(callable) = callable {
        return Ok(Found::Callable(Arc::clone(callable)));
    }
    match resource.methods.iter().find(|method| method.name == *name) {
        Some(method) => Ok(Found::Method(Arc::clone(resource), method.clone())),
        None => {
            let known = resource.procedures.iter().map(|procedure| procedure.name.as_str());
            let near = nearest(name, known).map(|near| format!("{resource}.{near}"));
            Err(unknown_method(&parts.join("."), near.or_else(nearest_one)))
        }
    }
}

/// The full name, of `depth` parts, of a name that may lack its first parts: they are taken from the defaults. A table
/// that is not there is looked up elsewhere.
///
/// # Errors
/// [`Fault::AmbiguousTable`].
pub(super) fn full_name(
    state: &SessionState,
    registry: &Registry,
    parts: &[String],
    depth: usize,
) -> Result<String, Fault> {
    if depth == 3
        && let Some(full) = table_names::elsewhere(state, registry, parts)?
    {
        return Ok(full.join("."));
    }
    let defaults = &state.config_options().catalog;
    let front = [defaults.default_catalog.clone(), defaults.default_schema.clone()];
    let missing = depth.saturating_sub(parts.len()).min(front.len());
    Ok(front[..missing].iter().chain(parts).cloned().collect::<Vec<_>>().join("."))
}

fn unknown_method(name: &str, nearest: Option<String>) -> Fault {
    Fault::Unknown { what: "method", name: name.to_owned(), nearest }
}

/// The full name of the method that is most similar to `parts`. The last `parts.len()` parts are compared.
fn nearest_method(registry: &Registry, parts: &[String]) -> Option<String> {
    let mut full_names: Vec<String> = registry.callables().map(|callable| callable.name()).collect();
    for resource in registry.iter() {
        full_names.extend(resource.methods.iter().map(|method| format!("{resource}.{}", method.name)));
    }
    let endings: Vec<String> = full_names.iter().map(|name| last_parts(name, parts.len())).collect();
    let near = nearest(&parts.join("."), endings.iter().map(String::as_str))?;
    endings.iter().position(|ending| ending == near).map(|at| full_names[at].clone())
}

/// The last `count` of the four parts of a method's full name.
fn last_parts(full_name: &str, count: usize) -> String {
    full_name.split('.').skip(4_usize.saturating_sub(count)).collect::<Vec<_>>().join(".")
}
