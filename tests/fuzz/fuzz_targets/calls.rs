//! Any bytes in any call of Flight are read or refused with a status that is the client's fault, and the server lives on.
//!
//! The first byte chooses the call. In a call that takes a message of Flight SQL, the second one chooses which, and the
//! other bytes are put into it.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::flight_service_server::FlightServiceServer;
use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, CommandPreparedStatementQuery,
    ProstMessageExt,
};
use arrow_flight::utils::batches_to_flight_data;
use arrow_flight::{Action, Empty, FlightData, FlightDescriptor, HandshakeRequest, Ticket};
use bytes::Bytes;
use futures::{StreamExt, stream};
use libfuzzer_sys::fuzz_target;
use oceanflight::api::{Budgets, Client, Options};
use oceanflight::engine::{self, Engine};
use oceanflight::flight::{self, Service};
use prost::Message;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tonic::{Code, Request, Status};

type Caller = FlightServiceClient<FlightServiceServer<Service>>;

/// A server, the actions that it lists, and the handle of a statement with two parameters.
struct Fuzzed {
    runtime: Runtime,
    caller: Caller,
    actions: Vec<String>,
    handle: Bytes,
}

thread_local! {
    static SERVER: RefCell<Fuzzed> = RefCell::new(started());
}

/// A server that is called without a socket. Its queries may send no request.
fn started() -> Fuzzed {
    let runtime = Runtime::new().unwrap();
    let (caller, actions, handle) = runtime.block_on(async {
        let account = Options::new("http://127.0.0.1:9/".parse().unwrap(), None);
        let client = Client::try_new(account, &Budgets::default()).unwrap();
        let limits = engine::Options { max_requests: 0, timeout: Duration::from_secs(1), ..engine::Options::default() };
        let engine = Engine::try_new(client, limits).unwrap();
        // The server stops when the sender is dropped.
        let (stop, stopping) = watch::channel(false);
        std::mem::forget(stop);
        let mut caller = FlightServiceClient::new(flight::service(engine, flight::MESSAGE_BYTES, stopping));
        let listed = caller.list_actions(Empty {}).await.unwrap().into_inner();
        let actions = listed.map(|action| action.unwrap().r#type).collect().await;
        let handle = prepared(&mut caller).await;
        (caller, actions, handle)
    });
    Fuzzed { runtime, caller, actions, handle }
}

async fn prepared(caller: &mut Caller) -> Bytes {
    let request =
        ActionCreatePreparedStatementRequest { query: "SELECT $1 + 1, $2 || 'x'".into(), transaction_id: None };
    let action = Action::new("CreatePreparedStatement", request.as_any().encode_to_vec());
    let mut results = caller.do_action(action).await.unwrap().into_inner();
    let result = Any::decode(results.next().await.unwrap().unwrap().body).unwrap();
    result.unpack::<ActionCreatePreparedStatementResult>().unwrap().unwrap().prepared_statement_handle
}

/// The messages of Flight SQL that are sent in an Any. "" is none of them: the bytes are sent as they are.
const MESSAGES: [&str; 26] = [
    "",
    "ActionBeginTransactionRequest",
    "ActionCancelQueryRequest",
    "ActionBeginSavepointRequest",
    "ActionClosePreparedStatementRequest",
    "ActionCreatePreparedStatementRequest",
    "ActionCreatePreparedSubstraitPlanRequest",
    "ActionEndSavepointRequest",
    "ActionEndTransactionRequest",
    "CommandGetCatalogs",
    "CommandGetCrossReference",
    "CommandGetDbSchemas",
    "CommandGetExportedKeys",
    "CommandGetImportedKeys",
    "CommandGetPrimaryKeys",
    "CommandGetSqlInfo",
    "CommandGetTableTypes",
    "CommandGetTables",
    "CommandGetXdbcTypeInfo",
    "CommandPreparedStatementQuery",
    "CommandPreparedStatementUpdate",
    "CommandStatementIngest",
    "CommandStatementQuery",
    "CommandStatementSubstraitPlan",
    "CommandStatementUpdate",
    "TicketStatementQuery",
];

/// The other bytes as the message that the first one chooses.
fn message(input: &[u8]) -> Vec<u8> {
    let [which, bytes @ ..] = input else { return Vec::new() };
    match MESSAGES[usize::from(*which) % MESSAGES.len()] {
        "" => bytes.to_vec(),
        name => {
            let type_url = format!("type.googleapis.com/arrow.flight.protocol.sql.{name}");
            Any { type_url, value: bytes.to_vec().into() }.encode_to_vec()
        }
    }
}

/// The messages of a DoPut with rows of Arrow, in which bytes are changed: at the position that is written in the first
/// two of `changes`, to the third, and so on.
fn bound_rows(handle: Bytes, changes: &[u8]) -> Vec<FlightData> {
    let columns: [(&str, ArrayRef); 2] =
        [("1", Arc::new(Int64Array::from(vec![Some(1), None]))), ("2", Arc::new(StringArray::from(vec!["a", "b"])))];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let mut messages = batches_to_flight_data(&rows.schema(), vec![rows]).unwrap();
    let command = CommandPreparedStatementQuery { prepared_statement_handle: handle }.as_any();
    messages[0].flight_descriptor = Some(FlightDescriptor::new_cmd(command.encode_to_vec()));
    for change in changes.chunks_exact(3) {
        let mut at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        for message in &mut messages {
            for part in [&mut message.data_header, &mut message.data_body] {
                let mut bytes = part.to_vec();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = change[2];
                }
                at = at.wrapping_sub(bytes.len());
                *part = bytes.into();
            }
        }
    }
    messages
}

