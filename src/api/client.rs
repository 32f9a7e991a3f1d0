//! One account's connection: requests in, bodies out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::Utc;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, RequestBuilder, Response};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, warn};
use url::Url;

use super::answer::{body, head, refusal, told};
use super::base_url::check_base_url;
use super::body::Head;
use super::limit::{Limiter, Permit, TooLong};
use super::{Body, Fault, QueryContext, Request, SentEnough, Where, limit, retry};
use crate::secret::Secret;

/// How a [`Client`] asks, and whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// `https://api.digitalocean.com`; a path in it comes before the request's.
    pub base_url: Url,
    /// The account's token. It goes to the base URL's host alone.
    pub token: Option<Secret>,
    /// What one attempt may take, to the last byte of the body.
    pub attempt_timeout: Duration,
    /// The largest body that is read, unpacked.
    pub max_body_bytes: usize,
    /// What is sent again, and when.
    pub retry: retry::Options,
    /// The account's budget.
    pub limit: limit::Options,
    /// Where the jitter of pauses starts from; tests fix it.
    pub seed: Option<u64>,
}

impl Options {
    /// The defaults: 60 s an attempt, 64 MiB a body, 4 attempts, DigitalOcean's limits.
    pub fn new(base_url: Url, token: Option<Secret>) -> Self {
        Self {
            base_url,
            token,
            attempt_timeout: Duration::from_secs(60),
            max_body_bytes: 64 << 20,
            retry: retry::Options::default(),
            limit: limit::Options::default(),
            seed: None,
        }
    }

    /// With a token, for the tests of layers that have nothing to do with secrets.
    #[cfg(test)]
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(Secret::new(token)), ..self }
    }
}

/// A request that was sent once, and how that went.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The request.
    pub at: Where,
    /// Which time it was, from 1.
    pub attempt: u32,
    /// Whether there was a connection to send it over.
    pub connected: bool,
    /// What stood above the answer, also of one whose body did not arrive.
    pub head: Option<Head>,
    /// From sending to the last byte of the answer.
    pub duration: Duration,
}

/// A connection to the API: connections that are kept, the token, the budget. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    /// For POSTs, each of which opens a connection: of one that was kept nobody knows whether it is still good, and a
    /// POST that fails on it may have left.
    once: reqwest::Client,
    options: Options,
    authorization: Option<HeaderValue>,
    limiter: Arc<Limiter>,
    dice: Mutex<fastrand::Rng>,
}

/// One attempt that gave no body.
pub(super) enum Attempt {
    /// No other attempt would go better.
    Final(Fault),
    /// It may go better next time.
    Passing(Fault),
    /// The API named the pause before the next, which the budget keeps.
    Paused(Duration, Box<Fault>),
}

