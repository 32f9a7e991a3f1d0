//! The lowest layer: one attempt over HTTP.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, RequestBuilder, Response};
use tokio::time::{Instant, timeout};
use tracing::debug;
use url::Url;

use super::response;
use super::{Attempt, Body, Exchange, Fault, Head, Observer, Options, Request, RequestLine, Sent};
use crate::secret::Secret;

/// Sends a request once, with the token, and reads the response to its end, within the timeout of one attempt and the
/// maximum body size. It knows nothing about budgets and other attempts.
#[derive(Debug)]
pub(super) struct Http {
    /// For GETs: keeps connections open.
    get_client: reqwest::Client,
    /// For POSTs: opens a connection for each. A kept connection may be closed by the server at any moment, and a POST
    /// that fails on it may have arrived.
    post_client: reqwest::Client,
    base_url: Url,
    authorization: HeaderValue,
    attempt_timeout: Duration,
    max_body_bytes: usize,
}

impl Http {
    /// Sets up the connections; nothing is sent yet.
    ///
    /// # Errors
    /// [`Fault::Setup`], or [`Fault::NoToken`] for a token that is not a valid header value.
    pub(super) fn try_new(options: &Options, token: &Secret) -> Result<Self, Fault> {
        let get_client = builder(&options.base_url).pool_max_idle_per_host(options.limit.in_flight).build();
        let post_client = builder(&options.base_url).pool_max_idle_per_host(0).retry(reqwest::retry::never()).build();
        Ok(Self {
            get_client: get_client.map_err(Fault::Setup)?,
            post_client: post_client.map_err(Fault::Setup)?,
            base_url: options.base_url.clone(),
            authorization: authorization(token)?,
            attempt_timeout: options.attempt_timeout,
            max_body_bytes: options.max_body_bytes,
        })
    }

    async fn attempt(&self, attempt: Attempt<'_>) -> Result<Body, Fault> {
        let Attempt { request, attempt, observer, .. } = attempt;
        let begin = Instant::now();
        let mut received_head = None;
        let result =
            match timeout(self.attempt_timeout, self.send(request, attempt, observer, &mut received_head)).await {
                Ok(result) => result,
                Err(_) => Err(Fault::Slow { at: request.at(), limit: self.attempt_timeout, attempts: attempt }),
            };
        let connected = !matches!(&result, Err(Fault::Unreachable { cause, .. }) if cause.is_connect());
        observer.sent(Sent { at: request.at(), attempt, connected, head: received_head, duration: begin.elapsed() });
        result
    }

    /// Sends the request and reads the response. `received_head` is set as soon as the status and headers have arrived,
    /// so that they are known even if the timeout drops this future while the body is read.
    async fn send(
        &self,
        request: &Request,
        attempt: u32,
        observer: &mut dyn Observer,
        received_head: &mut Option<Head>,
    ) -> Result<Body, Fault> {
        let at = request.at();
        debug!(method = at.method, path = at.path, attempts = attempt, "sending");
        let response = match self.request_builder(request).send().await {
            Ok(response) => response,
            Err(cause) => return Err(self.no_response(request, attempt, cause.without_url())),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let head = response::head(status, &headers);
        *received_head = Some(head.clone());
        observer.headers_received(response::rate_limit_headers(status, &headers));
        if !status.is_success() {
            return Err(response::error(&read_error_body(response).await, at, status, &headers));
        }
        let bytes = read(response, self.max_body_bytes, &at, attempt).await?;
        response::body(bytes, at, head, &headers, attempt)
    }

    fn request_builder(&self, request: &Request) -> RequestBuilder {
        let url = self.url(request);
        let builder = match request.body() {
            None => self.get_client.get(url),
            Some(body) => self.post_client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_owned()),
        };
        builder.header(AUTHORIZATION, self.authorization.clone())
    }

    fn url(&self, request: &Request) -> Url {
        let mut url = self.base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{}", request.path()));
        if request.parameters().next().is_some() {
            url.query_pairs_mut().extend_pairs(request.parameters());
        }
        url
    }

    /// The fault of a request without a response. A POST may have been executed as soon as there was a connection; for
    /// a GET it makes no difference.
    fn no_response(&self, request: &Request, attempts: u32, cause: reqwest::Error) -> Fault {
        let at = request.at();
        if request.is_post() && !cause.is_connect() {
            return Fault::Cut { at, attempts, cause: Some(cause) };
        }
        Fault::Unreachable { at, host: self.base_url.authority().to_owned(), attempts, cause }
    }
}

impl Exchange for Http {
    fn exchange<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Body, Fault>> {
        self.attempt(attempt).boxed()
    }
}

fn builder(base_url: &Url) -> ClientBuilder {
    // Fails if another part of the process has installed a provider before, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .tcp_nodelay(true);
    if base_url.scheme() == "http" {
        // Plain HTTP is only for loopback: a proxy from the environment would send the token to another host.
        builder = builder.no_proxy();
    }
    builder
}

fn authorization(token: &Secret) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| Fault::NoToken)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(mut response: Response, limit: usize, at: &RequestLine, attempts: u32) -> Result<Bytes, Fault> {
    let mut bytes = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                return Err(Fault::TooLarge { at: at.clone(), limit });
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes.freeze()),
            Err(cause) => return Err(Fault::Cut { at: at.clone(), attempts, cause: Some(cause.without_url()) }),
        }
    }
}

