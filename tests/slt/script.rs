//! Turns a test file into the records to run.

use std::path::Path;

use sqllogictest::{Condition, Connection, ExpectedError, Location, QueryExpect, Record, StatementExpect, parse_file};

use super::connection::REJECTED;
use super::session::{Query, Session, Skip};
use super::value::Column;

/// What to do with a record.
pub(super) enum Step {
    /// Run it. `ordered` tells whether the order of its rows counts.
    Run { at: String, record: Record<Column>, ordered: bool },
    /// Count it as skipped.
    Skip(Skip),
    /// Apply it: it sets how later results are compared.
    Control(Record<Column>),
}

/// Labels in `onlyif` and `skipif` that stand for DataFusion.
const LABELS: &[&str] = &["DataFusion", "Datafusion"];

/// The steps of a file. Places are relative to `directory`.
pub(super) fn steps(directory: &Path, file: &Path) -> Vec<Step> {
    let records = parse_file::<Column>(file).unwrap_or_else(|error| panic!("{error}"));
    let name = file.strip_prefix(directory).unwrap().display().to_string();
    let mut session = Session::default();
    records.into_iter().filter_map(|record| step(&mut session, &name, record)).collect()
}

fn step(session: &mut Session, file: &str, mut record: Record<Column>) -> Option<Step> {
    let (loc, conditions, connection, sql, fails) = match &mut record {
        Record::Statement { loc, conditions, connection, sql, expected, .. } => {
            let fails = matches!(expected, StatementExpect::Error(_));
            if fails {
                *expected = StatementExpect::Error(any_rejection());
            }
            (loc, conditions, connection, sql, fails)
        }
        Record::Query { loc, conditions, connection, sql, expected, .. } => {
            let fails = matches!(expected, QueryExpect::Error(_));
            if fails {
                *expected = QueryExpect::Error(any_rejection());
            }
            (loc, conditions, connection, sql, fails)
        }
        Record::Control(_) | Record::HashThreshold { .. } => return Some(Step::Control(record)),
        _ => return None,
    };
    if !concerns_datafusion(conditions) {
        return None;
    }
    let query = session.query(sql, fails);
    if !fails {
        session.after(sql);
    }
    conditions.clear();
    *connection = Connection::Default;
    match query {
        Err(why) => Some(Step::Skip(why)),
        Ok(Query { sql: given, ordered }) => {
            let at = place(file, loc);
            *sql = given;
            Some(Step::Run { at, record, ordered })
        }
    }
}

/// An error with any text. The texts are DataFusion's, and this server has its own.
fn any_rejection() -> ExpectedError {
    ExpectedError::SqlState(REJECTED.to_owned())
}

fn concerns_datafusion(conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| match condition {
        Condition::OnlyIf { label } => LABELS.contains(&label.as_str()),
        Condition::SkipIf { label } => !LABELS.contains(&label.as_str()),
    })
}

/// `file.slt:7`; in an included file `file.slt+part.slt.part:7`.
fn place(file: &str, location: &Location) -> String {
    let own = Path::new(location.file()).file_name().unwrap().to_string_lossy();
    let line = location.line();
    if file.ends_with(own.as_ref()) { format!("{file}:{line}") } else { format!("{file}+{own}:{line}") }
}
