//! Lists with missing or wrong links and totals, and with short, empty or repeated pages. The result is the whole list,
//! each row once, or an error that names both counts.

mod answers;
mod cut;
mod ends;
mod totals;
mod unpaged;

use oceanflight::error::Kind;

use crate::support::{Asked, IMAGE, Stage, integers};

const LIST: &str = "SELECT id FROM image_actions WHERE image_id = 62137902";
const PAGES: &str = "GET /v2/images/*/actions";

/// A list with this number of rows, and these faults of its pages.
async fn stage(rows: usize, faults: &[&str]) -> Stage {
    let stage = Stage::new(&[(IMAGE, rows)]).await;
    faults.iter().for_each(|fault| stage.inject(&format!("{PAGES} {fault}")));
    stage
}

/// All ids, in the list's order.
fn all(stage: &Stage) -> Vec<i64> {
    stage.actions(IMAGE).iter().map(|action| action["id"].as_i64().unwrap()).collect()
}

/// Replaces the faults, and asserts that the list is whole, each row once. Returns the requested pages.
async fn whole(stage: &Stage, faults: &[&str]) -> Vec<u64> {
    instead(stage, faults).await;
    let Asked { rows, query } = stage.ask(LIST).await.unwrap_or_else(|error| panic!("{faults:?}: {error:?}"));
    let (mut read, mut expected) = (integers(&rows, "id"), all(stage));
    read.sort_unstable();
    expected.sort_unstable();
    assert_eq!(read, expected, "{faults:?}");
    assert!(query.notices().is_empty(), "{faults:?}: {:?}", query.notices());
    pages(stage)
}

async fn instead(stage: &Stage, faults: &[&str]) {
    stage.demo.account().clear_faults();
    forget_requests(stage).await;
    faults.iter().for_each(|fault| stage.inject(&format!("{PAGES} {fault}")));
}

/// Clears the recorded requests. A failed query may have sent requests that the simulator has not received yet; they
/// were received when a later request gets its response.
async fn forget_requests(stage: &Stage) {
    stage.rows("SELECT slug FROM regions").await;
    stage.demo.account().idle().await;
    stage.demo.account().clear_requests();
}

/// The pages that were requested since the last call, in the order of their numbers.
fn pages(stage: &Stage) -> Vec<u64> {
    let page = |request: &String| request.rsplit_once("page=").map_or(0, |(_, page)| page.parse().unwrap());
    let mut pages: Vec<u64> = stage.requests().iter().map(page).collect();
    pages.sort_unstable();
    pages
}

/// Replaces the faults, and returns the list's error.
async fn error(stage: &Stage, faults: &[&str]) -> (Kind, String) {
    instead(stage, faults).await;
    let error = stage.error(LIST).await;
    (error.kind(), error.report())
}
