//! The errors between a request and a body.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use humantime::format_duration;

use super::RequestLine;
use crate::error::{Failure, Kind};

/// A request that failed, or that was not sent.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The API answered with an error.
    #[error("{}", status_text(.at, *.status, .id.as_deref(), .message.as_deref(), .request_id.as_deref()))]
    Status {
        /// The request.
        at: RequestLine,
        /// The HTTP status.
        status: u16,
        /// DigitalOcean's short name of the error, such as `not_found`, if the body has one.
        id: Option<String>,
        /// DigitalOcean's message.
        message: Option<String>,
        /// The id of the request, for DigitalOcean's support.
        request_id: Option<String>,
    },
    /// A 3xx. Redirects are not followed: the token must not be sent to another host.
    #[error("{}", redirect_text(.at, *.status, .location.as_deref()))]
    Redirect {
        /// The request.
        at: RequestLine,
        /// The HTTP status.
        status: u16,
        /// The `location` header.
        location: Option<String>,
    },
    /// No response: the connection could not be established, or was lost before one.
    #[error("`{host}` cannot be reached for {at} ({})", Attempts(*.attempts))]
    Unreachable {
        /// The request.
        at: RequestLine,
        /// The host.
        host: String,
        /// The number of attempts.
        attempts: u32,
        /// The HTTP client's error, without the URL.
        #[source]
        cause: reqwest::Error,
    },
    /// The response ended early.
    #[error("the response to {at} was cut off ({})", Attempts(*.attempts))]
    Cut {
        /// The request.
        at: RequestLine,
        /// The number of attempts.
        attempts: u32,
        /// The HTTP client's error; `None` if the body is complete for HTTP, but not as JSON.
        #[source]
        cause: Option<reqwest::Error>,
    },
    /// No attempt got a response within its timeout.
    #[error("{at} got no response within {} ({})", format_duration(*.limit), Attempts(*.attempts))]
    Slow {
        /// The request.
        at: RequestLine,
        /// The timeout of an attempt.
        limit: Duration,
        /// The number of attempts.
        attempts: u32,
    },
    /// The query has reached its timeout.
    #[error("the query took longer than {}, at {at}", format_duration(*.limit))]
    QueryTimeout {
        /// The request that the query was waiting for.
        at: RequestLine,
        /// The query's timeout.
        limit: Duration,
    },
    /// The body is larger than allowed.
    #[error("the response to {at} is larger than {limit} bytes")]
    TooLarge {
        /// The request.
        at: RequestLine,
        /// Maximum size in bytes.
        limit: usize,
    },
    /// A 2xx response without a body.
    #[error("{at} returned {status} without a body")]
    NoBody {
        /// The request.
        at: RequestLine,
        /// The HTTP status.
        status: u16,
    },
    /// A 2xx response whose body is not a JSON object.
    #[error("{at} returned {status} with a body that is not a JSON object{}", content_type_text(.content_type.as_deref()))]
    NotJson {
        /// The request.
        at: RequestLine,
        /// The HTTP status.
        status: u16,
        /// The `content-type` header.
        content_type: Option<String>,
    },
    /// The token's rate limit is used up for longer than the query may wait.
    #[error(
        "the rate limit is used up: {at} would have to wait {} s, until {}; query.max_wait is {}",
        .wait.as_secs_f64().ceil(),
        .returns.format("%H:%M:%S UTC"),
        format_duration(*.max_wait)
    )]
    Budget {
        /// The request that was not sent.
        at: RequestLine,
        /// When it could be sent.
        returns: DateTime<Utc>,
        /// Time until then.
        wait: Duration,
        /// Maximum wait of the query.
        max_wait: Duration,
    },
    /// The query ended while the request waited for the budget.
    #[error("the query ended before {at} was sent")]
    QueryEnded {
        /// The request that was not sent.
        at: RequestLine,
    },
    /// The query has reached its maximum number of requests.
    #[error("the query reached its limit of {limit} requests before {at}; it needs at least {needed}")]
    TooManyRequests {
        /// The request that was not sent.
        at: RequestLine,
        /// The query's maximum.
        limit: u64,
        /// The number of requests that the query is known to need.
        needed: u64,
    },
    /// The `next` link of a page points to a page that was read before.
    #[error("{at} names `{next}` as its next page, which was read before")]
    NoProgress {
        /// The request of the page.
        at: RequestLine,
        /// The link.
        next: String,
    },
    /// There is no token to send.
    #[error("there is no DigitalOcean token")]
    NoToken,
    /// The token would be sent unencrypted.
    #[error("the token would be sent to `{host}` unencrypted")]
    Insecure {
        /// The host.
        host: String,
    },
    /// The base URL is invalid.
    #[error("the API's URL `{url}` {problem}")]
    BaseUrl {
        /// The URL, without user name and password.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up")]
    Setup(#[source] reqwest::Error),
}

impl Fault {
    /// Whether this is DigitalOcean's own 404, and not one of another server, such as a gateway.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, id: Some(id), .. } if id == "not_found")
    }

    /// Whether the API may have executed the request although the response does not say so. False: it certainly did
    /// not.
    pub fn may_have_been_executed(&self) -> bool {
        match self {
            Self::Status { status, .. } => !was_rejected(*status),
            // 303 is a usual response to a POST that was executed; the others do not mean that it was not.
            Self::Redirect { .. }
            | Self::Cut { .. }
            | Self::Slow { .. }
            | Self::QueryTimeout { .. }
            | Self::TooLarge { .. }
            | Self::NoBody { .. }
            | Self::NotJson { .. }
            | Self::NoProgress { .. } => true,
            // For a POST, `Unreachable` means that no connection was established.
            Self::Unreachable { .. }
            | Self::Budget { .. }
            | Self::TooManyRequests { .. }
            | Self::QueryEnded { .. }
            | Self::NoToken
            | Self::Insecure { .. }
            | Self::BaseUrl { .. }
            | Self::Setup(_) => false,
        }
    }

    /// Whether the same GET may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500..),
            Self::Unreachable { .. }
            | Self::Cut { .. }
            | Self::Slow { .. }
            | Self::Budget { .. }
            // The page of a gateway, or a truncated response.
            | Self::TooLarge { .. }
            | Self::NoBody { .. }
            | Self::NotJson { .. } => true,
            Self::Redirect { .. }
            | Self::QueryTimeout { .. }
            | Self::TooManyRequests { .. }
            | Self::QueryEnded { .. }
            | Self::NoProgress { .. }
            | Self::NoToken
            | Self::Insecure { .. }
            | Self::BaseUrl { .. }
            | Self::Setup(_) => false,
        }
    }

    /// The request, if the fault is about one.
    pub fn at(&self) -> Option<&RequestLine> {
        match self {
            Self::Status { at, .. }
            | Self::Redirect { at, .. }
            | Self::Unreachable { at, .. }
            | Self::Cut { at, .. }
            | Self::Slow { at, .. }
            | Self::QueryTimeout { at, .. }
            | Self::TooLarge { at, .. }
            | Self::NoBody { at, .. }
            | Self::NotJson { at, .. }
            | Self::Budget { at, .. }
            | Self::TooManyRequests { at, .. }
            | Self::QueryEnded { at }
            | Self::NoProgress { at, .. } => Some(at),
            Self::NoToken | Self::Insecure { .. } | Self::BaseUrl { .. } | Self::Setup(_) => None,
        }
    }
}

