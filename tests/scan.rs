//! Scans: the requests of a statement, and rows that are equal to the simulated account's, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use oceanflight::engine::{self, FilterCounts, Principal};
use oceanflight::error::Kind;
use serde_json::{Value as Json, json};
use simulated_account::{self as demo, Fault, TestEffect};
use tokio::sync::Semaphore;

use crate::support::{ACTIONS, Asked, IMAGE, Stage, integers, json, single};

/// The two examples of the specification.
const PAGE_GET: &str = include_str!("page/get.sql");
const PAGE_LIST: &str = include_str!("page/list.sql");

/// An example with values.
fn filled(example: &str) -> String {
    example.replace("{{ image_id }}", "62137902").replace("{{ action_id }}", "36804636")
}

#[tokio::test]
async fn the_specified_list_reads_366_actions_with_two_requests() {
    let stage = Stage::new(&[]).await;

    let rows = stage.rows(&filled(PAGE_LIST)).await;

    assert_eq!(rows.num_rows(), 366);
    assert_eq!(stage.requests(), ["GET /v2/images/62137902/actions?page=1", "GET /v2/images/62137902/actions?page=2"]);
}

#[tokio::test]
async fn the_specified_get_reads_one_action_with_one_request() {
    let stage = Stage::new(&[]).await;

    let rows = stage.rows(&filled(PAGE_GET)).await;

    assert_eq!(integers(&rows, "id"), [36_804_636]);
    assert_eq!(stage.requests(), ["GET /v2/images/62137902/actions/36804636"]);
}

