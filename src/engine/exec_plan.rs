//! From EXEC as it was written to the plan that calls a procedure.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, ExprWithAlias};

use super::fault::{Fault, from_datafusion};
use super::table_names;
use crate::error::{Result, nearest};
use crate::resource::{Callable, Method, Registry, Resource};
use crate::sql::{Argument, Exec, Wait};
use crate::table::exec::{ArgumentSlot, CallProcedure};

/// The plan of an EXEC, with what is known of its arguments checked.
pub(super) fn plan(state: &SessionState, registry: &Registry, exec: &Exec) -> Result<LogicalPlan> {
    let callable = find(state, registry, &exec.procedure)?;
    let mut values = Vec::new();
    for Argument { name, value } in &exec.arguments {
        values.push((ArgumentSlot::Named(name.clone()), expression(state, value, callable_type(&callable, name))?));
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

/// What a parameter of the procedure is told as.
fn callable_type(callable: &Callable, name: &str) -> Option<Field> {
    callable.procedure.parameter(name).map(|own| Field::new(name, own.data_type.clone(), true))
}

/// The parameters of an EXEC, "1", "2", …, all nullable: of the types of the procedure's own, else text.
pub(super) fn parameters(plan: &LogicalPlan, count: usize) -> Result<SchemaRef> {
    let types = plan.get_parameter_types().map_err(from_datafusion)?;
    let field = |number: usize| {
        let known = types.get(&format!("${number}")).cloned().flatten().filter(|known| *known != DataType::Null);
        Field::new(number.to_string(), known.unwrap_or(DataType::Utf8), true)
    };
    Ok(Arc::new(Schema::new((1..=count).map(field).collect::<Vec<_>>())))
}

fn expression(state: &SessionState, value: &SqlExpr, wanted: Option<Field>) -> Result<Expr> {
    let value = ExprWithAlias { expr: value.clone(), alias: None };
    let expr = state.create_logical_expr_from_sql_expr(value, &DFSchema::empty()).map_err(from_datafusion)?;
    Ok(match (expr, wanted) {
        (Expr::Placeholder(Placeholder { id, field: None }), Some(wanted)) => {
            Expr::Placeholder(Placeholder::new_with_field(id, Some(Arc::new(wanted))))
        }
        (expr, _) => expr,
    })
}

/// A method by its name, with as much before it as there is.
pub(super) enum Found {
    /// It is called.
    Callable(Arc<Callable>),
    /// It is selected from.
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

/// # Errors
/// [`Fault::Unknown`], with the nearest there is.
pub(super) fn find_method(state: &SessionState, registry: &Registry, parts: &[String]) -> Result<Found, Fault> {
    let [.., name] = parts else { return Err(unknown_method(&parts.join("."), None)) };
    let table = completed(state, registry, &parts[..parts.len() - 1], 3)?;
    let nearest_one = || nearest_method(registry, parts);
    let Some(resource) = registry.named(&table) else { return Err(unknown_method(&parts.join("."), nearest_one())) };
    let callable = registry.callables().find(|own| Arc::ptr_eq(&own.resource, resource) && own.procedure.name == *name);
    if let Some(callable) = callable {
        return Ok(Found::Callable(Arc::clone(callable)));
    }
    match resource.methods.iter().find(|method| method.name == *name) {
        Some(method) => Ok(Found::Method(Arc::clone(resource), method.clone())),
        None => {
            let known = resource.procedures.iter().map(|own| own.name.as_str());
            let near = nearest(name, known).map(|near| format!("{resource}.{near}"));
            Err(unknown_method(&parts.join("."), near.or_else(nearest_one)))
        }
    }
}

/// `compute.images` is that of the default catalog: what a name of `depth` parts is in full. A table's bare name is
/// looked for in the other services as well.
///
/// # Errors
/// [`Fault::AmbiguousTable`].
pub(super) fn completed(
    state: &SessionState,
    registry: &Registry,
    parts: &[String],
    depth: usize,
) -> Result<String, Fault> {
    if let ([name], 3) = (parts, depth)
        && let Some(resource) = table_names::elsewhere(state, registry, name)?
    {
        return Ok(resource.to_string());
    }
    let defaults = &state.config_options().catalog;
    let front = [defaults.default_catalog.clone(), defaults.default_schema.clone()];
    let missing = depth.saturating_sub(parts.len()).min(front.len());
    Ok(front[..missing].iter().chain(parts).cloned().collect::<Vec<_>>().join("."))
}

fn unknown_method(name: &str, nearest: Option<String>) -> Fault {
    Fault::Unknown { what: "method", name: name.to_owned(), nearest }
}

/// The method whose name is nearest as far as it was written.
fn nearest_method(registry: &Registry, parts: &[String]) -> Option<String> {
    let selects = registry
        .iter()
        .flat_map(|resource| resource.methods.iter().map(move |method| format!("{resource}.{}", method.name)));
    let all: Vec<String> = registry.callables().map(|callable| callable.name()).chain(selects).collect();
    let cut = |full: &String| {
        full.split('.').skip(4_usize.saturating_sub(parts.len())).map(str::to_owned).collect::<Vec<_>>().join(".")
    };
    let cuts: Vec<String> = all.iter().map(cut).collect();
    let near = nearest(&parts.join("."), cuts.iter().map(String::as_str))?;
    cuts.iter().position(|cut| cut == near).map(|at| all[at].clone())
}
