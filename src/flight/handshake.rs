//! Handshake: every client is accepted, because there is no authentication yet.
//!
//! JDBC opens every connection with a handshake, and fails if the server has none. JDBC, pyarrow and the Go driver read
//! the response's `authorization` header, and send its value with each call. A bearer token is returned unchanged.
//!
//! The header is sent at once, and the call ends when the client has ended its side. ODBC's client writes an empty message
//! first: if the call has ended before, gRPC ends that client's process. A message with a payload is answered by one
//! without, because pyarrow's `ClientAuthHandler` may wait for it.

use std::time::Duration;

use arrow_flight::{HandshakeRequest, HandshakeResponse};
use futures::future::ready;
use futures::stream::{StreamExt, TryStreamExt};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Request, Response, Status, Streaming};

use super::Stream;
use super::fault::Fault;
use super::handle::nonce;
use super::stream::stopped;

const HEADER: &str = "authorization";

/// The token for clients that send a password, or nothing: clients expect a token. It grants no access. With a number that
/// no other client has, a session can be found by it.
const ANONYMOUS: &str = "Bearer anonymous-";

/// The maximum number of messages of a client.
const MAX_MESSAGES: usize = 16;

/// How long a handshake may take. No driver takes a second.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Accepts the client, and returns its token in the response's header. The call ends when the server stops at the latest.
///
/// # Errors
/// [`Fault::Authorization`]: the header is neither Basic nor Bearer.
pub(super) fn accept(
    request: Request<Streaming<HandshakeRequest>>,
    stopping: watch::Receiver<bool>,
) -> Result<Response<Stream<HandshakeResponse>>, Fault> {
    let token = token_of(request.metadata())?;
    let mut response = Response::new(answers(request.into_inner().boxed(), stopping));
    response.metadata_mut().insert(HEADER, token);
    Ok(response)
}

fn answers(messages: Stream<HandshakeRequest>, stopping: watch::Receiver<bool>) -> Stream<HandshakeResponse> {
    let messages = messages.take(MAX_MESSAGES).take_until(sleep(MAX_TIME)).take_until(stopped(stopping));
    let answered = messages.try_filter_map(|message| {
        let answer = HandshakeResponse { protocol_version: message.protocol_version, ..HandshakeResponse::default() };
        ready(Ok::<_, Status>((!message.payload.is_empty()).then_some(answer)))
    });
    answered.boxed()
}

/// The token of a call, if a handshake has made it.
pub(super) fn own_token(metadata: &MetadataMap) -> Option<String> {
    let token = metadata.get(HEADER)?.to_str().ok()?;
    (token.starts_with(ANONYMOUS) && token.len() == ANONYMOUS.len() + 16).then(|| token.to_owned())
}

fn token_of(metadata: &MetadataMap) -> Result<MetadataValue<Ascii>, Fault> {
    let anonymous = || format!("{ANONYMOUS}{:016x}", nonce()).parse().map_err(|_| Fault::Authorization);
    let Some(header) = metadata.get(HEADER) else { return anonymous() };
    let text = header.to_str().map_err(|_| Fault::Authorization)?;
    match text.split(' ').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "bearer" => Ok(header.clone()),
        "basic" => anonymous(),
        _ => Err(Fault::Authorization),
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn returned(header: &'static str) -> Result<String, Fault> {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, MetadataValue::from_static(header));
        Ok(token_of(&metadata)?.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn only_a_message_with_a_payload_is_answered() {
        let message = |payload: &'static str| Ok(HandshakeRequest { protocol_version: 1, payload: payload.into() });
        let messages = stream::iter([message(""), message("x"), message("")]).boxed();

        let (_running, stopping) = watch::channel(false);
        let answers: Vec<HandshakeResponse> = answers(messages, stopping).try_collect().await.unwrap();

        assert_eq!(answers, [HandshakeResponse { protocol_version: 1, payload: Default::default() }]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_call_goes_on_until_the_client_ends_its_side_or_the_time_limit() {
        let (sender, messages) = futures::channel::mpsc::unbounded::<Result<HandshakeRequest, Status>>();
        let (stop, stopping) = watch::channel(false);
        let mut open = answers(messages.boxed(), stopping.clone());
        assert!(futures::poll!(open.next()).is_pending());
        drop(sender);
        assert!(open.next().await.is_none());

        let mut silent = answers(stream::pending().boxed(), stopping.clone());
        assert!(silent.next().await.is_none());
        let mut stopped = answers(stream::pending().boxed(), stopping);
        stop.send_replace(true);
        let began = tokio::time::Instant::now();
        assert!(stopped.next().await.is_none() && began.elapsed() < MAX_TIME);
    }

    #[tokio::test]
    async fn a_client_that_goes_on_sending_is_not_read_forever() {
        let messages = stream::repeat_with(|| Ok(HandshakeRequest { protocol_version: 0, payload: "x".into() }));

        let (_running, stopping) = watch::channel(false);
        let answers: Vec<HandshakeResponse> = answers(messages.boxed(), stopping).try_collect().await.unwrap();

        assert_eq!(answers.len(), MAX_MESSAGES);
    }

    #[test]
    fn a_bearer_token_is_returned() {
        assert_eq!(returned("Bearer None").unwrap(), "Bearer None");
    }

    #[test]
    fn a_password_becomes_a_token() {
        let (one, other) = (returned("Basic dTpw").unwrap(), returned("Basic dTpw").unwrap());

        assert!(one.starts_with(ANONYMOUS) && one != other, "{one} {other}");
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, one.parse().unwrap());
        assert_eq!(own_token(&metadata), Some(one));
        metadata.insert(HEADER, MetadataValue::from_static("Bearer None"));
        assert_eq!(own_token(&metadata), None, "others may have it");
    }

    #[test]
    fn a_client_without_credentials_gets_a_token() {
        assert!(token_of(&MetadataMap::new()).unwrap().to_str().unwrap().starts_with(ANONYMOUS));
    }

    #[test]
    fn another_scheme_is_rejected() {
        assert!(matches!(returned("Negotiate abc"), Err(Fault::Authorization)));
    }
}
