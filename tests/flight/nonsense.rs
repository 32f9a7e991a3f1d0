//! Bytes that do not decode are the client's mistake: INVALID_ARGUMENT, with a readable message.

use arrow_flight::sql::ActionCancelQueryRequest;
use arrow_flight::{CancelFlightInfoRequest, RenewFlightEndpointRequest};

use super::*;

fn invalid(refused: &Status) {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    readable(refused);
}

#[tokio::test]
async fn an_empty_descriptor_or_ticket_is_rejected() {
    let mut client = start().await.client;

    invalid(&client.get_flight_info(FlightDescriptor::default()).await.unwrap_err());
    invalid(&client.get_schema(FlightDescriptor::new_cmd("")).await.unwrap_err());
    invalid(&client.do_get(Ticket::new("")).await.unwrap_err());
}

#[tokio::test]
async fn a_path_is_rejected() {
    let mut client = start().await.client;

    invalid(&client.get_flight_info(FlightDescriptor::new_path(vec!["images".into()])).await.unwrap_err());
}

#[tokio::test]
async fn an_unknown_command_is_rejected() {
    let mut client = start().await.client;
    let any = Any { type_url: "type.googleapis.com/arrow.flight.protocol.sql.MakeTea".into(), value: Bytes::new() };

    let refused = client.get_flight_info(FlightDescriptor::new_cmd(any.encode_to_vec())).await.unwrap_err();

    invalid(&refused);
    assert!(refused.message().contains("`MakeTea`"), "{refused}");
}

#[tokio::test]
async fn a_command_that_does_not_decode_is_rejected() {
    let mut client = start().await.client;
    let any = Any { value: Bytes::from_static(b"\xff\xff"), ..CommandGetTables::default().as_any() };

    invalid(&client.get_flight_info(FlightDescriptor::new_cmd(any.encode_to_vec())).await.unwrap_err());
}

#[tokio::test]
async fn a_handle_of_another_version_is_rejected_with_its_number() {
    let server = start().await;
    // Field 1, the version, is 7; field 2 is a statement.
    let handle = Bytes::from_static(b"\x08\x07\x12\x08SELECT 1");
    let ticket = TicketStatementQuery { statement_handle: handle.clone() }.as_any().encode_to_vec();

    for refused in
        [server.info(&prepared(&handle)).await.unwrap_err(), server.messages(Ticket::new(ticket)).await.unwrap_err()]
    {
        invalid(&refused);
        assert!(refused.message().contains("version 7"), "{refused}");
    }
}

#[test]
fn random_bytes_are_rejected_in_every_call() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(start());
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);

    proptest!(ProptestConfig::with_cases(64), |(bytes in bytes)| {
        let bytes = Bytes::from(bytes);
        let ticket = TicketStatementQuery { statement_handle: bytes.clone() }.as_any().encode_to_vec();
        runtime.block_on(async {
            invalid(&server.messages(Ticket::new(bytes.clone())).await.unwrap_err());
            invalid(&server.messages(Ticket::new(ticket)).await.unwrap_err());
            invalid(&server.info(&prepared(&bytes)).await.unwrap_err());
            invalid(&server.act("CreatePreparedStatement", bytes.to_vec()).await.unwrap_err());
            // Bytes may happen to be one of these messages.
            for action in ["CancelFlightInfo", "CancelQuery", "RenewFlightEndpoint", "SetSessionOptions"] {
                if let Err(refused) = server.act(action, bytes.to_vec()).await {
                    invalid(&refused);
                }
            }
        });
    });
}

