//! A server that stops while a POST is on its way.

use oceanflight::server;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::flight::{Running, statement};

#[tokio::test]
async fn a_stop_waits_for_the_post_and_starts_no_other() {
    let stage = stage().await;
    let gate = stage.hold("POST", "**");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopping = async { drop(stopped.await) };
    let mut serving = tokio::spawn(server::run_with_grace(listener, stage.engine.clone(), stopping, Duration::ZERO));
    let server = Running::at(address).await;
    let info = server.info(&statement(TRANSFER)).await.unwrap();

    let asked = async {
        stage.demo.account().received(1).await;
        stop.send(()).unwrap();
    };
    let (rows, ()) = tokio::join!(server.rows(&info), asked);
    assert_eq!(rows.unwrap_err().code(), tonic::Code::Unavailable);
    assert_eq!((stage.engine.writing(), stage.posts()), (1, 0));
    tokio::select! {
        _ = &mut serving => panic!("it stopped without its POST"),
        () = tokio::task::yield_now() => {}
    }
    gate.add_permits(1);
    serving.await.unwrap().unwrap();

    assert_eq!((stage.engine.writing(), stage.posts()), (0, 1));
    assert_eq!(stage.error(TRANSFER).await.kind(), Kind::Unavailable);
    assert_eq!(stage.posts(), 1);
}
