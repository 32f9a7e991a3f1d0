//! Handshake: every client is accepted, because there is no authentication yet.
//!
//! JDBC opens every connection with a handshake, and fails if the server has none. JDBC, pyarrow and the Go driver read
//! the response's `authorization` header, and send its value with each call. A bearer token is returned unchanged. The
//! response has no messages, only that header, as with Arrow's Java server.

use arrow_flight::HandshakeResponse;
use futures::stream::{self, StreamExt};
use tonic::Response;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use super::Stream;
use super::fault::Fault;

const HEADER: &str = "authorization";

/// The token for clients that send a password, or nothing: clients expect a token. It grants no access.
const ANONYMOUS: &str = "Bearer anonymous";

/// Accepts the client, and returns its token in the response's header.
///
/// # Errors
/// [`Fault::Authorization`]: the header is neither Basic nor Bearer.
pub(super) fn accept(metadata: &MetadataMap) -> Result<Response<Stream<HandshakeResponse>>, Fault> {
    let mut response = Response::new(stream::empty().boxed());
    response.metadata_mut().insert(HEADER, token(metadata.get(HEADER))?);
    Ok(response)
}

fn token(header: Option<&MetadataValue<Ascii>>) -> Result<MetadataValue<Ascii>, Fault> {
    let anonymous = MetadataValue::from_static(ANONYMOUS);
    let Some(header) = header else { return Ok(anonymous) };
    let text = header.to_str().map_err(|_| Fault::Authorization)?;
    match text.split(' ').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "bearer" => Ok(header.clone()),
        "basic" => Ok(anonymous),
        _ => Err(Fault::Authorization),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(header: &'static str) -> Result<String, Fault> {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, MetadataValue::from_static(header));
        let response = accept(&metadata)?;
        Ok(response.metadata().get(HEADER).unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn a_bearer_token_is_returned() {
        assert_eq!(returned("Bearer None").unwrap(), "Bearer None");
    }

    #[test]
    fn a_password_becomes_a_token() {
        assert_eq!(returned("Basic dTpw").unwrap(), "Bearer anonymous");
    }

    #[test]
    fn a_client_without_credentials_gets_a_token() {
        assert!(accept(&MetadataMap::new()).unwrap().metadata().contains_key(HEADER));
    }

    #[test]
    fn another_scheme_is_rejected() {
        assert!(matches!(returned("Negotiate abc"), Err(Fault::Authorization)));
    }
}
