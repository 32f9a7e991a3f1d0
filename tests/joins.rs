//! Bind joins: they return the rows of an oracle that has all rows in memory, and send no more requests than the join
//! needs.

mod ledger;
mod oracle;
mod random;
mod shapes;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use oceanflight::engine::{FilterCounts, Principal};
use oceanflight::error::Kind;
use serde_json::json;
use simulated_account::{Fault, TestEffect};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::shapes::{Of, Order, SHAPES};
use self::trial::Trial;
use crate::flight::{number, row};
use crate::support::wire::Wire;
use crate::support::{Stage, json, single};

/// The image whose actions go on as time goes by has as many that do not: an oracle has to be right for a while.
const STILL: &[(&str, usize)] = &[("62137950", 6)];

/// A query that has nothing to do with any of the joins here.
const OTHER: &str = "SELECT id FROM image_actions WHERE image_id = 62137902";
const OTHER_IMAGE: &str = "62137902";

#[tokio::test]
async fn every_shape_of_query_returns_the_rows_of_the_oracle() {
    check_all_shapes(Trial::start(STILL).await).await;
}

#[tokio::test]
async fn every_shape_of_query_returns_the_same_rows_after_going_through_bytes() {
    let filters = Arc::default();

    check_all_shapes(Trial::through_bytes(STILL, &filters).await).await;

    check_filters(&filters, 80);
}

/// All filters went through bytes, and there were at least this number of them.
fn check_filters(filters: &FilterCounts, at_least: usize) {
    assert_eq!(filters.refused(), BTreeMap::new());
    assert!(filters.encoded() >= at_least, "{} filters went through bytes", filters.encoded());
}

async fn check_all_shapes(mut trial: Trial) {
    let mut wrong = Vec::new();

    for shape in SHAPES {
        if let Err(problem) = trial.check(shape).await {
            wrong.push(format!("{}: {problem}\n    {}", shape.name, shape.sql));
        }
    }

    assert!(wrong.is_empty(), "{} of {} shapes:\n{}\n", wrong.len(), SHAPES.len(), wrong.join("\n"));
}

#[test]
fn there_are_many_shapes_with_distinct_names() {
    let names: BTreeSet<_> = SHAPES.iter().map(|shape| shape.name).collect();

    assert_eq!(names.len(), SHAPES.len());
    assert!(SHAPES.len() >= 75);
}

#[tokio::test]
async fn the_oracle_has_the_rows_that_the_server_reads_without_a_join() {
    let mut trial = Trial::start(STILL).await;
    for table in ["images", "regions", "droplets", "snapshots", "digitalocean.account.actions"] {
        let sql = format!("SELECT * FROM {table}");
        assert_eq!(trial.rows(&sql, &sql, Order::Any).await, Ok(()), "{table}");
    }

    let keys = "SELECT id FROM images UNION ALL SELECT 62130001";
    let ids: Vec<_> = trial.keys(keys).await.into_iter().collect();
    let sql = format!("SELECT * FROM image_actions WHERE image_id IN ({})", ids.join(", "));

    assert_eq!(trial.rows(&sql, &sql, Order::Any).await, Ok(()));
    assert_eq!(trial.asked_at_most(keys, Of::Images).await, Ok(()));
}

/// A stage with images 1 to `images`, each with this number of actions.
async fn stage_of(images: usize, actions: usize) -> Stage {
    let ids: Vec<_> = (1..=images).map(|id| id.to_string()).collect();
    let totals: Vec<_> = ids.iter().map(|id| (id.as_str(), actions)).collect();
    Stage::new(&totals).await
}

/// The pages of lists of actions that were requested so far.
fn asked(stage: &Stage) -> Vec<String> {
    let requests = stage.demo.account().requests().into_iter();
    let lists = requests.filter(|request| request.path.ends_with("/actions") && !request.path.contains(OTHER_IMAGE));
    lists.map(|request| format!("{}?page={}", request.path, request.page.unwrap_or(1))).collect()
}

