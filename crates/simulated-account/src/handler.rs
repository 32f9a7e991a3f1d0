//! From an HTTP request to its response: checks the token and the rate limit, applies faults, calls the API.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;

use crate::account::Account;
#[cfg(not(feature = "faults"))]
use crate::api;
#[cfg(feature = "faults")]
use crate::faults::{self, Broken, InFlight};
use crate::request::ApiRequest;
use crate::response::ApiResponse;

/// More than any body that this API accepts.
const LONGEST_BODY_BYTES: usize = 1 << 20;

/// How the server ends a request.
pub(crate) enum Outcome {
    Response(ApiResponse),
    #[cfg(feature = "faults")]
    Broken(Broken),
}

/// Handles every request to the server.
pub(crate) async fn handle(State(account): State<Account>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LONGEST_BODY_BYTES).await.unwrap_or_default();
    #[cfg(feature = "faults")]
    if let Some(path) = parts.uri.path().strip_prefix("/_demo/") {
        return faults::control(&account, parts.method.as_str(), path, &body);
    }
    let request = ApiRequest::new(&parts, body);
    #[cfg(feature = "faults")]
    let in_flight = InFlight::begin(&account, &request);
    let outcome = outcome(&account, &request).await;
    #[cfg(feature = "faults")]
    in_flight.record(&outcome);
    let rate_limit = account.rate_limit_status(request.token.as_deref().unwrap_or(""));
    match outcome {
        Outcome::Response(response) => response.into_http(rate_limit).map(Body::from),
        #[cfg(feature = "faults")]
        Outcome::Broken(broken) => broken.send(&parts, rate_limit).await,
    }
}

async fn outcome(account: &Account, request: &ApiRequest) -> Outcome {
    let admitted = admit(account, request);
    let latency = account.options().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if let Err(refusal) = admitted {
        return Outcome::Response(refusal);
    }
    let effects = account.faults().effects_for(&request.method, &request.path, request.page);
    #[cfg(feature = "faults")]
    faults::before(account, request, &effects).await;
    if let Some(response) = effects.iter().find_map(|effect| effect.response()) {
        return Outcome::Response(response);
    }
    #[cfg(feature = "faults")]
    return faults::outcome(account, request, &effects);
    #[cfg(not(feature = "faults"))]
    Outcome::Response(api::respond(account, request))
}

/// Whether the token is valid and has requests left.
fn admit(account: &Account, request: &ApiRequest) -> Result<(), ApiResponse> {
    let options = account.options();
    let token = request.token.as_deref().ok_or_else(|| ApiResponse::refusal(401))?;
    if options.token.as_deref().is_some_and(|own| own != token) {
        return Err(ApiResponse::refusal(401));
    }
    account.admit(token).map_err(|wait| {
        let refusal = ApiResponse::refusal(429);
        match options.retry_after {
            true => refusal.with_header("retry-after", whole_seconds(wait).to_string()),
            false => refusal,
        }
    })
}

fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(not(feature = "faults"))]
    use crate::client::{ask, start};
    use crate::client::{ask_as, get, start_with};
    use crate::{Limits, Options};

    #[tokio::test]
    async fn a_request_without_the_token_is_refused() {
        let options = Options { token: Some("right".to_owned()), ..Options::default() };
        let demo = start_with(options).await;
        let status =
            async |header: &str| ask_as(&demo, "GET", "/v2/images", "", header).await.expect("a response").status;

        assert_eq!(status("").await, 401);
        assert_eq!(status("authorization: Bearer \r\n").await, 401);
        assert_eq!(status("authorization: Basic right\r\n").await, 401);
        assert_eq!(status("authorization: Bearer wrong\r\n").await, 401);
        assert_eq!(status("authorization: Bearer right\r\n").await, 200);
        #[cfg(feature = "faults")]
        assert_eq!(
            demo.account().requests().iter().map(|one| one.authorized).collect::<Vec<_>>(),
            [false, true, true, true, true]
        );
    }

    #[tokio::test]
    async fn every_response_has_the_rate_limit_headers() {
        let limits = Limits { per_minute: 2, ..Limits::default() };
        let demo = start_with(Options { limits, ..Options::default() }).await;

        get(&demo, "/v2/images").await;
        let last = get(&demo, "/v2/nothing").await;
        let refused = get(&demo, "/v2/images").await;

        assert_eq!((last.header("ratelimit-limit"), last.header("ratelimit-remaining")), (Some("5000"), Some("4998")));
        assert!(last.header("ratelimit-reset").is_some());
        assert_eq!((refused.status, refused.json()["id"].as_str()), (429, Some("too_many_requests")));
        assert!((1..=60).contains(&refused.header("retry-after").unwrap().parse::<u64>().unwrap()));
        assert_eq!(refused.header("ratelimit-remaining"), Some("4998"));
        #[cfg(feature = "faults")]
        assert_eq!(demo.account().refused(), 1);
    }

    #[tokio::test]
    async fn limits_are_counted_for_each_token() {
        let limits = Limits { per_minute: 1, ..Limits::default() };
        let demo = start_with(Options { limits, retry_after: false, ..Options::default() }).await;
        let other = "authorization: Bearer other\r\n";

        get(&demo, "/v2/images").await;

        assert_eq!(ask_as(&demo, "GET", "/v2/images", "", other).await.unwrap().status, 200);
        let refused = get(&demo, "/v2/images").await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    }

    #[cfg(not(feature = "faults"))]
    #[tokio::test]
    async fn without_the_feature_faults_control_paths_are_unknown_paths() {
        let demo = start().await;

        let control = ask(&demo, "POST", "/_demo/faults", "hang").await.unwrap();
        let unknown = ask(&demo, "POST", "/unknown", "hang").await.unwrap();
        let anonymous = ask_as(&demo, "GET", "/_demo/requests", "", "").await.unwrap();

        assert_eq!((control.status, unknown.status, anonymous.status), (404, 404, 401));
        assert_eq!(
            (&control.json()["id"], &control.json()["message"]),
            (&unknown.json()["id"], &unknown.json()["message"])
        );
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::from_millis(3)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
    }
}