fn status_text(
    at: &RequestLine,
    status: u16,
    id: Option<&str>,
    message: Option<&str>,
    request_id: Option<&str>,
) -> String {
    let mut text = match status {
        _ if was_rejected(status) => format!("DigitalOcean rejected {at}: {status}"),
        500.. => format!("DigitalOcean failed at {at}: {status}"),
        _ => format!("{at} returned {status}"),
    };
    for (separator, part, end) in [(" ", id, ""), (": ", message, ""), (" (request ", request_id, ")")] {
        if let Some(part) = part {
            text.extend([separator, part, end]);
        }
    }
    text
}

fn redirect_text(at: &RequestLine, status: u16, location: Option<&str>) -> String {
    match location {
        Some(location) => format!("{at} returned a redirect ({status}) to `{location}`"),
        None => format!("{at} returned {status}, a redirect without a location"),
    }
}

fn content_type_text(content_type: Option<&str>) -> String {
    content_type.map(|content_type| format!(" (content-type `{content_type}`)")).unwrap_or_default()
}

/// Whether a status means that the request was not executed: HTTP's own client errors do (up to 451), except 408, after
/// which a gateway may only have stopped waiting. Gateways also return 5xx and 499 while the API is still executing the
/// request.
fn was_rejected(status: u16) -> bool {
    status != 408 && (400..=451).contains(&status)
}

