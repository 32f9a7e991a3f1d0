//! An execution sends its POST once, however often its ticket is read.

use futures::StreamExt;
use oceanflight::api::{Budgets, Client};
use oceanflight::engine::{Engine, Execution, Once, Principal};
use tokio::net::TcpSocket;

use super::*;
use crate::flight::{prepared, serve, statement};
use crate::support::client_options;

#[tokio::test]
async fn a_ticket_that_is_read_again_returns_the_same_row() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();

    let first = server.rows(&info).await.unwrap();
    let again = server.rows(&info).await.unwrap();

    assert_eq!(first, again);
    assert_eq!((stage.posts(), stage.requests().len()), (1, 1));
}

#[tokio::test]
async fn two_reads_of_a_ticket_at_once_share_one_post() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();
    let gate = stage.hold("POST", "**");

    let opened = async {
        stage.demo.account().received(1).await;
        gate.add_permits(1);
    };
    let (first, second, ()) = tokio::join!(server.rows(&info), server.rows(&info), opened);

    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!((stage.posts(), stage.requests().len()), (1, 1));
}

#[tokio::test]
async fn each_flight_info_is_one_execution() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let infos = [server.info(&statement(TRANSFER)).await.unwrap(), server.info(&statement(TRANSFER)).await.unwrap()];

    server.rows(&infos[0]).await.unwrap();
    server.rows(&infos[1]).await.unwrap();

    assert_eq!(stage.posts(), 2);
}

#[tokio::test]
async fn a_prepared_exec_that_is_executed_twice_posts_twice() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let handle = server.handle(TRANSFER).await;

    let first = server.ask(&prepared(&handle)).await.unwrap();
    let second = server.ask(&prepared(&handle)).await.unwrap();

    assert_ne!(one(&first)["id"], one(&second)["id"]);
    assert_eq!(stage.posts(), 2);
}

#[tokio::test]
async fn a_ticket_of_an_exec_has_an_expiration_time_and_one_of_a_query_has_none() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let expires = |info: &arrow_flight::FlightInfo| info.endpoint[0].expiration_time;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;

    let exec = server.info(&statement(TRANSFER)).await.unwrap();
    let query = server.info(&statement("SELECT 1")).await.unwrap();

    let left = expires(&exec).unwrap().seconds - now;
    assert!((595..=660).contains(&left), "{left}");
    assert_eq!(expires(&query), None);
}

#[tokio::test]
async fn the_ticket_of_another_process_is_rejected() {
    let (stage, other) = (stage().await, stage().await);
    let (server, restarted) = (serve(stage.engine.clone()).await, serve(other.engine.clone()).await);
    let info = server.info(&statement(TRANSFER)).await.unwrap();

    let refused = restarted.rows(&info).await.unwrap_err();

    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().starts_with("the ticket is from another process, or from before a restart"), "{refused}");
    assert_eq!((stage.posts(), other.posts()), (0, 0));
}

#[tokio::test]
async fn an_expired_ticket_is_rejected() {
    let stage = stage().await;
    let once = stage.engine.ticket(&Principal::local(), TRANSFER, None).await.unwrap().once.unwrap();
    let execution = Execution::Ticket { once: Some(Once { expires_ms: 0, ..once }), digest: 0 };

    let mut answer = stage.engine.run_once(&Principal::local(), execution, TRANSFER, None).await.unwrap();

    let refused = answer.rows.next().await.unwrap().unwrap_err();
    assert_eq!(refused.kind(), Kind::FailedPrecondition);
    assert!(
        refused.report().starts_with("the ticket of this EXEC has expired\nhint: call GetFlightInfo again"),
        "{}",
        refused.report()
    );
    assert_eq!(stage.posts(), 0);
}

