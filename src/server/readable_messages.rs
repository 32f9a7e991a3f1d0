//! Error messages that Node's client shows as they are.
//!
//! A message is percent-encoded in the header `grpc-message`. tonic encodes `?` and `#`, too, which gRPC does not require, and
//! grpc-js does not decode these two: it decodes with `decodeURI`. So they are sent as they are.

use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Response};

/// The header, or trailer, of an error's message.
const MESSAGE: &str = "grpc-message";

/// The response with the messages in its headers and trailers as grpc-js reads them.
pub(super) fn readable_messages(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    make_readable(&mut head.headers);
    let body = body.map_frame(|mut frame| {
        if let Some(trailers) = frame.trailers_mut() {
            make_readable(trailers);
        }
        frame
    });
    Response::from_parts(head, Body::new(body))
}

fn make_readable(headers: &mut HeaderMap) {
    let Some(message) = headers.get_mut(MESSAGE) else { return };
    // A percent sign of the message itself is `%25`, so these are no part of another escape.
    let readable = message.to_str().map(|encoded| encoded.replace("%3F", "?").replace("%23", "#"));
    if let Some(readable) = readable.ok().and_then(|readable| HeaderValue::from_str(&readable).ok()) {
        *message = readable;
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[tokio::test]
    async fn questions_and_hashes_are_sent_as_they_are_in_headers_and_trailers() {
        let status = Status::invalid_argument("why? #1 is 100%3F, ü");
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        let body = Body::new(http_body_util::Empty::new().with_trailers(async move { Some(Ok(trailers)) }));
        let mut response = Response::new(body);
        status.add_header(response.headers_mut()).unwrap();

        let (head, body) = readable_messages(response).into_parts();

        let trailers = body.collect().await.unwrap().trailers().cloned().unwrap();
        for headers in [head.headers, trailers] {
            assert_eq!(headers[MESSAGE], "why?%20#1%20is%20100%253F,%20%C3%BC");
            assert_eq!(Status::from_header_map(&headers).unwrap().message(), "why? #1 is 100%3F, ü");
        }
    }
}
