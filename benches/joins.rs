//! How a join's requests follow each other: its time as a ratio to what the requests alone take, in one run.
//!
//! 100 images are joined to their actions at 50 ms a request, 16 at once: one request for the images, and 7 rounds of
//! the others. A ratio of 1 would be a join that costs nothing but them.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(clippy::print_stdout, reason = "what it has measured")]

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use oceanflight::api::{self, Budgets, Client, rate_limit};
use oceanflight::engine::{self, Engine, Principal};
use oceanflight::secret::Secret;
use simulated_account::{Limits, Options, Running};
use tokio::runtime::Runtime;

const LATENCY: Duration = Duration::from_millis(50);
const IMAGES: u32 = 100;
const AT_ONCE: u32 = 16;
const RUNS: usize = 5;

fn main() {
    Runtime::new().unwrap().block_on(async {
        let totals = (1..=IMAGES).map(|image| format!("{image}=5").parse().unwrap()).collect();
        let options = Options { latency: LATENCY, limits: Limits::off(), totals, ..Options::default() };
        let demo = Running::start(options).await.unwrap();
        let mut options = api::Options::new(demo.url().parse().unwrap(), Some(Secret::new("demo")));
        options.limit = rate_limit::Options::unlimited(AT_ONCE as usize);
        let client = Client::try_new(options, &Budgets::default()).unwrap();
        let engine = Engine::try_new(client, engine::Options::default()).unwrap();

        let one = median(&engine, "SELECT id FROM images WHERE id = 1").await;
        println!("one request: {one:?}");
        let join = "SELECT i.name, a.type FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 100";
        for (name, sql) in [("join", join), ("enumerated", "SELECT count(*) FROM image_actions WHERE image_id <= 100")]
        {
            let took = median(&engine, sql).await;
            let rounds = 1 + IMAGES.div_ceil(AT_ONCE);
            let ratio = took.as_secs_f64() / (rounds * LATENCY).as_secs_f64();
            println!("{name}: {took:?} for {rounds} rounds, {ratio:.2} of their latency");
        }
    });
}

/// The middle one of several runs, after one that opens the connections.
async fn median(engine: &Engine, sql: &str) -> Duration {
    let mut times = Vec::new();
    for run in 0..=RUNS {
        let begin = Instant::now();
        let rows: Vec<_> = engine.run(&Principal::local(), sql, None).await.unwrap().rows.try_collect().await.unwrap();
        assert!(!rows.is_empty());
        times.extend((run > 0).then(|| begin.elapsed()));
    }
    times.sort();
    times[times.len() / 2]
}
