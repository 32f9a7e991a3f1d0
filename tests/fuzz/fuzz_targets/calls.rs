//! Any bytes in any call of Flight are read or refused with a status that is the client's fault, and the server lives on.
#![no_main]

use std::cell::RefCell;
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::flight_service_server::FlightServiceServer;
use arrow_flight::{Action, Empty, FlightData, FlightDescriptor, HandshakeRequest, Ticket};
use futures::{StreamExt, stream};
use libfuzzer_sys::fuzz_target;
use oceanflight::api::{Budgets, Client, Options};
use oceanflight::engine::{self, Engine};
use oceanflight::flight::{self, Service};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tonic::{Code, Request, Status};

type Caller = FlightServiceClient<FlightServiceServer<Service>>;

/// A server, and the actions that it lists.
struct Fuzzed {
    runtime: Runtime,
    caller: Caller,
    actions: Vec<String>,
}

thread_local! {
    static SERVER: RefCell<Fuzzed> = RefCell::new(started());
}

/// A server that is called without a socket. Its queries may send no request.
fn started() -> Fuzzed {
    let runtime = Runtime::new().unwrap();
    let (caller, actions) = runtime.block_on(async {
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
        (caller, actions)
    });
    Fuzzed { runtime, caller, actions }
}

async fn call(mut server: Caller, actions: &[String], which: u8, bytes: Vec<u8>) -> Result<(), Status> {
    let descriptor = FlightDescriptor::new_cmd(bytes.clone());
    match usize::from(which) % (7 + actions.len()) {
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
            let handshake = HandshakeRequest { protocol_version: 0, payload: bytes.into() };
            server.handshake(stream::iter([handshake])).await.map(drop)
        }
        6 => {
            let mut request = Request::new(Action::new("GetSessionOptions", Vec::new()));
            let Ok(cookie) = String::from_utf8_lossy(&bytes).parse() else { return Ok(()) };
            request.metadata_mut().insert("cookie", cookie);
            server.do_action(request).await.map(drop)
        }
        action => {
            let mut results = server.do_action(Action::new(actions[action - 7].as_str(), bytes)).await?.into_inner();
            while results.next().await.transpose()?.is_some() {}
            Ok(())
        }
    }
}

fuzz_target!(
    // As in `handles`.
    init: std::panic::set_hook(Box::new(|_| {})),
    |input: (u8, Vec<u8>)| {
        let (which, bytes) = input;
        SERVER.with_borrow(|Fuzzed { runtime, caller, actions }| {
            if let Err(refused) = runtime.block_on(call(caller.clone(), actions, which, bytes)) {
                let ours = [Code::Internal, Code::Unknown, Code::Unavailable, Code::Cancelled];
                assert!(!ours.contains(&refused.code()), "{refused}");
            }
        });
    }
);
