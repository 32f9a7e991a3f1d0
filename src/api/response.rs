//! Reads the status, headers and error body of a response.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use serde::Deserialize;

use super::body::{Head, NotAnObject};
use super::rate_limit::RateLimitHeaders;
use super::{Body, Fault, RequestLine};

/// Status and headers of a response.
pub(super) fn head(status: StatusCode, headers: &HeaderMap) -> Head {
    Head { status: status.as_u16(), request_id: request_id(headers), date: date(headers) }
}

/// The body of a 2xx response.
pub(super) fn body(
    bytes: Bytes,
    at: RequestLine,
    head: Head,
    headers: &HeaderMap,
    attempts: u32,
) -> Result<Body, Fault> {
    let status = head.status;
    Body::try_new(bytes, head).map_err(|problem| match problem {
        NotAnObject::Unfinished => Fault::Cut { at, attempts, cause: None },
        NotAnObject::Empty => Fault::NoBody { at, status },
        NotAnObject::Other => {
            let content_type = text(headers, CONTENT_TYPE.as_str());
            Fault::NotJson { at, status, content_type }
        }
    })
}

/// DigitalOcean's error body. `message` was once an object instead of text, so every field accepts any JSON value.
#[derive(Default, Deserialize)]
struct ErrorBody {
    id: Option<serde_json::Value>,
    message: Option<serde_json::Value>,
    request_id: Option<serde_json::Value>,
}

/// The error for a response with a status outside 2xx.
pub(super) fn error(bytes: &[u8], at: RequestLine, status: StatusCode, headers: &HeaderMap) -> Fault {
    if status.is_redirection() {
        let location = text(headers, LOCATION.as_str());
        return Fault::Redirect { at, status: status.as_u16(), location };
    }
    let ErrorBody { id, message, request_id } = serde_json::from_slice(bytes).unwrap_or_default();
    Fault::Status {
        at,
        status: status.as_u16(),
        id: id.map(one_line),
        message: message.map(one_line),
        request_id: request_id.map(one_line).or_else(|| self::request_id(headers)),
    }
}

fn one_line(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => shortened(&text),
        other => shortened(&other.to_string()),
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    text(headers, "x-request-id").map(|id| shortened(&id))
}

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(&text(headers, DATE.as_str())?).ok().map(|date| date.to_utc())
}

/// A message for one line of text: control characters replaced by spaces, and cut after 500 characters.
fn shortened(text: &str) -> String {
    const MAX_CHARACTERS: usize = 500;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARACTERS).collect();
    if line.chars().count() < text.chars().count() { line + "…" } else { line }
}

/// `retry-after` in whole seconds, at least 1: a value of 0 would retry a 429 in an endless loop.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = text(headers, RETRY_AFTER.as_str())?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.max(1)))
}

/// The rate-limit information in a response's headers.
pub(super) fn rate_limit_headers(status: StatusCode, headers: &HeaderMap) -> RateLimitHeaders {
    let is_429 = status == StatusCode::TOO_MANY_REQUESTS;
    let number = |name| text(headers, name).and_then(|text| text.trim().parse::<u64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let reset = number("ratelimit-reset").and_then(|at| Duration::from_secs(at).checked_sub(now));
    RateLimitHeaders {
        accepted: !is_429,
        pause: retry_after(headers).filter(|_| is_429),
        limit: number("ratelimit-limit").and_then(|limit| limit.try_into().ok()),
        remaining: number("ratelimit-remaining").and_then(|left| left.try_into().ok()),
        reset,
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let short = shortened(&"é".repeat(600));

        assert_eq!(short.chars().count(), 501);
        assert_eq!(shortened("a\nb"), "a b");
    }
}
