//! `serve` and `demo`: start, log and shutdown.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use oceanflight::engine::Engine;
use oceanflight::error::{Kind, Result};
use oceanflight::secret::Secret;
use oceanflight::{api, engine, flight, server};
use simulated_account::{self as demo, Fault, Running, TestEffect};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::{ACTIONS, Listening, Ran, Silent, oceanflight, signals};

#[cfg(unix)]
#[test]
fn a_signal_stops_an_idle_server() {
    for signal in signals() {
        let server = Listening::start("grpc://", oceanflight(&["serve", "--demo", "--listen", "127.0.0.1:0"]));
        assert!(server.url.starts_with("grpc://127.0.0.1:") && !server.url.ends_with(":0"), "{}", server.url);

        server.signal(signal);
        let (stderr, code) = server.ended();

        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("stopping; running queries have 5 seconds"), "{stderr}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_stops_it_at_once() {
    let (silent, url) = Silent::start();
    let mut command = oceanflight(&["serve", "--listen", "127.0.0.1:0", "--api-url", &url]);
    command.env("DIGITALOCEAN_TOKEN", "t");
    let mut server = Listening::start("grpc://", command);
    let mut client = oceanflight(&["query", "--server", &server.url, ACTIONS]).stderr(Stdio::piped()).spawn().unwrap();
    let _open = silent.first_request();

    server.signal("-INT");
    server.line_with("stopping; ");
    server.signal("-INT");
    let (stderr, code) = server.ended();

    assert_eq!(code, Some(130), "{stderr}");
    assert!(!client.wait().unwrap().success());
}

#[test]
fn the_log_can_be_json() {
    let arguments = ["serve", "--demo", "--listen", "127.0.0.1:0", "--log-format", "json"];
    let mut server = Listening::start("grpc://", oceanflight(&arguments));

    server.signal("-TERM");
    let line = server.line_with("\"message\"");

    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((line["level"].as_str(), line["message"].as_str()), (Some("INFO"), Some("stopping")));
}

#[test]
fn the_simulated_account_is_an_api_and_no_log_shows_the_token() {
    let account = Listening::start("http://", oceanflight(&["demo", "--listen", "127.0.0.1:0"]));
    let arguments = ["query", "--api-url", &account.url, "--log", "trace", "--format", "csv", ACTIONS];

    let ran = Ran::from(oceanflight(&arguments).env("DIGITALOCEAN_TOKEN", "dop_v1_leak").output().unwrap());

    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 367), "{}", ran.stderr);
    assert!(ran.stderr.contains("TRACE") && !ran.stderr.contains("dop_v1_leak"), "{}", ran.stderr);
}

async fn engine(account: &Running) -> Engine {
    let token = Some(Secret::new("t"));
    let options = api::Options::new(account.url().parse().unwrap(), token);
    Engine::try_new(api::Client::try_new(options, &api::Budgets::default()).unwrap(), engine::Options::default())
        .unwrap()
}

/// Starts a server, runs a query that waits for the API, and stops the server.
async fn stopping(grace: Duration) -> (Arc<Semaphore>, JoinHandle<Result<usize>>, JoinHandle<()>) {
    let held = Arc::new(Semaphore::new(0));
    let account = Running::start(demo::Options::default()).await.unwrap();
    account.account().inject(Fault::on("GET", "/v2/images/*/actions").then(TestEffect::hold(held.clone())));
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let engine = engine(&account).await;
    let shutdown = async { stopped.await.unwrap() };
    let query = tokio::spawn(async move {
        let mut rows = flight::client::query(&address, ACTIONS, None).await?.rows;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            count += batch?.num_rows();
        }
        Ok(count)
    });
    let serving = tokio::spawn(async move {
        server::run(listener, engine, server::Options { grace, ..server::Options::default() }, shutdown).await.unwrap();
    });
    account.account().received(1).await;
    stop.send(()).unwrap();
    // The account is kept alive while the query may send requests.
    tokio::spawn(async move {
        let _account = account;
        std::future::pending::<()>().await;
    });
    (held, query, serving)
}

#[tokio::test]
async fn a_running_query_has_time_to_finish() {
    let (held, query, serving) = stopping(Duration::from_secs(3_600)).await;

    held.add_permits(1_000);

    assert_eq!(query.await.unwrap().unwrap(), 366);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_query_that_takes_longer_ends_as_unavailable() {
    let (_held, query, serving) = stopping(Duration::ZERO).await;

    let error = query.await.unwrap().unwrap_err();

    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    serving.await.unwrap();
}
