//! What decoding, pins and a query cost: `cargo bench`.
//!
//! - `decode`: a page of 200 actions to a record batch, beside `serde_json::Value` of the same bytes; MB/s.
//! - `pins`: filters to key sets.
//! - `query`: SQL to rows, against the simulated account over HTTP on loopback.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(missing_docs, reason = "criterion_group! makes public functions without any")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::prelude::{Expr, col, lit};
use futures::TryStreamExt;
use oceanflight::api::{self, Budgets, Client, rate_limit};
use oceanflight::engine::{self, Engine, Principal};
use oceanflight::resource::{Binding, Registry, Resource, Value};
use oceanflight::rows::Decoder;
use oceanflight::secret::Secret;
use oceanflight::table::KeyConstraints;
use serde_json::json;
use simulated_account::{self as demo, Limits, Running};
use tokio::runtime::Runtime;

const IMAGE: &str = "62137902";

criterion_group!(benches, decode, pins, query);
criterion_main!(benches);

fn actions() -> &'static Resource {
    Registry::built_in().find("compute", "image_actions").unwrap()
}

/// A page as the simulated account answers it.
fn page(runtime: &Runtime) -> Vec<u8> {
    let demo = runtime.block_on(Running::start(stage(200))).unwrap();
    let actions = demo.account().rows("digitalocean/compute/image_actions", Some(IMAGE)).unwrap();
    json!({ "actions": actions, "links": {}, "meta": { "total": 200 } }).to_string().into_bytes()
}

fn stage(actions: usize) -> demo::Options {
    let totals = vec![format!("{IMAGE}={actions}").parse().unwrap()];
    demo::Options { limits: Limits::off(), totals, ..demo::Options::default() }
}

fn decode(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let page = page(&runtime);
    let binding = Binding::default().with("image_id", Value::Int(62_137_902));
    let list = actions().methods.iter().find(|method| method.name == "image_actions_list").unwrap();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(page.len() as u64));
    for (name, columns) in [("all columns", (0..11).collect::<Vec<_>>()), ("3 columns", vec![0, 6, 7])] {
        let decoder = Decoder::new(actions(), &list.response, &columns);
        group.bench_function(name, |bencher| bencher.iter(|| decoder.decode(black_box(&page), &binding).unwrap()));
    }
    group.bench_function("serde_json::Value", |bencher| {
        bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&page)).unwrap());
    });
    group.finish();
}

fn pins(criterion: &mut Criterion) {
    let many = |count: i64| col("image_id").in_list((0..count).map(lit).collect(), false);
    let pair = |n: i64| col("image_id").eq(lit(n)).and(col("type").eq(lit("create")));
    let pairs = (1..50).map(pair).reduce(Expr::or).unwrap();
    let mut group = criterion.benchmark_group("pins");
    for (name, filter) in
        [("equality", col("image_id").eq(lit(7_i64))), ("in 1,000", many(1_000)), ("or of 49 pairs", pairs)]
    {
        group.bench_function(name, |bencher| bencher.iter(|| KeyConstraints::of(actions(), [black_box(&filter)])));
    }
    group.finish();
}

fn query(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let demo = runtime.block_on(Running::start(stage(2_000))).unwrap();
    let mut options = api::Options::new(demo.url().parse().unwrap(), Some(Secret::new("demo")));
    options.limit = rate_limit::Options::unlimited(16);
    let client = Client::try_new(options, &Budgets::default()).unwrap();
    let engine = Engine::try_new(client, engine::Options::default()).unwrap();
    let mut group = criterion.benchmark_group("query");
    for (name, sql) in [
        ("no request", "SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2"),
        ("get", "SELECT * FROM images WHERE id = 62137902"),
        ("10 pages", "SELECT * FROM image_actions WHERE image_id = 62137902"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(async || {
                let rows: Vec<_> =
                    engine.run(&Principal::local(), sql, None).await.unwrap().rows.try_collect().await.unwrap();
                black_box(rows)
            });
        });
    }
    group.finish();
}