impl Client {
    /// Sets up the connection; nothing is sent yet.
    ///
    /// # Errors
    /// A base URL that is none, or that a token must not be sent to.
    pub fn try_new(options: Options) -> Result<Self, Fault> {
        check_base_url(&options)?;
        let http = http_client(&options).pool_max_idle_per_host(options.limit.in_flight).build();
        let once = http_client(&options).pool_max_idle_per_host(0).retry(reqwest::retry::never()).build();
        let (http, once) = (http.map_err(Fault::Setup)?, once.map_err(Fault::Setup)?);
        let authorization = options.token.as_ref().map(authorization).transpose()?;
        let limiter = Limiter::new(options.limit.clone());
        let dice = Mutex::new(options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed));
        Ok(Self(Arc::new(Inner { http, once, options, authorization, limiter, dice })))
    }

    /// Sends a GET until it is answered, within the limits of the query.
    ///
    /// Dropping the future drops the request; what was sent still counts.
    ///
    /// # Errors
    /// Every [`Fault`] but those of [`Client::try_new`].
    pub async fn get(&self, request: &Request, query: &QueryContext) -> Result<Body, Fault> {
        let answered = timeout_at(query.deadline(), self.until_answered(request, query, &mut |_| {})).await;
        answered.unwrap_or_else(|_| Err(Fault::QueryTimeout { at: request.at(), limit: query.timeout }))
    }

    /// Sends a POST of `body`, JSON, until it is answered, but never after it may have been carried out
    /// ([`Fault::may_have_been_carried_out`]). `path` is percent-encoded already. `sent` hears of each time.
    ///
    /// The query's time is not its own: it ends with the budget's patience and the attempts'. A future that is
    /// dropped leaves a POST of which nobody knows.
    ///
    /// # Errors
    /// Every [`Fault`] but those of [`Client::try_new`].
    pub async fn post(
        &self,
        path: &str,
        body: &str,
        query: &QueryContext,
        mut sent: impl FnMut(Sent) + Send,
    ) -> Result<Body, Fault> {
        let request = Request::post(path.to_owned(), body.to_owned());
        self.until_answered(&request, query, &mut sent).await
    }

    async fn until_answered(
        &self,
        request: &Request,
        query: &QueryContext,
        sent: &mut (dyn FnMut(Sent) + Send),
    ) -> Result<Body, Fault> {
        let mut attempts = 1;
        let mut paused = Duration::ZERO;
        loop {
            let (fault, pause) = match self.attempt(request, query, attempts, sent).await {
                Ok(body) => return Ok(body),
                Err(Attempt::Final(fault)) => return Err(fault),
                Err(Attempt::Passing(fault)) if attempts >= self.0.options.retry.attempts => return Err(fault),
                Err(Attempt::Passing(fault)) if request.body().is_some() && fault.may_have_been_carried_out() => {
                    return Err(fault);
                }
                Err(Attempt::Passing(fault)) => {
                    attempts += 1;
                    (fault, self.pause(attempts - 1))
                }
                Err(Attempt::Paused(pause, fault)) => {
                    paused += pause;
                    if paused > query.max_wait {
                        return Err(self.used_up(request, query, TooLong { wait: pause }));
                    }
                    (*fault, Duration::ZERO)
                }
            };
            warn!(path = request.at().path, attempts, pause_ms = pause.as_millis(), error = %fault, "sending again");
            query.count(|counts| &counts.retries, 1);
            sleep(pause).await;
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        let dice = self.0.dice.lock().expect("nothing panics while it is held").f64();
        self.0.options.retry.pause(failures, dice)
    }

    async fn attempt(
        &self,
        request: &Request,
        query: &QueryContext,
        attempts: u32,
        sent: &mut (dyn FnMut(Sent) + Send),
    ) -> Result<Body, Attempt> {
        let Inner { options, limiter, .. } = self.0.as_ref();
        if self.0.authorization.is_none() {
            return Err(Attempt::Final(Fault::NoToken));
        }
        let enough = |SentEnough { most, needed }| Fault::TooManyRequests { at: request.at(), most, needed };
        query.has_requests_left().map_err(|sent| Attempt::Final(enough(sent)))?;
        let queued = Instant::now();
        let permit = limiter.acquire(query.max_wait).await;
        query.count(|counts| &counts.waited_ms, usize::try_from(queued.elapsed().as_millis()).unwrap_or(usize::MAX));
        let mut permit = permit.map_err(|too_long| Attempt::Final(self.used_up(request, query, too_long)))?;
        if let Err(sent) = query.one_more_request() {
            permit.not_sent();
            return Err(Attempt::Final(enough(sent)));
        }
        let begin = Instant::now();
        let mut head = None;
        let answered = timeout(options.attempt_timeout, self.send(request, permit, attempts, &mut head)).await;
        let answered = answered.unwrap_or_else(|_| {
            let fault = Fault::Slow { at: request.at(), limit: options.attempt_timeout, attempts };
            Err(Attempt::Passing(fault))
        });
        let connected = !matches!(&answered, Err(Attempt::Passing(Fault::Unreachable { .. })));
        sent(Sent { at: request.at(), attempt: attempts, connected, head, duration: begin.elapsed() });
        answered
    }

    fn used_up(&self, request: &Request, query: &QueryContext, TooLong { wait }: TooLong) -> Fault {
        let returns = Utc::now() + chrono::Duration::from_std(wait).unwrap_or(chrono::Duration::zero());
        Fault::Budget { at: request.at(), returns, wait, max_wait: query.max_wait }
    }

    /// Sends once, and reads the answer to its end. The permit is given back right after that.
    /// What stands above the answer is in `above` as soon as it is there.
    async fn send(
        &self,
        request: &Request,
        mut permit: Permit,
        attempts: u32,
        above: &mut Option<Head>,
    ) -> Result<Body, Attempt> {
        let at = request.at();
        debug!(method = at.method, path = at.path, attempts, "sending");
        let response = self.sending(request).send().await.map_err(|cause| {
            let connected = !cause.is_connect();
            if !connected {
                permit.not_sent();
            }
            let (at, cause) = (at.clone(), cause.without_url());
            Attempt::Passing(match request.body() {
                Some(_) if connected => Fault::Cut { at, attempts, cause: Some(cause) },
                _ => Fault::Unreachable { at, host: self.0.options.base_url.authority().to_owned(), attempts, cause },
            })
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let pause = permit.answered(told(status, &headers));
        let head = head(status, &headers);
        *above = Some(head.clone());
        if !status.is_success() {
            let bytes = read_some(response).await;
            drop(permit);
            return Err(refusal(&bytes, at, status, &headers, pause));
        }
        let bytes = read(response, self.0.options.max_body_bytes, &at, attempts).await?;
        drop(permit);
        body(bytes, at, head, &headers, attempts)
    }

    fn sending(&self, request: &Request) -> RequestBuilder {
        let url = self.url(request);
        let sending = match request.body() {
            None => self.0.http.get(url),
            Some(body) => self.0.once.post(url).header(CONTENT_TYPE, "application/json").body(body.to_owned()),
        };
        match &self.0.authorization {
            Some(authorization) => sending.header(AUTHORIZATION, authorization.clone()),
            None => sending,
        }
    }

    fn url(&self, request: &Request) -> Url {
        let mut url = self.0.options.base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{}", request.path()));
        if request.parameters().next().is_some() {
            url.query_pairs_mut().extend_pairs(request.parameters());
        }
        url
    }
}

fn http_client(options: &Options) -> ClientBuilder {
    // Another part of the process may have chosen a provider before; that one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .tcp_nodelay(true);
    if options.base_url.scheme() == "http" {
        // Plain http is for loopback: a proxy from the environment would carry the token elsewhere.
        builder = builder.no_proxy();
    }
    builder
}

fn authorization(token: &Secret) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| Fault::NoToken)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(mut response: Response, limit: usize, at: &Where, attempts: u32) -> Result<Bytes, Attempt> {
    let mut bytes = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                return Err(Attempt::Final(Fault::TooLarge { at: at.clone(), limit }));
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes.freeze()),
            Err(cause) => {
                let cause = Some(cause.without_url());
                return Err(Attempt::Passing(Fault::Cut { at: at.clone(), attempts, cause }));
            }
        }
    }
}

