//! SHOW and DESCRIBE: queries of the tables in `meta_catalog`.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::catalog::MemTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Ident, SetExpr, Statement, Value, visit_expressions_mut};

use super::exec_plan::{Found, completed, find_method};
use super::fault::{Fault, from_datafusion};
use super::{TableInfo, nearest_table};
use crate::error::{Result, nearest};
use crate::resource::{Registry, Resource, type_name};
use crate::sql::{self, Describe, Show, ShowKind, StatementBody, Thing};

/// A list: its columns, and the query that fills them.
struct ShowQuery {
    from: &'static str,
    /// Names, as the list shows them, and expressions; the first one is what LIKE is about.
    columns: Vec<(&'static str, &'static str)>,
    /// Shown with EXTENDED.
    more: Vec<(&'static str, &'static str)>,
    grouped_by: &'static str,
    /// Some of the columns.
    ordered_by: &'static str,
}

fn list(listing: ShowKind) -> ShowQuery {
    match listing {
        ShowKind::Providers => ShowQuery {
            from: "resources",
            columns: vec![("name", "provider")],
            more: vec![("services", "count(DISTINCT service)"), ("resources", "count(*)")],
            grouped_by: " GROUP BY provider",
            ordered_by: "name",
        },
        ShowKind::Services => ShowQuery {
            from: "resources",
            columns: vec![("name", "service"), ("provider", "provider")],
            more: vec![("resources", "count(*)")],
            grouped_by: " GROUP BY provider, service",
            ordered_by: "provider, name",
        },
        ShowKind::Resources => ShowQuery {
            from: "resources",
            columns: vec![("name", "resource"), ("id", "id")],
            more: vec![("key", "array_to_string(\"key\", ', ')"), ("description", "description")],
            grouped_by: "",
            ordered_by: "id",
        },
        ShowKind::Methods => ShowQuery {
            from: "methods",
            // The first three are StackQL's, in its spelling.
            columns: vec![
                ("MethodName", "method"),
                ("RequiredParams", "array_to_string(required_params, ', ')"),
                ("SQLVerb", "sql_verb"),
                ("Resource", "catalog || '.' || service || '.' || resource"),
            ],
            more: vec![
                ("OptionalParams", "array_to_string(optional_params, ', ')"),
                ("HTTPMethod", "http_method"),
                ("Path", "path"),
                ("Description", "description"),
            ],
            grouped_by: "",
            ordered_by: "\"Resource\", \"MethodName\"",
        },
    }
}

/// The query that a SHOW is. A condition of the statement's own is put into the tree as it was parsed.
pub(super) fn query(state: &SessionState, registry: &Registry, show: &Show) -> Result<Ast> {
    let ShowQuery { from, mut columns, more, grouped_by, ordered_by } = list(show.listing);
    columns.extend(if show.extended { more } else { Vec::new() });
    let within = within(state, registry, show)?;
    let select: Vec<_> = columns.iter().map(|(name, expr)| format!("{expr} AS \"{name}\"")).collect();
    let list = format!("SELECT {} FROM oceanflight.meta.{from}{within}{grouped_by}", select.join(", "));
    let names: Vec<_> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let (first, names) = (&names[0], names.join(", "));
    let like = show.like.as_ref().map(|pattern| format!("{first} ILIKE {}", text(pattern)));
    let like = like.as_deref().unwrap_or("true");
    let mut ast = parse(&format!("SELECT {names} FROM ({list}) WHERE {like} ORDER BY {ordered_by}"))?;
    if let (Some(filter), Some(condition)) = (&show.filter, condition(&mut ast)) {
        let like = std::mem::replace(condition, Expr::value(Value::Null));
        let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
        let (left, right) = (nested(like), nested(in_its_spelling(filter, &columns)));
        *condition = Expr::BinaryOp { left, op: BinaryOperator::And, right };
    }
    Ok(ast)
}

/// The tree of a query that this module has written.
fn parse(sql: &str) -> Result<Ast> {
    match sql::parse(sql)?.body {
        StatementBody::Sql(ast) => Ok(*ast),
        _ => Err(Fault::Internal("SHOW is no query".into()).into()),
    }
}

