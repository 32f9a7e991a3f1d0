//! The tables that a file makes, as queries that return their rows.
//!
//! The server rejects CREATE TABLE. But the rows are in the file, so later queries get the table as a common table
//! expression: after `CREATE TABLE t(a INT) AS VALUES (1)`, `SELECT a FROM t` becomes
//! `WITH "t" AS (SELECT CAST(c0 AS INT) AS "a" FROM (VALUES (CAST(1 AS INT))) AS given(c0)) SELECT a FROM t`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableOptions, CreateView, Expr, Ident, Insert, ObjectName, Parens,
    Query, SetExpr, Statement, TableObject,
};

use super::statement;

/// Longer statements take too long to plan.
const MAX_BYTES: usize = 8_000;

/// The tables that the statements of a file have made so far.
#[derive(Default)]
pub(super) struct Tables(BTreeMap<TableReference, Made>);

/// Why a query cannot get its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missing {
    /// A table whose rows the file does not say, or not in a way that a query can.
    Rows,
    /// A table that DataFusion's own runner registers, or information_schema, which describes other tables here.
    Registered,
    /// The query would be longer than [`MAX_BYTES`].
    Length,
}

enum Made {
    /// A table: its columns, if they are declared, and its rows.
    Table { columns: Option<Vec<Column>>, rows: Arc<Rows> },
    /// A view: a query that reads the tables as they are when it runs.
    View(String),
    /// A table whose rows are not known: read from a file, changed by UPDATE, with a primary key.
    Unknown,
}

/// A query, and the tables that it reads, as they were when it ran.
#[derive(Debug, PartialEq)]
struct Rows {
    query: String,
    reads: Reads,
}

type Reads = BTreeMap<String, Arc<Rows>>;

#[derive(Clone)]
struct Column {
    name: String,
    data_type: String,
    default: Option<String>,
}

impl Tables {
    /// Puts the tables that a query reads in front of it.
    pub(super) fn given_to(&self, sql: &str, ast: &Ast) -> Result<String, Missing> {
        let reads = self.reads(ast)?;
        let mut ordered = Vec::new();
        put_in_order(&reads, &mut ordered).ok_or(Missing::Rows)?;
        if own_expressions(ast).iter().any(|own| ordered.iter().any(|(name, _)| name == own)) {
            return Err(Missing::Rows);
        }
        let expressions: Vec<String> =
            ordered.iter().map(|(name, rows)| format!("{} AS ({})", quoted(name), rows.query)).collect();
        let sql = statement::with(sql, &expressions).ok_or(Missing::Rows)?;
        if sql.len() > MAX_BYTES { Err(Missing::Length) } else { Ok(sql) }
    }

    /// Whether the file made any of the tables that a query reads.
    pub(super) fn has_any(&self, ast: &Ast) -> bool {
        resolve_table_references(ast, true).is_ok_and(|(read, _)| read.iter().any(|table| self.0.contains_key(table)))
    }

    /// The tables that a query reads.
    fn reads(&self, ast: &Ast) -> Result<Reads, Missing> {
        let (read, _) = resolve_table_references(ast, true).map_err(|_| Missing::Rows)?;
        let tables = read.into_iter().filter(|table| !statement::is_table_function(table));
        tables.map(|table| Ok((table.table().to_owned(), self.rows(&table)?))).collect()
    }

    fn rows(&self, table: &TableReference) -> Result<Arc<Rows>, Missing> {
        match self.0.get(table) {
            // A common table expression has no schema.
            Some(_) if table.schema().is_some() => Err(Missing::Rows),
            Some(Made::Table { rows, .. }) => Ok(Arc::clone(rows)),
            Some(Made::View(query)) => {
                let reads = self.reads(&statement::parse(query).ok_or(Missing::Rows)?)?;
                Ok(Arc::new(Rows { query: query.clone(), reads }))
            }
            Some(Made::Unknown) => Err(Missing::Rows),
            None => Err(Missing::Registered),
        }
    }

    /// Applies what a statement changes.
    pub(super) fn after(&mut self, ast: &Ast) {
        match ast {
            Ast::CreateExternalTable(table) => self.forget(&table.name),
            Ast::Statement(statement) => self.after_statement(statement),
            Ast::CopyTo(_) | Ast::Explain(_) | Ast::Reset(_) => {}
        }
    }

