//! A server that is shut down while a POST runs.

use futures::StreamExt;
use oceanflight::engine::Principal;
use oceanflight::server;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::flight::{Running, statement};

#[tokio::test]
async fn a_shutdown_waits_for_the_post_and_starts_no_other() {
    /// An EXEC of another image, which is not held back. It is rejected once the shutdown waits for POSTs.
    const OTHER: &str = "EXEC images.convert @image_id=62138001";
    let stage = stage().await;
    let gate = stage.hold("POST", "/v2/images/62137902/actions");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopping = async { drop(stopped.await) };
    let no_grace = server::Options { grace: Duration::ZERO, ..server::Options::default() };
    let serving = tokio::spawn(server::run(listener, stage.engine.clone(), no_grace, stopping));
    let server = Running::at(address).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();

    let asked = async {
        stage.demo.account().received(1).await;
        stop.send(()).unwrap();
        while !matches!(stage.ask(OTHER).await, Err(refused) if refused.kind() == Kind::Unavailable) {}
        assert_eq!((stage.engine.writing(), serving.is_finished()), (1, false));
        gate.add_permits(1);
    };
    let (rows, ()) = tokio::join!(server.rows(&info), asked);
    serving.await.unwrap().unwrap();

    assert_eq!(one(&rows.unwrap())["region_slug"], "sfo3");
    assert_eq!(stage.engine.writing(), 0);
    assert_eq!(stage.error(TRANSFER).await.kind(), Kind::Unavailable);
    let posts = stage.requests().into_iter().filter(|request| request == PATH).count();
    assert_eq!(posts, 1);
}

#[tokio::test]
async fn a_shutdown_ends_an_await_with_the_id_of_the_action() {
    let stage = stage().await;
    let gate = stage.hold("GET", "**");
    let mut answer = stage.engine.run(&Principal::local(), &format!("{TRANSFER}, @@await='1h'"), None).await.unwrap();

    let stopped = async {
        stage.demo.account().received(2).await;
        stage.engine.finish_writing().await;
    };
    let (ended, ()) = tokio::join!(answer.rows.next(), stopped);

    let error = ended.unwrap().unwrap_err();
    let id = stage.actions(IMAGE)[0]["id"].clone();
    assert_eq!((error.kind(), stage.posts()), (Kind::Unknown, 1));
    assert!(error.report().starts_with(&format!("id {id} of ")), "{}", error.report());
    assert!(error.report().contains("cannot be watched: the server is stopping"), "{}", error.report());
    gate.add_permits(100);
}
