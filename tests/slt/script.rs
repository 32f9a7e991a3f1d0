//! A test file as the records that the server is asked.

use std::path::Path;

use sqllogictest::{Condition, Connection, QueryExpect, Record, StatementExpect, parse_file};

use super::connection::REFUSED;
use super::session::{Query, Session, Skip};
use super::value::Column;

/// What is done with a record.
pub(super) enum Step {
    /// Ask, and compare.
    Ask { at: String, record: Record<Column>, ordered: bool },
    /// Say so.
    Skip(Skip),
    /// What concerns the records after it: how they are sorted, …
    Note(Record<Column>),
}

/// The labels by which a file names the engine that it is run on.
const LABELS: &[&str] = &["DataFusion", "Datafusion"];

/// The steps of a file; `directory` is where names of files begin.
pub(super) fn steps(directory: &Path, file: &Path) -> Vec<Step> {
    let records = parse_file::<Column>(file).unwrap_or_else(|error| panic!("{error}"));
    let name = file.strip_prefix(directory).unwrap().display().to_string();
    let mut session = Session::default();
    records.into_iter().filter_map(|record| step(&mut session, &name, record)).collect()
}

fn step(session: &mut Session, file: &str, record: Record<Column>) -> Option<Step> {
    match record {
        Record::Statement { loc, conditions, sql, expected, .. } => {
            if !concerns(&conditions) {
                return None;
            }
            let at = place(file, &loc);
            let fails = matches!(expected, StatementExpect::Error(_));
            let asked = session.query(&sql, fails);
            if !fails {
                session.after(&sql);
            }
            let expected = if fails { StatementExpect::Error(refused()) } else { expected };
            Some(asked_or_skipped(at, asked, |sql| Record::Statement {
                loc,
                conditions: Vec::new(),
                connection: Connection::Default,
                sql,
                expected,
                retry: None,
            }))
        }
        Record::Query { loc, conditions, sql, expected, .. } => {
            if !concerns(&conditions) {
                return None;
            }
            let at = place(file, &loc);
            let fails = matches!(expected, QueryExpect::Error(_));
            let asked = session.query(&sql, fails);
            if !fails {
                session.after(&sql);
            }
            let expected = if fails { QueryExpect::Error(refused()) } else { expected };
            Some(asked_or_skipped(at, asked, |sql| Record::Query {
                loc,
                conditions: Vec::new(),
                connection: Connection::Default,
                sql,
                expected,
                retry: None,
            }))
        }
        Record::Control(_) | Record::HashThreshold { .. } => Some(Step::Note(record)),
        _ => None,
    }
}

fn asked_or_skipped(at: String, asked: Result<Query, Skip>, record: impl FnOnce(String) -> Record<Column>) -> Step {
    match asked {
        Ok(Query { sql, ordered }) => Step::Ask { at, record: record(sql), ordered },
        Err(why) => Step::Skip(why),
    }
}

/// An error that says what is wrong with the statement, whatever its text.
fn refused() -> sqllogictest::ExpectedError {
    sqllogictest::ExpectedError::SqlState(REFUSED.to_owned())
}

/// Whether a record is for DataFusion.
fn concerns(conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| match condition {
        Condition::OnlyIf { label } => LABELS.contains(&label.as_str()),
        Condition::SkipIf { label } => !LABELS.contains(&label.as_str()),
    })
}

/// `file.slt:7`, or `file.slt+part.slt.part:7` in a file that it includes.
fn place(file: &str, location: &sqllogictest::Location) -> String {
    let own = Path::new(location.file()).file_name().unwrap().to_string_lossy();
    let line = location.line();
    if file.ends_with(own.as_ref()) { format!("{file}:{line}") } else { format!("{file}+{own}:{line}") }
}
