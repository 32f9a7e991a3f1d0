//! Lost responses: it is unknown whether the action was started, and the error says so.

use super::*;

/// The requests of an EXEC whose response is lost: one POST, and the list of actions.
const POST_AND_LOOK: [&str; 2] = [PATH, "GET /v2/images/62137902/actions?page=1"];

async fn lost(stage: &Stage, sql: &str) -> String {
    let error = stage.error(sql).await;
    assert_eq!(error.kind(), Kind::Unknown, "{sql}: {}", error.report());
    error.report()
}

#[tokio::test]
async fn an_action_that_was_started_anyway_is_listed_and_not_returned() {
    for (fault, response) in [
        ("reset-after", "its response is lost"),
        ("status-after=500", "its response does not say"),
        ("status-after=504", "its response does not say"),
        ("status-after=408", "its response does not say"),
        ("status-after=499", "its response does not say"),
        ("status-after=600", "its response does not say"),
    ] {
        let stage = stage().await;
        stage.inject(&format!("POST ** {fault}"));

        let report = lost(&stage, TRANSFER).await;

        let id = stage.actions(IMAGE)[0]["id"].as_i64().unwrap();
        assert!(report.starts_with(&format!("{PATH} may have been executed, and {response}: ")), "{report}");
        assert!(!report.contains("refused"), "{report}");
        assert_eq!(report.contains("(request 0000"), fault != "reset-after", "{report}");
        let there = format!(
            "; started since then, or up to 2 s before: id {id}, type transfer, status in-progress\nhint: check"
        );
        assert!(report.contains(&there), "{fault}: {report}");
        assert_eq!((stage.posts(), stage.requests()), (1, POST_AND_LOOK.map(str::to_owned).to_vec()), "{fault}");
    }
}

#[tokio::test]
async fn an_action_that_was_not_started_is_not_listed() {
    for fault in
        ["reset", "status=500", "status=503", "html=502", "html=200", "body={}", "redirect=http://127.0.0.1:1/"]
    {
        let stage = stage().await;
        stage.inject(&format!("POST ** {fault}"));

        let report = lost(&stage, TRANSFER).await;

        assert!(report.contains("; no action has started since then\n"), "{fault}: {report}");
        assert_eq!((stage.posts(), stage.requests()), (0, POST_AND_LOOK.map(str::to_owned).to_vec()), "{fault}");
    }
}

/// Statuses that the API does not return. A proxy may return them although the API has executed the request.
#[tokio::test]
async fn a_redirect_a_304_and_a_101_do_not_mean_that_nothing_was_executed() {
    for code in [101, 300, 301, 302, 303, 304, 307, 308] {
        for is_located in [false, true] {
            let stage = stage().await;
            // A client that follows it would post a second time.
            let location = format!("{}/v2/images/62137902/actions", stage.demo.url());
            let headers = if is_located { vec![("location".to_owned(), location.clone())] } else { vec![] };
            let answer = After::Answer { code, body: Some(String::new()), headers };
            stage.demo.account().inject(Fault::on("POST", "**").then(TestEffect::After(answer)));

            let report = lost(&stage, TRANSFER).await;

            let id = stage.actions(IMAGE)[0]["id"].as_i64().unwrap();
            let told = match (code, is_located) {
                (101, _) => format!("{PATH} returned 101 (request "),
                (_, true) => format!("{PATH} returned a redirect ({code}) to `{location}` (request "),
                (_, false) => format!("{PATH} returned {code}, a redirect without a location (request "),
            };
            let start = format!("{PATH} may have been executed, and its response does not say: {told}");
            assert!(report.starts_with(&start), "{report}");
            assert!(report.contains(&format!(": id {id}, type transfer, status in-progress\nhint: check --api-url; check before retrying: SELECT ")), "{report}");
            assert_eq!((stage.posts(), stage.requests()), (1, POST_AND_LOOK.map(str::to_owned).to_vec()), "{code}");
        }
    }
}

#[tokio::test]
async fn a_timeout_is_a_lost_response_too() {
    let options = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let change = |options: &mut oceanflight::api::Options| options.attempt_timeout = Duration::from_millis(300);
    let stage = Stage::with_query(options, change, writes()).await;
    stage.inject("POST ** hang");

    let report = lost(&stage, TRANSFER).await;

    assert!(report.contains("got no response within 300ms"), "{report}");
    let requests = stage.requests();
    assert_eq!((requests[0].as_str(), stage.posts()), (PATH, 0));
    // The request for the list has the same short timeout for each of its attempts.
    assert!(requests[1..].iter().all(|request| request == POST_AND_LOOK[1]), "{requests:?}");
}

#[tokio::test]
async fn an_await_does_not_guess_the_outcome() {
    let stage = stage().await;
    stage.inject("POST ** reset-after");

    let report = lost(&stage, &TRANSFER.replace("EXEC", "EXEC /*+ AWAIT */")).await;

    assert!(report.contains("type transfer, status in-progress"), "{report}");
    assert_eq!((stage.posts(), stage.requests()), (1, POST_AND_LOOK.map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn the_query_in_the_hint_returns_the_latest_actions() {
    let stage = stage().await;
    stage.inject("POST ** times=1 reset-after");

    let report = lost(&stage, TRANSFER).await;

    let query = report.rsplit_once("check before retrying: ").unwrap().1;
    assert_eq!(json(&stage.rows(query).await)[0]["region_slug"], Json::Null);
    assert_eq!(json(&stage.rows(query).await)[0]["id"], stage.actions(IMAGE)[0]["id"]);
}

#[tokio::test]
async fn a_failed_lookup_is_reported_with_its_cause() {
    let stage = stage().await;
    stage.inject("POST ** reset-after");
    stage.inject("GET /v2/images/*/actions status=403");

    let report = lost(&stage, TRANSFER).await;

    assert!(report.contains("; the actions started since then can't be read: DigitalOcean rejected GET"), "{report}");
    assert!(report.contains("\nhint: check before retrying: SELECT"), "{report}");
    assert_eq!(stage.posts(), 1);
}
