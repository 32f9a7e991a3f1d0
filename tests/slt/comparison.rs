//! Runs a record, and compares its result with the one in the test file.

use sqllogictest::{AsyncDB, DBOutput, Normalizer, Record, Runner, default_column_validator, strict_column_validator};

use super::connection::{Connection, InProcess, Refusal};
use super::expected::{Found, Holds, Listed};
use super::value::Column;
use crate::support::wire::Wire;

/// Stands for any text in the expected lines.
const ANYTHING: &str = "<slt:ignore>";

/// Runs the records of a file, on a connection of its own.
pub(super) struct Comparison {
    runner: Runner<Connection, Connection>,
    connection: Connection,
}

impl Comparison {
    pub(super) async fn over(wire: &Wire) -> Self {
        let connection = Connection::new(wire.connect().await);
        let mut runner = Runner::new(connection.clone());
        runner.with_column_validator(strict_column_validator);
        runner.with_normalizer(|line| line.trim_end().to_owned());
        Self { runner, connection }
    }

    /// Applies a record that sets how later results are compared.
    pub(super) async fn control(&mut self, record: Record<Column>) {
        self.runner.run_async(record).await.unwrap();
    }

    /// Runs a record. `None` if its result is the one in the file.
    pub(super) async fn run(
        &mut self,
        record: Record<Column>,
        ordered: bool,
        listed: Option<&Listed>,
    ) -> Option<Found> {
        let holds = listed.map(|listed| listed.holds);
        if holds == Some(Holds::AnyOrder) {
            // Whether the order differs depends on the machine: such a record is never without a difference.
            let difference = self.difference::<false>(record, false).await;
            return Some(difference.map_or(Found::Expected, Found::Unlisted));
        }
        let difference = self.difference::<false>(record.clone(), ordered).await?;
        let remaining = match holds {
            None => Some(difference),
            Some(Holds::Nothing | Holds::AnyOrder) => None,
            Some(Holds::Rows) => self.difference_of_rows(record, ordered).await,
            Some(Holds::Instants) => self.difference::<true>(record, ordered).await,
            Some(Holds::Session) => self.difference_from_datafusion(record, ordered).await,
        };
        Some(remaining.map_or(Found::Expected, Found::Unlisted))
    }

    /// The difference from the file. `IN_UTC` accepts times with the zone UTC.
    async fn difference<const IN_UTC: bool>(&mut self, record: Record<Column>, ordered: bool) -> Option<String> {
        self.runner.with_validator(if ordered { same::<true, IN_UTC> } else { same::<false, IN_UTC> });
        let error = self.runner.run_async(record).await.err()?;
        // The rest of the error is the path of the file, which differs between machines.
        Some(error.kind().to_string())
    }

    /// The difference that remains if column types are not compared.
    async fn difference_of_rows(&mut self, record: Record<Column>, ordered: bool) -> Option<String> {
        self.runner.with_column_validator(default_column_validator);
        let difference = self.difference::<false>(record, ordered).await;
        self.runner.with_column_validator(strict_column_validator);
        difference
    }

    /// The difference from what DataFusion alone returns in a session with the server's options.
    async fn difference_from_datafusion(&mut self, record: Record<Column>, ordered: bool) -> Option<String> {
        let (Record::Query { sql, .. } | Record::Statement { sql, .. }) = record else { return None };
        let ours = result(self.connection.run(&sql).await, ordered);
        let theirs = result(InProcess::new().run(&sql).await, ordered);
        (ours != theirs)
            .then(|| format!("{sql}\n  DataFusion in the server's session: {theirs:?}\n  over the wire: {ours:?}"))
    }
}

type Comparable = Result<(Vec<Column>, Vec<Vec<String>>), String>;

fn result(output: Result<DBOutput<Column>, Refusal>, ordered: bool) -> Comparable {
    match output {
        Ok(DBOutput::Rows { types, mut rows }) => {
            if !ordered {
                rows.sort_unstable();
            }
            Ok((types, rows))
        }
        Ok(_) => Ok((Vec::new(), Vec::new())),
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// Compares the rows of a query, which may have an ORDER BY. `IN_UTC` accepts `Z` after a time.
fn same<const ORDERED: bool, const IN_UTC: bool>(
    normalize: Normalizer,
    rows: &[Vec<String>],
    expected: &[String],
) -> bool {
    let mut rows: Vec<String> = rows.iter().map(|row| row.join(" ").trim_end().to_owned()).collect();
    let mut expected: Vec<String> = expected.iter().map(normalize).collect();
    if expected.iter().any(|line| line.contains(ANYTHING)) {
        return matches(&rows, &expected);
    }
    if IN_UTC {
        rows.iter_mut().chain(&mut expected).for_each(|line| *line = without_utc(line));
    }
    if !ORDERED {
        rows.sort_unstable();
        expected.sort_unstable();
    }
    rows == expected
}

/// Removes `Z` after a digit, and the zone of a type.
fn without_utc(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for letter in line.chars() {
        if letter != 'Z' || !text.ends_with(|before: char| before.is_ascii_digit()) {
            text.push(letter);
        }
    }
    text.replace(", \"UTC\")", ")")
}

/// Whether the parts of the expected text occur one after another, the first one at the beginning.
fn matches(rows: &[String], expected: &[String]) -> bool {
    let (rows, expected) = (rows.join("\n"), expected.join("\n"));
    let mut rest = &rows[..];
    for (at, part) in expected.split(ANYTHING).enumerate() {
        match rest.find(part) {
            Some(found) if found == 0 || at > 0 => rest = &rest[found + part.len()..],
            _ => return false,
        }
    }
    true
}

#[test]
fn rows_of_a_query_without_order_by_may_come_in_any_order() {
    let rows = [vec!["2".to_owned(), "b".to_owned()], vec!["1".to_owned(), "a ".to_owned()]];
    let expected = ["1 a".to_owned(), "2 b".to_owned()];
    let normalize: Normalizer = |line| line.trim_end().to_owned();

    assert!(same::<false, false>(normalize, &rows, &expected));
    assert!(!same::<true, false>(normalize, &rows, &expected));
    assert!(!same::<false, false>(normalize, &rows[..1], &expected));
}

#[test]
fn a_zone_is_removed_from_times_and_types_only() {
    let line = "2026-06-01T00:00:00Z UTZ Timestamp(ns, \"UTC\") A1 Zoe";

    assert_eq!(without_utc(line), "2026-06-01T00:00:00 UTZ Timestamp(ns) A1 Zoe");
}

#[test]
fn a_gap_stands_for_any_text_but_not_for_the_beginning() {
    let rows = ["started at 12:00 with 3 rows".to_owned()];

    assert!(matches(&rows, &["started at <slt:ignore> with 3 rows".to_owned()]));
    assert!(!matches(&rows, &["at <slt:ignore> with 3 rows".to_owned()]));
    assert!(!matches(&rows, &["started at <slt:ignore> with 4 rows".to_owned()]));
}
