//! The state of a session after some statements of a file: its tables, options and functions.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::config::ConfigOptions;
use datafusion::sql::parser::{ResetStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Set, Statement, Value};

use super::statement;
use super::tables::{Missing, Tables};

/// Options that do not change the rows of a query, by their beginnings.
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

const TIME_ZONE: &str = "datafusion.execution.time_zone";

/// Options that the server sets to another value than DataFusion's default.
const SERVERS_OWN: &[(&str, &str)] = &[(TIME_ZONE, "UTC")];

/// Stands for an option that is not known.
const UNKNOWN: &str = "?";

/// Why a record is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Skip {
    /// DDL, SET, COPY, SHOW and the like.
    NoQuery,
    /// Its result is a plan.
    Explain,
    /// It reads a table that the server cannot be given.
    Missing(Missing),
    /// An option is set that changes rows.
    Option,
    /// It expects an error, which an option may cause.
    ErrorUnderAnOption,
    /// It calls a function that the file creates.
    Function,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoQuery => "no queries",
            Self::Explain => "EXPLAIN",
            Self::Missing(Missing::Rows) => "with tables whose rows are not in the file",
            Self::Missing(Missing::Registered) => "with tables of DataFusion's own runner",
            Self::Missing(Missing::Length) => "with large tables",
            Self::Option => "under an option that changes rows",
            Self::ErrorUnderAnOption => "errors under an option",
            Self::Function => "with functions of the file",
        })
    }
}

/// A session's state.
#[derive(Default)]
pub(super) struct Session {
    tables: Tables,
    /// Options whose value is neither DataFusion's default nor the server's.
    options: BTreeMap<String, String>,
    functions: Vec<String>,
}

/// A query that the server can run.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) sql: String,
    /// Whether it has an ORDER BY.
    pub(super) ordered: bool,
}

impl Session {
    /// Prepares a statement for the server. `fails` tells whether it expects an error.
    ///
    /// # Errors
    /// The reason not to run it.
    pub(super) fn query(&self, sql: &str, fails: bool) -> Result<Query, Skip> {
        let ast = statement::parse(sql);
        match &ast {
            Some(Ast::Explain(_)) => return Err(Skip::Explain),
            Some(ast) if statement::makes_a_table(ast) => return Err(Skip::NoQuery),
            _ if !statement::is_query(sql) => return Err(Skip::NoQuery),
            _ => self.allows(sql, fails)?,
        }
        match ast {
            // The error may be that there is no such table.
            Some(ast) if fails && !self.tables.has_any(&ast) && !statement::reads_information_schema(&ast) => {
                Ok(Query { sql: sql.to_owned(), ordered: true })
            }
            Some(ast) => {
                let given = self.tables.given_to(sql, &ast).map_err(Skip::Missing)?;
                Ok(Query { sql: given, ordered: statement::is_ordered(&ast) })
            }
            None => Ok(Query { sql: sql.to_owned(), ordered: true }),
        }
    }

    fn allows(&self, sql: &str, fails: bool) -> Result<(), Skip> {
        if self.rows_depend_on_options() {
            return Err(Skip::Option);
        }
        if fails && !self.options.is_empty() {
            return Err(Skip::ErrorUnderAnOption);
        }
        if !self.functions.is_empty() && statement::names_any(sql, &self.functions) {
            return Err(Skip::Function);
        }
        Ok(())
    }

    fn rows_depend_on_options(&self) -> bool {
        self.options.keys().any(|option| !HARMLESS.iter().any(|harmless| option.starts_with(harmless)))
    }

    /// Applies what a statement changes, which succeeds in DataFusion.
    pub(super) fn after(&mut self, sql: &str) {
        let Some(ast) = statement::parse(sql) else {
            // It may have changed anything: skip the rest of the file.
            if !statement::is_query(sql) {
                self.options.insert(UNKNOWN.to_owned(), sql.to_owned());
            }
            return;
        };
        match &ast {
            Ast::Reset(ResetStatement::Variable(name)) => drop(self.options.remove(&option(name))),
            Ast::Statement(statement) => match statement.as_ref() {
                Statement::Set(set) => self.set(set),
                Statement::CreateFunction(function) => self.functions.push(function.name.to_string()),
                Statement::DropFunction(dropped) => {
                    self.functions.extend(dropped.func_desc.iter().map(|function| function.name.to_string()));
                }
                _ if self.rows_depend_on_options() => self.tables.after_unknown(&ast),
                _ => self.tables.after(&ast),
            },
            _ => self.tables.after(&ast),
        }
    }

