//! What the statements of a file have done to the session so far: tables, options, functions.

use std::collections::BTreeMap;

use datafusion::config::ConfigOptions;
use datafusion::sql::parser::{ResetStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Set, Statement, Value};

use super::statement;
use super::tables::{Lacks, Tables};

/// Options that change how a query is planned or explained, and nothing about its rows.
const HARMLESS: &[&str] = &[
    "datafusion.catalog.information_schema",
    "datafusion.execution.batch_size",
    "datafusion.execution.coalesce_batches",
    "datafusion.execution.collect_statistics",
    "datafusion.execution.hash_join_buffering_capacity",
    "datafusion.execution.parquet.",
    "datafusion.execution.planning_concurrency",
    "datafusion.execution.skip_partial_aggregation",
    "datafusion.execution.sort_",
    "datafusion.execution.target_partitions",
    "datafusion.execution.use_row_number_estimates",
    "datafusion.explain.",
    "datafusion.optimizer.",
    "datafusion.runtime.",
];

/// Where the server's own option is another than DataFusion's: what it is.
const SERVERS_OWN: &[(&str, &str)] = &[("datafusion.execution.time_zone", "UTC")];

/// Why a record is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Skip {
    /// No query: DDL, SET, COPY, SHOW, …
    NoQuery,
    /// Its plan, not its rows.
    Explain,
    /// A table that no query can say, for a reason.
    Lacks(Lacks),
    /// An option is set that changes rows.
    Option,
    /// An error is expected, and an option may be why.
    ErrorOfAnOption,
    /// A function that the file creates.
    Function,
}

/// The session's state.
#[derive(Default)]
pub(super) struct Session {
    tables: Tables,
    options: BTreeMap<String, String>,
    functions: Vec<String>,
}

impl Session {
    /// The statement as the server can answer it.
    pub(super) fn query(&self, sql: &str, fails: bool) -> Result<Query, Skip> {
        let ast = statement::parse(sql);
        if let Some(Ast::Explain(_)) = ast {
            return Err(Skip::Explain);
        }
        if !statement::is_query(sql) {
            return Err(Skip::NoQuery);
        }
        self.may_run(sql, fails)?;
        if ast.as_ref().is_some_and(statement::makes_a_table) {
            return Err(Skip::NoQuery);
        }
        match ast {
            // A table that never was is why the statement fails.
            Some(ast) if fails && !self.tables.knows_any(&ast) && !statement::reads_schema(&ast) => {
                Ok(Query { sql: sql.to_owned(), ordered: true })
            }
            Some(ast) => {
                let given = self.tables.given_to(sql, &ast).map_err(Skip::Lacks)?;
                Ok(Query { sql: given, ordered: statement::is_ordered(&ast) })
            }
            None => Ok(Query { sql: sql.to_owned(), ordered: true }),
        }
    }

    /// Whether an option is set that changes rows.
    fn is_changed(&self) -> bool {
        self.options.keys().any(|option| !HARMLESS.iter().any(|harmless| option.starts_with(harmless)))
    }

    fn may_run(&self, sql: &str, fails: bool) -> Result<(), Skip> {
        if self.is_changed() {
            return Err(Skip::Option);
        }
        if fails && !self.options.is_empty() {
            return Err(Skip::ErrorOfAnOption);
        }
        if statement::names_any(sql, &self.functions) && !self.functions.is_empty() {
            return Err(Skip::Function);
        }
        Ok(())
    }

    /// Takes note of what a statement that succeeds changes.
    pub(super) fn after(&mut self, sql: &str) {
        let Some(ast) = statement::parse(sql) else {
            // Whatever it did: what comes after it is not run.
            return if statement::is_query(sql) { () } else { self.option_is("?", sql) };
        };
        match &ast {
            Ast::Reset(ResetStatement::Variable(name)) => drop(self.options.remove(&option(name))),
            Ast::Statement(statement) => match statement.as_ref() {
                Statement::Set(set) => self.set(set),
                Statement::CreateFunction(function) => self.functions.push(function.name.to_string()),
                Statement::DropFunction(drop) => {
                    self.functions.extend(drop.func_desc.iter().map(|function| function.name.to_string()));
                }
                _ if self.is_changed() => self.tables.after_unknown(&ast),
                _ => self.tables.after(&ast),
            },
            _ => self.tables.after(&ast),
        }
    }

    fn option_is(&mut self, name: &str, value: &str) {
        self.options.insert(name.to_owned(), value.to_owned());
    }

    fn set(&mut self, set: &Set) {
        let (name, value) = match set {
            Set::SingleAssignment { variable, values, .. } => (option(variable), values.first()),
            Set::SetTimeZone { value, .. } => (TIME_ZONE.to_owned(), Some(value)),
            _ => ("?".to_owned(), None),
        };
        let value = value.map(text).unwrap_or_default();
        if is_as_served(&name, &value) {
            self.options.remove(&name);
        } else {
            self.option_is(&name, &value);
        }
    }
}

/// A statement to run.
pub(super) struct Query {
    pub(super) sql: String,
    /// Whether the rows' order is part of the answer.
    pub(super) ordered: bool,
}

const TIME_ZONE: &str = "datafusion.execution.time_zone";

/// An option's full name.
fn option(name: &ObjectName) -> String {
    match name.to_string().to_lowercase().as_str() {
        "timezone" | "time.zone" => TIME_ZONE.to_owned(),
        other => other.to_owned(),
    }
}

fn text(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// Whether the server's session has this value, or DataFusion's has it, whose other records run as well.
fn is_as_served(name: &str, value: &str) -> bool {
    let defaults = ConfigOptions::default().entries();
    let default = defaults.iter().find(|entry| entry.key == name).and_then(|entry| entry.value.as_deref());
    default.is_some_and(|default| default.eq_ignore_ascii_case(value))
        || SERVERS_OWN.iter().any(|(own, served)| *own == name && served.eq_ignore_ascii_case(value))
}
