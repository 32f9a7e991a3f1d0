//! A success response to a POST that can't be read: the request was executed, and the error says so.

use arrow_flight::sql::{CommandPreparedStatementUpdate, CommandStatementUpdate};

use super::*;
use crate::flight::{number, row, serve, statement, text};

/// The requests of such an EXEC: one POST, and the list of actions. No second POST, and no polling for an id.
const POST_AND_LOOK: [&str; 2] = [PATH, "GET /v2/images/62137902/actions?page=1"];

const JSON: &str = "it is not a JSON object (content-type `application/json; charset=utf-8`)";

/// Faults that execute the POST, the status of the response, and what is wrong with its body.
const ANSWERS: &[(&str, u16, &str)] = &[
    ("answer-after=200", 200, "it has no body"),
    ("answer-after=202", 202, "it has no body"),
    ("answer-after=204", 204, "it has no body"),
    ("answer-after=202 null", 202, JSON),
    ("answer-after=201 []", 201, JSON),
    ("answer-after=201 7", 201, JSON),
    ("answer-after=200 <html>accepted</html>", 200, "it is not a JSON object (content-type `text/html`)"),
    ("answer-after=201 {}", 201, "the body has no `action`"),
    ("answer-after=201 {\"action\": null}", 201, "the body has no `action`"),
    ("answer-after=201 {\"action\": [7]}", 201, "`action`: it is a list"),
    ("answer-after=201 {\"action\": {}}", 201, "`id` of row 0: it is missing"),
    ("answer-after=201 {\"id\": 7, \"status\": \"completed\"}", 201, "the body has no `action`"),
    ("answer-after=201 {\"action\": {\"id\": null, \"status\": \"completed\"}}", 201, "`id` of row 0: it is missing"),
    (
        "answer-after=201 {\"action\": {\"id\": 99999999999999999999, \"status\": \"completed\"}}",
        201,
        "`id` of row 0: `99999999999999999999` is not a 64-bit integer",
    ),
    ("answer-after=201 {\"action\": {\"id\": 7", 201, "it was cut off"),
    ("answer-after=201 {\"action\": {\"id\": 7}", 201, "the body is not JSON: "),
    ("answer-after=201 {\"action\": {\"id\": 7}} {}", 201, "the body is not JSON: "),
    ("set=/action/started_at \"yesterday\"", 201, "`started_at` of row 0: `yesterday` is not a timestamp"),
    ("without=action", 201, "the body has no `action`"),
    ("without=/action/id", 201, "`id` of row 0: it is missing"),
    ("twice=/action/id 7", 201, "the key `action.id` occurs twice in the same object"),
    ("twice=/action/status \"completed\"", 201, "the key `action.status` occurs twice in the same object"),
    ("twice=/action/region/slug \"sfo3\"", 201, "the key `action.region.slug` occurs twice in the same object"),
    ("twice=/action {\"id\": 7, \"status\": \"completed\"}", 201, "the key `action` occurs twice in the same object"),
    ("twice=/action null", 201, "the key `action` occurs twice in the same object"),
    ("truncated", 201, "it was cut off"),
    ("cut", 201, "it was cut off"),
];

async fn unread(stage: &Stage, sql: &str) -> String {
    let error = stage.error(sql).await;
    assert_eq!(error.kind(), Kind::Unknown, "{sql}: {}", error.report());
    error.report()
}

#[tokio::test]
async fn a_success_that_cannot_be_read_was_executed_and_is_not_sent_again() {
    for (fault, status, problem) in ANSWERS {
        let stage = stage().await;
        stage.inject(&format!("POST ** {fault}"));

        let report = unread(&stage, TRANSFER).await;

        let id = stage.actions(IMAGE)[0]["id"].as_i64().unwrap();
        let accepted = format!("DigitalOcean accepted {PATH} ({status}), but its response can't be read: {problem}");
        assert!(report.starts_with(&accepted), "{fault}: {report}");
        // A page of a gateway has no request id.
        assert_eq!(report.contains("(request 0000"), !fault.contains("<html>"), "{fault}: {report}");
        let there = format!(
            "; started since then, or up to 2 s before: id {id}, type transfer, status in-progress\n\
             hint: do not send it again; see what it started: SELECT "
        );
        assert!(report.contains(&there), "{fault}: {report}");
        assert_eq!((stage.posts(), stage.requests()), (1, POST_AND_LOOK.map(str::to_owned).to_vec()), "{fault}");
    }
}

#[tokio::test]
async fn an_await_without_an_id_does_not_poll() {
    for fault in ["answer-after=204", "answer-after=202 null", "without=/action/id", "twice=/action/id 7", "cut"] {
        let stage = stage_that_settles(Duration::ZERO).await;
        stage.inject(&format!("POST ** {fault}"));

        let report = unread(&stage, &format!("{TRANSFER}, @@await='1h'")).await;

        assert!(report.starts_with("DigitalOcean accepted POST "), "{fault}: {report}");
        assert_eq!((stage.posts(), stage.requests()), (1, POST_AND_LOOK.map(str::to_owned).to_vec()), "{fault}");
    }
}