    /// Like [`Tables::after`], but the rows that the statement writes are not known.
    pub(super) fn after_unknown(&mut self, ast: &Ast) {
        match ast {
            Ast::Statement(statement) => match statement.as_ref() {
                Statement::CreateTable(table) => self.forget(&table.name),
                Statement::CreateView(view) => self.forget(&view.name),
                Statement::Insert(Insert { table: TableObject::TableName(name), .. }) => self.forget(name),
                _ => self.after(ast),
            },
            _ => self.after(ast),
        }
    }

    fn after_statement(&mut self, statement: &Statement) {
        match statement {
            Statement::CreateTable(table) if table.if_not_exists && self.0.contains_key(&reference(&table.name)) => {}
            Statement::CreateTable(table) => self.put(&table.name, self.created(table)),
            Statement::CreateView(view) => self.put(&view.name, viewed(view)),
            Statement::Insert(insert) => {
                if let TableObject::TableName(name) = &insert.table {
                    self.put(name, self.inserted(name, insert));
                }
            }
            Statement::Drop { names, .. } => names.iter().for_each(|name| drop(self.0.remove(&reference(name)))),
            other => statement::changed(other).into_iter().for_each(|name| self.forget(name)),
        }
    }

    fn put(&mut self, name: &ObjectName, made: Option<Made>) {
        self.0.insert(reference(name), made.unwrap_or(Made::Unknown));
    }

    fn forget(&mut self, name: &ObjectName) {
        self.put(name, None);
    }

    fn created(&self, table: &CreateTable) -> Option<Made> {
        let plain = table.constraints.is_empty()
            && !table.temporary
            && table.like.is_none()
            && matches!(table.table_options, CreateTableOptions::None);
        if !plain {
            return None;
        }
        let columns: Vec<Column> = table.columns.iter().map(column).collect::<Option<_>>()?;
        match (&table.query, columns.is_empty()) {
            (None, true) => None,
            (None, false) => {
                let rows = Rows { query: empty(&columns), reads: Reads::new() };
                Some(Made::Table { columns: Some(columns), rows: Arc::new(rows) })
            }
            (Some(query), true) => Some(Made::Table { columns: None, rows: Arc::new(self.now(query)?) }),
            (Some(query), false) => {
                let rows = self.cast(query, &columns.iter().collect::<Vec<_>>(), &columns)?;
                Some(Made::Table { columns: Some(columns), rows: Arc::new(rows) })
            }
        }
    }

    fn inserted(&self, name: &ObjectName, insert: &Insert) -> Option<Made> {
        let Some(Made::Table { columns: Some(columns), rows }) = self.0.get(&reference(name)) else { return None };
        let given: Vec<&Column> = match &insert.columns[..] {
            [] => columns.iter().collect(),
            named => named.iter().map(|name| column_of(columns, name)).collect::<Option<_>>()?,
        };
        let more = self.cast(insert.source.as_ref()?, &given, columns)?;
        let mut reads = rows.reads.clone();
        for (name, rows) in more.reads {
            if *reads.entry(name).or_insert_with(|| Arc::clone(&rows)) != rows {
                return None;
            }
        }
        let rows = Arc::new(Rows { query: format!("{} UNION ALL {}", rows.query, more.query), reads });
        Some(Made::Table { columns: Some(columns.clone()), rows })
    }

    /// A query's rows, whose columns are `given`, with the types and in the order of all columns.
    fn cast(&self, query: &Query, given: &[&Column], all: &[Column]) -> Option<Rows> {
        let Rows { query: source, reads } = match values(query) {
            Some(rows) => Rows { query: cast_values(rows, given)?, reads: Reads::new() },
            None => self.now(query)?,
        };
        let names: Vec<String> = (0..given.len()).map(|at| format!("c{at}")).collect();
        let value = |column: &Column| match given.iter().position(|given| given.name == column.name) {
            Some(at) => column.cast(&names[at]),
            None => column.cast(column.default.as_deref().unwrap_or("NULL")),
        };
        let columns: Vec<String> =
            all.iter().map(|column| format!("{} AS {}", value(column), quoted(&column.name))).collect();
        let query = format!("SELECT {} FROM ({source}) AS given({})", columns.join(", "), names.join(", "));
        Some(Rows { query, reads })
    }