#[tokio::test]
async fn a_ticket_returns_the_same_row_even_if_its_arguments_depend_on_the_time() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let sql = "EXEC images.transfer @image_id=62137902, @region=concat('sfo3', left(uuid(), 0), right(uuid(), 1))";
    let info = server.info(&statement(sql)).await.unwrap();

    let first = server.rows(&info).await.unwrap_err();
    let again = server.rows(&info).await.unwrap_err();

    assert_eq!((first.code(), first.message()), (again.code(), again.message()));
    assert_eq!(stage.requests().len(), 1);
}

#[tokio::test]
async fn errors_are_recorded_too() {
    let stage = stage().await;
    stage.inject("POST ** times=1 reset-after");
    let server = serve(stage.engine.clone()).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();

    let first = server.rows(&info).await.unwrap_err();
    let again = server.rows(&info).await.unwrap_err();

    assert_eq!((first.code(), first.message()), (tonic::Code::Unknown, again.message()));
    assert_eq!(stage.posts(), 1);
}

#[tokio::test]
async fn a_client_that_disconnects_during_the_post_gets_its_row_later() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();
    let gate = stage.hold("POST", "**");

    let asking = tokio::spawn({
        let (client, ticket) = (server.client.clone(), info.endpoint[0].ticket.clone().unwrap());
        async move {
            let mut client = client;
            let mut rows = client.do_get(ticket).await.unwrap().into_inner();
            while rows.message().await.unwrap().is_some() {}
        }
    });
    stage.demo.account().received(1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    stage.demo.account().idle().await;

    assert_eq!(stage.posts(), 1);
    assert_eq!(one(&server.rows(&info).await.unwrap())["type"], "transfer");
    assert_eq!((stage.posts(), stage.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_429_is_retried_and_executed_once() {
    for fault in ["POST ** times=1 rate-limited", "POST ** times=2 status=429"] {
        let stage = stage().await;
        stage.inject(fault);

        stage.rows(TRANSFER).await;

        assert_eq!(stage.posts(), 1, "{fault}");
        assert!(stage.requests().iter().all(|request| request == PATH), "{fault}");
    }
}

#[tokio::test]
async fn a_permanent_429_is_an_error_and_nothing_was_executed() {
    let stage = stage().await;
    stage.inject("POST ** status=429");

    let error = stage.error(TRANSFER).await;

    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert_eq!((stage.posts(), stage.requests()), (0, vec![PATH.to_owned(); 4]));
}

/// A bound port of this process that does not listen yet.
fn reserved() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

fn url(socket: &TcpSocket) -> String {
    format!("http://{}", socket.local_addr().unwrap())
}

#[tokio::test]
async fn a_refused_connection_is_retried_and_nothing_was_executed() {
    let nobody = reserved();
    let client = Client::try_new(client_options(&url(&nobody)), &Budgets::default()).unwrap();
    let engine = Engine::try_new(client, writes()).unwrap();

    let error = crate::support::ask(&engine, TRANSFER).await.unwrap_err();

    assert_eq!(error.kind(), Kind::Unavailable);
    let report = error.report();
    assert!(report.contains("cannot be reached for POST /v2/images/62137902/actions (tried 4 times)"), "{report}");
}

#[tokio::test]
async fn a_connection_that_is_made_late_posts_once() {
    let place = reserved();
    let mut options = client_options(&url(&place));
    options.retry.attempts = 1_000;
    let engine = Engine::try_new(Client::try_new(options, &Budgets::default()).unwrap(), writes()).unwrap();
    let account = demo::Account::new(demo::Options { limits: Limits::off(), ..demo::Options::default() }).unwrap();

    let mut answer = engine.run(&Principal::local(), TRANSFER, None).await.unwrap();
    let query = answer.query.clone();
    let late = async {
        while query.counts.retries.get() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::spawn(demo::serve(place.listen(16).unwrap(), account.clone(), std::future::pending()));
    };
    let (row, ()) = tokio::join!(answer.rows.next(), late);

    assert_eq!(one(&row.unwrap().unwrap())["type"], "transfer");
    assert_eq!((account.posts(), account.requests().len()), (1, 1));
}