/// The number of [`asked`] pages when no more requests arrive: another query runs in between, which takes some time.
async fn asked_in_the_end(stage: &Stage) -> usize {
    let mut before = None;
    loop {
        stage.rows(OTHER).await;
        stage.demo.account().idle().await;
        let now = asked(stage).len();
        if before == Some(now) {
            return now;
        }
        before = Some(now);
    }
}

fn different(requests: &[String]) -> usize {
    requests.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn a_limit_of_one_requests_the_actions_of_few_images() {
    let stage = stage_of(200, 3).await;

    for rest in [
        "FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 200",
        "FROM image_actions a JOIN images i ON a.image_id = i.id WHERE i.id <= 200",
        "FROM images i LEFT JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 200",
        "FROM images i WHERE i.id <= 200 AND EXISTS (SELECT 1 FROM image_actions a WHERE a.image_id = i.id)",
    ] {
        let sql = format!("SELECT i.id {rest} LIMIT 1");
        stage.demo.account().clear_requests();

        assert_eq!(stage.rows(&sql).await.num_rows(), 1, "{sql}");

        let asked = asked(&stage);
        assert!(asked.len() <= 8, "{sql}: {asked:?}");
    }
}

#[tokio::test]
async fn the_same_images_from_four_queries_are_requested_once() {
    let stage = stage_of(200, 3).await;
    let images = ["SELECT id FROM images WHERE id <= 200"; 4].join(" UNION ALL ");

    let rows =
        stage.rows(&format!("SELECT count(*) FROM ({images}) i JOIN image_actions a ON a.image_id = i.id")).await;

    assert_eq!(single(&rows), 4 * 200 * 3);
    let asked = asked(&stage);
    assert_eq!((asked.len(), different(&asked)), (200, 200));
}

#[tokio::test]
async fn an_image_in_a_later_batch_is_not_requested_again() {
    let stage = stage_of(5, 3).await;
    let join = "FROM (SELECT value % 5 + 1 AS id FROM range(0, 20000)) v JOIN image_actions a ON a.image_id = v.id";

    let counted = stage.rows(&format!("SELECT count(*) {join}")).await;
    assert_eq!(single(&counted), 60_000);
    assert_eq!(asked(&stage).len(), 5);

    stage.demo.account().clear_requests();
    let limited = stage.rows(&format!("SELECT v.id {join} LIMIT 50000")).await;
    assert_eq!(limited.num_rows(), 50_000);
    assert_eq!(asked(&stage).len(), 5, "under a LIMIT there are many chunks");
}

#[tokio::test]
async fn the_actions_of_many_images_are_requested_in_parallel() {
    let stage = stage_of(100, 1).await;
    let gate = Arc::new(Semaphore::new(0));
    // No response before sixteen requests have arrived: they never would, if they were sent a few at a time.
    stage.demo.account().inject(Fault::on("GET", "/v2/images/*/actions").then(TestEffect::hold(Arc::clone(&gate))));

    let query = stage.rows("SELECT a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 100");
    let open = async {
        stage.demo.account().received(1 + 16).await;
        gate.add_permits(100);
    };
    let both = async { tokio::join!(query, open) };
    let (rows, ()) = timeout(Duration::from_secs(60), both).await.expect("sixteen requests are in flight at once");

    assert_eq!(rows.num_rows(), 100);
    assert_eq!(stage.demo.account().in_flight_peak(), 16);
}

#[tokio::test]
async fn a_client_that_reads_one_batch_and_pauses_stops_the_requests() {
    let stage = stage_of(200, 200).await;
    let sql = "SELECT a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 200";
    let mut idle = stage.engine.run(&Principal::local(), sql, None).await.unwrap();
    let mut rows = idle.rows.next().await.unwrap().unwrap().num_rows();

    let asked_for_one_batch = asked_in_the_end(&stage).await;
    // The keys of running chunks, and one more chunk.
    assert!(asked_for_one_batch <= 48 + 16, "{asked_for_one_batch} of 200 for {rows} rows");

    while let Some(batch) = idle.rows.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 200 * 200);
    let asked = asked(&stage);
    assert_eq!((asked.len(), different(&asked)), (200, 200));
}