/// What a query's WHERE says.
fn condition(ast: &mut Ast) -> Option<&mut Expr> {
    let Ast::Statement(statement) = ast else { return None };
    let Statement::Query(query) = statement.as_mut() else { return None };
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    select.selection.as_mut()
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// `sqlverb` is `SQLVerb`: a list's columns are found in any spelling.
fn in_its_spelling(filter: &Expr, columns: &[(&str, &str)]) -> Expr {
    let mut filter = filter.clone();
    let _ = visit_expressions_mut(&mut filter, |expr| {
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

/// The condition that IN stands for. A name may lack what stands before it, or name more than one thing.
fn within(state: &SessionState, registry: &Registry, show: &Show) -> Result<String, Fault> {
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
    let from_the_front = registry.iter().any(|resource| starts_with(resource, parts));
    let full: Vec<String> = match from_the_front {
        true => parts.clone(),
        false => completed(state, registry, parts, depth)?.split('.').map(str::to_owned).collect(),
    };
    if parts.len() > depth || !registry.iter().any(|resource| starts_with(resource, &full)) {
        let known = known(registry, depth, parts.len());
        let nearest = nearest(&name, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(Fault::Unknown { what, name, nearest });
    }
    let terms = ["catalog", "service", "resource"].iter().zip(&full);
    let terms: Vec<_> = terms.map(|(column, value)| format!("{column} = {}", text(value))).collect();
    Ok(format!(" WHERE {}", terms.join(" AND ")))
}

fn starts_with(resource: &Resource, parts: &[String]) -> bool {
    let own = [&resource.catalog, &resource.schema, &resource.table];
    parts.len() <= own.len() && own.into_iter().zip(parts).all(|(own, part)| own == part)
}

/// The first and the last `written` parts of every name of `depth` parts.
fn known(registry: &Registry, depth: usize, written: usize) -> Vec<String> {
    let written = written.min(depth);
    let own = |resource: &Arc<Resource>| {
        let parts = [&resource.catalog, &resource.schema, &resource.table].map(String::as_str);
        [parts[..written].join("."), parts[depth - written..depth].join(".")]
    };
    registry.iter().flat_map(own).collect()
}

/// The query, or the plan, that a DESCRIBE is.
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
            let more = if describe.extended { ", p.example" } else { "" };
            Ok(DescribePlan::Query(Box::new(parse(&format!(
                "SELECT p.name, p.type, p.required, p.goes_with, p.allowed_values, p.location, m.http_method, m.path, \
                 p.description{more} FROM oceanflight.meta.methods m \
                 LEFT JOIN oceanflight.meta.parameters p ON p.method_id = m.id WHERE m.id = {} ORDER BY p.position",
                text(&id)
            ))?)))
        }
        Thing::Table => {
            let name = completed(state, registry, &describe.name, 3)?;
            let table = tables.iter().find(|table| table.full_name() == name);
            let Some(table) = table else {
                let name = describe.name.join(".");
                return Err(Fault::UnknownTable { nearest: nearest_table(&name, tables), name }.into());
            };
            let resource = registry.named(&name);
            match resource {
                Some(resource) => Ok(DescribePlan::Query(Box::new(parse(&of_resource(resource, describe.extended))?))),
                None => Ok(DescribePlan::Plan(of_table(table)?)),
            }
        }
    }
}

fn of_resource(resource: &Resource, extended: bool) -> String {
    let more = if extended { ", required, pushed_down_to" } else { "" };
    let Resource { catalog, schema, table, .. } = resource;
    format!(
        "SELECT name, type, nullable, description{more} FROM oceanflight.meta.columns \
         WHERE catalog = {} AND service = {} AND resource = {} ORDER BY position",
        text(catalog),
        text(schema),
        text(table)
    )
}

/// A table that no declaration is of.
fn of_table(table: &TableInfo) -> Result<LogicalPlan> {
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
        LogicalPlanBuilder::scan("columns", provider_as_source(Arc::new(table)), None)?.build()
    };
    plan().map_err(from_datafusion)
}