    fn set(&mut self, set: &Set) {
        let (name, value) = match set {
            Set::SingleAssignment { variable, values, .. } => (option(variable), values.first()),
            Set::SetTimeZone { value, .. } => (TIME_ZONE.to_owned(), Some(value)),
            _ => (UNKNOWN.to_owned(), None),
        };
        let value = value.map(text).unwrap_or_default();
        if is_usual(&name, &value) {
            self.options.remove(&name);
        } else {
            self.options.insert(name, value);
        }
    }
}

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

/// Whether an option has DataFusion's default, or the value that the server sets.
fn is_usual(name: &str, value: &str) -> bool {
    let defaults = ConfigOptions::default().entries();
    let default = defaults.iter().find(|entry| entry.key == name).and_then(|entry| entry.value.as_deref());
    default.is_some_and(|default| default.eq_ignore_ascii_case(value))
        || SERVERS_OWN.iter().any(|(own, server)| *own == name && server.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(statements: &[&str]) -> Session {
        let mut session = Session::default();
        statements.iter().for_each(|sql| session.after(sql));
        session
    }

    #[test]
    fn a_query_is_skipped_while_an_option_changes_its_rows() {
        let dialect = "SET datafusion.sql_parser.dialect = 'Hive'";

        assert_eq!(after(&[dialect]).query("SELECT 1", false).unwrap_err(), Skip::Option);
        assert!(after(&[dialect, "RESET datafusion.sql_parser.dialect"]).query("SELECT 1", false).is_ok());
        assert!(after(&[dialect, "SET datafusion.sql_parser.dialect = 'generic'"]).query("SELECT 1", false).is_ok());
        assert!(after(&["SET datafusion.optimizer.max_passes = 1"]).query("SELECT 1", false).is_ok());
        assert!(after(&["SET TIME ZONE = 'UTC'"]).query("SELECT 1", false).is_ok());
        assert_eq!(after(&["SET TIME ZONE = '+08:00'"]).query("SELECT 1", false).unwrap_err(), Skip::Option);
    }

    #[test]
    fn an_error_under_an_option_is_skipped() {
        let session = after(&["SET datafusion.runtime.memory_limit = '1M'"]);

        assert!(session.query("SELECT 1", false).is_ok());
        assert_eq!(session.query("SELECT 1", true).unwrap_err(), Skip::ErrorUnderAnOption);
    }

    #[test]
    fn a_statement_that_is_no_query_is_skipped() {
        let session = Session::default();

        assert_eq!(session.query("EXPLAIN SELECT 1", false).unwrap_err(), Skip::Explain);
        for sql in ["SHOW TABLES", "SET x = 1", "SELECT 1 INTO t", "COPY (SELECT 1) TO 'x.csv'"] {
            assert_eq!(session.query(sql, false).unwrap_err(), Skip::NoQuery, "{sql}");
        }
        for sql in ["(SELECT 1) ORDER BY 1", "VALUES (1)", "-- a comment\nWITH t AS (SELECT 1) SELECT * FROM t"] {
            assert!(session.query(sql, false).is_ok(), "{sql}");
        }
    }

    #[test]
    fn a_query_that_fails_for_want_of_a_table_is_run() {
        let session = after(&["CREATE EXTERNAL TABLE known STORED AS CSV LOCATION 'x.csv'"]);

        assert!(session.query("SELECT * FROM unknown", true).is_ok());
        assert_eq!(session.query("SELECT * FROM unknown", false).unwrap_err(), Skip::Missing(Missing::Registered));
        assert_eq!(session.query("SELECT * FROM known", true).unwrap_err(), Skip::Missing(Missing::Rows));
    }
}