#[tokio::test]
async fn dropping_a_join_half_way_stops_its_requests() {
    let stage = stage_of(200, 3).await;
    let account = stage.demo.account();
    let gate = Arc::new(Semaphore::new(0));
    let later = Fault::on("GET", "/v2/images/*/actions").skip(20).then(TestEffect::hold(Arc::clone(&gate)));
    account.inject(later);
    let sql = "SELECT a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 200 ORDER BY a.id";
    let mut answer = stage.engine.run(&Principal::local(), sql, None).await.unwrap();
    tokio::select! {
        first = answer.rows.next() => panic!("the join is held: {first:?}"),
        () = account.received(1 + 20 + 4) => {}
    }

    drop(answer);
    account.idle().await;
    account.clear_faults();

    let asked = asked_in_the_end(&stage).await;
    assert!(asked <= 20 + 16, "{asked}");
}

#[tokio::test]
async fn a_limit_that_is_reached_stops_the_requests() {
    let stage = stage_of(200, 3).await;

    let rows =
        stage.rows("SELECT a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 200 LIMIT 30");

    assert_eq!(rows.await.num_rows(), 30);
    let asked = asked_in_the_end(&stage).await;
    // Chunks of 4, 8 and 16 keys, and the one that starts when there are rows.
    assert!(asked <= 44, "10 images have 30 actions, and {asked} were asked for");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_fails_every_kind_of_join() {
    let faults = [
        ("status=500", Kind::Unavailable),
        ("page=2 status=500", Kind::Unavailable),
        ("page=2 status=404", Kind::NotFound),
        ("html=404", Kind::NotFound),
        ("status=403", Kind::PermissionDenied),
        ("cut", Kind::DataLoss),
    ];
    let joins = [
        "SELECT i.id, a.type FROM images i JOIN image_actions a ON a.image_id = i.id",
        "SELECT i.id, a.type FROM images i LEFT JOIN image_actions a ON a.image_id = i.id",
        "SELECT i.id FROM images i WHERE NOT EXISTS (SELECT 1 FROM image_actions a WHERE a.image_id = i.id)",
        "SELECT i.id, (SELECT count(*) FROM image_actions a WHERE a.image_id = i.id) AS n FROM images i",
        "SELECT count(*) FROM image_actions",
    ];
    let stage = Stage::new(&[]).await;

    for (fault, kind) in faults {
        for sql in joins {
            stage.demo.account().clear_faults();
            stage.inject(&format!("GET /v2/images/62137906/actions {fault}"));

            let error = stage.error(sql).await;

            let report = error.report();
            assert_eq!(error.kind(), kind, "{fault}: {sql}: {report}");
            assert!(report.contains("GET /v2/images/62137906/actions?page="), "{fault}: {sql}: {report}");
        }
    }
}

#[tokio::test]
async fn a_list_that_fails_once_is_retried_in_a_join_too() {
    let stage = Stage::new(&[]).await;
    let sql = "SELECT count(*) FROM images i JOIN image_actions a ON a.image_id = i.id";
    let undisturbed = single(&stage.rows(sql).await);

    for fault in ["status=500", "reset", "cut", "page=2 html=502"] {
        stage.inject(&format!("GET /v2/images/62137906/actions times=1 {fault}"));
        assert_eq!(single(&stage.rows(sql).await), undisturbed, "{fault}");
    }
}

#[tokio::test]
async fn a_parameter_names_the_image_of_a_join() {
    let mut wire = Wire::start().await;

    for named in ["i.id", "a.image_id"] {
        let sql =
            format!("SELECT i.name, a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE {named} = $1");
        wire.stage.requests();

        let rows = wire.ask_with(&sql, Some(row(vec![number(62_137_905)]))).await.unwrap();

        assert_eq!(rows.num_rows(), 3, "{named}");
        let lists: Vec<_> = wire.stage.requests().into_iter().filter(|path| path.contains("/actions")).collect();
        assert_eq!(lists, ["GET /v2/images/62137905/actions?page=1"], "{named}");
    }
}

#[tokio::test]
async fn an_action_id_alone_is_one_request_for_any_image() {
    let stage = Stage::new(&[]).await;

    for image in ["62137905", "198012311", "62130001"] {
        let of_image =
            stage.actions(image).into_iter().find(|action| action["resource_id"] == image.parse::<i64>().unwrap());
        let id = of_image.unwrap()["id"].clone();
        stage.requests();

        let rows = stage.rows(&format!("SELECT id, image_id FROM image_actions WHERE action_id = {id}")).await;

        assert_eq!(json(&rows), [json!({"id": id, "image_id": image.parse::<i64>().unwrap()})]);
        assert_eq!(stage.requests(), [format!("GET /v2/actions/{id}")]);
    }
}

#[tokio::test]
async fn an_action_of_another_resource_is_not_an_image_action() {
    let stage = Stage::new(&[]).await;
    let all = stage.demo.account().rows("digitalocean/account/actions", None).unwrap();
    let other = all.iter().find(|action| action["resource_type"] == "droplet").unwrap();

    let rows = stage.rows(&format!("SELECT * FROM image_actions WHERE id = {}", other["id"])).await;

    assert_eq!(rows.num_rows(), 0);
    assert_eq!(stage.requests(), [format!("GET /v2/actions/{}", other["id"])]);
}

#[tokio::test]
async fn an_action_of_no_image_is_not_a_row_and_one_with_a_null_image_is_an_error() {
    let stage = Stage::new(&[]).await;
    let actions = stage.demo.account().rows("digitalocean/account/actions", None).unwrap();
    let without = |kind: &str| {
        actions.iter().find(|action| action["resource_type"] == kind && action["resource_id"].is_null()).unwrap()["id"]
            .clone()
    };

    let volume = stage.rows(&format!("SELECT * FROM image_actions WHERE id = {}", without("volume"))).await;
    assert_eq!(volume.num_rows(), 0);
    let (image, sql) = (without("image"), "SELECT id, image_id FROM image_actions WHERE id =");
    let report = stage.error(&format!("{sql} {image}")).await.report();
    assert!(report.contains("the image_id of a row of `") && report.contains("its resource_id is null"), "{report}");
    assert!(report.contains("\nhint: add a condition on image_id, or do not select it"), "{report}");
    let rows = stage.rows(&format!("SELECT id FROM image_actions WHERE id = {image}")).await;
    assert_eq!(json(&rows), [json!({"id": image})]);
    let joined =
        "SELECT count(*) FROM account.actions x JOIN image_actions a ON a.id = x.id WHERE x.type = 'attach_volume'";
    assert_eq!(single(&stage.rows(joined).await), 0);
}

#[tokio::test]
async fn many_rows_with_few_keys_are_joined_in_several_chunks_and_requested_once() {
    let stage = Stage::new(&[("1", 2), ("2", 2), ("3", 2)]).await;
    let sql = "SELECT count(*) FROM generate_series(1, 100000) s(v) JOIN image_actions a ON a.image_id = 1 + s.v % 3";

    assert_eq!(single(&stage.rows(sql).await), 200_000);

    let requests = stage.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
}

#[tokio::test]
async fn a_recursive_query_requests_an_image_once() {
    let stage = Stage::new(&[("1", 2), ("2", 2)]).await;
    let sql = "WITH RECURSIVE walk AS (
                   SELECT 1 AS image, 0 AS steps
                   UNION ALL SELECT DISTINCT 1 + w.image % 2, w.steps + 1 FROM walk w
                   JOIN image_actions a ON a.image_id = w.image WHERE w.steps < 6
               ) SELECT count(*) FROM walk";

    assert_eq!(single(&stage.rows(sql).await), 7);

    let requests = stage.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
}

