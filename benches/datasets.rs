//! Queries over files, as a ratio to DataFusion alone in the same run; and a join of a file to actions, as a ratio to the same
//! join with the actions in memory.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(clippy::print_stdout, reason = "what it has measured")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use futures::TryStreamExt;
use oceanflight::api::{self, Budgets, Client, rate_limit};
use oceanflight::datasets::{self, Dataset, FileOptions, IngestOptions, Location};
use oceanflight::engine::{self, Engine, Principal};
use oceanflight::secret::Secret;
use parquet::arrow::ArrowWriter;
use simulated_account::{Limits, Options, Running};
use tokio::runtime::Runtime;

const ROWS: i64 = 10_000_000;
const JOINED_ROWS: i64 = 1_000_000;
const ACTIONS: usize = 2_000;
const IMAGE: i64 = 62_137_902;
const RUNS: usize = 7;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("large.parquet"), ROWS);
    write(&directory.path().join("joined.parquet"), JOINED_ROWS);
    Runtime::new().unwrap().block_on(async {
        let totals = vec![format!("{IMAGE}={ACTIONS}").parse().unwrap()];
        let options = Options { limits: Limits::off(), totals, ..Options::default() };
        let demo = Running::start(options).await.unwrap();
        let engine = engine(&demo, directory.path());
        let alone = SessionContext::new();
        let file = directory.path().join("large.parquet");
        alone.register_parquet("large", file.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();

        for (name, sql) in [
            ("filtered and grouped", "SELECT region, count(*), avg(ms) FROM large WHERE ms > 250 GROUP BY region"),
            ("counted", "SELECT count(*) FROM large"),
            ("one row", "SELECT * FROM large WHERE id = 7654321"),
            ("sorted", "SELECT id, ms FROM large ORDER BY ms DESC, id LIMIT 10"),
        ] {
            let (ours, theirs) = in_turns(async || ask(&engine, sql).await, async || {
                alone.sql(sql).await.unwrap().collect().await.unwrap();
            })
            .await;
            println!("{name}: {ours:?}, DataFusion alone {theirs:?}, ratio {:.2}", ratio(ours, theirs));
        }

        ask(&engine, &format!("CREATE TABLE kept AS SELECT * FROM image_actions WHERE image_id = {IMAGE}")).await;
        let sql = |actions: &str| {
            format!("SELECT a.type, count(*), sum(p.ms) FROM joined p JOIN {actions} a ON a.image_id = p.image AND a.id = p.action GROUP BY 1")
        };
        let (live, kept) = (sql("image_actions"), sql("kept"));
        let fetch = format!("SELECT count(*) FROM image_actions WHERE image_id = {IMAGE} AND status <> ''");
        let (fetched, _) = in_turns(async || ask(&engine, &fetch).await, async || {}).await;
        let (ours, memory) = in_turns(async || ask(&engine, &live).await, async || ask(&engine, &kept).await).await;
        let once_fetched = ours.saturating_sub(fetched);
        println!(
            "joined to {ACTIONS} actions: {ours:?}, of it {fetched:?} for their requests; in memory {memory:?}, ratio {:.2}",
            ratio(once_fetched, memory)
        );
    });
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn engine(demo: &Running, directory: &Path) -> Engine {
    let mut options = api::Options::new(demo.url().parse().unwrap(), Some(Secret::new("demo")));
    options.limit = rate_limit::Options::unlimited(16);
    let client = Client::try_new(options, &Budgets::default()).unwrap();
    let dataset = |name: &str| Dataset {
        name: name.to_owned(),
        location: Location::parse(&format!("{name}.parquet"), directory).unwrap(),
        options: FileOptions::default(),
    };
    let ingest = IngestOptions { allowed: true, ..IngestOptions::default() };
    let datasets = datasets::Options {
        datasets: vec![dataset("large"), dataset("joined")],
        ingest,
        ..datasets::Options::default()
    };
    Engine::try_new(client, engine::Options { datasets, ..engine::Options::default() }).unwrap()
}

async fn ask(engine: &Engine, sql: &str) {
    let rows = engine.run(&Principal::local(), sql, None).await.unwrap().rows;
    let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    assert!(rows.iter().map(RecordBatch::num_rows).sum::<usize>() > 0, "{sql}");
}

/// The middle times of both, run by turns after one run each.
async fn in_turns(one: impl AsyncFn(), other: impl AsyncFn()) -> (Duration, Duration) {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for run in 0..=RUNS {
        let begin = Instant::now();
        one().await;
        let middle = Instant::now();
        other().await;
        if run > 0 {
            ones.push(middle - begin);
            others.push(middle.elapsed());
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    (median(ones), median(others))
}

/// Rows with a number, a region, a duration, and the keys of actions.
fn write(path: &Path, rows: i64) {
    const BATCH: i64 = 100_000;
    const REGIONS: [&str; 6] = ["nyc3", "ams3", "fra1", "sgp1", "lon1", "syd1"];
    let mut writer = None;
    for first in (0..rows).step_by(BATCH as usize) {
        let ids = first..first + BATCH;
        let hash = |id: i64| id.wrapping_mul(2_654_435_761) >> 7 & 0xffff;
        let columns: [(&str, ArrayRef); 5] = [
            ("id", Arc::new(Int64Array::from_iter_values(ids.clone()))),
            ("region", Arc::new(StringArray::from_iter_values(ids.clone().map(|id| REGIONS[hash(id) as usize % 6])))),
            ("ms", Arc::new(Float64Array::from_iter_values(ids.clone().map(|id| hash(id) as f64 / 100.0)))),
            ("image", Arc::new(Int64Array::from_iter_values(ids.clone().map(|_| IMAGE)))),
            ("action", Arc::new(Int64Array::from_iter_values(ids.map(|id| 2_900_000_000 - id % 2_000)))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let writer = writer
            .get_or_insert_with(|| ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap());
        writer.write(&batch).unwrap();
    }
    writer.unwrap().close().unwrap();
}