struct Attempts(u32);

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("tried once"),
            times => write!(f, "tried {times} times"),
        }
    }
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Status { status, .. } => kind_of_status(*status),
            Self::Redirect { .. } | Self::Insecure { .. } => Kind::FailedPrecondition,
            Self::Unreachable { .. } => Kind::Unavailable,
            Self::Slow { .. } | Self::QueryTimeout { .. } => Kind::DeadlineExceeded,
            Self::TooLarge { .. } | Self::Budget { .. } | Self::TooManyRequests { .. } => Kind::ResourceExhausted,
            Self::Cut { .. } | Self::NoBody { .. } | Self::NotJson { .. } | Self::NoProgress { .. } => Kind::DataLoss,
            Self::QueryEnded { .. } => Kind::Cancelled,
            Self::NoToken => Kind::Unauthenticated,
            Self::BaseUrl { .. } => Kind::InvalidArgument,
            Self::Setup(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Status { status: 401, .. } => "set DIGITALOCEAN_TOKEN to a token that is valid".into(),
            Self::Status { at, status: 403, .. } => {
                let scope = if at.method == "GET" { "read" } else { "update" };
                format!("the token lacks a scope for this: give it the {scope} scope of the resource")
            }
            Self::Status { status: 404, id: None, .. }
            | Self::Status { status: ..=399, .. }
            | Self::NoBody { .. }
            | Self::NotJson { .. }
            | Self::Redirect { .. } => "this does not look like DigitalOcean's API: check --api-url".into(),
            Self::Status { status: 404, .. } => "check that it still exists, and --api-url".into(),
            Self::Status { status: 429, .. } | Self::Budget { .. } => {
                "request less at a time, or raise query.max_wait".into()
            }
            Self::Status { status: 500.., .. } => "try again; https://status.digitalocean.com lists incidents".into(),
            Self::Unreachable { .. } => "check the network, and --api-url".into(),
            Self::QueryTimeout { .. } => "request less, or raise query.timeout".into(),
            Self::TooManyRequests { .. } => {
                "query or join fewer values, add a LIMIT, or raise query.max_requests; EXPLAIN shows the requests"
                    .into()
            }
            Self::TooLarge { .. } => "raise api.max_body_bytes if a response may be that large".into(),
            Self::NoToken => "set DIGITALOCEAN_TOKEN, or give --token-file; --demo needs none".into(),
            Self::Insecure { .. } => "use an https URL; plain HTTP is only for loopback addresses".into(),
            Self::BaseUrl { .. } => "it should look like https://api.digitalocean.com".into(),
            Self::Status { .. }
            | Self::Cut { .. }
            | Self::Slow { .. }
            | Self::QueryEnded { .. }
            | Self::NoProgress { .. }
            | Self::Setup(_) => return None,
        })
    }
}

fn kind_of_status(status: u16) -> Kind {
    match status {
        400 | 422 => Kind::InvalidArgument,
        401 => Kind::Unauthenticated,
        403 => Kind::PermissionDenied,
        404 | 410 => Kind::NotFound,
        408 | 504 | 524 => Kind::DeadlineExceeded,
        409 => Kind::Aborted,
        429 => Kind::ResourceExhausted,
        500.. => Kind::Unavailable,
        _ => Kind::FailedPrecondition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn the_error_of_a_status_has_method_path_status_id_message_and_request_id() {
        let at = RequestLine { method: "GET", path: "/v2/images/7/actions".into() };
        let fault = Fault::Status {
            at,
            status: 401,
            id: Some("unauthorized".into()),
            message: Some("Unable to authenticate you".into()),
            request_id: Some("4f1c".into()),
        };

        assert_eq!(fault.kind(), Kind::Unauthenticated);
        assert_eq!(
            Error::from(fault).report(),
            "DigitalOcean rejected GET /v2/images/7/actions: 401 unauthorized: Unable to authenticate you (request 4f1c)\n\
             hint: set DIGITALOCEAN_TOKEN to a token that is valid"
        );
    }

    fn fault(status: u16, id: Option<&str>) -> Fault {
        let at = RequestLine { method: "GET", path: "/".into() };
        Fault::Status { at, status, id: id.map(Into::into), message: None, request_id: None }
    }

    #[test]
    fn only_a_client_error_means_that_a_request_was_not_executed() {
        for status in [400, 401, 403, 404, 405, 409, 410, 422, 429, 451] {
            assert!(!fault(status, None).may_have_been_executed(), "{status}");
            assert!(fault(status, None).to_string().starts_with("DigitalOcean rejected GET /: "), "{status}");
        }
        for status in [101, 408, 499, 500, 502, 503, 504, 524, 600, 999] {
            assert!(fault(status, None).may_have_been_executed(), "{status}");
            assert!(!fault(status, None).to_string().contains("rejected"), "{status}");
        }
        for (status, location) in [(301, Some("https://a.b/")), (303, None), (304, None), (307, Some("/c"))] {
            let at = RequestLine { method: "POST", path: "/".into() };
            let fault = Fault::Redirect { at, status, location: location.map(Into::into) };
            assert!(fault.may_have_been_executed(), "{fault}");
        }
    }

    #[test]
    fn temporary_statuses_are_distinguished_from_permanent_ones() {
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 524] {
            assert!(fault(status, None).is_temporary(), "{status}");
        }
        for status in [101, 400, 401, 403, 404, 405, 410, 422, 451] {
            assert!(!fault(status, Some("not_found")).is_temporary(), "{status}");
        }
    }

    #[test]
    fn only_digital_oceans_own_404_counts_as_not_found() {
        assert!(fault(404, Some("not_found")).is_not_found());
        assert!(!fault(404, None).is_not_found());
        assert!(!fault(410, Some("not_found")).is_not_found());
        assert!(fault(404, None).hint().unwrap().contains("--api-url"));
    }
}
