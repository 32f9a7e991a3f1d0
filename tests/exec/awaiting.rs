//! AWAIT: returns the row when the action is over, or an error with the action's id.

use futures::StreamExt;

use super::*;
use oceanflight::engine::Principal;

fn awaiting(limit: &str) -> String {
    format!("{TRANSFER}, @@await='{limit}'")
}

#[tokio::test]
async fn the_row_has_the_final_status() {
    for sql in [
        TRANSFER.replace("EXEC", "EXEC /*+ AWAIT */"),
        awaiting("1h"),
        "CALL images.transfer(image_id => 62137902, region => 'sfo3', await => '1h')".into(),
    ] {
        let stage = stage_that_settles(Duration::from_millis(20)).await;

        let action = one(&stage.rows(&sql).await);

        assert_eq!((&action["status"], &action["image_id"]), (&"completed".into(), &62_137_902.into()), "{sql}");
        assert!(action["completed_at"].is_string(), "{sql}");
        assert_eq!(stage.posts(), 1, "{sql}");
        let requests = stage.requests();
        let get = format!("GET /v2/images/62137902/actions/{}", action["id"]);
        assert_eq!(requests[0], PATH, "{sql}");
        assert!(requests.len() > 1 && requests[1..].iter().all(|request| *request == get), "{sql}: {requests:?}");
    }
}

#[tokio::test]
async fn an_action_that_is_over_at_once_is_not_read_again() {
    let stage = stage().await;
    stage.inject("POST ** set=/action/status \"completed\"");

    stage.rows(&awaiting("1h")).await;

    assert_eq!(stage.requests(), [PATH]);
}

#[tokio::test]
async fn only_a_declared_status_is_final() {
    for status in ["queued", "new", "pending", "In-Progress", "archived", "complete", "completed ", ""] {
        let stage = stage_that_settles(Duration::ZERO).await;
        stage.inject(&format!("POST ** set=/action/status \"{status}\""));
        stage.inject(&format!("GET /v2/images/*/actions/* times=2 set=/action/status \"{status}\""));

        let action = one(&stage.rows(&awaiting("1h")).await);

        assert_eq!((&action["status"], stage.posts()), (&"completed".into(), 1), "{status}");
        assert_eq!(stage.requests().len(), 1 + 3, "{status}");
    }
}

#[tokio::test]
async fn a_missing_status_is_not_final() {
    for fault in ["set=/action/status null", "without=/action/status"] {
        let stage = stage_that_settles(Duration::ZERO).await;
        stage.inject(&format!("POST ** {fault}"));
        stage.inject(&format!("GET /v2/images/*/actions/* times=2 {fault}"));

        let action = one(&stage.rows(&awaiting("1h")).await);

        assert_eq!((&action["status"], stage.posts()), (&"completed".into(), 1), "{fault}");
        assert_eq!(stage.requests().len(), 1 + 3, "{fault}");
    }
}

#[tokio::test]
async fn a_status_in_capital_letters_is_the_same_status() {
    let stage = stage_that_settles(Duration::ZERO).await;
    stage.inject("POST ** set=/action/status \"IN-PROGRESS\"");
    stage.inject("GET /v2/images/*/actions/* times=1 set=/action/status \"in-progress\"");
    stage.inject("GET /v2/images/*/actions/* skip=1 times=1 set=/action/status \"Queued\"");
    stage.inject("GET /v2/images/*/actions/* skip=2 set=/action/status \"COMPLETED\"");

    let action = one(&stage.rows(&awaiting("1h")).await);

    // The row has the value of the API unchanged.
    assert_eq!((&action["status"], stage.posts()), (&"COMPLETED".into(), 1));
    assert_eq!(stage.requests().len(), 1 + 3);
}

#[tokio::test]
async fn a_failure_in_capital_letters_is_a_failure() {
    for fault in ["POST **", "GET /v2/images/*/actions/*"] {
        let stage = stage_that_settles(Duration::ZERO).await;
        stage.inject(&format!("{fault} set=/action/status \"ERRORED\""));

        let error = stage.error(&awaiting("1h")).await;

        assert_eq!((error.kind(), stage.posts()), (Kind::Aborted, 1), "{fault}");
        assert!(error.to_string().ends_with(" was started, and is ERRORED"), "{fault}: {error}");
    }
}

