//! SHOW and DESCRIBE, as queries of the tables in `meta_catalog`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::catalog::MemTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Ident, SetExpr, Statement, Value};

use super::exec_plan::{Found, find_method, full_name};
use super::fault::{Fault, from_datafusion};
use super::{TableInfo, nearest_table};
use crate::error::{Result, nearest};
use crate::resource::{Registry, Resource, type_name};
use crate::sql::{self, Describe, Show, ShowKind, StatementBody, Thing};

/// A list of SHOW: its columns, and the query that computes them.
struct ShowQuery {
    from: &'static str,
    /// The names and expressions of the columns. LIKE compares the first one.
    columns: Vec<(&'static str, &'static str)>,
    /// The additional columns of EXTENDED.
    extended_columns: Vec<(&'static str, &'static str)>,
    group_by: &'static str,
    /// The columns to sort by.
    order_by: &'static str,
}

fn list(listing: ShowKind) -> ShowQuery {
    match listing {
        ShowKind::Providers => ShowQuery {
            from: "resources",
            columns: vec![("name", "provider")],
            extended_columns: vec![("services", "count(DISTINCT service)"), ("resources", "count(*)")],
            group_by: " GROUP BY provider",
            order_by: "name",
        },
        ShowKind::Services => ShowQuery {
            from: "resources",
            columns: vec![("name", "service"), ("provider", "provider")],
            extended_columns: vec![("resources", "count(*)")],
            group_by: " GROUP BY provider, service",
            order_by: "provider, name",
        },
        ShowKind::Resources => ShowQuery {
            from: "resources",
            columns: vec![("name", "resource"), ("id", "id")],
            extended_columns: vec![("key", "array_to_string(\"key\", ', ')"), ("description", "description")],
            group_by: "",
            order_by: "id",
        },
        ShowKind::Methods => ShowQuery {
            from: "methods",
            // The first three are StackQL's columns, in its spelling.
            columns: vec![
                ("MethodName", "method"),
                ("RequiredParams", "array_to_string(required_params, ', ')"),
                ("SQLVerb", "sql_verb"),
                ("Resource", "catalog || '.' || service || '.' || resource"),
            ],
            extended_columns: vec![
                ("OptionalParams", "array_to_string(optional_params, ', ')"),
                ("HTTPMethod", "http_method"),
                ("Path", "path"),
                ("Description", "description"),
            ],
            group_by: "",
            order_by: "\"Resource\", \"MethodName\"",
        },
    }
}

/// The query for a SHOW. The statement's WHERE condition is inserted into the syntax tree.
pub(super) fn query(state: &SessionState, registry: &Registry, show: &Show) -> Result<Ast> {
    let ShowQuery { from, mut columns, extended_columns, group_by, order_by } = list(show.listing);
    if show.extended {
        columns.extend(extended_columns);
    }
    let filter_in = where_clause(state, registry, show)?;
    let select: Vec<_> = columns.iter().map(|(name, expr)| format!("{expr} AS \"{name}\"")).collect();
    let list = format!("SELECT {} FROM oceanflight.meta.{from}{filter_in}{group_by}", select.join(", "));
    let names: Vec<_> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let like = match &show.like {
        Some(pattern) => format!("{} ILIKE {}", names[0], text(pattern)),
        None => "true".to_owned(),
    };
    let mut ast = parse(&format!("SELECT {} FROM ({list}) WHERE {like} ORDER BY {order_by}", names.join(", ")))?;
    if let (Some(filter), Some(condition)) = (&show.filter, condition(&mut ast)) {
        let like = std::mem::replace(condition, Expr::value(Value::Null));
        let (left, right) = (in_parentheses(like), in_parentheses(with_exact_spelling(filter, &columns)));
        *condition = Expr::BinaryOp { left, op: BinaryOperator::And, right };
    }
    Ok(ast)
}

fn in_parentheses(expr: Expr) -> Box<Expr> {
    Box::new(Expr::Nested(Box::new(expr)))
}

/// Parses a query that this engine has written.
pub(super) fn parse(sql: &str) -> Result<Ast> {
    match sql::parse(sql)?.body {
        StatementBody::Sql(ast) => Ok(*ast),
        _ => Err(Fault::Internal("SHOW was not parsed to a query".into()).into()),
    }
}

/// The WHERE condition of a query.
fn condition(ast: &mut Ast) -> Option<&mut Expr> {
    let Ast::Statement(statement) = ast else { return None };
    let Statement::Query(query) = statement.as_mut() else { return None };
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    select.selection.as_mut()
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// The filter with the list's column names in their exact spelling: `sqlverb` becomes `SQLVerb`.
fn with_exact_spelling(filter: &Expr, columns: &[(&str, &str)]) -> Expr {
    let mut filter = filter.clone();
    let _ = sql::visit_expressions_mut(&mut filter, |expr| {
        if let Expr::Identifier(ident) = expr
            && ident.quote_style.is_none()
            && let Some((name, _)) = columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(&ident.value))
        {
            *ident = Ident::with_quote('"', *name);
        }
        ControlFlow::<()>::Continue(())
    });
    filter
}