#[tokio::test]
async fn the_query_in_the_hint_returns_the_started_action() {
    let stage = stage().await;
    stage.inject("POST ** times=1 answer-after=202 null");

    let report = unread(&stage, TRANSFER).await;

    let query = report.rsplit_once("see what it started: ").unwrap().1;
    assert_eq!(json(&stage.rows(query).await)[0]["id"], stage.actions(IMAGE)[0]["id"]);
}

#[tokio::test]
async fn a_response_that_is_too_large_was_a_success_too() {
    let change = |options: &mut oceanflight::api::Options| options.max_body_bytes = 64;
    let stage =
        Stage::with_query(demo::Options { limits: Limits::off(), ..Default::default() }, change, writes()).await;

    let report = unread(&stage, TRANSFER).await;

    assert!(
        report.starts_with(&format!("DigitalOcean accepted {PATH} (201), but its response can't be read: ")),
        "{report}"
    );
    assert!(report.contains("it is larger than 64 bytes (request "), "{report}");
    assert!(report.contains("; the actions started since then can't be read: the response to GET "), "{report}");
    assert_eq!((stage.posts(), stage.requests()), (1, POST_AND_LOOK.map(str::to_owned).to_vec()));
}

/// On a slow machine not even the status may arrive in time: then the test runs again, with more time.
#[tokio::test]
async fn a_response_that_never_ends_was_a_success_too() {
    for limit in [1, 4, 16, 64].map(Duration::from_secs) {
        let change = |options: &mut oceanflight::api::Options| options.attempt_timeout = limit;
        let options = demo::Options { limits: Limits::off(), ..Default::default() };
        let stage = Stage::with_query(options, change, writes()).await;
        stage.inject("POST ** drip=1ms");

        let report = unread(&stage, TRANSFER).await;

        let posts = stage.requests().into_iter().filter(|request| request == PATH).count();
        assert_eq!(posts, 1);
        let accepted =
            format!("DigitalOcean accepted {PATH} (201), but its response can't be read: it was not complete");
        if report.starts_with(&accepted) {
            return;
        }
    }
    panic!("the status never came");
}

#[tokio::test]
async fn a_ticket_that_is_read_again_returns_the_same_error_and_sends_nothing() {
    let stage = stage().await;
    stage.inject("POST ** times=1 answer-after=204");
    let server = serve(stage.engine.clone()).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();

    let first = server.rows(&info).await.unwrap_err();
    let again = server.rows(&info).await.unwrap_err();

    assert_eq!((first.code(), first.message()), (tonic::Code::Unknown, again.message()));
    assert!(first.message().starts_with("DigitalOcean accepted POST "), "{first}");
    assert_eq!((stage.posts(), stage.requests()), (1, POST_AND_LOOK.map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn an_update_that_is_accepted_without_a_row_is_unknown_and_not_counted() {
    let stage = stage().await;
    stage.inject("POST ** answer-after=202");
    let server = serve(stage.engine.clone()).await;
    let command = CommandStatementUpdate { query: TRANSFER.into(), transaction_id: None };

    let empty = RecordBatch::new_empty(arrow::datatypes::Schema::empty().into());
    let refused = server.put(&command, empty).await.unwrap_err();

    assert_eq!((refused.code(), stage.posts()), (tonic::Code::Unknown, 1));
    assert!(refused.message().starts_with("DigitalOcean accepted POST "), "{refused}");
}

#[tokio::test]
async fn of_several_rows_the_first_that_cannot_be_read_stops() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    stage.inject("POST ** skip=1 times=1 answer-after=202 {}");
    let images = arrow::compute::concat(&[&number(62_137_902), &number(62_137_902), &number(62_137_902)]).unwrap();
    let regions = arrow::compute::concat(&[&text("sfo3"), &text("ams3"), &text("lon1")]).unwrap();
    let handle = server.handle("EXEC images.transfer @image_id=?, @region=?").await;
    let command = CommandPreparedStatementUpdate { prepared_statement_handle: handle };

    let refused = server.put(&command, row(vec![images, regions])).await.unwrap_err();

    assert_eq!(refused.code(), tonic::Code::Unknown);
    let message = refused.message();
    assert!(
        message.starts_with("row 2 of 3: DigitalOcean accepted POST /v2/images/62137902/actions (202), but"),
        "{message}"
    );
    assert!(
        message.contains("; done before it: id ") && message.contains("; the rows after it were not sent"),
        "{message}"
    );
    assert!(message.contains("\nhint: do not send it again; see what it started: SELECT "), "{message}");
    assert!(message.ends_with("; the rows before row 2 are done, too: do not bind them again"), "{message}");
    assert_eq!(stage.posts(), 2);
}
