//! The effects over HTTP, and the control of the account.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::client::{ask, ask_as, get, post, send, start};
use crate::{Account, After, Before, Change, Fault, Instead, Options, Paging, Running, TestEffect, serve};

const ACTIONS: &str = "/v2/images/62137902/actions";
const TOKEN: &str = "authorization: Bearer t\r\n";

async fn start_with(effect: TestEffect) -> Running {
    let running = start().await;
    running.account().inject(Fault::on("*", "**").times(1).then(effect));
    running
}

#[tokio::test]
async fn a_reset_has_no_response_and_no_effect() {
    let demo = start_with(TestEffect::Instead(Instead::Reset)).await;

    let body = r#"{"type": "transfer", "region": "sfo3"}"#;
    let reply = ask(&demo, "POST", ACTIONS, body).await;

    assert!(reply.is_err(), "{reply:?}");
    assert_eq!((demo.account().posts(), demo.account().requests()[0].status), (0, None));
}

#[tokio::test]
async fn a_reset_after_executes_the_request_without_a_response() {
    let demo = start_with(TestEffect::After(After::Reset)).await;

    let body = r#"{"type": "transfer", "region": "sfo3"}"#;
    let reply = ask(&demo, "POST", ACTIONS, body).await;

    assert!(reply.is_err(), "{reply:?}");
    assert_eq!(demo.account().posts(), 1);
    assert_eq!(get(&demo, ACTIONS).await.json()["meta"]["total"], 367);
}

#[tokio::test]
async fn a_status_after_executes_the_request_and_returns_an_error() {
    let demo = start_with(TestEffect::After(After::Answer { code: 502, body: None, headers: Vec::new() })).await;

    let reply = post(&demo, ACTIONS, r#"{"type": "transfer", "region": "sfo3"}"#).await;

    assert_eq!((reply.status, demo.account().posts()), (502, 1));
}

#[tokio::test]
async fn a_cut_body_is_half_of_its_content_length() {
    let demo = start_with(TestEffect::After(After::CutBody)).await;

    let reply = get(&demo, ACTIONS).await;

    let length: usize = reply.header("content-length").unwrap().parse().unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, length / 2));
}

#[tokio::test]
async fn a_truncated_response_is_complete_in_http() {
    let demo = start_with(TestEffect::After(After::Truncated)).await;

    let reply = get(&demo, ACTIONS).await;

    assert!(reply.is_complete());
    assert!(serde_json::from_str::<Value>(&reply.body).is_err());
}

#[tokio::test]
async fn a_drip_continues_after_the_body() {
    let demo = start_with(TestEffect::After(After::Drip(Duration::from_micros(1)))).await;

    let mut stream = send(&demo, "GET", "/v2/images/62137903/actions", "", TOKEN).await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    while text.matches("\r\n \r\n").count() < 3 {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }

    assert!(text.contains("transfer-encoding: chunked"), "{text}");
}

#[tokio::test]
async fn a_hanging_request_ends_when_its_client_disconnects() {
    let demo = start_with(TestEffect::Instead(Instead::Hang)).await;

    let stream = send(&demo, "GET", ACTIONS, "", TOKEN).await.unwrap();
    demo.account().received(1).await;
    assert_eq!(demo.account().in_flight(), 1);
    drop(stream);

    demo.account().idle().await;
    assert_eq!(demo.account().requests()[0].status, None);
}

#[tokio::test]
async fn held_requests_are_in_flight_until_they_get_a_permit() {
    let demo = start().await;
    let gate = Arc::new(Semaphore::new(0));
    demo.account().inject(Fault::on("GET", "**").then(TestEffect::hold(gate.clone())));

    let asking = async { tokio::join!(get(&demo, ACTIONS), get(&demo, ACTIONS), get(&demo, ACTIONS)) };
    let opening = async {
        demo.account().received(3).await;
        assert_eq!(demo.account().in_flight_peak(), 3);
        gate.add_permits(3);
    };
    let (replies, ()) = tokio::join!(asking, opening);

    assert_eq!((replies.0.status, replies.2.status), (200, 200));
    assert_eq!((demo.account().in_flight(), demo.account().in_flight_peak()), (0, 3));
}