async fn call(fuzzed: &Fuzzed, which: u8, input: &[u8]) -> Result<(), Status> {
    let Fuzzed { caller, actions, handle, .. } = fuzzed;
    let mut server = caller.clone();
    let bytes = message(input);
    let descriptor = FlightDescriptor::new_cmd(bytes.clone());
    match usize::from(which) % (8 + actions.len()) {
        0 => server.get_flight_info(descriptor).await.map(drop),
        1 => server.get_schema(descriptor).await.map(drop),
        2 => server.poll_flight_info(descriptor).await.map(drop),
        3 => {
            let mut rows = server.do_get(Ticket::new(bytes)).await?.into_inner();
            while rows.next().await.transpose()?.is_some() {}
            Ok(())
        }
        4 => {
            let message = FlightData { flight_descriptor: Some(descriptor), ..FlightData::default() };
            server.do_put(stream::iter([message])).await.map(drop)
        }
        5 => {
            let handshake = HandshakeRequest { protocol_version: 0, payload: input.to_vec().into() };
            server.handshake(stream::iter([handshake])).await.map(drop)
        }
        6 => {
            let mut request = Request::new(Action::new("GetSessionOptions", Vec::new()));
            let Ok(cookie) = String::from_utf8_lossy(input).parse() else { return Ok(()) };
            request.metadata_mut().insert("cookie", cookie);
            server.do_action(request).await.map(drop)
        }
        7 => {
            let mut results = server.do_put(stream::iter(bound_rows(handle.clone(), input))).await?.into_inner();
            while results.next().await.transpose()?.is_some() {}
            Ok(())
        }
        action => {
            let mut results = server.do_action(Action::new(actions[action - 8].as_str(), bytes)).await?.into_inner();
            while results.next().await.transpose()?.is_some() {}
            Ok(())
        }
    }
}

fuzz_target!(
    // As in `handles`.
    init: std::panic::set_hook(Box::new(|_| {})),
    |input: &[u8]| {
        let [which, bytes @ ..] = input else { return };
        SERVER.with_borrow(|fuzzed| {
            if let Err(refused) = fuzzed.runtime.block_on(call(fuzzed, *which, bytes)) {
                let ours = [Code::Internal, Code::Unknown, Code::Unavailable, Code::Cancelled];
                assert!(!ours.contains(&refused.code()), "{refused}");
            }
        });
    }
);