#[tokio::test]
async fn five_images_of_a_page_each_are_five_requests() {
    let images = [("1", 3), ("2", 3), ("3", 3), ("4", 3), ("5", 3)];
    let stage = Stage::new(&images).await;

    let rows = stage.rows("SELECT image_id FROM image_actions WHERE image_id IN (1, 2, 3, 4, 5)").await;

    assert_eq!(rows.num_rows(), 15);
    assert_eq!(integers(&rows, "image_id").into_iter().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(stage.requests().len(), 5);
}

#[tokio::test]
async fn an_impossible_filter_sends_no_request() {
    let stage = Stage::new(&[]).await;

    for filter in ["image_id = 1 AND image_id = 2", "image_id = NULL", "image_id IN (1) AND image_id IN (2)"] {
        let rows = stage.rows(&format!("SELECT * FROM image_actions WHERE {filter}")).await;
        assert_eq!((rows.num_rows(), rows.num_columns()), (0, 11), "{filter}");
    }
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn rows_are_the_apis_field_by_field() {
    for total in [0, 1, 200, 201, 1_000] {
        let stage = Stage::new(&[(IMAGE, total)]).await;

        let rows = stage.rows("SELECT * FROM image_actions WHERE image_id = 62137902").await;

        let expected: Vec<_> = stage.actions(IMAGE).into_iter().map(as_row).collect();
        assert_eq!(expected.len(), total);
        let pages = total.div_ceil(200).max(1);
        assert_eq!(stage.requests().len(), pages, "{total} actions");
        assert_eq!(json(&rows), expected, "{total} actions: in the list's own order");
    }
}

/// An action of the API as a row of the table: with the path parameters, and null for absent fields.
fn as_row(action: Json) -> Json {
    let mut row = json!({
        "completed_at": null, "region": null, "region_slug": null, "resource_id": null,
        "resource_type": null, "started_at": null, "status": null, "type": null,
    });
    for (name, value) in action.as_object().unwrap() {
        row[name] = value.clone();
    }
    row["image_id"] = json!(62_137_902);
    row["action_id"] = row["id"].clone();
    row
}

#[tokio::test]
async fn fixture_actions_with_their_nulls_are_equal_too() {
    let stage = Stage::new(&[]).await;

    let rows = stage.rows("SELECT * FROM image_actions WHERE image_id = 62137902").await;

    let expected: Vec<_> = stage.actions(IMAGE).into_iter().map(as_row).collect();
    assert_eq!(json(&rows), expected);
}

#[tokio::test]
async fn four_ids_are_gets_and_five_are_the_list_checked_again() {
    let stage = Stage::new(&[]).await;
    let ids = integers(&stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902").await, "id");
    let list = |count: usize| ids[..count].iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    stage.requests();

    for (count, requests) in [(4, 4), (5, 2)] {
        let sql = format!("SELECT id FROM image_actions WHERE image_id = 62137902 AND id IN ({})", list(count));
        let mut read = integers(&stage.rows(&sql).await, "id");
        read.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(read, ids[..count], "{count} ids");
        assert_eq!(stage.requests().len(), requests, "{count} ids");
    }
}

#[tokio::test]
async fn keys_that_depend_on_something_else_stay_filters() {
    let stage = Stage::new(&[("1", 30), ("2", 30)]).await;
    let all = stage.rows("SELECT image_id, type FROM image_actions WHERE image_id IN (1, 2)").await;
    let expected = json(&all).into_iter().filter(|row| {
        (row["image_id"] == 1 && row["type"] == "transfer") || (row["image_id"] == 2 && row["type"] == "convert")
    });

    let sql = "SELECT image_id, type FROM image_actions \
        WHERE (image_id = 1 AND type = 'transfer') OR (image_id = 2 AND type = 'convert')";
    let read = json(&stage.rows(sql).await);

    assert_eq!(sorted(read), sorted(expected.collect()));
}

fn sorted(rows: Vec<Json>) -> Vec<String> {
    let mut rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn count_star_reads_no_columns_and_counts_all() {
    let stage = Stage::new(&[]).await;

    assert_eq!(single(&stage.rows("SELECT count(*) FROM image_actions WHERE image_id = 62137902").await), 366);
    let completed = "SELECT count(*) FROM image_actions WHERE image_id = 62137902 AND status = 'completed'";
    let expected = stage.actions(IMAGE).iter().filter(|action| action["status"] == "completed").count();
    assert_eq!(single(&stage.rows(completed).await), i64::try_from(expected).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_stops_paging() {
    let stage = Stage::new(&[(IMAGE, 5_000)]).await;

    let rows = stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902 LIMIT 5").await;
    assert_eq!(rows.num_rows(), 5);
    assert_eq!(stage.requests().len(), 1);

    let rows = stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902 LIMIT 250").await;
    assert_eq!(rows.num_rows(), 250);
    assert_eq!(stage.requests().len(), 2);

    let sql = "SELECT id FROM image_actions WHERE image_id = 62137902 AND status = 'completed' LIMIT 5";
    assert_eq!(stage.rows(sql).await.num_rows(), 5, "no Limit is left above the scan: it cuts itself");
    assert!(stage.requests().len() <= 5, "4 pages ahead of the first at most");
}

#[tokio::test]
async fn a_limit_above_a_sort_reads_everything() {
    let stage = Stage::new(&[(IMAGE, 1_000)]).await;
    let oldest = stage.actions(IMAGE).iter().map(|action| action["id"].as_i64().unwrap()).min().unwrap();

    let rows = stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902 ORDER BY id LIMIT 1").await;

    assert_eq!(integers(&rows, "id"), [oldest]);
    assert_eq!(stage.requests().len(), 5);
}

#[tokio::test]
async fn if_missing_keys_are_errors_the_hint_has_a_statement_that_works() {
    let demo = demo::Options::default();
    let options = engine::Options { missing_key: engine::MissingKey::Error, ..engine::Options::default() };
    let stage = Stage::with_query(demo, |_| {}, options).await;

    for filter in ["", "WHERE image_id > 5", "WHERE image_id = 1 OR status = 'completed'", "WHERE image_id <> 1"] {
        let error = stage.error(&format!("SELECT * FROM image_actions {filter}")).await;
        assert_eq!(error.kind(), Kind::InvalidArgument, "{filter}");
        let report = error.report();
        assert!(report.contains("needs a value of image_id\nhint: write `SELECT"), "{report}");
        assert!(report.contains("SHOW METHODS IN digitalocean.compute.image_actions"), "{report}");
    }
    let explained = stage.error("EXPLAIN SELECT * FROM image_actions").await;
    assert!(explained.to_string().contains("needs a value of image_id"), "{explained}");
    assert!(stage.requests().is_empty());
    let joined = "SELECT count(*) FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id = 62137902";
    assert_eq!(single(&stage.rows(joined).await), 366, "a join gives the key");
}

#[tokio::test]
async fn without_an_image_the_images_of_the_account_are_read() {
    let stage = Stage::new(&[]).await;

    let all = single(&stage.rows("SELECT count(*) FROM image_actions").await);

    let requests = stage.requests();
    assert_eq!(requests[0], "GET /v2/images?private=true&page=1");
    let account = stage.demo.account();
    let images = account.rows("digitalocean/compute/images", None).unwrap();
    let own = images.iter().filter(|image| image["public"] == false).map(|image| image["id"].to_string());
    let own: Vec<String> = own.collect();
    let asked: BTreeSet<&str> = requests[1..].iter().filter_map(|request| request.split('/').nth(3)).collect();
    assert_eq!(asked, own.iter().map(String::as_str).collect());
    let expected: usize = own.iter().map(|image| account.count(ACTIONS, Some(image)).unwrap()).sum();
    assert_eq!(usize::try_from(all).unwrap(), expected);
}

#[tokio::test]
async fn a_filter_on_the_key_is_evaluated_before_the_request() {
    let stage = Stage::new(&[]).await;

    stage.rows("SELECT id FROM image_actions WHERE image_id BETWEEN 62137900 AND 62137903").await;

    let mut requests = stage.requests();
    requests.sort();
    assert_eq!(
        requests,
        [
            "GET /v2/images/62137902/actions?page=1",
            "GET /v2/images/62137902/actions?page=2",
            "GET /v2/images/62137903/actions?page=1",
            "GET /v2/images?private=true&page=1",
        ]
    );
}

#[tokio::test]
async fn an_action_alone_is_one_request_and_not_a_row_if_it_is_of_no_image() {
    let stage = Stage::new(&[]).await;
    let of_a_droplet = stage.demo.account().rows("digitalocean/compute/droplet_actions", Some("512340007")).unwrap();

    for name in ["id", "action_id"] {
        let rows = stage.rows(&format!("SELECT image_id, id FROM image_actions WHERE {name} = 36804636")).await;
        assert_eq!((integers(&rows, "image_id"), integers(&rows, "id")), (vec![62_137_902], vec![36_804_636]));
        assert_eq!(stage.requests(), ["GET /v2/actions/36804636"]);
    }
    let other = &of_a_droplet[0]["id"];
    assert_eq!(stage.rows(&format!("SELECT * FROM image_actions WHERE id = {other}")).await.num_rows(), 0);
    assert_eq!(stage.rows("SELECT * FROM image_actions WHERE id = 5").await.num_rows(), 0);
}

#[tokio::test]
async fn a_missing_image_returns_no_row_and_a_notice() {
    let stage = Stage::new(&[]).await;

    let Asked { rows, query } = stage.ask("SELECT * FROM image_actions WHERE image_id = 999").await.unwrap();

    assert_eq!(rows.num_rows(), 0);
    let notices = query.notices();
    assert!(notices[0].contains("no rows for image_id 999"), "{notices:?}");
    let action = "SELECT * FROM image_actions WHERE image_id = 62137902 AND id IN (1, 36804636)";
    assert_eq!(stage.rows(action).await.num_rows(), 1, "the other id is there");
}

#[tokio::test]
async fn filtered_rows_leave_with_their_page() {
    let stage = Stage::new(&[(IMAGE, 2_000)]).await;
    let gate = Arc::new(Semaphore::new(0));
    let last = Fault::on("GET", "/v2/images/*/actions").page(10).then(TestEffect::hold(Arc::clone(&gate)));
    stage.demo.account().inject(last);

    for filter in ["", "AND status = 'completed'"] {
        let sql = format!("SELECT id FROM image_actions WHERE image_id = 62137902 {filter}");
        let mut answer = stage.engine.run(&Principal::local(), &sql, None).await.unwrap();
        let first = answer.rows.next().await.unwrap().unwrap();
        assert!(first.num_rows() > 0, "the first rows are here while the last page is held");
    }
}

#[tokio::test]
async fn a_page_that_is_held_back_does_not_delay_the_pages_before_it() {
    let stage = Stage::new(&[(IMAGE, 1_000)]).await;
    let gate = Arc::new(Semaphore::new(0));
    let last = Fault::on("GET", "/v2/images/*/actions").page(5).then(TestEffect::hold(Arc::clone(&gate)));
    stage.demo.account().inject(last);

    let mut answer = stage
        .engine
        .run(&Principal::local(), "SELECT id FROM image_actions WHERE image_id = 62137902", None)
        .await
        .unwrap();
    let mut rows = 0;
    while rows < 800 {
        rows += answer.rows.next().await.unwrap().unwrap().num_rows();
    }
    gate.add_permits(1);
    while let Some(batch) = answer.rows.next().await {
        rows += batch.unwrap().num_rows();
    }

    assert_eq!(rows, 1_000);
}

#[tokio::test]
async fn pages_are_fetched_in_parallel() {
    let stage = Stage::new(&[(IMAGE, 2_000)]).await;
    let gate = Arc::new(Semaphore::new(0));
    // Every page but the first waits until all nine requests have arrived, which they would not one after another.
    let rest = Fault::on("GET", "/v2/images/*/actions").skip(1).then(TestEffect::hold(Arc::clone(&gate)));
    stage.demo.account().inject(rest);

    let query = stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902");
    let open = async {
        stage.demo.account().received(10).await;
        gate.add_permits(9);
    };
    let (rows, ()) = tokio::join!(query, open);

    assert_eq!(rows.num_rows(), 2_000);
    assert!(stage.demo.account().in_flight_peak() >= 9);
}

#[tokio::test]
async fn at_most_sixteen_requests_are_in_flight() {
    let images: Vec<_> = (1..=50).map(|image| image.to_string()).collect();
    let totals: Vec<_> = images.iter().map(|image| (image.as_str(), 300)).collect();
    let stage = Stage::new(&totals).await;
    let all = format!("SELECT a.id FROM image_actions a WHERE a.image_id IN ({})", images.join(", "));

    let twice = format!("{all} UNION ALL {all}");
    let (once, both) = tokio::join!(stage.rows(&all), stage.rows(&twice));

    assert_eq!((once.num_rows(), both.num_rows()), (15_000, 30_000));
    assert!(stage.demo.account().in_flight_peak() <= 16);
}

#[tokio::test]
async fn a_computed_column_leaves_with_its_page_and_in_order() {
    let stage = Stage::new(&[(IMAGE, 2_000)]).await;
    let gate = Arc::new(Semaphore::new(0));
    stage.demo.account().inject(Fault::on("GET", "/v2/images/*/actions").page(10).then(TestEffect::hold(gate)));

    let sql = "SELECT id, upper(status) FROM image_actions WHERE image_id = 62137902";
    let mut answer = stage.engine.run(&Principal::local(), sql, None).await.unwrap();
    let first = answer.rows.next().await.unwrap().unwrap();

    let newest: Vec<_> =
        stage.actions(IMAGE)[..first.num_rows()].iter().map(|action| action["id"].as_i64().unwrap()).collect();
    assert_eq!(integers(&first, "id"), newest);
}

#[tokio::test]
async fn a_list_that_is_gone_when_it_is_read_again_is_aborted() {
    let stage = Stage::new(&[(IMAGE, 1_000)]).await;
    stage.inject("GET /v2/images/*/actions page=2 times=1 remove=2");
    stage.inject("GET /v2/images/*/actions page=1 skip=1 status=404");

    let error = stage.error("SELECT id FROM image_actions WHERE image_id = 62137902").await;

    assert_eq!(error.kind(), Kind::Aborted);
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_the_requests_and_delays_no_other_query() {
    let stage = Stage::new(&[(IMAGE, 20_000)]).await;
    let account = stage.demo.account();
    let mut idle = stage
        .engine
        .run(&Principal::local(), "SELECT id FROM image_actions WHERE image_id = 62137902", None)
        .await
        .unwrap();
    idle.rows.next().await.unwrap().unwrap();
    // Page 1 was taken. 16 more are read ahead, and no more until some are taken.
    account.received(17).await;
    account.idle().await;

    let rows = stage.rows("SELECT id FROM image_actions WHERE image_id = 62137904").await;

    assert_eq!(rows.num_rows(), 1, "the idle client's pages hold no permit");
    assert_eq!(stage.requests().len(), 18);
}

#[tokio::test]
async fn a_page_that_does_not_fit_into_the_memory_of_all_queries_is_an_error() {
    let query = engine::Options { memory_bytes: 32 << 10, ..engine::Options::default() };
    let stage = Stage::with_totals(&[(IMAGE, 1_000)], query).await;

    let error = stage.error("SELECT id FROM image_actions WHERE image_id = 62137902").await;

    assert_eq!(error.kind(), Kind::ResourceExhausted, "{}", error.report());
    assert!(error.report().contains("query.memory_bytes"), "{}", error.report());
}

#[tokio::test]
async fn pages_free_their_memory_when_their_rows_are_read() {
    // The whole list does not fit into the memory, but 16 of its pages do.
    let query = engine::Options { memory_bytes: 4 << 20, ..engine::Options::default() };
    let stage = Stage::with_totals(&[(IMAGE, 20_000)], query).await;

    let rows = stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902").await;

    assert_eq!(rows.num_rows(), 20_000);
}

#[tokio::test]
async fn dropping_a_result_stops_its_requests() {
    let stage = Stage::new(&[(IMAGE, 20_000)]).await;
    let gate = Arc::new(Semaphore::new(0));
    stage
        .demo
        .account()
        .inject(Fault::on("GET", "/v2/images/*/actions").skip(1).then(TestEffect::hold(Arc::clone(&gate))));
    let mut answer = stage
        .engine
        .run(&Principal::local(), "SELECT id FROM image_actions WHERE image_id = 62137902", None)
        .await
        .unwrap();
    answer.rows.next().await.unwrap().unwrap();
    stage.demo.account().received(10).await;

    drop(answer);
    stage.demo.account().idle().await;

    assert!(stage.requests().len() <= 17);
}

#[tokio::test]
async fn rows_added_meanwhile_are_returned_at_most_once_and_no_other_is_lost() {
    for change in ["add=3", "append=3"] {
        let stage = Stage::new(&[(IMAGE, 1_000)]).await;
        let before = ids_of(&stage);
        stage.inject(&format!("GET /v2/images/*/actions page=3 times=1 {change}"));

        let read = integers(&stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902").await, "id");

        assert_eq!(read.len(), read.iter().collect::<BTreeSet<_>>().len(), "{change}: none twice");
        assert!(before.is_subset(&read.into_iter().collect()), "{change}: none lost");
    }
}

#[tokio::test]
async fn rows_removed_meanwhile_lose_no_other_row() {
    for change in ["remove=2", "remove-at=5", "remove-last=3"] {
        let stage = Stage::new(&[(IMAGE, 1_000)]).await;
        stage.inject(&format!("GET /v2/images/*/actions page=2 times=1 {change}"));

        let read = integers(&stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902").await, "id");

        assert_eq!(read.len(), read.iter().collect::<BTreeSet<_>>().len(), "{change}: none twice");
        let after = ids_of(&stage);
        assert!(after.is_subset(&read.into_iter().collect()), "{change}: rows there throughout are all read");
        assert!(stage.requests().len() > 5, "{change}: the list was read again");
    }
}

#[tokio::test]
async fn a_list_that_is_never_the_same_twice_is_aborted() {
    let stage = Stage::new(&[(IMAGE, 1_000)]).await;
    stage.inject("GET /v2/images/*/actions page=2 remove=2");

    let error = stage.error("SELECT id FROM image_actions WHERE image_id = 62137902").await;

    assert_eq!(error.kind(), Kind::Aborted);
    assert!(error.report().contains("hint: run the query again"), "{}", error.report());
}

#[tokio::test]
async fn the_rows_of_a_list_count_if_its_total_is_wrong() {
    let stage = Stage::new(&[(IMAGE, 300)]).await;
    stage.inject("GET /v2/images/*/actions set=/meta/total 302");

    let rows = stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902").await;

    assert_eq!(rows.num_rows(), 300);
    assert_eq!(stage.requests().len(), 4, "two readings with the same ids");
}

#[tokio::test]
async fn without_a_total_pages_are_followed_one_by_one() {
    let stage = Stage::new(&[(IMAGE, 601)]).await;
    stage.inject("GET /v2/images/*/actions without=meta");

    let rows = stage.rows("SELECT id FROM image_actions WHERE image_id = 62137902").await;

    assert_eq!(rows.num_rows(), 601);
    assert_eq!(stage.requests().len(), 4);
}

fn ids_of(stage: &Stage) -> BTreeSet<i64> {
    let rows = stage.demo.account().rows(ACTIONS, Some(IMAGE)).unwrap();
    rows.iter().map(|action| action["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn now_is_utc() {
    let stage = Stage::new(&[]).await;
    let sql = "SELECT count(*) FROM image_actions WHERE image_id = 62137950 AND started_at > now() - interval '1 day'";

    let live = single(&stage.rows(sql).await);

    assert!(live >= 4, "{live} actions of the last day");
}

#[tokio::test]
async fn images_are_read_by_list_and_by_get() {
    let stage = Stage::new(&[]).await;

    let all = stage.rows("SELECT * FROM images").await;
    assert_eq!(all.num_rows(), 41);
    assert_eq!(stage.requests(), ["GET /v2/images?page=1"]);

    let one = stage.rows("SELECT name, tags FROM images WHERE id = 62137902").await;
    assert_eq!(one.num_rows(), 1);
    assert_eq!(stage.requests(), ["GET /v2/images/62137902"]);
}

/// Conditions that call corrected functions of the engine, each with some rows or an error.
const WITH_OWN_FUNCTIONS: &[&str] = &[
    "abs(id - 62137906) < 5000",
    "id * 3 % 5 = 1 AND -id < 0",
    "gcd(id, 6) = 6",
    "date_part('year', created_at) > 2020 AND id / 2 > 7",
    "created_at - TIMESTAMP '2020-01-01 00:00:00' > INTERVAL '100 days'",
    "to_timestamp_seconds(id) < created_at",
    "id * 9000000000000 < 0",
    "factorial(id) = 1",
];

#[tokio::test]
async fn filters_with_corrected_functions_return_the_same_after_going_through_bytes() {
    let filters = Arc::<FilterCounts>::default();
    let options = engine::Options { through_bytes: Some(Arc::clone(&filters)), ..engine::Options::default() };
    let (plain, through_bytes) = (Stage::new(&[]).await, Stage::with_totals(&[], options).await);

    for condition in WITH_OWN_FUNCTIONS {
        let (sql, before) = (format!("SELECT id, created_at FROM images WHERE {condition}"), filters.encoded());

        let wanted = plain.ask(&sql).await.map(|asked| asked.rows).map_err(|error| error.report());
        let got = through_bytes.ask(&sql).await.map(|asked| asked.rows).map_err(|error| error.report());

        assert_eq!(got, wanted, "{sql}");
        assert!(wanted.is_err() || wanted.is_ok_and(|rows| rows.num_rows() > 0), "{sql} has no rows");
        assert!(filters.encoded() > before, "{sql} has no filter that went through bytes");
    }
    assert_eq!(filters.refused(), BTreeMap::new());
}
