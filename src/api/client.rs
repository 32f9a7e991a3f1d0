//! The topmost layer: one account's connection to the API. It puts the layers together.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::timeout_at;
use url::Url;

use super::base_url::check_base_url;
use super::budget_layer::Budgeted;
use super::http_layer::Http;
use super::rate_limit::Limiter;
use super::retry_layer::Retrying;
use super::{Attempt, Body, Budgets, Exchange, Fault, Request, RequestScope, Sent, rate_limit, retry};
use crate::secret::Secret;

/// The settings of a [`Client`].
#[derive(Clone, Debug)]
pub struct Options {
    /// `https://api.digitalocean.com`; its path, if any, is a prefix of every request's path.
    pub base_url: Url,
    /// The account's token. It is sent only to the host of the base URL.
    pub token: Option<Secret>,
    /// Timeout of one attempt, to the last byte of the body.
    pub attempt_timeout: Duration,
    /// Maximum size of a body, decompressed.
    pub max_body_bytes: usize,
    /// Which requests are retried, and when.
    pub retry: retry::Options,
    /// The budget of the token. If another client of the token has other limits, the stricter ones apply.
    pub limit: rate_limit::Options,
    /// Fixes the random part of pauses, for tests.
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
            limit: rate_limit::Options::default(),
            seed: None,
        }
    }

    /// Sets the token, for tests outside this module.
    #[cfg(test)]
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(Secret::new(token)), ..self }
    }
}

/// A connection to the API: the topmost layer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<dyn Exchange>);

impl Client {
    /// Sets up the connection; nothing is sent yet. All clients of a process must be created with the same `budgets`.
    ///
    /// # Errors
    /// [`Fault::BaseUrl`], [`Fault::Insecure`], [`Fault::Setup`], or [`Fault::NoToken`] for a token that is not a valid
    /// header value.
    pub fn try_new(options: Options, budgets: &Budgets) -> Result<Self, Fault> {
        check_base_url(&options)?;
        let Some(token) = &options.token else { return Ok(Self::over(WithoutToken)) };
        let http = Http::try_new(&options, token)?;
        let limiter = budgets.limiter(&options.base_url, token, &options.limit);
        // A cache would be one more layer here, around the others: it only gets the whole bodies of successful
        // responses, and a hit costs no request and no place in the budget. It must not serve requests that are
        // repeated on purpose: AWAIT's polls, a page that is read again, the list of actions after a lost POST.
        Ok(Self::over(layers(http, limiter, &options)))
    }

    /// A client over this layer, such as a cache or a test double.
    pub fn over(layer: impl Exchange + 'static) -> Self {
        Self(Arc::new(layer))
    }

    /// Sends a GET, with retries, within the limits of the query.
    ///
    /// Dropping the future drops the request. A request that was sent still counts against the budget.
    ///
    /// # Errors
    /// Every [`Fault`] except those of [`Client::try_new`].
    pub async fn get(&self, request: &Request, scope: &RequestScope) -> Result<Body, Fault> {
        let attempt = Attempt { request, scope, attempt: 1, observer: &mut |_| {} };
        match timeout_at(scope.query.deadline(), self.0.exchange(attempt)).await {
            Ok(result) => result,
            Err(_) => Err(Fault::QueryTimeout { at: request.at(), limit: scope.query.limits().timeout }),
        }
    }

    /// Sends a POST with the JSON text `body`. It is retried only if it was certainly not executed
    /// ([`Fault::may_have_been_executed`]). `path` must be percent-encoded. `sent` is called after each attempt.
    ///
    /// The query's timeout does not apply: the wait for the budget and the attempt timeout bound it. If the future is
    /// dropped, the outcome of the POST is unknown.
    ///
    /// # Errors
    /// Every [`Fault`] except those of [`Client::try_new`].
    pub async fn post(
        &self,
        path: &str,
        body: &str,
        scope: &RequestScope,
        mut sent: impl FnMut(Sent) + Send,
    ) -> Result<Body, Fault> {
        let request = Request::post(path.to_owned(), body.to_owned());
        self.0.exchange(Attempt { request: &request, scope, attempt: 1, observer: &mut sent }).await
    }
}

