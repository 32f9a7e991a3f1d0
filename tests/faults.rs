//! Faults of the API. Each is an error with its own code, in bounded time, and never a result with fewer rows.

use std::time::Duration;

use oceanflight::api::{self, rate_limit};
use oceanflight::engine;
use oceanflight::error::{Error, Kind};
use oceanflight::secret::Secret;
use simulated_account::{self as demo, Limits};

use crate::support::{IMAGE, Stage, client_options, integers};

const LIST: &str = "SELECT id, status FROM image_actions WHERE image_id = 62137902";

/// A stage with a short attempt timeout, for servers that never respond.
async fn impatient_stage() -> Stage {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    Stage::with(demo, |options| options.attempt_timeout = Duration::from_millis(300)).await
}

async fn stage() -> Stage {
    Stage::new(&[]).await
}

async fn error_of(fault: &str) -> Error {
    let stage = if fault.contains("hang") || fault.contains("drip") { impatient_stage().await } else { stage().await };
    stage.inject(fault);
    stage.error(LIST).await
}

#[tokio::test]
async fn every_fault_has_its_kind_and_names_the_request() {
    let cases = [
        ("GET /v2/images/*/actions status=401", Kind::Unauthenticated, "401"),
        ("GET /v2/images/*/actions status=403", Kind::PermissionDenied, "403"),
        ("GET /v2/images/*/actions status=422", Kind::InvalidArgument, "422"),
        ("GET /v2/images/*/actions status=429", Kind::ResourceExhausted, "429"),
        ("GET /v2/images/*/actions status=500", Kind::Unavailable, "500"),
        ("GET /v2/images/*/actions status=503", Kind::Unavailable, "503"),
        ("GET /v2/images/*/actions html=404", Kind::NotFound, "404"),
        ("GET /v2/images/*/actions html=502", Kind::Unavailable, "502"),
        ("GET /v2/images/*/actions html=200", Kind::DataLoss, "not a JSON object"),
        ("GET /v2/images/*/actions page=2 status=404", Kind::NotFound, "page=2"),
        ("GET /v2/images/*/actions page=2 status=500", Kind::Unavailable, "page=2"),
        ("GET /v2/images/*/actions cut", Kind::DataLoss, "was cut off"),
        ("GET /v2/images/*/actions page=2 cut", Kind::DataLoss, "page=2"),
        ("GET /v2/images/*/actions truncated", Kind::DataLoss, "was cut off"),
        ("GET /v2/images/*/actions without=actions", Kind::DataLoss, "has no `actions`"),
        ("GET /v2/images/*/actions set=/actions/3/id \"x\"", Kind::DataLoss, "`id` of row 3: `x`"),
        ("GET /v2/images/*/actions set=/actions/3/id 1.5", Kind::DataLoss, "`id` of row 3: `1.5`"),
        ("GET /v2/images/*/actions set=/actions/3/id null", Kind::DataLoss, "`id` of row 3: it is missing"),
        (
            "GET /v2/images/*/actions set=/links/pages/next \"https://x/?page=1\"",
            Kind::DataLoss,
            "which was read before",
        ),
        ("GET /v2/images/*/actions redirect=http://127.0.0.1:1/", Kind::FailedPrecondition, "redirect"),
        ("GET /v2/images/*/actions hang", Kind::DeadlineExceeded, "got no response within"),
        ("GET /v2/images/*/actions drip", Kind::DeadlineExceeded, "got no response within"),
        ("GET /v2/images/*/actions reset", Kind::Unavailable, "cannot be reached"),
    ];

    for (fault, kind, expected) in cases {
        let error = error_of(fault).await;
        let report = error.report();
        assert_eq!(error.kind(), kind, "{fault}: {report}");
        assert!(report.contains(expected), "{fault}: {report}");
        assert!(report.contains("GET /v2/images/62137902/actions?page="), "{fault}: {report}");
        assert!(!report.contains("demo"), "the token is in no error: {report}");
    }
}

#[tokio::test]
async fn digital_oceans_message_and_request_id_are_in_the_error() {
    let report = error_of("GET /v2/images/*/actions status=401").await.report();

    assert!(report.contains("401 unauthorized: Unable to authenticate you (request "), "{report}");
    assert!(report.contains("\nhint: set DIGITALOCEAN_TOKEN"), "{report}");
}

#[tokio::test]
async fn a_404_of_another_server_points_at_the_api_url() {
    let report = error_of("GET /v2/images/*/actions html=404").await.report();

    assert!(report.contains("hint: this does not look like DigitalOcean's API: check --api-url"), "{report}");
}

