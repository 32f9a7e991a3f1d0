//! CancelFlightInfo, CancelQuery, RenewFlightEndpoint.

use arrow_flight::sql::{ActionCancelQueryRequest, ActionCancelQueryResult};
use arrow_flight::{
    CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightEndpoint, RenewFlightEndpointRequest,
};

use super::*;

/// Values of `CancelResult`, which arrow-flight does not export.
pub(crate) const CANCELLED: i32 = 1;
const NOT_CANCELLABLE: i32 = 3;

impl Running {
    pub(crate) async fn cancel(&self, info: &FlightInfo) -> CancelStatus {
        let request = CancelFlightInfoRequest { info: Some(info.clone()) };
        let results = self.act("CancelFlightInfo", request.encode_to_vec()).await.unwrap();
        CancelFlightInfoResult::decode(&*results[0].body).unwrap().status()
    }

    pub(crate) async fn cancel_query(&self, info: &FlightInfo) -> i32 {
        let request = ActionCancelQueryRequest { info: info.encode_to_vec().into() };
        let results = self.act("CancelQuery", request.as_any().encode_to_vec()).await.unwrap();
        let result: ActionCancelQueryResult = Any::decode(&*results[0].body).unwrap().unpack().unwrap().unwrap();
        result.result
    }

    /// Begins to read an endless result.
    async fn read(&self, info: &FlightInfo) -> tonic::Streaming<FlightData> {
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let mut messages = self.client.clone().do_get(ticket).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().is_some());
        messages
    }
}

/// The error that a result ends with.
pub(crate) async fn error_of(mut messages: tonic::Streaming<FlightData>) -> Status {
    loop {
        match messages.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the result has ended without an error"),
            Err(status) => return status,
        }
    }
}

#[tokio::test]
async fn a_query_is_cancelled_by_its_info_and_no_other_query_of_the_same_statement() {
    let server = start().await;
    let (one, other) =
        (server.info(&statement(ENDLESS)).await.unwrap(), server.info(&statement(ENDLESS)).await.unwrap());
    let (of_one, mut of_other) = (server.read(&one).await, server.read(&other).await);

    assert_eq!(server.cancel(&one).await, CancelStatus::Cancelled);

    assert_eq!(error_of(of_one).await.code(), Code::Cancelled);
    assert!(of_other.message().await.unwrap().is_some());
    assert_eq!(server.cancel_query(&other).await, CANCELLED);
    assert_eq!(error_of(of_other).await.code(), Code::Cancelled);
}

#[tokio::test]
async fn a_query_that_does_not_run_is_not_cancellable() {
    let server = start().await;
    let info = server.info(&statement("SELECT 1")).await.unwrap();

    assert_eq!(server.cancel(&info).await, CancelStatus::NotCancellable, "it has not begun");
    server.rows(&info).await.unwrap();
    assert_eq!(server.cancel(&info).await, CancelStatus::NotCancellable, "it has ended");
    assert_eq!(server.cancel_query(&info).await, NOT_CANCELLABLE);
    let metadata = server.info(&CommandGetCatalogs {}).await.unwrap();
    assert_eq!(server.cancel(&metadata).await, CancelStatus::NotCancellable);
    assert_eq!(server.cancel(&FlightInfo::new()).await, CancelStatus::NotCancellable);
    let forged = FlightInfo::new().with_endpoint(FlightEndpoint::new().with_ticket(Ticket::new("x")));
    assert_eq!(server.cancel(&forged).await, CancelStatus::NotCancellable);
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused() {
    let server = start().await;
    for action in ["CancelFlightInfo", "CancelQuery", "RenewFlightEndpoint"] {
        assert_eq!(server.act(action, vec![0xff]).await.unwrap_err().code(), Code::InvalidArgument, "{action}");
    }
    let request = ActionCancelQueryRequest { info: vec![0xff].into() };
    let refused = server.act("CancelQuery", request.as_any().encode_to_vec()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_endpoint_that_does_not_expire_is_returned_as_it_is() {
    let server = start().await;
    let renew = async |endpoint: Option<FlightEndpoint>| {
        let request = RenewFlightEndpointRequest { endpoint };
        server.act("RenewFlightEndpoint", request.encode_to_vec()).await
    };
    for info in [server.info(&statement("SELECT 1")).await, server.info(&CommandGetCatalogs {}).await] {
        let endpoint = info.unwrap().endpoint[0].clone();
        let renewed = renew(Some(endpoint.clone())).await.unwrap();
        assert_eq!(FlightEndpoint::decode(&*renewed[0].body).unwrap(), endpoint);
    }
    assert_eq!(renew(None).await.unwrap_err().code(), Code::InvalidArgument);
}