/// A stage with image 1 and this number of its actions.
async fn stage_of_one(actions: usize) -> Stage {
    Stage::new(&[("62137906", actions)]).await
}

#[tokio::test]
async fn a_join_whose_sides_read_the_same_list_does_not_wait_for_itself() {
    let stage = stage_of_one(2_000).await;
    stage.inject("GET /v2/images/*/actions delay=20ms");
    let on = "JOIN image_actions b ON b.image_id = a.resource_id AND b.id = a.id WHERE a.image_id = 62137906";
    let matching = single(&stage.rows(&format!("SELECT count(*) FROM image_actions a {on}")).await);
    assert!(matching > 1_000);

    for sql in [
        format!("SELECT count(*) FROM (SELECT b.id FROM image_actions a {on} LIMIT 10000000)"),
        "SELECT count(*) FROM (SELECT id FROM image_actions a WHERE image_id IN (SELECT resource_id FROM image_actions \
         WHERE image_id = 62137906 AND status = 'errored') LIMIT 100000)"
            .into(),
        format!("SELECT count(*) FROM image_actions a {on} AND b.type = a.type AND b.started_at = a.started_at"),
    ] {
        let rows = timeout(Duration::from_secs(60), stage.ask(&sql)).await;
        assert!(rows.unwrap_or_else(|_| panic!("it hangs: {sql}")).is_ok(), "{sql}");
    }
}

