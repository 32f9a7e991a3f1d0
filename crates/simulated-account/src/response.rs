//! The API's responses: status, body and headers, with DigitalOcean's texts for each error.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::rate_limit::RateLimitStatus;

/// A response before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct ApiResponse {
    pub(crate) status: u16,
    pub(crate) content: Content,
    /// Headers that replace the ones that every response has.
    pub(crate) headers: Vec<(String, String)>,
}

/// The body of a response.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// JSON from the API.
    Json(Value),
    /// Any text, sent as JSON.
    #[cfg_attr(not(feature = "faults"), expect(dead_code, reason = "only a fault has it"))]
    Raw(String),
    /// The HTML page of a gateway in front of the API, without any of the API's headers.
    #[cfg_attr(not(feature = "faults"), expect(dead_code, reason = "only a fault has it"))]
    Html(String),
}

static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

impl ApiResponse {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, content: Content::Json(body), headers: Vec::new() }
    }

    pub(crate) fn error(status: u16, id: &str, message: &str) -> Self {
        Self::json(status, json!({ "id": id, "message": message }))
    }

    /// The API's error for a status.
    pub(crate) fn refusal(status: u16) -> Self {
        let (id, message) = match status {
            400 => ("bad_request", "The request could not be understood."),
            401 => ("unauthorized", "Unable to authenticate you"),
            403 => ("forbidden", "You are not authorized to perform this operation"),
            404 => ("not_found", "The resource you requested could not be found."),
            405 => ("method_not_allowed", "The method is not allowed here."),
            422 => ("unprocessable_entity", "The request could not be processed."),
            429 => ("too_many_requests", "API rate limit exceeded."),
            503 => ("service_unavailable", "Service temporarily unavailable."),
            _ => ("server_error", "Unexpected server-side error"),
        };
        Self::error(status, id, message)
    }

    pub(crate) fn not_found() -> Self {
        Self::refusal(404)
    }

    pub(crate) fn unprocessable(message: &str) -> Self {
        Self::error(422, "unprocessable_entity", message)
    }

    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The HTTP response, with the headers that every response of the API has.
    pub(crate) fn into_http(mut self, rate_limit: (RateLimitStatus, i64)) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if !matches!(self.content, Content::Html(_)) {
            self.add_api_headers(&mut response, rate_limit);
        }
        let (content_type, text) = match self.content {
            Content::Json(body) => ("application/json; charset=utf-8", body.to_string()),
            Content::Raw(text) => ("application/json; charset=utf-8", text),
            Content::Html(page) => ("text/html", page),
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        for (name, value) in &self.headers {
            add_header(&mut response, name, value);
        }
        *response.body_mut() = Bytes::from(text);
        response
    }

    fn add_api_headers(&mut self, response: &mut Response<Bytes>, (rate_limit, reset): (RateLimitStatus, i64)) {
        let number = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        self.add_request_id(&id);
        add_header(response, "x-request-id", &id);
        add_header(response, "ratelimit-limit", &rate_limit.limit.to_string());
        add_header(response, "ratelimit-remaining", &rate_limit.remaining.to_string());
        add_header(response, "ratelimit-reset", &reset.to_string());
    }

    /// An error repeats the request's id in its body.
    fn add_request_id(&mut self, id: &str) {
        let succeeded = (200..300).contains(&self.status);
        if !succeeded
            && let Content::Json(Value::Object(body)) = &mut self.content
            && body.contains_key("message")
        {
            body.entry("request_id").or_insert_with(|| Value::from(id));
        }
    }
}

/// Leaves out a name or value that HTTP does not allow: the author of the fault sees that it is missing.
fn add_header(response: &mut Response<Bytes>, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_is_a_server_error() {
        let Content::Json(body) = ApiResponse::refusal(524).content else { panic!("not JSON") };

        assert_eq!(body["id"], "server_error");
    }
}