/// The WHERE clause for IN. The name may lack its first parts, or its last ones: then it selects several tables.
fn where_clause(state: &SessionState, registry: &Registry, show: &Show) -> Result<String, Fault> {
    let parts = &show.within;
    let (what, depth) = match show.listing {
        ShowKind::Providers if !parts.is_empty() => return Err(Fault::Invalid("SHOW PROVIDERS takes no IN".into())),
        ShowKind::Providers => return Ok(String::new()),
        ShowKind::Services => ("provider", 1),
        ShowKind::Resources => ("service", 2),
        ShowKind::Methods => ("table", 3),
    };
    if parts.is_empty() {
        return Ok(String::new());
    }
    let name = parts.join(".");
    let is_prefix = registry.iter().any(|resource| starts_with(resource, parts));
    let full: Vec<String> = match is_prefix {
        true => parts.clone(),
        false => {
            let full = full_name(state, registry, parts, depth)?.split('.').map(str::to_owned).collect::<Vec<_>>();
            let is_known = registry.iter().any(|resource| starts_with(resource, &full));
            if is_known { full } else { only_ending(registry, parts, depth).unwrap_or(full) }
        }
    };
    if parts.len() > depth || !registry.iter().any(|resource| starts_with(resource, &full)) {
        let known = known(registry, depth, parts.len());
        let nearest = nearest(&name, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(Fault::Unknown { what, name, nearest });
    }
    let mut terms = Vec::new();
    for (column, value) in ["catalog", "service", "resource"].iter().zip(&full) {
        terms.push(format!("{column} = {}", text(value)));
    }
    Ok(format!(" WHERE {}", terms.join(" AND ")))
}

/// The name of `depth` parts that ends with `parts`, if there is one only: the service of another catalog than the
/// session's.
fn only_ending(registry: &Registry, parts: &[String], depth: usize) -> Option<Vec<String>> {
    let names = registry.iter().map(|resource| {
        let names = [&resource.catalog, &resource.schema, &resource.table];
        names.into_iter().take(depth).cloned().collect::<Vec<_>>()
    });
    let mut matching: BTreeSet<_> = names.filter(|name| name.ends_with(parts)).collect();
    if matching.len() == 1 { matching.pop_first() } else { None }
}

fn starts_with(resource: &Resource, parts: &[String]) -> bool {
    let names = [&resource.catalog, &resource.schema, &resource.table];
    parts.len() <= names.len() && names.into_iter().zip(parts).all(|(name, part)| name == part)
}

/// The known names that a name of `written` parts can mean: the first and the last `written` parts of every name of
/// `depth` parts.
fn known(registry: &Registry, depth: usize, written: usize) -> Vec<String> {
    let written = written.min(depth);
    let mut names = Vec::new();
    for resource in registry.iter() {
        let parts = [&resource.catalog, &resource.schema, &resource.table].map(String::as_str);
        names.extend([parts[..written].join("."), parts[depth - written..depth].join(".")]);
    }
    names
}

/// The query or plan of a DESCRIBE.
pub(super) enum DescribePlan {
    Query(Box<Ast>),
    Plan(LogicalPlan),
}

pub(super) fn describe(
    state: &SessionState,
    registry: &Registry,
    describe: &Describe,
    tables: &[TableInfo],
) -> Result<DescribePlan> {
    match describe.thing {
        Thing::Method => {
            let id = match find_method(state, registry, &describe.name)? {
                Found::Callable(callable) => callable.name(),
                Found::Method(resource, method) => format!("{resource}.{}", method.name),
            };
            let extended_columns = if describe.extended { ", p.example" } else { "" };
            Ok(DescribePlan::Query(Box::new(parse(&format!(
                "SELECT p.name, p.type, p.required, p.applies_when, p.allowed_values, p.location, m.http_method, m.path, \
                 p.description{extended_columns} FROM oceanflight.meta.methods m \
                 LEFT JOIN oceanflight.meta.parameters p ON p.method_id = m.id WHERE m.id = {} ORDER BY p.position",
                text(&id)
            ))?)))
        }
        Thing::Table => {
            let name = full_name(state, registry, &describe.name, 3)?;
            let table = tables.iter().find(|table| table.full_name() == name);
            let Some(table) = table else {
                let name = describe.name.join(".");
                return Err(Fault::UnknownTable { nearest: nearest_table(&name, tables), name }.into());
            };
            let resource = registry.named(&name);
            match resource {
                Some(resource) => {
                    Ok(DescribePlan::Query(Box::new(parse(&describe_resource(resource, describe.extended))?)))
                }
                None => Ok(DescribePlan::Plan(describe_table(table)?)),
            }
        }
    }
}

fn describe_resource(resource: &Resource, extended: bool) -> String {
    let extended_columns = if extended { ", required, pushed_down_to" } else { "" };
    let Resource { catalog, schema, table, .. } = resource;
    format!(
        "SELECT name, type, nullable, description{extended_columns} FROM oceanflight.meta.columns \
         WHERE catalog = {} AND service = {} AND resource = {} ORDER BY position",
        text(catalog),
        text(schema),
        text(table)
    )
}

/// DESCRIBE of a table that is not over the API: a plan that returns its columns.
fn describe_table(table: &TableInfo) -> Result<LogicalPlan> {
    let fields = table.columns.fields();
    let texts = |values: Vec<Option<String>>| Arc::new(StringArray::from(values)) as ArrayRef;
    let nullable: BooleanArray = fields.iter().map(|field| Some(field.is_nullable())).collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("name", texts(fields.iter().map(|field| Some(field.name().clone())).collect())),
        ("type", texts(fields.iter().map(|field| Some(type_name(field.data_type()))).collect())),
        ("nullable", Arc::new(nullable)),
        ("description", texts(fields.iter().map(|field| field.metadata().get("description").cloned()).collect())),
    ];
    let plan = || {
        let batch = RecordBatch::try_from_iter(columns)?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        LogicalPlanBuilder::scan("describe", provider_as_source(Arc::new(table)), None)?.build()
    };
    plan().map_err(from_datafusion)
}
