//! DataFusion's own test files, asked over the wire.
//!
//! The package `datafusion-sqllogictest` has them: statements with the rows that DataFusion gives. Each query among
//! them goes through Flight SQL to a server, whose rows are to be the same, value by value and type by type. So no
//! layer of ours may change what DataFusion answers.
//!
//! - `package`: where the files are. `cargo fetch --manifest-path tests/slt/package/Cargo.toml` brings them.
//! - `script`, `session`: which records are asked. A query is, unless it needs what the server does not take (SET,
//!   COPY, files), or what only DataFusion's own runner has. EXPLAIN is not: plans differ by design.
//! - `tables`: tables that a file makes become common table expressions of its later queries.
//! - `connection`, `value`: a statement's rows over the wire, as text.
//! - `expected`: the records that differ, each with the reason.
//!
//! A record that expects an error has passed where there is one, whatever its text, unless it is INTERNAL.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};

use futures::StreamExt;
use sqllogictest::{Normalizer, Runner};

use self::connection::Connection;
use self::expected::Expected;
use self::script::Step;
use self::session::Skip;
use crate::support::wire::Wire;

mod connection;
mod expected;
mod package;
mod script;
mod session;
mod statement;
mod tables;
mod value;

/// Files and directories that are about something else.
const LEFT_OUT: &[&str] = &[
    // Another dialect, with functions of the crate datafusion-spark.
    "spark",
    // A planner of types that DataFusion's own runner adds.
    "cast_extension_type_metadata.slt",
    // Functions that it registers.
    "async_udf.slt",
];

/// How many files are asked at once, each over a connection of its own.
const CONNECTIONS: usize = 4;

/// Fewer records than this are a sign that something is left out that should not be.
const FLOOR: usize = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datafusions_own_queries_have_the_same_rows_over_the_wire() {
    let directory = match package::files() {
        Ok(directory) => directory,
        Err(why) if env::var_os("CI").is_some_and(|value| value == "true") => panic!("CI has to have the files: {why}"),
        Err(why) => {
            // Not `eprintln!`: that is shown only where a test fails.
            writeln!(stderr(), "skipped: {why}").unwrap();
            return;
        }
    };
    let wire = Wire::start().await;
    let mut files = package::list(&directory, LEFT_OUT);
    if let Some(only) = env::var_os("OCEANFLIGHT_SLT") {
        files.retain(|file| only.to_string_lossy().split(',').any(|only| file.ends_with(only)));
    }

    let tallies = futures::stream::iter(files).map(|file| asked(&wire, &directory, file)).buffer_unordered(CONNECTIONS);
    let tally = tallies.fold(Tally::default(), |sum, tally| async { sum.plus(tally) }).await;

    writeln!(stderr(), "{}", tally.line()).unwrap();
    let wrong = Expected::read().judge(&tally.different);
    assert!(wrong.is_empty(), "{} records:\n\n{}\n", wrong.len(), wrong.join("\n\n"));
    assert!(tally.ran >= FLOOR, "only {} records ran, of {FLOOR} at least", tally.ran);
}

/// What came of some records.
#[derive(Default)]
struct Tally {
    ran: usize,
    different: BTreeMap<String, String>,
    skipped: BTreeMap<Skip, usize>,
}

impl Tally {
    fn plus(mut self, other: Self) -> Self {
        self.ran += other.ran;
        self.different.extend(other.different);
        for (why, count) in other.skipped {
            *self.skipped.entry(why).or_default() += count;
        }
        self
    }

    fn line(&self) -> String {
        let different = self.different.len();
        let skipped: usize = self.skipped.values().sum();
        let mut line = format!(
            "slt: {} records ran, {} passed, {different} differ, {skipped} skipped",
            self.ran,
            self.ran - different
        );
        for (at, (why, count)) in self.skipped.iter().enumerate() {
            write!(line, "{} {count} {why:?}", if at == 0 { ":" } else { "," }).unwrap();
        }
        line
    }
}

/// Asks what a file has to ask.
async fn asked(wire: &Wire, directory: &Path, file: PathBuf) -> Tally {
    let mut tally = Tally::default();
    let began = std::time::Instant::now();
    let mut runner = Runner::new(|| async { Ok(Connection { client: wire.connect().await }) });
    runner.with_column_validator(sqllogictest::strict_column_validator);
    runner.with_normalizer(|line| line.trim_end().to_owned());
    for step in script::steps(directory, &file) {
        match step {
            Step::Ask { at, record, ordered } => {
                tally.ran += 1;
                runner.with_validator(if ordered { same_in_order } else { same });
                if let Err(error) = runner.run_async(record).await {
                    tally.different.insert(at, error.to_string());
                }
            }
            Step::Skip(why) => *tally.skipped.entry(why).or_default() += 1,
            Step::Note(record) => drop(runner.run_async(record).await.unwrap()),
        }
    }
    writeln!(stderr(), "TIME {:?} {} {}", began.elapsed(), tally.ran, file.display()).unwrap();
    tally
}

fn same_in_order(normalize: Normalizer, rows: &[Vec<String>], expected: &[String]) -> bool {
    let (rows, expected) = lines(normalize, rows, expected);
    if expected.iter().any(|line| line.contains(ANYTHING)) { matches(&rows, &expected) } else { rows == expected }
}

/// Of a query without ORDER BY.
fn same(normalize: Normalizer, rows: &[Vec<String>], expected: &[String]) -> bool {
    let (mut rows, mut expected) = lines(normalize, rows, expected);
    if expected.iter().any(|line| line.contains(ANYTHING)) {
        return matches(&rows, &expected);
    }
    rows.sort_unstable();
    expected.sort_unstable();
    rows == expected
}

fn lines(normalize: Normalizer, rows: &[Vec<String>], expected: &[String]) -> (Vec<String>, Vec<String>) {
    let rows = rows.iter().map(|row| row.join(" ").trim_end().to_owned()).collect();
    (rows, expected.iter().map(normalize).collect())
}

/// What stands for any text in the lines that are expected.
const ANYTHING: &str = "<slt:ignore>";

fn matches(rows: &[String], expected: &[String]) -> bool {
    let (rows, expected) = (rows.join("\n"), expected.join("\n"));
    let mut rest = &rows[..];
    for (at, part) in expected.split(ANYTHING).enumerate() {
        match rest.find(part) {
            Some(0) => rest = &rest[part.len()..],
            Some(found) if at > 0 => rest = &rest[found + part.len()..],
            _ => return false,
        }
    }
    true
}
