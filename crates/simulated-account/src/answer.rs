//! What the API says back: a status, a body, headers; and DigitalOcean's words
//! for each refusal.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// An answer before it is written to the wire.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Body,
    /// Further headers, which win over the ones that every answer has.
    pub(super) headers: Vec<(String, String)>,
}

/// What is sent after the headers.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// The API's own.
    Json(Value),
    /// A text that claims to be JSON.
    Raw(String),
    /// The page of a gateway before the API, which knows none of its headers.
    Html(String),
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body), headers: Vec::new() }
    }

    pub(super) fn error(status: u16, id: &str, message: &str) -> Self {
        Self::json(status, json!({ "id": id, "message": message }))
    }

    /// The refusal that the API has for a code.
    pub(super) fn refusal(status: u16) -> Self {
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

    pub(super) fn not_found() -> Self {
        Self::refusal(404)
    }

    pub(super) fn unprocessable(message: &str) -> Self {
        Self::error(422, "unprocessable_entity", message)
    }

    pub(super) fn html(status: u16) -> Self {
        let title = reason(status);
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
             <center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n\
             </body>\r\n</html>\r\n"
        );
        Self { status, body: Body::Html(page), headers: Vec::new() }
    }

    /// This text: a page where it starts like one, else something that claims to be JSON.
    pub(super) fn raw(status: u16, text: &str) -> Self {
        let body = if text.starts_with('<') { Body::Html(text.to_owned()) } else { Body::Raw(text.to_owned()) };
        Self { status, body, headers: Vec::new() }
    }

    pub(super) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Whether this tells of something that went as asked.
    pub(super) fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

fn reason(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    format!("{status} {}", known.unwrap_or("Error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_page_is_not_json() {
        let Body::Html(page) = Answer::html(502).body else { panic!("not a page") };

        assert!(page.contains("502 Bad Gateway") && page.starts_with("<html>"), "{page}");
    }

    #[test]
    fn an_unknown_code_is_a_server_error() {
        let Body::Json(body) = Answer::refusal(524).body else { panic!("not JSON") };

        assert_eq!(body["id"], "server_error");
    }
}