/// The layers between the client and the lowest one, `http`.
pub(super) fn layers<E: Exchange>(http: E, limiter: Arc<Limiter>, options: &Options) -> Retrying<Budgeted<E>> {
    Retrying::new(Budgeted::new(http, limiter), options.retry.clone(), options.seed)
}

/// Replaces all layers if there is no token: nothing is counted or sent.
#[derive(Debug)]
struct WithoutToken;

impl Exchange for WithoutToken {
    fn exchange<'a>(&'a self, _: Attempt<'a>) -> BoxFuture<'a, Result<Body, Fault>> {
        ready(Err(Fault::NoToken)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::*;
    use crate::api::scope::a_scope;
    use crate::api::test_double::{Double, Step, get};
    use crate::error::{Failure, Kind};

    fn client(url: &str, token: Option<&str>) -> Result<Client, Fault> {
        Client::try_new(Options::new(Url::parse(url).unwrap(), token.map(Secret::new)), &Budgets::default())
    }

    #[test]
    fn a_token_is_sent_over_plain_http_only_to_loopback() {
        assert!(client("http://127.0.0.1:8080", Some("t")).is_ok());
        assert!(client("http://[::1]:8080", Some("t")).is_ok());
        assert!(client("http://localhost", Some("t")).is_ok());
        assert!(client("https://api.digitalocean.com", Some("t")).is_ok());
        for url in ["http://api.digitalocean.com", "http://localhost.example.com", "http://10.0.0.1"] {
            assert_eq!(client(url, Some("t")).unwrap_err().kind(), Kind::FailedPrecondition, "{url}");
        }
    }

    #[test]
    fn an_invalid_base_url_is_an_error_without_its_password() {
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

    #[tokio::test(start_paused = true)]
    async fn the_querys_timeout_applies_to_a_get_and_not_to_a_post() {
        let double = Double::always(|| Step::body().lasting(Duration::from_secs(400)));
        let client = Client::over(Arc::clone(&double));
        let scope = a_scope();

        let fault = client.get(&get(), &scope).await.unwrap_err();
        let posted = client.post("/v2/things", "{}", &scope, |_| {}).await;

        assert!(matches!(fault, Fault::QueryTimeout { limit, .. } if limit == Duration::from_secs(300)), "{fault}");
        assert!(posted.is_ok());
        assert_eq!(double.attempts(), [1, 1]);
    }

    #[tokio::test]
    async fn a_post_reports_each_attempt() {
        let client = Client::over(Double::in_turn([Step::body()]));
        let mut sent = Vec::new();

        client.post("/v2/things", "{}", &a_scope(), |each| sent.push(each)).await.unwrap();

        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].at.to_string(), "POST /v2/things");
    }

    #[tokio::test]
    async fn without_a_token_nothing_is_counted() {
        let client = client("https://api.digitalocean.com", None).unwrap();
        let scope = a_scope();

        let fault = client.get(&get(), &scope).await.unwrap_err();

        assert!(matches!(fault, Fault::NoToken), "{fault}");
        assert_eq!(scope.counts.requests.get(), 0);
    }

    /// A layer that keeps the bodies of GETs in memory.
    #[derive(Debug)]
    struct Cache<E> {
        bodies: Mutex<HashMap<String, Body>>,
        below: E,
    }

    impl<E: Exchange> Exchange for Cache<E> {
        fn exchange<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Body, Fault>> {
            let (path, is_post) = (attempt.request.at().path, attempt.request.is_post());
            let known = self.bodies.lock().unwrap().get(&path).filter(|_| !is_post).cloned();
            match known {
                Some(body) => ready(Ok(body)).boxed(),
                None => {
                    let keep = move |body: &Body| drop(self.bodies.lock().unwrap().insert(path, body.clone()));
                    self.below.exchange(attempt).map(|result| result.inspect(keep)).boxed()
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cache_layer_only_gets_whole_bodies() {
        let double = Double::in_turn([Step::status(503), Step::body()]);
        let options = Options::new("https://a.b".parse().unwrap(), None);
        let layers = layers(Arc::clone(&double), Limiter::new(options.limit.clone()), &options);
        let client = Client::over(Cache { bodies: Mutex::default(), below: layers });
        let scope = a_scope();

        for _ in 0..3 {
            client.get(&get(), &scope).await.unwrap();
        }

        assert_eq!(double.attempts(), [1, 2]);
        assert_eq!(scope.counts.requests.get(), 2);
    }
}