#[tokio::test]
async fn a_union_of_two_long_lists_is_read_to_its_end() {
    let stage = Stage::new(&[("droplets", 4_000)]).await;
    let all = stage.demo.account().count("digitalocean/compute/droplets", None).unwrap();

    for sql in ["SELECT count(*) FROM droplets", "SELECT count(id) FROM (SELECT id FROM droplets LIMIT 100000)"] {
        let rows = timeout(Duration::from_secs(60), stage.rows(sql)).await;
        let counted = single(&rows.unwrap_or_else(|_| panic!("it hangs: {sql}")));
        assert_eq!(usize::try_from(counted).unwrap(), all, "{sql}");
    }
}

#[tokio::test]
async fn a_null_in_a_list_of_values_adds_no_rows_and_drops_no_filter() {
    let stage = Stage::new(&[]).await;

    for (filter, expected) in [
        ("image_actions WHERE image_id IN (62137902, NULL)", 366),
        ("image_actions WHERE image_id IN (NULL)", 0),
        ("image_actions WHERE image_id = 62137902 AND action_id IN (NULL)", 0),
        ("image_actions WHERE image_id = 62137902 AND action_id IN (36804636, NULL)", 1),
        ("images WHERE id IN (62137902, NULL)", 1),
        ("images WHERE public IN (false, NULL)", 23),
        ("images WHERE public IN (false, true)", 41),
        ("images WHERE public IN (false, true, NULL) AND NOT public", 23),
        ("images WHERE NOT (public IN (false, NULL))", 0),
        ("droplets WHERE name IN ('web-1', NULL) AND id > 0", 1),
    ] {
        assert_eq!(single(&stage.rows(&format!("SELECT count(*) FROM {filter}")).await), expected, "{filter}");
    }
}

#[tokio::test]
async fn keys_are_not_pushed_through_a_try_cast() {
    let stage = Stage::new(&[]).await;
    // An image of the account whose id does not fit into 32 bits.
    let nulls = "(SELECT CAST(NULL AS INT) AS x) k JOIN (SELECT TRY_CAST(image_id AS INT) AS y FROM image_actions) a";

    let rows = stage.rows(&format!("SELECT DISTINCT a.y FROM {nulls} ON a.y IS NOT DISTINCT FROM k.x")).await;

    assert_eq!(json(&rows), [json!({"y": null})]);
}

#[tokio::test]
async fn rows_of_a_union_that_are_not_from_a_scan_are_returned_once() {
    let stage = Stage::new(&[("7", 2)]).await;
    let union = "(SELECT CAST(image_id AS DOUBLE) AS x, id FROM image_actions UNION ALL SELECT 7.5, 1 \
                  UNION ALL SELECT NULL, 2) u";
    let keys = "(VALUES (7.5), (CAST(7 AS DOUBLE)), (7.5), (CAST('NaN' AS DOUBLE)), (NULL), (7)) d(k)";

    for (condition, expected) in [
        (format!("x IN (SELECT k FROM {keys})"), 3),
        (format!("EXISTS (SELECT 1 FROM {keys} WHERE d.k = u.x AND d.k < u.id + 100)"), 3),
        (format!("EXISTS (SELECT 1 FROM {keys} WHERE d.k IS NOT DISTINCT FROM u.x)"), 4),
    ] {
        let rows = stage.rows(&format!("SELECT count(*) FROM {union} WHERE {condition}")).await;
        assert_eq!(single(&rows), expected, "{condition}");
    }
}