    /// A query, and its tables as they are now.
    fn now(&self, query: &Query) -> Option<Rows> {
        let text = query.to_string();
        let ast = statement::parse(&text)?;
        if statement::is_volatile(&text) || !statement::says_the_same(&text, query) || !own_expressions(&ast).is_empty()
        {
            return None;
        }
        Some(Rows { query: text, reads: self.reads(&ast).ok()? })
    }
}

impl Column {
    /// Casts a value as writing it into the column does.
    fn cast(&self, value: &str) -> String {
        match &self.data_type[..] {
            // CAST takes an integer as seconds; writing it into a column takes it as nanoseconds.
            "TIMESTAMP" => format!("arrow_cast({value}, 'Timestamp(Nanosecond, None)')"),
            data_type => format!("CAST({value} AS {data_type})"),
        }
    }
}

/// Lists tables before those that read them. `None` if one name stands for two tables.
fn put_in_order<'a>(reads: &'a Reads, ordered: &mut Vec<(&'a str, &'a Rows)>) -> Option<()> {
    for (name, rows) in reads {
        put_in_order(&rows.reads, ordered)?;
        match ordered.iter().find(|(other, _)| other == name) {
            Some((_, other)) if *other != rows.as_ref() => return None,
            Some(_) => {}
            None => ordered.push((name, rows)),
        }
    }
    Some(())
}

/// The names of a query's own common table expressions.
fn own_expressions(ast: &Ast) -> Vec<String> {
    let own = resolve_table_references(ast, true).map(|(_, own)| own).unwrap_or_default();
    own.iter().map(|own| own.table().to_owned()).collect()
}

fn viewed(view: &CreateView) -> Option<Made> {
    let query = view.query.to_string();
    let ast = statement::parse(&query)?;
    let plain = view.columns.is_empty() && own_expressions(&ast).is_empty() && !statement::is_volatile(&query);
    (plain && statement::says_the_same(&query, &view.query)).then_some(Made::View(query))
}

fn column_of<'a>(columns: &'a [Column], name: &ObjectName) -> Option<&'a Column> {
    let [part] = &name.0[..] else { return None };
    let name = normalized(part.as_ident()?);
    columns.iter().find(|column| column.name == name)
}

/// The rows of a query that consists of VALUES.
fn values(query: &Query) -> Option<&[Parens<Vec<Expr>>]> {
    match query.body.as_ref() {
        SetExpr::Values(values) if query.order_by.is_none() && query.limit_clause.is_none() && query.with.is_none() => {
            Some(&values.rows)
        }
        _ => None,
    }
}

/// VALUES with each value in its column's type. A plain VALUES would first find one type for all rows of a column.
fn cast_values(rows: &[Parens<Vec<Expr>>], columns: &[&Column]) -> Option<String> {
    let row = |row: &Parens<Vec<Expr>>| {
        let cast = |(value, column): (&Expr, &&Column)| column.cast(&value.to_string());
        let text: Vec<String> = row.content.iter().zip(columns).map(cast).collect();
        let faithful = row.content.len() == columns.len()
            && row.content.iter().all(|value| statement::expression_says_the_same(&value.to_string(), value));
        let text = format!("({})", text.join(", "));
        (faithful && !statement::is_volatile(&text)).then_some(text)
    };
    let rows: Option<Vec<String>> = rows.iter().map(row).collect();
    Some(format!("VALUES {}", rows?.join(", ")))
}

/// A query without rows.
fn empty(columns: &[Column]) -> String {
    let typed: Vec<String> =
        columns.iter().map(|column| format!("{} AS {}", column.cast("NULL"), quoted(&column.name))).collect();
    format!("SELECT {} WHERE false", typed.join(", "))
}

/// `None` for a primary key: it lets a query select columns that it does not group by.
fn column(definition: &ColumnDef) -> Option<Column> {
    let mut default = None;
    for option in &definition.options {
        match &option.option {
            ColumnOption::Null | ColumnOption::NotNull => {}
            ColumnOption::Default(value) => default = Some(value.to_string()),
            _ => return None,
        }
    }
    Some(Column { name: normalized(&definition.name), data_type: definition.data_type.to_string(), default })
}