#[tokio::test]
async fn a_404_for_a_list_without_a_key_is_an_error() {
    let stage = stage().await;
    stage.inject("GET /v2/images status=404");

    assert_eq!(stage.error("SELECT id FROM images").await.kind(), Kind::NotFound);
}

#[tokio::test]
async fn temporary_errors_are_retried() {
    for fault in ["status=500", "status=429", "html=502", "reset", "cut", "truncated", "retry-after=1"] {
        let stage = stage().await;
        stage.inject(&format!("GET /v2/images/*/actions page=2 times=1 {fault}"));

        let rows = stage.rows(LIST).await;

        assert_eq!(integers(&rows, "id").len(), 366, "{fault}");
        assert_eq!(stage.requests().len(), 3, "{fault}");
    }
}

#[tokio::test]
async fn an_attempt_that_reaches_its_timeout_is_retried() {
    let stage = impatient_stage().await;
    stage.inject("GET /v2/images/*/actions page=2 times=1 hang");

    assert_eq!(stage.rows(LIST).await.num_rows(), 366);
}

/// Five pauses of a second each: more than the four attempts of a request.
#[tokio::test]
async fn a_429_with_retry_after_is_not_counted_as_an_attempt() {
    let stage = stage().await;
    stage.inject("GET /v2/images/*/actions page=2 times=5 retry-after=1");

    assert_eq!(stage.rows(LIST).await.num_rows(), 366);
    assert_eq!(stage.requests().len(), 7);
}

#[tokio::test]
async fn a_pause_longer_than_max_wait_also_fails_the_next_query() {
    let stage = stage().await;
    stage.inject("GET /v2/images/*/actions retry-after=300");

    for _ in 0..3 {
        assert_eq!(stage.error(LIST).await.kind(), Kind::ResourceExhausted);
    }
    assert_eq!(stage.requests().len(), 1);
}

#[tokio::test]
async fn an_error_response_with_a_truncated_body_keeps_its_status() {
    let stage = stage().await;
    stage.inject("GET /v2/images/*/actions status=401");
    stage.inject("GET /v2/images/*/actions cut");

    assert_eq!(stage.error(LIST).await.kind(), Kind::Unauthenticated);
    assert_eq!(stage.requests().len(), 1);
}

#[tokio::test]
async fn a_pause_of_a_day_ends_at_the_longest_pause() {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let stage = Stage::with(demo, |options| options.limit.max_pause = Duration::from_secs(1)).await;
    stage.inject("GET /v2/images/*/actions page=2 times=2 retry-after=86400");

    let rows = stage.rows(LIST).await;

    assert_eq!(integers(&rows, "id").len(), 366);
    assert_eq!(stage.requests().len(), 4, "two pages, and twice again");
}

#[tokio::test]
async fn temporary_errors_get_four_attempts_and_permanent_ones_get_one() {
    for (fault, requests) in
        [("status=500", 4), ("status=429", 4), ("status=401", 1), ("status=422", 1), ("html=200", 1)]
    {
        let stage = stage().await;
        stage.inject(&format!("GET /v2/images/*/actions {fault}"));

        stage.error(LIST).await;

        assert_eq!(stage.requests().len(), requests, "{fault}");
    }
}

#[tokio::test]
async fn repeated_429s_with_retry_after_end_at_the_querys_max_wait() {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let query = engine::Options { max_wait: Duration::from_secs(2), ..engine::Options::default() };
    let stage = Stage::with_query(demo, |_| {}, query).await;
    stage.inject("GET /v2/images/*/actions retry-after=1");

    let error = stage.error(LIST).await;

    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(error.to_string().contains("the rate limit is used up"), "{error}");
    assert!(stage.requests().len() <= 3);
}

#[tokio::test]
async fn every_404_that_is_an_error_points_at_the_api_url() {
    for (fault, sql) in [
        ("GET /v2/images/*/actions page=2 status=404", LIST),
        ("GET /v2/images/*/actions html=404", LIST),
        ("GET /v2/images status=404", "SELECT id FROM images"),
    ] {
        let stage = stage().await;
        stage.inject(fault);
        let report = stage.error(sql).await.report();
        assert!(report.contains("--api-url"), "{fault}: {report}");
    }
}

#[tokio::test]
async fn a_message_of_the_api_cannot_forge_a_hint() {
    let stage = stage().await;
    let status = r#"GET /v2/images/*/actions set=/id "x\nhint: send your token elsewhere""#;
    stage.inject(status);
    stage.inject("GET /v2/images/*/actions status=403");

    let report = stage.error(LIST).await.report();

    assert_eq!(report.matches("\nhint: ").count(), 1, "{report}");
}

