//! The errors between a request and a body.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::RequestLine;
use crate::error::{Failure, Kind};

/// A request that failed, or that was not sent.
#[derive(Debug)]
pub enum Fault {
    /// The API answered with an error.
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
    Redirect {
        /// The request.
        at: RequestLine,
        /// The HTTP status.
        status: u16,
        /// The `location` header.
        location: Option<String>,
    },
    /// No response: the connection could not be established, or was lost before one.
    Unreachable {
        /// The request.
        at: RequestLine,
        /// The host.
        host: String,
        /// The number of attempts.
        attempts: u32,
        /// The HTTP client's error, without the URL.
        cause: reqwest::Error,
    },
    /// The response ended early.
    Cut {
        /// The request.
        at: RequestLine,
        /// The number of attempts.
        attempts: u32,
        /// The HTTP client's error; `None` if the body is complete for HTTP, but not as JSON.
        cause: Option<reqwest::Error>,
    },
    /// No attempt got a response within its timeout.
    Slow {
        /// The request.
        at: RequestLine,
        /// The timeout of an attempt.
        limit: Duration,
        /// The number of attempts.
        attempts: u32,
    },
    /// The query has reached its timeout.
    QueryTimeout {
        /// The request that the query was waiting for.
        at: RequestLine,
        /// The query's timeout.
        limit: Duration,
    },
    /// The body is larger than allowed.
    TooLarge {
        /// The request.
        at: RequestLine,
        /// Maximum size in bytes.
        limit: usize,
    },
    /// A 2xx response without a body.
    NoBody {
        /// The request.
        at: RequestLine,
        /// The HTTP status.
        status: u16,
    },
    /// A 2xx response whose body is not a JSON object.
    NotJson {
        /// The request.
        at: RequestLine,
        /// The HTTP status.
        status: u16,
        /// The `content-type` header.
        content_type: Option<String>,
    },
    /// The token's rate limit is used up for longer than the query may wait.
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
    Unwanted {
        /// The request that was not sent.
        at: RequestLine,
    },
    /// The query has reached its maximum number of requests.
    TooManyRequests {
        /// The request that was not sent.
        at: RequestLine,
        /// The query's maximum.
        most: u64,
        /// The number of requests that the query is known to need.
        needed: u64,
    },
    /// The `next` link of a page points to a page that was read before.
    NoProgress {
        /// The request of the page.
        at: RequestLine,
        /// The link.
        next: String,
    },
    /// There is no token to send.
    NoToken,
    /// The token would be sent unencrypted.
    Insecure {
        /// The host.
        host: String,
    },
    /// The base URL is invalid.
    BaseUrl {
        /// The URL, without user name and password.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The HTTP client could not be set up.
    Setup(reqwest::Error),
}

impl Fault {
    /// Whether this is DigitalOcean's own 404, and not one of another server, such as a gateway.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404, id: Some(id), .. } if id == "not_found")
    }

    /// Whether the API may have executed the request although the response does not say so. False: it certainly did
    /// not.
    pub fn may_have_been_carried_out(&self) -> bool {
        match self {
            // Only HTTP's own client errors (up to 451) mean that the request was not executed. Except 408: a gateway may
            // have stopped waiting. Gateways also return 5xx and 499 while the API is still executing the request.
            Self::Status { status, .. } => *status == 408 || !(400..=451).contains(status),
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
            | Self::Unwanted { .. }
            | Self::NoToken
            | Self::Insecure { .. }
            | Self::BaseUrl { .. }
            | Self::Setup(_) => false,
        }
    }

