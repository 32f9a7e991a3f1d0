//! DataFusion's own test files, run over Flight SQL.
//!
//! The package `datafusion-sqllogictest` contains statements together with the rows that DataFusion returns. Every
//! query among them is sent to a server, and must return the same values and the same column types. The test fails if
//! any layer above DataFusion changes a result.
//!
//! - `package`: finds the files. `cargo fetch --manifest-path tests/slt/package/Cargo.toml` downloads them.
//! - `script`, `session`, `statement`: select the records to run: all queries, except those that need a statement which
//!   the server rejects (SET, COPY, files), or a table of DataFusion's own runner. EXPLAIN is left out, because plans
//!   differ by design.
//! - `tables`: turns a file's CREATE TABLE, CREATE VIEW and INSERT into common table expressions for its later queries.
//! - `connection`, `value`: run a statement and print its rows as DataFusion's own runner does.
//! - `comparison`: compares the rows; `expected`: lists the records that differ, each with a reason.
//!
//! A record that expects an error passes if the server returns any error that is not INTERNAL.
//!
//! `OCEANFLIGHT_SLT=scalar.slt,string/string_view.slt` runs these files only.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};

use futures::StreamExt;

use self::comparison::Comparison;
use self::expected::{Expected, Found};
use self::script::Step;
use self::session::Skip;
use crate::support::wire::Wire;

mod comparison;
mod connection;
mod expected;
mod package;
mod script;
mod session;
mod statement;
mod tables;
mod value;

/// Files and directories that are not run.
const LEFT_OUT: &[&str] = &[
    // Spark's dialect and functions, from the crate datafusion-spark.
    "spark",
    // DataFusion's own runner adds a planner for types.
    "cast_extension_type_metadata.slt",
    // DataFusion's own runner registers functions.
    "async_udf.slt",
    // Sorts and joins that spill to disk: seconds for each record in a debug build, and no other statements.
    "aggregate_memory_spill.slt",
    "nested_loop_join_spill.slt",
    "ordered_aggregate_spill.slt",
];

/// Names files to run instead of all.
const VARIABLE: &str = "OCEANFLIGHT_SLT";

/// Number of files that run at the same time, each on its own connection.
const CONNECTIONS: usize = 4;

/// If fewer records run, the selection is broken.
const FLOOR: usize = 8_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datafusions_own_queries_return_the_same_rows_over_the_wire() {
    let directory = match package::files() {
        Ok(directory) => directory,
        Err(why) if env::var_os("CI").is_some_and(|value| value == "true") => panic!("CI needs the files: {why}"),
        Err(why) => {
            // Not `eprintln!`: that is shown only where a test fails.
            writeln!(stderr(), "skipped: {why}").unwrap();
            return;
        }
    };
    let (files, all) = chosen(package::list(&directory, LEFT_OUT));
    let wire = Wire::start().await;
    let expected = Expected::read();

    let tallies = futures::stream::iter(files).map(|file| run(&wire, &expected, &directory, file));
    let tally = tallies.buffer_unordered(CONNECTIONS).fold(Tally::default(), |sum, tally| async { sum.plus(tally) });
    let tally = tally.await;

    writeln!(stderr(), "{tally}").unwrap();
    let wrong = expected.judge(&tally.found, all);
    assert!(wrong.is_empty(), "{} records:\n\n{}\n", wrong.len(), wrong.join("\n\n"));
    assert!(!all || tally.ran >= FLOOR, "only {} records ran, expected at least {FLOOR}", tally.ran);
}

/// The files to run, and whether these are all.
fn chosen(mut files: Vec<PathBuf>) -> (Vec<PathBuf>, bool) {
    let Ok(only) = env::var(VARIABLE) else { return (files, true) };
    files.retain(|file| only.split(',').any(|only| file.ends_with(only)));
    (files, false)
}

/// Runs the records of a file.
async fn run(wire: &Wire, expected: &Expected, directory: &Path, file: PathBuf) -> Tally {
    let mut tally = Tally::default();
    let mut comparison = Comparison::over(wire).await;
    for step in script::steps(directory, &file) {
        match step {
            Step::Run { at, record, ordered } => {
                tally.ran += 1;
                if let Some(found) = comparison.run(record, ordered, expected.at(&at)).await {
                    tally.found.insert(at, found);
                }
            }
            Step::Skip(why) => *tally.skipped.entry(why).or_default() += 1,
            Step::Control(record) => comparison.control(record).await,
        }
    }
    tally
}

/// The outcome of records.
#[derive(Default)]
struct Tally {
    ran: usize,
    /// The records that differ, by their places.
    found: BTreeMap<String, Found>,
    skipped: BTreeMap<Skip, usize>,
}

impl Tally {
    fn plus(mut self, other: Self) -> Self {
        self.ran += other.ran;
        self.found.extend(other.found);
        for (why, count) in other.skipped {
            *self.skipped.entry(why).or_default() += count;
        }
        self
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let expected = self.found.values().filter(|found| matches!(found, Found::Expected)).count();
        let failed = self.found.len() - expected;
        let passed = self.ran - self.found.len();
        let skipped: usize = self.skipped.values().sum();
        write!(f, "slt: {} records ran: {passed} passed, {expected} differ as expected, {failed} failed;", self.ran)?;
        write!(f, " {skipped} skipped (")?;
        let mut reasons = String::new();
        for (why, count) in &self.skipped {
            write!(reasons, "{count} {why}, ")?;
        }
        write!(f, "{})", reasons.trim_end_matches(", "))
    }
}
