//! AWAIT when the started action can't be read at first, or at all.

use super::*;

const GET: &str = "GET /v2/images/*/actions/*";

fn awaiting(limit: &str) -> String {
    format!("{TRANSFER}, @@await='{limit}'")
}

#[tokio::test]
async fn temporary_errors_do_not_end_the_await() {
    let faults = [
        // The API does not list the action yet, or returns another one.
        "status=404",
        "set=/action/id 7",
        // More of these than one request has attempts.
        "status=500",
        "status=503",
        "status=408",
        "status=409",
        "html=502",
        "html=504",
        "rate-limited",
        "reset",
        "reset-after",
        "cut",
        "truncated",
        // Responses without an action.
        "html=200",
        "answer-after=204",
        "body=null",
        "body={}",
        "body={\"action\": {}}",
        "body={\"action\": {\"status\": \"errored\"}}",
        "set=/action/id 99999999999999999999999",
        "twice=/action/id 7",
        "twice=/action/status \"completed\"",
    ];

    for fault in faults {
        let stage = stage_that_settles(Duration::ZERO).await;
        stage.inject(&format!("{GET} times=9 {fault}"));

        let action = one(&stage.rows(&awaiting("1h")).await);

        let id = &stage.actions(IMAGE)[0]["id"];
        assert_eq!((&action["id"], &action["status"]), (id, &"completed".into()), "{fault}");
        assert_eq!((stage.posts(), stage.requests().len()), (1, 1 + 9 + 1), "{fault}");
    }
}

#[tokio::test]
async fn the_final_status_of_another_action_is_ignored() {
    for status in ["completed", "errored"] {
        let stage = stage().await;
        // Faults apply in the order of their injection: this is a complete response with another action.
        let other = format!("{{\"action\": {{\"id\": 7, \"status\": \"{status}\", \"resource_id\": 62137902}}}}");
        stage.inject(&format!("{GET} body={other}"));

        let error = stage.error(&awaiting("30ms")).await;

        let (id, report) = (stage.actions(IMAGE)[0]["id"].clone(), error.report());
        assert_eq!((error.kind(), stage.posts()), (Kind::Unknown, 1), "{status}: {report}");
        let cause = format!("the request was for id {id}, but the response has id 7");
        assert!(report.contains("had the status `in-progress` when it was last read"), "{status}: {report}");
        assert!(report.contains(&cause), "{status}: {report}");
    }
}

#[tokio::test]
async fn a_failure_that_is_read_late_is_a_failure() {
    let stage = stage_that_settles(Duration::ZERO).await;
    stage.inject(&format!("{GET} times=3 status=404"));
    stage.inject(&format!("{GET} set=/action/status \"errored\""));

    let error = stage.error(&awaiting("1h")).await;

    assert_eq!((error.kind(), stage.posts()), (Kind::Aborted, 1));
    assert!(error.to_string().ends_with(" was started, and is errored"), "{error}");
}

#[tokio::test]
async fn an_action_that_disappears_after_its_end_was_read_before() {
    let stage = stage_that_settles(Duration::ZERO).await;
    stage.inject(&format!("{GET} skip=1 status=404"));

    let action = one(&stage.rows(&awaiting("1h")).await);

    assert_eq!((&action["status"], stage.posts(), stage.requests().len()), (&"completed".into(), 1, 2));
}

#[tokio::test]
async fn an_expired_limit_after_a_failed_request_has_the_last_status_and_the_cause() {
    let cases = [
        ("status=404", "404 not_found: The resource you requested could not be found. (request "),
        ("status=503", "503 service_unavailable: "),
        ("body={}", "the body has no `action`"),
        ("set=/action/id 7", "but the response has id 7"),
        ("twice=/action/id 7", "the key `action.id` occurs twice in the same object"),
        ("html=200", "with a body that is not a JSON object (content-type `text/html`)"),
    ];

    for (fault, cause) in cases {
        let stage = stage().await;
        stage.inject("POST ** set=/action/status \"queued\"");
        stage.inject(&format!("{GET} {fault}"));

        let error = stage.error(&awaiting("30ms")).await;

        let id = stage.actions(IMAGE)[0]["id"].clone();
        let report = error.report();
        let table = "digitalocean.compute.image_actions";
        let last = format!(
            "id {id} of {table} was started, had the status `queued` when it was last read, and can't be read after 30ms: "
        );
        assert_eq!((error.kind(), stage.posts()), (Kind::Unknown, 1), "{fault}");
        assert!(report.starts_with(&last) && report.contains(cause), "{fault}: {report}");
        let look = format!("\nhint: see its status with SELECT * FROM {table} WHERE image_id = 62137902 AND id = {id}");
        assert!(report.ends_with(&look), "{fault}: {report}");
    }
}

#[tokio::test]
async fn permanent_errors_end_the_await_with_the_id_and_the_cause() {
    // A 404 that is not the API's is permanent: it is from another server.
    for fault in [
        "status=401",
        "status=403",
        "html=404",
        "status=405",
        "status=410",
        "status=422",
        "answer-after=101",
        "answer-after=304",
        "redirect=http://127.0.0.1:1/",
    ] {
        let stage = stage().await;
        stage.inject(&format!("{GET} {fault}"));

        let error = stage.error(&awaiting("1h")).await;

        let id = stage.actions(IMAGE)[0]["id"].clone();
        let report = error.report();
        let started =
            format!("id {id} of digitalocean.compute.image_actions was started, had the status `in-progress`");
        assert_eq!((error.kind(), stage.posts(), stage.requests().len()), (Kind::Unknown, 1, 2), "{fault}");
        assert!(report.starts_with(&started) && report.contains(", and cannot be watched: "), "{fault}: {report}");
    }
}
