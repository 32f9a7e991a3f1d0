//! What a connection begins with, and what a client is told that does not speak HTTP/2 without TLS.
//!
//! The usual mistakes when a user connects for the first time: JDBC encrypts unless it is told not to, and a browser or curl
//! speaks HTTP/1. Without an answer, the one fails with "connection closed" and the other with "empty reply".

use tokio::net::TcpStream;
use tracing::warn;

/// A protocol that is not HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherProtocol {
    Tls,
    Http1,
}

impl OtherProtocol {
    /// From the first bytes of a connection. `None`: HTTP/2, or what will be an error of it.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        /// The type of a TLS record with a handshake.
        const TLS_HANDSHAKE: u8 = 22;
        const METHODS: [&[u8]; 8] =
            [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT "];
        if bytes.first() == Some(&TLS_HANDSHAKE) {
            return Some(Self::Tls);
        }
        METHODS.iter().any(|method| bytes.starts_with(method)).then_some(Self::Http1)
    }

    /// Logs what is wrong, and answers a client that understands an answer.
    pub(super) fn refuse(self, stream: &TcpStream) {
        let peer = stream.peer_addr().map_or_else(|_| "unknown".to_owned(), |peer| peer.to_string());
        drain(stream);
        match self {
            Self::Tls => warn!(
                peer,
                "a client begins TLS, and this server has none: connect with `grpc://`, in JDBC with `useEncryption=false`"
            ),
            Self::Http1 => {
                warn!(peer, "a client speaks HTTP/1: this is a server for clients of Arrow Flight SQL");
                // The buffer of a new connection has room for it. If not, the client gets no answer.
                let _ = stream.try_write(ANSWER.as_bytes());
            }
        }
    }
}

/// Reads what the client has sent. What is not read makes the system drop the answer, and reset the connection, when it is
/// closed.
fn drain(stream: &TcpStream) {
    /// What is after this times 4 KiB is not read.
    const MAX_READS: usize = 16;
    let mut bytes = [0; 4 << 10];
    for _ in 0..MAX_READS {
        if !matches!(stream.try_read(&mut bytes), Ok(read) if read > 0) {
            return;
        }
    }
}

/// The length is that of the text, which a test checks.
const ANSWER: &str = "HTTP/1.1 426 Upgrade Required\r\n\
    Upgrade: h2c\r\n\
    Connection: Upgrade, close\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 180\r\n\
    \r\n\
    This is an Arrow Flight SQL server: gRPC over HTTP/2, without TLS.\n\
    Connect with a client for it: grpc://HOST:PORT, or in JDBC\n\
    jdbc:arrow-flight-sql://HOST:PORT?useEncryption=false\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_seen_in_the_first_bytes() {
        assert_eq!(OtherProtocol::of(b"PRI * HTTP/2.0\r\n"), None);
        assert_eq!(OtherProtocol::of(&[22, 3, 1, 2]), Some(OtherProtocol::Tls));
        assert_eq!(OtherProtocol::of(b"GET / HTTP/1.1\r\n"), Some(OtherProtocol::Http1));
        assert_eq!(OtherProtocol::of(b"\0"), None);
    }

    #[test]
    fn the_answer_has_the_length_that_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").unwrap();

        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
