//! A client for the tests of this crate: one request on one connection. It returns what it receives, also if that is not
//! a complete response.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Limits, Options, Running};

/// A response, complete or not.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    fn new(bytes: &[u8]) -> io::Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[cfg(feature = "faults")]
    pub(crate) fn is_complete(&self) -> bool {
        self.header("content-length") == Some(&self.body.len().to_string())
    }
}

/// An account without limits.
pub(crate) async fn start() -> Running {
    start_with(Options::default()).await
}

pub(crate) async fn start_with(options: Options) -> Running {
    let limits = match options.limits == Limits::default() {
        true => Limits::off(),
        false => options.limits,
    };
    Running::start(Options { limits, ..options }).await.unwrap()
}

pub(crate) async fn get(running: &Running, path: &str) -> Reply {
    ask(running, "GET", path, "").await.unwrap()
}

pub(crate) async fn post(running: &Running, path: &str, body: &str) -> Reply {
    ask(running, "POST", path, body).await.unwrap()
}

pub(crate) async fn ask(running: &Running, method: &str, path: &str, body: &str) -> io::Result<Reply> {
    ask_as(running, method, path, body, "authorization: Bearer dop_v1_test\r\n").await
}

pub(crate) async fn ask_as(
    running: &Running,
    method: &str,
    path: &str,
    body: &str,
    headers: &str,
) -> io::Result<Reply> {
    let mut stream = send(running, method, path, body, headers).await?;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    // A reset after half of the response still returns that half.
    Reply::new(&bytes).map_err(|error| read.err().unwrap_or(error))
}

/// Sends a request without reading the response.
pub(crate) async fn send(
    running: &Running,
    method: &str,
    path: &str,
    body: &str,
    headers: &str,
) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(running.address()).await?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: demo.test:80\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}