/// A call, and a message that is valid in it.
type Call = (&'static str, Vec<u8>);

/// Each command and action that a client can send.
async fn calls(server: &Running) -> Vec<Call> {
    let handle = server.handle("SELECT ? + 1").await;
    let info = server.info(&statement("SELECT 1")).await.unwrap();
    let endpoint = info.endpoint[0].clone();
    let mut calls: Vec<Call> = [
        statement("SELECT 1 AS x").as_any(),
        prepared(&handle).as_any(),
        CommandGetCatalogs {}.as_any(),
        CommandGetDbSchemas { catalog: Some("digitalocean".into()), db_schema_filter_pattern: Some("c%".into()) }
            .as_any(),
        CommandGetTables { table_types: vec!["TABLE".into()], include_schema: true, ..Default::default() }.as_any(),
        CommandGetTableTypes {}.as_any(),
        CommandGetSqlInfo { info: vec![0, 500] }.as_any(),
        CommandGetXdbcTypeInfo { data_type: Some(4) }.as_any(),
        CommandGetPrimaryKeys { table: "images".into(), ..Default::default() }.as_any(),
        CommandGetImportedKeys { table: "images".into(), ..Default::default() }.as_any(),
        CommandGetExportedKeys { table: "images".into(), ..Default::default() }.as_any(),
        CommandGetCrossReference { pk_table: "images".into(), fk_table: "images".into(), ..Default::default() }
            .as_any(),
    ]
    .iter()
    .flat_map(|command| {
        ["GetFlightInfo", "GetSchema", "PollFlightInfo", "DoGet"].map(|call| (call, command.encode_to_vec()))
    })
    .collect();
    let create = ActionCreatePreparedStatementRequest { query: "SELECT ?".into(), transaction_id: None };
    let close = ActionClosePreparedStatementRequest { prepared_statement_handle: handle };
    let cancel = ActionCancelQueryRequest { info: info.encode_to_vec().into() };
    calls.extend([
        ("DoGet", endpoint.ticket.clone().unwrap().ticket.to_vec()),
        ("CreatePreparedStatement", create.as_any().encode_to_vec()),
        ("ClosePreparedStatement", close.as_any().encode_to_vec()),
        ("CancelQuery", cancel.as_any().encode_to_vec()),
        ("CancelFlightInfo", CancelFlightInfoRequest { info: Some(info) }.encode_to_vec()),
        ("RenewFlightEndpoint", RenewFlightEndpointRequest { endpoint: Some(endpoint) }.encode_to_vec()),
        // schema = "meta", and nothing.
        ("SetSessionOptions", b"\x0a\x10\x0a\x06schema\x12\x06\x0a\x04meta".to_vec()),
        ("GetSessionOptions", Vec::new()),
        ("CloseSession", Vec::new()),
    ]);
    calls
}

async fn send(server: &Running, (call, bytes): Call) -> Result<(), Status> {
    let mut client = server.client.clone();
    let descriptor = FlightDescriptor::new_cmd(bytes.clone());
    match call {
        "GetFlightInfo" => client.get_flight_info(descriptor).await.map(drop),
        "GetSchema" => client.get_schema(descriptor).await.map(drop),
        "PollFlightInfo" => client.poll_flight_info(descriptor).await.map(drop),
        "DoGet" => server.messages(Ticket::new(bytes)).await.map(drop),
        action => server.act(action, bytes).await.map(drop),
    }
}

#[test]
fn a_message_with_a_changed_byte_is_read_or_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(start());
    let calls = runtime.block_on(calls(&server));
    for call in &calls {
        let sent = runtime.block_on(send(&server, call.clone()));
        // Commands are no tickets, and a parameter is missing.
        let refused = sent.err().map(|refused| refused.code());
        assert!(
            matches!(refused, None | Some(Code::InvalidArgument | Code::FailedPrecondition)),
            "{call:?}: {refused:?}"
        );
    }

    proptest!(ProptestConfig::with_cases(512), |(call: prop::sample::Index, at: prop::sample::Index, byte: u8, cut: bool)| {
        let (name, mut bytes) = call.get(&calls).clone();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at + 1);
            }
        }
        let sent = runtime.block_on(send(&server, (name, bytes)));
        if let Err(refused) = sent {
            readable(&refused);
            let ours = [Code::Internal, Code::Unknown, Code::Unavailable, Code::Cancelled, Code::DeadlineExceeded];
            prop_assert!(!ours.contains(&refused.code()), "{name}: {refused}");
        }
    });
    runtime.block_on(server.ask(&statement("SELECT 1"))).unwrap();
}

#[tokio::test]
async fn an_unknown_action_is_rejected() {
    invalid(&start().await.act("MakeTea", vec![]).await.unwrap_err());
}

#[tokio::test]
async fn a_put_must_begin_with_a_command() {
    let server = start().await;

    invalid(&server.client.clone().do_put(stream::iter([])).await.unwrap_err());
    invalid(&server.client.clone().do_put(stream::iter([FlightData::new()])).await.unwrap_err());
}

#[tokio::test]
async fn bound_rows_must_be_arrow() {
    let server = start().await;
    let handle = server.handle("SELECT ?").await;
    let data = FlightData::new().with_descriptor(descriptor(&prepared(&handle))).with_data_header("nonsense");

    invalid(&server.client.clone().do_put(stream::iter([data])).await.unwrap_err());
}

#[tokio::test]
async fn a_ticket_is_not_a_descriptor_and_a_statement_is_not_a_ticket() {
    let server = start().await;
    let ticket = TicketStatementQuery { statement_handle: Bytes::new() };

    invalid(&server.info(&ticket).await.unwrap_err());
    invalid(&server.messages(Ticket::new(statement("SELECT 1").as_any().encode_to_vec())).await.unwrap_err());
}
