//! CREATE TABLE … AS and DROP TABLE. DataFusion's parser parses them, with clauses of many dialects; only these have a meaning
//! here.

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{CreateTable as SqlCreateTable, ObjectName, ObjectType, Query, Statement};

use super::{Fault, identifier};

/// CREATE TABLE … AS.
#[derive(Clone, Debug)]
pub struct CreateTable {
    /// The parts of the table's name, in lower case if they are not quoted.
    pub name: Vec<String>,
    /// Whether a table of that name is replaced.
    pub or_replace: bool,
    /// Whether a table of that name is left as it is.
    pub if_not_exists: bool,
    /// Whether it ends with the session.
    pub temporary: bool,
    /// The query whose rows it gets.
    pub query: Box<Ast>,
}

/// DROP TABLE.
#[derive(Clone, Debug)]
pub struct DropTable {
    /// The parts of the table's name, in lower case if they are not quoted.
    pub name: Vec<String>,
    /// Whether it is no error that there is no such table.
    pub if_exists: bool,
}

/// A statement that makes or removes a table.
#[derive(Clone, Debug)]
pub enum TableChange {
    /// CREATE TABLE … AS.
    Create(CreateTable),
    /// DROP TABLE.
    Drop(DropTable),
}

/// The change that a statement makes. `None`: it makes none.
///
/// # Errors
/// [`Fault::CreateTable`] and [`Fault::DropTable`]: it has other clauses.
pub(super) fn of(ast: &Ast) -> Result<Option<TableChange>, Fault> {
    let Ast::Statement(statement) = ast else { return Ok(None) };
    match statement.as_ref() {
        Statement::CreateTable(create) => {
            let change = create_table(create).filter(|change| is_written_as(statement, &create_text(create, change)));
            change.map(|change| Some(TableChange::Create(change))).ok_or(Fault::CreateTable)
        }
        Statement::Drop { object_type: ObjectType::Table, if_exists, names, .. } => {
            let if_exists_text = if *if_exists { "IF EXISTS " } else { "" };
            let [name] = &names[..] else { return Err(Fault::DropTable) };
            let parts = parts(name).filter(|_| is_written_as(statement, &format!("DROP TABLE {if_exists_text}{name}")));
            let name = parts.ok_or(Fault::DropTable)?;
            Ok(Some(TableChange::Drop(DropTable { name, if_exists: *if_exists })))
        }
        _ => Ok(None),
    }
}

fn create_table(create: &SqlCreateTable) -> Option<CreateTable> {
    let query: &Query = create.query.as_deref()?;
    Some(CreateTable {
        name: parts(&create.name)?,
        or_replace: create.or_replace,
        if_not_exists: create.if_not_exists,
        temporary: create.temporary,
        query: Box::new(Ast::Statement(Box::new(Statement::Query(Box::new(query.clone()))))),
    })
}

/// The statement with nothing but what is supported.
fn create_text(create: &SqlCreateTable, change: &CreateTable) -> String {
    let word = |is_there, word| if is_there { word } else { "" };
    format!(
        "CREATE {}{}TABLE {}{} AS {}",
        word(change.or_replace, "OR REPLACE "),
        word(change.temporary, "TEMPORARY "),
        word(change.if_not_exists, "IF NOT EXISTS "),
        create.name,
        create.query.as_deref().map(ToString::to_string).unwrap_or_default()
    )
}

/// Whether the statement has no other clauses than this text. There are forty of them.
fn is_written_as(statement: &Statement, text: &str) -> bool {
    statement.to_string() == text
}

fn parts(name: &ObjectName) -> Option<Vec<String>> {
    name.0.iter().map(|part| part.as_ident().map(identifier)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{StatementBody, parse};
    use super::*;

    fn change(text: &str) -> TableChange {
        match parse(text).unwrap().body {
            StatementBody::TableChange(change) => change,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn a_table_is_made_of_a_query() {
        let TableChange::Create(create) = change("create or replace table datasets.public.\"My x\" as select 1 as a")
        else {
            panic!("not a CREATE")
        };
        assert_eq!(create.name, ["datasets", "public", "My x"]);
        assert!(create.or_replace && !create.if_not_exists && !create.temporary);
        assert_eq!(create.query.to_string(), "SELECT 1 AS a");
        let TableChange::Create(create) = change("CREATE TEMP TABLE IF NOT EXISTS x AS VALUES (1)") else {
            panic!("not a CREATE")
        };
        assert!(create.temporary && create.if_not_exists);
    }

    #[test]
    fn a_table_is_dropped() {
        let TableChange::Drop(drop) = change("DROP TABLE IF EXISTS datasets.public.x") else { panic!("not a DROP") };
        assert_eq!((drop.name.len(), drop.if_exists), (3, true));
    }

    #[test]
    fn other_clauses_are_rejected() {
        for text in [
            "CREATE TABLE x (id INT)",
            "CREATE TABLE x (id INT) AS SELECT 1",
            "CREATE TABLE x LIKE y",
            "CREATE TABLE x CLONE y",
            "CREATE TABLE x LOCATION '/etc/passwd' AS SELECT 1",
            "CREATE TABLE x STORED AS PARQUET AS SELECT 1",
            "CREATE GLOBAL TEMPORARY TABLE x AS SELECT 1",
            "CREATE TABLE x WITH (format = 'csv') AS SELECT 1",
        ] {
            assert_eq!(parse(text).unwrap_err(), Fault::CreateTable, "{text}");
        }
        for text in ["DROP TABLE x, y", "DROP TABLE x CASCADE", "DROP TABLE x PURGE", "DROP TEMPORARY TABLE x"] {
            assert_eq!(parse(text).unwrap_err(), Fault::DropTable, "{text}");
        }
    }
}