#[tokio::test]
async fn keys_in_a_dictionary_are_keys() {
    let stage = Stage::new(&[]).await;
    let sql = "SELECT count(*) FROM (SELECT arrow_cast(198012311, 'Dictionary(Int32, Int64)') AS x) k
               JOIN image_actions a ON a.image_id = k.x";

    assert_eq!(single(&stage.rows(sql).await), 2, "a public image's");
    assert_eq!(stage.requests(), ["GET /v2/images/198012311/actions?page=1"]);
}

#[tokio::test]
async fn pairs_of_an_image_and_an_action_are_one_list_without_duplicates() {
    let stage = stage_of_one(3_000).await;
    let sql = "SELECT count(*) FROM (SELECT image_id + 0 AS k, id FROM image_actions WHERE image_id = 62137906) b
               JOIN image_actions a ON a.image_id = b.k AND a.id = b.id";

    assert_eq!(single(&stage.rows(sql).await), 3_000);

    assert_eq!(stage.requests().len(), 15);
}

#[tokio::test]
async fn a_limit_over_long_lists_requests_few_of_their_pages() {
    let long = [("7555620", 8_000), ("7555621", 8_000), ("7938269", 8_000), ("62137902", 8_000)];
    let stage = Stage::new(&long).await;
    stage.inject("GET /v2/images/*/actions delay=20ms");

    let rows = stage
        .rows("SELECT i.id, a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE NOT i.public LIMIT 1");

    assert_eq!(rows.await.num_rows(), 1);
    let requests = stage.requests();
    assert!(requests.len() <= 1 + 8, "{requests:?}");
}

#[tokio::test]
async fn a_semi_join_with_a_condition_requests_few_images_under_a_limit() {
    let stage = stage_of(200, 3).await;
    let sql = "SELECT a.id FROM image_actions a WHERE EXISTS (
                   SELECT 1 FROM images i WHERE i.id = a.image_id AND i.created_at > a.started_at - INTERVAL '9 years')";

    assert_eq!(stage.rows(&format!("{sql} LIMIT 1")).await.num_rows(), 1);
    let asked = asked_in_the_end(&stage).await;
    assert!(asked <= 8, "{asked}");
}

#[tokio::test]
async fn a_recursive_query_joins_within_its_recursive_term() {
    let stage = Stage::new(&[("62137906", 100)]).await;
    let sql = "WITH RECURSIVE t AS (
                   SELECT 62137906 AS id, 1 AS n
                   UNION ALL SELECT x.image_id, x.n + 1 FROM images i JOIN (
                       SELECT DISTINCT a.image_id, t.n FROM t JOIN image_actions a ON a.image_id = t.id WHERE t.n < 3
                   ) x ON i.id = x.image_id
               ) SELECT count(*) FROM t";

    assert_eq!(single(&stage.rows(sql).await), 3);
    assert_eq!(stage.requests().len(), 2);
}

#[tokio::test]
async fn many_actions_of_a_joined_image_are_its_list() {
    let stage = Stage::new(&[]).await;
    let ids: Vec<_> = (1..=300).map(|id| id.to_string()).collect();
    let ids = ids.join(", ");

    let joined = "SELECT count(*) FROM (VALUES (62137905)) k(x) JOIN image_actions a ON a.image_id = k.x WHERE a.id IN";
    stage.rows(&format!("{joined} ({ids})")).await;
    assert_eq!(stage.requests(), ["GET /v2/images/62137905/actions?page=1"]);
    stage.rows("SELECT count(*) FROM image_actions WHERE id IN (1, 2, 3, 4, 5, 6)").await;
    assert_eq!(stage.requests().len(), 6);
}
