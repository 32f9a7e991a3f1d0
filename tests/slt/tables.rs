//! Tables that the statements of a test file make, as queries that answer their rows.
//!
//! The server takes no CREATE TABLE. What a file puts into a table is known, so a later SELECT can have it as a common
//! table expression: `CREATE TABLE t(a INT) AS VALUES (1)` makes `WITH "t" AS (SELECT CAST(…) AS "a" FROM …) SELECT …`.

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

/// A longer statement is not worth its time.
const MOST_BYTES: usize = 8_000;

/// What the statements of a file have made so far.
#[derive(Default)]
pub(super) struct Tables(BTreeMap<TableReference, Made>);

/// Why a statement cannot be run as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lacks {
    /// A table that was made in a way that no query can say.
    Table,
    /// A table that DataFusion's own runner registers, or information_schema, which describes another catalog here.
    Registered,
    /// The statement would be longer than [`MOST_BYTES`].
    Length,
}

enum Made {
    /// Rows that were put in; the columns, where they are told.
    Table { columns: Option<Vec<Column>>, rows: Arc<Rows> },
    /// A query over the tables as they are when it is used.
    View(String),
    /// From a file, with a primary key, changed by UPDATE, …
    Unknown,
}

/// A query, and the tables as they were that it reads.
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
    /// The statement with the tables that it reads before it.
    pub(super) fn given_to(&self, sql: &str, ast: &Ast) -> Result<String, Lacks> {
        let reads = self.reads(ast)?;
        let mut ordered = Vec::new();
        put_in_order(&reads, &mut ordered).ok_or(Lacks::Table)?;
        if own_expressions(ast).iter().any(|own| ordered.iter().any(|(name, _)| name == own)) {
            return Err(Lacks::Table);
        }
        let expressions: Vec<String> =
            ordered.iter().map(|(name, rows)| format!("{} AS ({})", quoted(name), rows.query)).collect();
        let sql = statement::with(sql, &expressions).ok_or(Lacks::Table)?;
        if sql.len() > MOST_BYTES { Err(Lacks::Length) } else { Ok(sql) }
    }

    /// Whether any of the tables that the statement reads was made by the file.
    pub(super) fn knows_any(&self, ast: &Ast) -> bool {
        resolve_table_references(ast, true).is_ok_and(|(read, _)| read.iter().any(|table| self.0.contains_key(table)))
    }

    /// The tables that a statement reads.
    fn reads(&self, ast: &Ast) -> Result<Reads, Lacks> {
        let (read, _) = resolve_table_references(ast, true).map_err(|_| Lacks::Table)?;
        let tables = read.into_iter().filter(|table| !statement::is_table_function(table));
        tables.map(|table| Ok((table.table().to_owned(), self.rows(&table)?))).collect()
    }

    fn rows(&self, table: &TableReference) -> Result<Arc<Rows>, Lacks> {
        match self.0.get(table) {
            // A common table expression has no schema.
            Some(_) if table.schema().is_some() => Err(Lacks::Table),
            Some(Made::Table { rows, .. }) => Ok(Arc::clone(rows)),
            Some(Made::View(query)) => {
                let reads = self.reads(&statement::parse(query).ok_or(Lacks::Table)?)?;
                Ok(Arc::new(Rows { query: query.clone(), reads }))
            }
            Some(Made::Unknown) => Err(Lacks::Table),
            None => Err(Lacks::Registered),
        }
    }

    /// Takes note of what a statement changes.
    pub(super) fn after(&mut self, ast: &Ast) {
        match ast {
            Ast::CreateExternalTable(table) => self.forget(&table.name),
            Ast::Statement(statement) => self.after_statement(statement),
            Ast::CopyTo(_) | Ast::Explain(_) | Ast::Reset(_) => {}
        }
    }

    /// As [`Tables::after`], where it is not known what the statement puts into a table.
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

    /// The query's rows, its columns being those that are given, in the types and the order of all columns.
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

    /// The query, and the rows that its tables have now.
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
    /// A value in the column's type.
    fn cast(&self, value: &str) -> String {
        match &self.data_type[..] {
            // CAST takes an integer for seconds, a table takes it for nanoseconds.
            "TIMESTAMP" => format!("arrow_cast({value}, 'Timestamp(Nanosecond, None)')"),
            data_type => format!("CAST({value} AS {data_type})"),
        }
    }
}

/// What a query needs, each before what reads it. `None` where two tables have one name.
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

/// The names of a statement's own common table expressions.
fn own_expressions(ast: &Ast) -> Vec<String> {
    let own = resolve_table_references(ast, true).map(|(_, own)| own).unwrap_or_default();
    own.iter().map(|own| own.table().to_owned()).collect()
}

/// A view's columns are those of its query.
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

/// The rows of a query that is nothing but VALUES.
fn values(query: &Query) -> Option<&[Parens<Vec<Expr>>]> {
    match query.body.as_ref() {
        SetExpr::Values(values) if query.order_by.is_none() && query.limit_clause.is_none() && query.with.is_none() => {
            Some(&values.rows)
        }
        _ => None,
    }
}

/// Each value in its column's type, as an INSERT puts it there: a column of VALUES alone has one type for all rows.
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

/// No row.
fn empty(columns: &[Column]) -> String {
    let typed: Vec<String> =
        columns.iter().map(|column| format!("{} AS {}", column.cast("NULL"), quoted(&column.name))).collect();
    format!("SELECT {} WHERE false", typed.join(", "))
}

/// `None` for a key, which lets a query name columns that it does not group by, and for what nobody uses.
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
