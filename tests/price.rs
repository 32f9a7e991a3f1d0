//! The number of requests of a query: EXPLAIN shows it before, EXPLAIN ANALYZE after, `query.max_requests` limits it.

use futures::StreamExt;
use oceanflight::engine;
use oceanflight::engine::Principal;
use oceanflight::error::Kind;
use simulated_account::{self as demo, Limits};

use crate::support::{Stage, json, single};

/// A stage with images 1 to `images`, which have `actions` actions each, and a limit of `most` requests for a query.
async fn stage(images: usize, actions: usize, most: u64) -> Stage {
    let totals = (1..=images).map(|image| format!("{image}={actions}").parse().unwrap()).collect();
    let demo = demo::Options { limits: Limits::off(), totals, ..demo::Options::default() };
    let options = engine::Options { max_requests: most, ..engine::Options::default() };
    Stage::with_query(demo, |_| {}, options).await
}

async fn plan(stage: &Stage, sql: &str) -> String {
    let rows = json(&stage.rows(sql).await);
    rows.last().unwrap()["plan"].as_str().unwrap().to_owned()
}

/// The scan of a table in a plan.
fn scan<'a>(plan: &'a str, table: &str) -> &'a str {
    let scan = plan.lines().find(|line| line.contains("ResourceScan") && line.contains(table)).unwrap();
    scan.trim_start().split(", projection=").next().unwrap()
}

