//! Sends a part of a response, or more than the response.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, Response};
use bytes::Bytes;
use futures::stream::{self, Stream};

/// How the body of a response is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The first half, as a complete response.
    Truncated,
    /// The first half, then the connection closes.
    Cut,
    /// Byte by byte with this interval, without end.
    Drip(Duration),
}

impl Delivery {
    pub(crate) fn send(self, response: Response<Bytes>) -> Response<Body> {
        let (mut head, bytes) = response.into_parts();
        let half = bytes.slice(..bytes.len() / 2);
        let body = match self {
            Self::Truncated => Body::from(half),
            Self::Cut => {
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                Body::from_stream(cut(half))
            }
            Self::Drip(interval) => Body::from_stream(drip(bytes, interval)),
        };
        Response::from_parts(head, body)
    }
}

fn cut(half: Bytes) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some(half), |half| async {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
            _ => {
                // Lets the server send the first half: an error discards what is not sent yet.
                tokio::task::yield_now().await;
                Some((Err(io::ErrorKind::ConnectionReset.into()), None))
            }
        }
    })
}

fn drip(bytes: Bytes, interval: Duration) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(0, move |sent| {
        // After the body come spaces, any number of which JSON allows.
        let byte = bytes.get(sent..=sent).map_or(Bytes::from_static(b" "), Bytes::copy_from_slice);
        async move {
            tokio::time::sleep(interval).await;
            Some((Ok(byte), sent + 1))
        }
    })
}