/// The first part of an error's body. If the rest is truncated or endless, the status is enough to report the error.
async fn read_error_body(mut response: Response) -> Bytes {
    const ENOUGH: usize = 64 << 10;
    let mut bytes = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= ENOUGH {
            break;
        }
    }
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::api::rate_limit::RateLimitHeaders;
    use crate::api::scope::a_scope;
    use crate::api::test_double::{get, post};

    /// Records the events of an exchange.
    #[derive(Debug, Default)]
    struct Events {
        headers: Vec<RateLimitHeaders>,
        sent: Vec<Sent>,
    }

    impl Observer for Events {
        fn headers_received(&mut self, headers: RateLimitHeaders) {
            assert!(self.sent.is_empty(), "the head comes before the end");
            self.headers.push(headers);
        }

        fn sent(&mut self, sent: Sent) {
            self.sent.push(sent);
        }
    }

    /// Starts a server that accepts one request, sends this response and closes the connection; with `None` it sends
    /// nothing and never closes it. Returns its URL and a task that returns the head of the request.
    async fn server(answer: Option<&'static str>) -> (Url, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/do/", listener.local_addr().unwrap())).unwrap();
        let serving = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            let Some(answer) = answer else { return std::future::pending().await };
            connection.write_all(answer.as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
            String::from_utf8(head).unwrap().to_lowercase()
        });
        (url, serving)
    }

    fn http(base_url: Url, change: impl FnOnce(&mut Options)) -> Http {
        let mut options = Options::new(base_url, None);
        change(&mut options);
        Http::try_new(&options, &Secret::new("t0ken")).unwrap()
    }

    async fn send(http: &Http, request: &Request) -> (Result<Body, Fault>, Events) {
        let mut events = Events::default();
        let scope = a_scope();
        let result = http.exchange(Attempt { request, scope: &scope, attempt: 3, observer: &mut events }).await;
        (result, events)
    }

    #[test]
    fn the_path_of_the_base_url_is_a_prefix() {
        let http = http(Url::parse("https://proxy.example.com/do/").unwrap(), |_| {});

        let url = http.url(&Request::new("/v2/images".into()).page(3));

        assert_eq!(url.as_str(), "https://proxy.example.com/do/v2/images?page=3&per_page=200");
    }

    #[tokio::test]
    async fn a_request_has_the_token_and_its_response_has_a_body_and_a_head() {
        let answer = "HTTP/1.1 200 OK\r\nx-request-id: 4f1c\r\nratelimit-remaining: 17\r\ncontent-length: 2\r\n\r\n{}";
        let (url, serving) = server(Some(answer)).await;

        let (result, events) = send(&http(url, |_| {}), &get().page(2)).await;

        let head = serving.await.unwrap();
        assert!(head.starts_with("get /do/v2/things?page=2&per_page=200 http/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: bearer t0ken\r\n"), "{head}");
        assert_eq!(result.unwrap().bytes(), b"{}");
        assert!(events.headers[0].accepted);
        assert_eq!(events.headers[0].remaining, Some(17));
        let sent = &events.sent[0];
        assert_eq!((sent.attempt, sent.connected), (3, true));
        assert_eq!(sent.head.as_ref().unwrap().request_id.as_deref(), Some("4f1c"));
    }

    #[tokio::test]
    async fn the_head_of_a_truncated_body_is_reported() {
        let (url, _serving) = server(Some("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"a\":")).await;

        let (result, events) = send(&http(url, |_| {}), &get()).await;

        assert!(matches!(result, Err(Fault::Cut { attempts: 3, cause: Some(_), .. })), "{result:?}");
        assert_eq!((events.headers.len(), events.sent.len()), (1, 1));
        assert_eq!(events.sent[0].head.as_ref().unwrap().status, 200);
    }

    #[tokio::test]
    async fn the_pause_of_a_429_is_reported() {
        let (url, _serving) = server(Some("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n")).await;

        let (result, events) = send(&http(url, |_| {}), &get()).await;

        assert!(matches!(result, Err(Fault::Status { status: 429, .. })), "{result:?}");
        assert!(!events.headers[0].accepted);
        assert_eq!(events.headers[0].pause, Some(Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn reading_stops_at_the_maximum_body_size() {
        let (url, _serving) = server(Some("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"a\": 12345}")).await;

        let (result, _) = send(&http(url, |options| options.max_body_bytes = 11), &get()).await;

        assert!(matches!(result, Err(Fault::TooLarge { limit: 11, .. })), "{result:?}");
    }

    #[tokio::test]
    async fn an_attempt_ends_at_its_timeout_and_is_reported_without_a_head() {
        let (url, _serving) = server(None).await;
        let limit = Duration::from_millis(50);

        let (result, events) = send(&http(url, |options| options.attempt_timeout = limit), &get()).await;

        assert!(matches!(result, Err(Fault::Slow { attempts: 3, .. })), "{result:?}");
        assert!(events.headers.is_empty());
        assert!(events.sent[0].head.is_none());
    }

    #[tokio::test]
    async fn a_connection_that_fails_is_distinguished_from_one_that_breaks() {
        // Binds a port, so that no other process listens on it, without listening.
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let unreachable = Url::parse(&format!("http://{}", bound.local_addr().unwrap())).unwrap();
        for request in [get(), post()] {
            let (unanswered, events) = send(&http(unreachable.clone(), |_| {}), &request).await;
            assert!(matches!(unanswered, Err(Fault::Unreachable { attempts: 3, .. })), "{unanswered:?}");
            assert!(!events.sent[0].connected);

            let (url, _serving) = server(Some("")).await;
            let (broken, events) = send(&http(url, |_| {}), &request).await;
            match broken.unwrap_err() {
                Fault::Unreachable { .. } => assert!(!request.is_post()),
                Fault::Cut { .. } => assert!(request.is_post(), "it may have been executed"),
                other => panic!("{other}"),
            }
            assert!(events.sent[0].connected);
        }
    }
}