/// What there is of an error's body. The status has said what matters, also where the rest is cut or endless.
async fn read_some(mut response: Response) -> Bytes {
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
    use super::*;
    use crate::error::{Failure, Kind};

    fn client(url: &str, token: Option<&str>) -> Result<Client, Fault> {
        Client::try_new(Options::new(Url::parse(url).unwrap(), token.map(Secret::new)))
    }

    #[test]
    fn a_token_goes_over_plain_http_to_loopback_alone() {
        assert!(client("http://127.0.0.1:8080", Some("t")).is_ok());
        assert!(client("http://[::1]:8080", Some("t")).is_ok());
        assert!(client("http://localhost", Some("t")).is_ok());
        assert!(client("https://api.digitalocean.com", Some("t")).is_ok());
        for url in ["http://api.digitalocean.com", "http://localhost.example.com", "http://10.0.0.1"] {
            assert_eq!(client(url, Some("t")).unwrap_err().kind(), Kind::FailedPrecondition, "{url}");
        }
    }

    #[test]
    fn a_base_url_that_cannot_be_meant_is_refused_without_its_password() {
        for url in [
            "ftp://api.digitalocean.com",
            "https://me:secret@api.digitalocean.com",
            "https://a.b/?x=1",
            "https://a.b/#c",
        ] {
            let fault = client(url, None).unwrap_err();
            assert_eq!(fault.kind(), Kind::InvalidArgument, "{url}");
            assert!(!fault.to_string().contains("secret"), "{fault}");
        }
    }

    #[test]
    fn the_token_is_in_no_debug_text() {
        let client = client("https://api.digitalocean.com", Some("dop_v1_hidden")).unwrap();

        assert!(!format!("{client:?}").contains("hidden"));
    }

    #[test]
    fn a_base_url_may_have_a_path_of_its_own() {
        let client = client("https://proxy.example.com/do/", None).unwrap();

        let url = client.url(&Request::new("/v2/images".into()).page(3));

        assert_eq!(url.as_str(), "https://proxy.example.com/do/v2/images?page=3&per_page=200");
    }
}