fn reference(name: &ObjectName) -> TableReference {
    object_name_to_table_reference(name.clone(), true).unwrap()
}

fn normalized(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(statements: &[&str], query: &str) -> Result<String, Missing> {
        let mut tables = Tables::default();
        statements.iter().for_each(|sql| tables.after(&statement::parse(sql).unwrap()));
        tables.given_to(query, &statement::parse(query).unwrap())
    }

    #[test]
    fn a_table_becomes_a_common_table_expression() {
        let create = "CREATE TABLE t(a INT, b TEXT) AS VALUES (1, 'x')";

        let sql = given(&[create], "SELECT b FROM t").unwrap();

        assert_eq!(
            sql,
            "WITH \"t\" AS (SELECT CAST(c0 AS INT) AS \"a\", CAST(c1 AS TEXT) AS \"b\" \
             FROM (VALUES (CAST(1 AS INT), CAST('x' AS TEXT))) AS given(c0, c1)) SELECT b FROM t"
        );
    }

    #[test]
    fn a_query_keeps_its_own_common_table_expressions() {
        let create = "CREATE TABLE t AS VALUES (1)";

        let sql = given(&[create], "-- first\nWITH RECURSIVE u AS (SELECT 1) SELECT * FROM t, u").unwrap();

        let expected = "-- first\nWITH RECURSIVE \"t\" AS (VALUES (1)),  u AS (SELECT 1) SELECT * FROM t, u";
        assert_eq!(sql, expected);
        assert_eq!(given(&[create], "WITH t AS (SELECT * FROM t) SELECT * FROM t"), Err(Missing::Rows));
    }

    #[test]
    fn rows_that_are_inserted_are_added_in_the_order_of_the_columns() {
        let statements = ["CREATE TABLE t(a INT, b INT DEFAULT 7)", "INSERT INTO t (a) VALUES (1)"];

        let sql = given(&statements, "SELECT * FROM t").unwrap();

        assert!(
            sql.contains("WHERE false UNION ALL SELECT CAST(c0 AS INT) AS \"a\", CAST(7 AS INT) AS \"b\""),
            "{sql}"
        );
    }

    #[test]
    fn a_table_keeps_the_rows_that_it_was_made_of_and_a_view_does_not() {
        let before =
            ["CREATE TABLE t(a INT)", "CREATE TABLE copied AS SELECT a FROM t", "CREATE VIEW seen AS SELECT a FROM t"];
        let statements = [&before[..], &["INSERT INTO t VALUES (1)"]].concat();

        assert!(!given(&statements, "SELECT * FROM copied").unwrap().contains("UNION ALL"));
        assert!(given(&statements, "SELECT * FROM seen").unwrap().contains("UNION ALL"));
        // Here `t` would stand for both.
        assert_eq!(given(&statements, "SELECT * FROM copied, seen"), Err(Missing::Rows));
    }

    #[test]
    fn a_table_whose_rows_are_not_known_is_missing() {
        for statements in [
            &["CREATE TABLE t(a INT PRIMARY KEY) AS VALUES (1)"][..],
            &["CREATE TABLE t(a INT, UNIQUE (a)) AS VALUES (1)"],
            &["CREATE TABLE t AS SELECT now()"],
            &["CREATE TABLE t AS SELECT * FROM elsewhere"],
            &["CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x.csv'"],
            &["CREATE TABLE t(a INT) AS VALUES (1)", "UPDATE t SET a = 2"],
            &["CREATE TABLE t(a INT) AS VALUES (1)", "DELETE FROM t"],
            &["CREATE TABLE t AS VALUES (1)", "INSERT INTO t VALUES (2)"],
        ] {
            assert_eq!(given(statements, "SELECT * FROM t"), Err(Missing::Rows), "{statements:?}");
        }
        assert_eq!(
            given(&["CREATE TABLE t AS VALUES (1)", "DROP TABLE t"], "SELECT * FROM t"),
            Err(Missing::Registered)
        );
    }
}
