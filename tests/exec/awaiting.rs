//! AWAIT: no row before the end, and an error with the action's id where the end is none.

use futures::StreamExt;

use super::*;

fn awaiting(limit: &str) -> String {
    format!("{TRANSFER}, @@await='{limit}'")
}

#[tokio::test]
async fn the_row_is_that_of_the_end() {
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
async fn an_action_that_is_over_at_once_is_read_no_more() {
    let stage = stage().await;
    stage.inject("POST ** set=/action/status \"completed\"");

    stage.rows(&awaiting("1h")).await;

    assert_eq!(stage.requests(), [PATH]);
}

#[tokio::test]
async fn pending_is_not_the_end() {
    let stage = stage_that_settles(Duration::ZERO).await;
    stage.inject("POST ** set=/action/status \"pending\"");

    assert_eq!(one(&stage.rows(&awaiting("1h")).await)["status"], "completed");
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
             hint: look at it with SELECT * FROM {table} WHERE image_id = 62137902 AND id = {id}"
        )
    );
}

#[tokio::test]
async fn time_that_runs_out_is_an_error_with_its_id() {
    let stage = stage().await;

    let error = stage.error(&awaiting("30ms")).await;

    let id = stage.actions(IMAGE)[0]["id"].clone();
    assert_eq!((error.kind(), stage.posts()), (Kind::Unknown, 1));
    assert!(
        error.to_string().starts_with(&format!("id {id} of digitalocean.compute.image_actions was started, and is")),
        "{error}"
    );
    assert!(error.to_string().ends_with("in-progress after 30ms"), "{error}");
}

#[tokio::test]
async fn an_action_that_cannot_be_watched_is_an_error_with_its_id_and_the_cause() {
    let stage = stage().await;
    stage.inject("GET /v2/images/*/actions/* status=403");

    let error = stage.error(&awaiting("1h")).await;

    let id = stage.actions(IMAGE)[0]["id"].clone();
    assert_eq!((error.kind(), stage.posts()), (Kind::Unknown, 1));
    let report = error.report();
    assert!(report.starts_with(&format!("id {id} of ")) && report.contains(": 403 "), "{report}");
}

#[tokio::test]
async fn polling_outlives_what_passes() {
    let stage = stage_that_settles(Duration::ZERO).await;
    // More than one question has attempts.
    stage.inject("GET /v2/images/*/actions/* times=9 status=503");

    assert_eq!(one(&stage.rows(&awaiting("1h")).await)["status"], "completed");
    assert_eq!(stage.posts(), 1);
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
async fn polling_ends_with_the_client_and_the_post_does_not() {
    let stage = stage().await;
    let gate = stage.hold("GET", "/v2/images/*/actions/*");
    let mut answer = stage.engine.run(&awaiting("1h"), None).await.unwrap();

    tokio::select! {
        _ = answer.rows.next() => panic!("a row before the end"),
        () = stage.demo.account().received(2) => {}
    }
    assert!(answer.progress.activity().unwrap().contains(" is in-progress"));
    assert!(
        answer.progress.written().unwrap().unwrap().ends_with(" of digitalocean.compute.image_actions was started")
    );
    drop(answer);
    stage.demo.account().idle().await;
    gate.add_permits(100);
    stage.rows("SELECT id FROM images WHERE id = 62137902").await;

    assert_eq!(stage.posts(), 1);
    let requests = stage.requests();
    assert_eq!((requests.len(), requests[2].as_str()), (3, "GET /v2/images/62137902"), "{requests:?}");
}
