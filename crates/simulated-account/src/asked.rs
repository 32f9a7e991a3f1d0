//! A request, read: what the rest of the module wants to know of it.

use axum::extract::Query;
use axum::http::Uri;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use bytes::Bytes;

use super::requests::Recorded;

/// What is asked.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    raw_query: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) page: Option<u32>,
    /// The list's own URL, for links.
    pub(super) url: String,
    authorized: bool,
    pub(super) token: Option<String>,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn new(parts: &Parts, body: Bytes) -> Self {
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        // HTTP/2 has the host in the URI.
        let host = parts.uri.authority().map(|host| host.as_str()).or_else(|| header(HOST));
        let query = query(&parts.uri);
        let path = parts.uri.path().to_owned();
        Self {
            method: parts.method.to_string(),
            url: format!("http://{}{path}", host.unwrap_or("localhost")),
            path,
            raw_query: parts.uri.query().unwrap_or("").to_owned(),
            page: query.iter().find(|(name, _)| name == "page").and_then(|(_, page)| page.parse().ok()),
            query,
            authorized: parts.headers.contains_key(AUTHORIZATION),
            token: header(AUTHORIZATION).and_then(bearer).map(str::to_owned),
            body,
        }
    }

    /// The same request with another value for a parameter of its query.
    pub(super) fn with(mut self, name: &str, value: u64) -> Self {
        self.query.retain(|(own, _)| own != name);
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn recorded(&self) -> Recorded {
        Recorded {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.raw_query.clone(),
            page: self.page,
            status: None,
            authorized: self.authorized,
        }
    }
}

fn query(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map(|Query(query)| query).unwrap_or_default()
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn asked(uri: &str, header: &str) -> Asked {
        let request = Request::builder().uri(uri).header(HOST, "demo.test").header(AUTHORIZATION, header);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Asked::new(&parts, Bytes::new())
    }

    #[test]
    fn the_token_is_what_follows_bearer() {
        assert_eq!(asked("/", "Bearer dop_v1_x").token.as_deref(), Some("dop_v1_x"));
        assert_eq!(asked("/", "bearer dop_v1_x ").token.as_deref(), Some("dop_v1_x"));
        for bad in ["", "Bearer", "Bearer ", "Basic dop_v1_x", "dop_v1_x"] {
            assert_eq!(asked("/", bad).token, None, "{bad}");
        }
    }

    #[test]
    fn the_query_is_decoded() {
        let asked = asked("/v2/images?tag_name=a%20b&page=2", "");

        assert_eq!(asked.query[0], ("tag_name".to_owned(), "a b".to_owned()));
        assert_eq!((asked.page, asked.recorded().query.as_str()), (Some(2), "tag_name=a%20b&page=2"));
    }

    #[test]
    fn the_url_of_a_list_has_the_host_that_was_asked() {
        assert_eq!(asked("/v2/images?page=2", "").url, "http://demo.test/v2/images");
        assert_eq!(asked("http://other.test:8/v2/images", "").url, "http://other.test:8/v2/images");
    }
}