#[tokio::test]
async fn rows_are_added_and_removed_before_a_response() {
    let ids = |body: Value| -> Vec<i64> {
        body["actions"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    };
    let demo = start_with(TestEffect::Before(Before::Rows(Change::AddFirst(2)))).await;
    let page = format!("{ACTIONS}?per_page=200");
    let before = demo.account().rows("digitalocean/compute/image_actions", Some("62137902")).unwrap();

    let added = get(&demo, &page).await.json();
    demo.account().inject("remove=3 times=1".parse().unwrap());
    let removed = get(&demo, &page).await.json();
    demo.account().inject("append=1 times=1".parse().unwrap());
    let appended = get(&demo, &format!("{page}&page=2")).await.json();

    assert_eq!(added["meta"]["total"], 368);
    assert_eq!(added["actions"][2], before[0]);
    assert!(ids(added).is_sorted_by(|a, b| a > b));
    assert_eq!((&removed["meta"]["total"], &removed["actions"][0]), (&json!(365), &before[1]));
    assert_eq!(appended["meta"]["total"], 366);
    assert_eq!(ids(appended).last(), Some(&36_804_635));
}

#[tokio::test]
async fn each_effect_has_its_response() {
    for (text, status, part) in [
        ("status=503 retry-after=7", 503, "service_unavailable"),
        ("status=500", 500, "server_error"),
        ("html=200", 200, "<html>"),
        ("html=524", 524, "<h1>524"),
        ("body={\"actions\": 7}", 200, "{\"actions\": 7}"),
        ("redirect=http://127.0.0.1:9/", 302, "{}"),
        ("rate-limited", 429, "too_many_requests"),
        ("without=actions", 200, "\"meta\""),
        ("set=/actions/0/id 1.5", 200, "\"id\":1.5,"),
        ("set=/actions/*/id 15", 200, "\"id\":15,"),
        ("twice=/meta null", 200, "},\"meta\":null}"),
        ("per-page=7", 200, "page=2&per_page=7"),
        ("short=0", 200, "\"actions\":[],"),
    ] {
        let demo = start().await;
        demo.account().inject(text.parse().unwrap());

        let reply = get(&demo, ACTIONS).await;

        assert_eq!(reply.status, status, "{text}");
        assert!(reply.body.contains(part), "{text}: {}", reply.body);
    }
}

#[tokio::test]
async fn the_rows_of_another_page_come_with_the_links_of_the_requested_page() {
    let demo = start_with(TestEffect::Paging(Paging::RowsOfPage(1))).await;

    let second = get(&demo, &format!("{ACTIONS}?page=2&per_page=20")).await.json();
    let first = get(&demo, &format!("{ACTIONS}?page=1&per_page=20")).await.json();

    assert_eq!(second["actions"], first["actions"]);
    assert!(second["links"]["pages"]["next"].as_str().unwrap().contains("page=3"), "{second}");
}

#[tokio::test]
async fn faults_and_requests_are_controlled_over_http() {
    let demo = start().await;
    let anonymous =
        async |method: &str, path: &str, body: &str| ask_as(&demo, method, path, body, "").await.expect("a response");

    let injected = anonymous("POST", "/_demo/faults", "GET /v2/images status=500\nGET /v2/regions hang").await;
    let broken = get(&demo, "/v2/images").await.status;
    anonymous("DELETE", "/_demo/faults", "").await;
    let mended = get(&demo, "/v2/images").await.status;
    let unclear = anonymous("POST", "/_demo/faults", "hangs").await;
    let counts = anonymous("GET", "/_demo/requests", "").await.json();

    assert_eq!((injected.status, broken, mended), (201, 500, 200));
    assert_eq!((unclear.status, unclear.body.contains("`hangs`")), (400, true));
    let all = json!({"total": 2, "by_path": {"GET /v2/images": 2}, "refused": 0, "posts": 0});
    assert_eq!(counts, all);
}

#[tokio::test]
async fn dropping_the_server_closes_its_connections() {
    let demo = start_with(TestEffect::Instead(Instead::Hang)).await;
    let mut stream = send(&demo, "GET", ACTIONS, "", TOKEN).await.unwrap();
    demo.account().received(1).await;

    drop(demo);

    let mut rest = Vec::new();
    // A reset or an end, but no response.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[tokio::test]
async fn the_server_ends_at_its_signal_while_a_response_hangs() {
    let account = Account::new(Options::default()).unwrap();
    account.inject(Fault::on("*", "**").then(TestEffect::Instead(Instead::Hang)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();

    let serving = tokio::spawn(serve(listener, account, async { drop(stopped.await) }));
    stop.send(()).unwrap();

    serving.await.unwrap().unwrap();
}
