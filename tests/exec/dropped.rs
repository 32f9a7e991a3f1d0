//! Streams that are dropped before their POST is sent.

use oceanflight::engine::{Execution, Principal};

use super::*;

#[tokio::test]
async fn a_do_get_that_is_dropped_before_its_rows_are_read_sends_nothing() {
    let stage = stage().await;
    let once = stage.engine.ticket(&Principal::local(), TRANSFER, None).await.unwrap().once;
    let do_get = async || {
        let execution = Execution::Ticket { once, digest: 0 };
        stage.engine.run_once(&Principal::local(), execution, TRANSFER, None).await.unwrap()
    };

    // During planning, and after it.
    tokio::select! {
        biased;
        _ = do_get() => {}
        () = std::future::ready(()) => {}
    }
    drop(do_get().await);
    stage.rows(TRANSFER).await;
    stage.engine.finish_writing().await;

    assert_eq!((stage.posts(), stage.requests()), (1, vec![PATH.to_owned()]), "that of the other statement");
}