#[tokio::test]
async fn an_action_that_errored_is_an_error_with_its_id() {
    let stage = stage_that_settles(Duration::ZERO).await;
    stage.inject("GET /v2/images/*/actions/* set=/action/status \"errored\"");

    let error = stage.error(&awaiting("1h")).await;

    assert_eq!((error.kind(), stage.posts()), (Kind::Aborted, 1));
    let id = stage.actions(IMAGE)[0]["id"].clone();
    let table = "digitalocean.compute.image_actions";
    assert_eq!(
        error.report(),
        format!(
            "id {id} of {table} was started, and is errored\n\
             hint: see its status with SELECT * FROM {table} WHERE image_id = 62137902 AND id = {id}"
        )
    );
}

#[tokio::test]
async fn an_expired_limit_is_an_error_with_the_id_and_the_last_status() {
    let cases = [
        ("set=/action/status \"in-progress\"", "the status `in-progress`"),
        ("set=/action/status \"queued\"", "the status `queued`"),
        ("set=/action/status \"New York\"", "the status `New York`"),
        ("set=/action/status null", "no status"),
    ];

    for (fault, status) in cases {
        let stage = stage_that_settles(Duration::ZERO).await;
        stage.inject(&format!("GET /v2/images/*/actions/* {fault}"));

        let error = stage.error(&awaiting("30ms")).await;

        let id = stage.actions(IMAGE)[0]["id"].clone();
        let table = "digitalocean.compute.image_actions";
        assert_eq!((error.kind(), stage.posts()), (Kind::Unknown, 1), "{fault}");
        assert_eq!(
            error.report(),
            format!(
                "id {id} of {table} was started, and still has {status} after 30ms\n\
                 hint: see its status with SELECT * FROM {table} WHERE image_id = 62137902 AND id = {id}"
            )
        );
    }
}

#[tokio::test]
async fn a_limit_that_is_over_at_once_allows_one_request() {
    let stage = stage_that_settles(Duration::ZERO).await;

    let action = one(&stage.rows(&awaiting("1ns")).await);

    assert_eq!((&action["status"], stage.posts(), stage.requests().len()), (&"completed".into(), 1, 2));
}

#[tokio::test]
async fn a_ticket_that_is_read_again_awaits_the_same_action() {
    let stage = stage_that_settles(Duration::from_millis(20)).await;
    let server = crate::flight::serve(stage.engine.clone()).await;
    let info = server.info(&crate::flight::statement(&awaiting("1h"))).await.unwrap();

    let (first, second) = tokio::join!(server.rows(&info), server.rows(&info));

    assert_eq!(one(&first.unwrap()), one(&second.unwrap()));
    assert_eq!(stage.posts(), 1);
}

#[tokio::test]
async fn polling_ends_when_the_client_disconnects_and_the_post_does_not() {
    let stage = stage().await;
    let gate = stage.hold("GET", "/v2/images/*/actions/*");
    let mut answer = stage.engine.run(&Principal::local(), &awaiting("1h"), None).await.unwrap();

    tokio::select! {
        _ = answer.rows.next() => panic!("a row before the end"),
        () = stage.demo.account().received(2) => {}
    }
    assert!(answer.query.activity().unwrap().ends_with(" has the status `in-progress`"));
    assert!(
        answer.query.exec_outcome().unwrap().unwrap().ends_with(" of digitalocean.compute.image_actions was started")
    );
    drop(answer);
    stage.demo.account().idle().await;
    gate.add_permits(100);
    stage.rows("SELECT id FROM images WHERE id = 62137902").await;

    assert_eq!(stage.posts(), 1);
    let requests = stage.requests();
    assert_eq!((requests.len(), requests[2].as_str()), (3, "GET /v2/images/62137902"), "{requests:?}");
}