#[tokio::test]
async fn explain_shows_where_the_keys_come_from_and_the_number_of_requests() {
    let stage = Stage::new(&[]).await;
    let explained = async |sql: &str| plan(&stage, &format!("EXPLAIN {sql}")).await;

    let joined = explained("SELECT i.name, a.type FROM images i JOIN image_actions a ON a.image_id = i.id").await;
    insta::assert_snapshot!(
        scan(&joined, "image_actions"),
        @"ResourceScan: table=digitalocean.compute.image_actions, request=GET /v2/images/{image_id}/actions, method=image_actions_list, keys=image_id from BindJoinExec 1, requests=1 for each of the keys, and one for every further 200 rows of a list"
    );
    let late = explained("SELECT count(*) FROM image_actions WHERE image_id = (SELECT max(id) FROM images)").await;
    insta::assert_snapshot!(
        scan(&late, "image_actions"),
        @"ResourceScan: table=digitalocean.compute.image_actions, request=GET /v2/images/{image_id}/actions, method=image_actions_list, keys=image_id from a value that is known when it runs, requests=1 for each of the keys, and one for every further 200 rows of a list"
    );
    let all = explained("SELECT count(*) FROM image_actions").await;
    insta::assert_snapshot!(
        scan(&all, "image_actions"),
        @"ResourceScan: table=digitalocean.compute.image_actions, request=GET /v2/images/{image_id}/actions, method=image_actions_list, keys=image_id from the scan below (the account's own images; not public ones, not destroyed ones), requests=1 for each of the keys, and one for every further 200 rows of a list"
    );
    let gets = explained("SELECT count(*) FROM image_actions WHERE image_id = 7 AND id IN (1, 2)").await;
    insta::assert_snapshot!(
        scan(&gets, "image_actions"),
        @"ResourceScan: table=digitalocean.compute.image_actions, request=GET /v2/images/{image_id}/actions/{action_id}, method=image_actions_get, pins=id in [1, 2] and image_id in [7], requests=2"
    );
    let union = explained("SELECT id FROM droplets WHERE name = 'web-1'").await;
    insta::assert_snapshot!(
        scan(&union, "droplets"),
        @"ResourceScan: table=digitalocean.compute.droplets, request=GET /v2/droplets?name=web-1 and GET /v2/droplets?type=gpus&name=web-1, method=droplets_list, pins=name in ['web-1'], requests=2, and one for every further 200 rows of a list"
    );
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn explain_estimates_from_the_last_lengths_of_the_lists() {
    let stage = stage(3, 450, 1_000).await;
    let list = "SELECT id FROM image_actions WHERE image_id IN (1, 2)";
    let joined = "SELECT a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE NOT i.public";
    let all = "SELECT id FROM image_actions";
    for sql in [list, joined, all] {
        stage.rows(sql).await;
    }
    let images = stage.demo.account().rows("digitalocean/compute/images", None).unwrap();
    let private_images = images.iter().filter(|image| image["public"] == false).count();

    let explained = async |sql: &str| plan(&stage, &format!("EXPLAIN {sql}")).await;
    let (list, joined, all) = (explained(list).await, explained(joined).await, explained(all).await);

    assert!(list.contains("requests=6, for the 900 rows that there were last time"), "{list}");
    for plan in [&joined, &all] {
        assert!(
            plan.contains(&format!("requests=1, for the {private_images} rows that there were last time")),
            "{plan}"
        );
        let keys =
            format!("requests={private_images}, one for each of the keys that there were last time, and one for every");
        assert!(plan.contains(&keys), "{plan}");
    }
}

#[tokio::test]
async fn explain_analyze_counts_the_requests() {
    let stage = stage(10, 300, 1_000).await;
    let sql =
        "EXPLAIN ANALYZE SELECT count(*) FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 10";
    stage.inject("GET /v2/images/3/actions status=503 times=1");

    let plan = plan(&stage, sql).await;

    let actions = plan.lines().find(|line| line.contains("image_actions")).unwrap();
    for count in ["requests=21", "pages=20", "rows_read=3000", "retries=1", "waited_ms="] {
        assert!(actions.contains(count), "{count}: {actions}");
    }
    let join = plan.lines().find(|line| line.contains("BindJoinExec:")).unwrap();
    assert!(join.contains("keys=10"), "{join}");
    let asked = stage.requests().into_iter().filter(|request| request.contains("/actions")).count();
    assert_eq!(asked, 21);
}

#[tokio::test]
async fn a_query_that_certainly_needs_more_requests_is_rejected_before_the_first() {
    let stage = stage(0, 0, 5).await;
    let six = "SELECT count(*) FROM image_actions WHERE image_id IN (1, 2, 3, 4, 5, 6)";

    let error = stage.error(six).await;

    insta::assert_snapshot!(error.report(), @r"
    the query needs at least 6 requests; the limit is 5
    hint: name fewer values, or raise query.max_requests; EXPLAIN shows the requests
    ");
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(
        stage.engine.ticket(&Principal::local(), six, None).await.is_err(),
        "a client is told before it asks for rows"
    );
    assert!(plan(&stage, &format!("EXPLAIN {six}")).await.contains("requests=6"), "EXPLAIN shows it all the same");
    assert!(
        stage.engine.ticket(&Principal::local(), &format!("{six} LIMIT 1"), None).await.is_err(),
        "a count reads all of them"
    );
    let some = "SELECT id FROM image_actions WHERE image_id IN (1, 2, 3, 4, 5, 6) LIMIT 1";
    stage.engine.ticket(&Principal::local(), some, None).await.unwrap();
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn a_query_stops_at_its_limit_of_requests() {
    let stage = stage(40, 1, 20).await;
    let sql = "SELECT count(*) FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 40";

    let error = stage.error(sql).await;

    assert_eq!(error.kind(), Kind::ResourceExhausted);
    let report = error.report();
    assert!(report.starts_with("the query reached its limit of 20 requests before GET /v2/images/"), "{report}");
    assert!(report.contains("it needs at least 41\n"), "one for the images, and their 40 lists: {report}");
    assert!(report.contains("\nhint: query or join fewer values, add a LIMIT"), "{report}");
    // Requests that were in flight when the query failed may not have arrived.
    assert!((4..=20).contains(&stage.requests().len()));
}

#[tokio::test]
async fn the_error_has_the_known_number_of_requests() {
    let stage = stage(150, 1, 20).await;
    let images = stage.demo.account().rows("digitalocean/compute/images", None).unwrap();
    let private_images = images.iter().filter(|image| image["public"] == false).count();

    for (sql, needed) in [
        // Lists with a second page, which may be known by then or not.
        ("SELECT count(*) FROM image_actions WHERE image_id NOT IN (62137902, 62137906)", private_images - 1),
        ("SELECT count(*) FROM image_actions WHERE type = 'transfer' AND image_id <= 150", 151),
        ("SELECT count(*) FROM images i LEFT JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 150", 151),
        ("SELECT id FROM image_actions WHERE image_id IN (SELECT id FROM images WHERE id <= 150)", 151),
    ] {
        let report = stage.error(sql).await.report();
        assert!(report.contains(&format!("it needs at least {needed}\n")), "{sql}: {report}");
    }
}

#[tokio::test]
async fn a_preview_that_is_closed_early_does_not_reach_the_limit() {
    let stage = stage(200, 200, 100).await;
    let mut answer = stage.engine.run(&Principal::local(), "SELECT * FROM image_actions", None).await.unwrap();

    let mut rows = 0;
    while rows < 1_000 {
        rows += answer.rows.next().await.unwrap().unwrap().num_rows();
    }
    drop(answer);

    stage.demo.account().idle().await;
    assert!(stage.requests().len() < 60);
    assert_eq!(stage.rows("SELECT * FROM image_actions LIMIT 1000").await.num_rows(), 1_000);
}

#[tokio::test]
async fn each_query_has_its_own_count() {
    let stage = stage(3, 1, 4).await;
    let sql = "SELECT count(*) FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id <= 3";

    for _ in 0..3 {
        assert_eq!(single(&stage.rows(sql).await), 3);
    }
}

#[tokio::test]
async fn a_few_groups_of_many_lists_are_not_rejected_and_the_build_side_of_a_join_is() {
    let stage = stage(0, 0, 8).await;
    let images = "(7555620, 7938269, 62137902, 62137904, 62137905, 62137906, 62137907, 62137950, 3184770011, 1, 2, 3)";

    let distinct = format!("SELECT DISTINCT status FROM image_actions WHERE image_id IN {images} LIMIT 1");
    assert_eq!(stage.rows(&distinct).await.num_rows(), 1);
    let built =
        format!("SELECT b.id FROM image_actions b JOIN images i ON b.id < i.id WHERE b.image_id IN {images} LIMIT 1");
    stage.requests();
    assert!(stage.error(&built).await.report().starts_with("the query needs at least 12 requests"));
    assert!(stage.requests().is_empty());
}