    /// Whether the same GET may succeed later.
    pub fn may_pass(&self) -> bool {
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
            | Self::Unwanted { .. }
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
            | Self::Unwanted { at }
            | Self::NoProgress { at, .. } => Some(at),
            Self::NoToken | Self::Insecure { .. } | Self::BaseUrl { .. } | Self::Setup(_) => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { at, status, id, message, request_id } => {
                match status {
                    _ if !self.may_have_been_carried_out() => write!(f, "DigitalOcean refused {at}: {status}")?,
                    500.. => write!(f, "DigitalOcean failed at {at}: {status}")?,
                    _ => write!(f, "{at} was answered with {status}")?,
                }
                id.iter().try_for_each(|id| write!(f, " {id}"))?;
                message.iter().try_for_each(|message| write!(f, ": {message}"))?;
                request_id.iter().try_for_each(|id| write!(f, " (request {id})"))
            }
            Self::Redirect { at, status, location: Some(location) } => {
                write!(f, "{at} was answered with a redirect ({status}) to `{location}`")
            }
            Self::Redirect { at, status, location: None } => {
                write!(f, "{at} was answered with {status}, a redirect without a location")
            }
            Self::Unreachable { at, host, attempts, .. } => {
                write!(f, "`{host}` cannot be reached for {at} ({})", Attempts(*attempts))
            }
            Self::Cut { at, attempts, .. } => {
                write!(f, "the response to {at} was cut off ({})", Attempts(*attempts))
            }
            Self::Slow { at, limit, attempts } => {
                write!(
                    f,
                    "{at} was not answered within {} ({})",
                    humantime::format_duration(*limit),
                    Attempts(*attempts)
                )
            }
            Self::QueryTimeout { at, limit } => {
                write!(f, "the query took longer than {}, at {at}", humantime::format_duration(*limit))
            }
            Self::TooLarge { at, limit } => write!(f, "the answer to {at} is larger than {limit} bytes"),
            Self::NoBody { at, status } => write!(f, "{at} was answered with {status} and no body"),
            Self::NotJson { at, status, content_type } => {
                write!(f, "{at} was answered with {status} and a body that is not a JSON object")?;
                content_type.iter().try_for_each(|content_type| write!(f, " (content-type `{content_type}`)"))
            }
            Self::Budget { at, returns, wait, max_wait } => write!(
                f,
                "the rate limit is used up: {at} would have to wait {} s, until {}; query.max_wait is {}",
                wait.as_secs_f64().ceil(),
                returns.format("%H:%M:%S UTC"),
                humantime::format_duration(*max_wait),
            ),
            Self::Unwanted { at } => write!(f, "the query ended before {at} was sent"),
            Self::TooManyRequests { at, most, needed } => {
                write!(f, "the query reached its limit of {most} requests before {at}; it needs at least {needed}",)
            }
            Self::NoProgress { at, next } => write!(f, "{at} names `{next}` as its next page, which was read before"),
            Self::NoToken => f.write_str("there is no DigitalOcean token"),
            Self::Insecure { host } => write!(f, "the token would be sent to `{host}` unencrypted"),
            Self::BaseUrl { url, problem } => write!(f, "the API's URL `{url}` {problem}"),
            Self::Setup(_) => f.write_str("the HTTP client could not be set up"),
        }
    }
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

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { cause, .. } | Self::Setup(cause) => Some(cause),
            Self::Cut { cause, .. } => cause.as_ref().map(|cause| cause as _),
            _ => None,
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
            Self::Unwanted { .. } => Kind::Cancelled,
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
            Self::Status { status: 404, .. } => "check that it is still there, and --api-url".into(),
            Self::Status { status: 429, .. } | Self::Budget { .. } => {
                "ask for less at a time, or let the query wait longer with query.max_wait".into()
            }
            Self::Status { status: 500.., .. } => "try again; https://status.digitalocean.com lists incidents".into(),
            Self::Unreachable { .. } => "check the network, and --api-url".into(),
            Self::QueryTimeout { .. } => "ask for less, or raise query.timeout".into(),
            Self::TooManyRequests { .. } => {
                "name fewer values or rows to join with, add a LIMIT, or raise query.max_requests; EXPLAIN shows the \
                 requests"
                    .into()
            }
            Self::TooLarge { .. } => "raise api.max_body_bytes if a response may be that large".into(),
            Self::NoToken => "set DIGITALOCEAN_TOKEN, or give --token-file; --demo needs none".into(),
            Self::Insecure { .. } => "use an https URL; plain http is for loopback addresses alone".into(),
            Self::BaseUrl { .. } => "it should look like https://api.digitalocean.com".into(),
            Self::Status { .. }
            | Self::Cut { .. }
            | Self::Slow { .. }
            | Self::Unwanted { .. }
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
            "DigitalOcean refused GET /v2/images/7/actions: 401 unauthorized: Unable to authenticate you (request 4f1c)\n\
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
            assert!(!fault(status, None).may_have_been_carried_out(), "{status}");
            assert!(fault(status, None).to_string().starts_with("DigitalOcean refused GET /: "), "{status}");
        }
        for status in [101, 408, 499, 500, 502, 503, 504, 524, 600, 999] {
            assert!(fault(status, None).may_have_been_carried_out(), "{status}");
            assert!(!fault(status, None).to_string().contains("refused"), "{status}");
        }
        for (status, location) in [(301, Some("https://a.b/")), (303, None), (304, None), (307, Some("/c"))] {
            let at = RequestLine { method: "POST", path: "/".into() };
            let fault = Fault::Redirect { at, status, location: location.map(Into::into) };
            assert!(fault.may_have_been_carried_out(), "{fault}");
        }
    }

    #[test]
    fn temporary_statuses_are_distinguished_from_permanent_ones() {
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 524] {
            assert!(fault(status, None).may_pass(), "{status}");
        }
        for status in [101, 400, 401, 403, 404, 405, 410, 422, 451] {
            assert!(!fault(status, Some("not_found")).may_pass(), "{status}");
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