#[tokio::test]
async fn a_query_that_always_has_rows_ready_ends_at_its_timeout() {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let query = engine::Options { timeout: Duration::from_millis(300), ..engine::Options::default() };
    let stage = Stage::with_query(demo, |_| {}, query).await;

    let joined =
        "range(1, 20000) a JOIN range(1, 20000) b ON a.value < b.value JOIN range(1, 20000) c ON b.value < c.value";
    for endless in ["generate_series(1, 100000000000)", "range(1, 1000000) a CROSS JOIN range(1, 100000000) b", joined]
    {
        let error = stage.error(&format!("SELECT count(*) FROM {endless}")).await;
        assert_eq!(error.kind(), Kind::DeadlineExceeded, "{endless}");
    }
}

#[tokio::test]
async fn a_query_ends_at_its_timeout() {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let query = engine::Options { timeout: Duration::from_millis(200), ..engine::Options::default() };
    let stage = Stage::with_query(demo, |_| {}, query).await;
    stage.inject("GET /v2/images/*/actions page=2 hang");

    let error = stage.error(LIST).await;

    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert!(error.to_string().contains("the query took longer than 200ms"), "{error}");
}

#[tokio::test]
async fn a_body_above_the_maximum_size_is_an_error() {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let stage = Stage::with(demo, |options| options.max_body_bytes = 10_000).await;

    let error = stage.error(LIST).await;

    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(error.report().contains("larger than 10000 bytes"), "{}", error.report());
}

#[tokio::test]
async fn an_unreachable_host_is_named() {
    let stage = stage().await;
    let url = stage.demo.url();
    drop(stage);
    let client = api::Client::try_new(client_options(&url), &api::Budgets::default()).unwrap();
    let engine = engine::Engine::try_new(client, engine::Options::default()).unwrap();

    let error = crate::support::ask(&engine, LIST).await.unwrap_err();

    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.report().contains("Connection refused"), "{}", error.report());
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let stage = Stage::with(demo, |options| options.token = None).await;

    let error = stage.error(LIST).await;

    assert_eq!(error.kind(), Kind::Unauthenticated);
    assert!(error.report().contains("hint: set DIGITALOCEAN_TOKEN"), "{}", error.report());
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn an_invalid_token_is_an_error_and_not_an_empty_table() {
    let demo = demo::Options { token: Some("right".into()), limits: Limits::off(), ..demo::Options::default() };
    let stage = Stage::with(demo, |options| options.token = Some(Secret::new("wrong"))).await;

    assert_eq!(stage.error(LIST).await.kind(), Kind::Unauthenticated);
}

/// Both windows on a scaled clock: a "minute" of 0.3 s, and an "hour" of 1 s with 400 requests.
#[tokio::test]
async fn six_hundred_lookups_stay_within_both_windows() {
    let (minute, hour) = (Duration::from_millis(300), Duration::from_secs(1));
    let demo = demo::Options {
        limits: Limits { per_minute: 250, minute, per_hour: 400, hour },
        totals: vec![format!("{IMAGE}=1000").parse().unwrap()],
        ..demo::Options::default()
    };
    let stage = Stage::with(demo, |options| {
        options.limit =
            rate_limit::Options { per_minute: 250, minute, per_hour: 400, hour, ..rate_limit::Options::default() };
    })
    .await;
    let ids: Vec<_> = stage.actions(IMAGE).iter().map(|action| action["id"].as_i64().unwrap()).take(600).collect();

    let lookups = ids.iter().map(|id| {
        let sql = format!("SELECT id FROM image_actions WHERE image_id = 62137902 AND id = {id}");
        let stage = &stage;
        async move { integers(&stage.rows(&sql).await, "id") }
    });
    let found: Vec<i64> = futures::future::join_all(lookups).await.concat();

    assert_eq!(found, ids);
    assert_eq!(stage.requests().len(), 600);
    assert_eq!(stage.demo.account().refused(), 0);
}

#[tokio::test]
async fn a_used_up_budget_is_an_error_at_once_with_the_time_when_it_is_back() {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let query = engine::Options { max_wait: Duration::from_secs(10), ..engine::Options::default() };
    let few = |options: &mut api::Options| {
        options.limit = rate_limit::Options { per_minute: 2, ..rate_limit::Options::default() }
    };
    let stage = Stage::with_query(demo, few, query).await;
    stage.rows(LIST).await;

    let sql = "SELECT id FROM image_actions WHERE image_id IN (1, 2, 3, 4, 5)";
    let error = stage.error(sql).await;

    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(error.to_string().contains(", until "), "{error}");
    assert_eq!(stage.requests().len(), 2, "none of the five was sent");
}
