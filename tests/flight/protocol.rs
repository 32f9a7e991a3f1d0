//! Other calls of Flight: handshake, actions, unsupported calls.

use super::*;

fn unimplemented(refused: &Status, name: &str) {
    assert_eq!(refused.code(), Code::Unimplemented, "{refused}");
    assert!(readable(refused).contains(name), "{refused}");
}

#[tokio::test]
async fn unsupported_calls_are_named_in_the_error() {
    let server = start().await;
    let rows = || row(vec![number(1)]);

    let substrait = server.put(&CommandStatementSubstraitPlan::default(), rows()).await.unwrap_err();
    let begin = server.act("BeginTransaction", vec![]).await.unwrap_err();

    unimplemented(&substrait, "CommandStatementSubstraitPlan");
    unimplemented(&begin, "BeginTransaction");
}

#[tokio::test]
async fn the_supported_actions_are_listed() {
    let mut client = start().await.client;

    let listed: Vec<_> = client.list_actions(Empty {}).await.unwrap().into_inner().try_collect().await.unwrap();

    let names: Vec<_> = listed.into_iter().map(|action| action.r#type).collect();
    let expected = [
        "CreatePreparedStatement",
        "ClosePreparedStatement",
        "CancelFlightInfo",
        "CancelQuery",
        "RenewFlightEndpoint",
        "SetSessionOptions",
        "GetSessionOptions",
        "CloseSession",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_poll_returns_the_complete_info_at_once() {
    let server = start().await;

    let poll = server.client.clone().poll_flight_info(descriptor(&statement("SELECT 7 AS x"))).await.unwrap();

    let poll = poll.into_inner();
    assert_eq!((poll.flight_descriptor, poll.progress), (None, Some(1.0)));
    assert_eq!(server.rows(&poll.info.unwrap()).await.unwrap().num_rows(), 1);
}

#[tokio::test]
async fn no_flights_are_listed() {
    let mut client = start().await.client;

    let listed = client.list_flights(arrow_flight::Criteria::default()).await.unwrap().into_inner();

    assert_eq!(listed.try_collect::<Vec<_>>().await.unwrap(), []);
}

#[tokio::test]
async fn a_handshake_with_a_password_returns_a_token() {
    let server = start().await;
    let mut client = FlightSqlServiceClient::new_from_inner(server.client);

    client.handshake("anybody", "secret").await.unwrap();

    assert!(client.token().is_some());
    assert_eq!(client.execute("SELECT 1".into(), None).await.unwrap().endpoint.len(), 1);
}
