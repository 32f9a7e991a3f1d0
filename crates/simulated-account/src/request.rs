//! The parts of an HTTP request that the API looks at.

use axum::extract::Query;
use axum::http::Uri;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use bytes::Bytes;

/// A request to the API.
#[derive(Clone)]
pub(crate) struct ApiRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    #[cfg(any(test, feature = "faults"))]
    pub(crate) raw_query: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) page: Option<u32>,
    /// The URL without the query, for the links of a page.
    pub(crate) url: String,
    /// Whether there is an `authorization` header, valid or not.
    #[cfg(feature = "faults")]
    pub(crate) authorized: bool,
    pub(crate) token: Option<String>,
    pub(crate) body: Bytes,
}

impl ApiRequest {
    pub(crate) fn new(parts: &Parts, body: Bytes) -> Self {
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        // HTTP/2 has the host in the URI.
        let host = parts.uri.authority().map(|host| host.as_str()).or_else(|| header(HOST));
        let query = query(&parts.uri);
        let path = parts.uri.path().to_owned();
        Self {
            method: parts.method.to_string(),
            url: format!("http://{}{path}", host.unwrap_or("localhost")),
            path,
            #[cfg(any(test, feature = "faults"))]
            raw_query: parts.uri.query().unwrap_or("").to_owned(),
            page: query.iter().find(|(name, _)| name == "page").and_then(|(_, page)| page.parse().ok()),
            query,
            #[cfg(feature = "faults")]
            authorized: parts.headers.contains_key(AUTHORIZATION),
            token: header(AUTHORIZATION).and_then(bearer).map(str::to_owned),
            body,
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

    fn parsed(uri: &str, header: &str) -> ApiRequest {
        let request = Request::builder().uri(uri).header(HOST, "demo.test").header(AUTHORIZATION, header);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        ApiRequest::new(&parts, Bytes::new())
    }

    #[test]
    fn the_token_is_what_follows_bearer() {
        assert_eq!(parsed("/", "Bearer dop_v1_x").token.as_deref(), Some("dop_v1_x"));
        assert_eq!(parsed("/", "bearer dop_v1_x ").token.as_deref(), Some("dop_v1_x"));
        for bad in ["", "Bearer", "Bearer ", "Basic dop_v1_x", "dop_v1_x"] {
            assert_eq!(parsed("/", bad).token, None, "{bad}");
        }
    }

    #[test]
    fn the_query_is_decoded() {
        let request = parsed("/v2/images?tag_name=a%20b&page=2", "");

        assert_eq!(request.query[0], ("tag_name".to_owned(), "a b".to_owned()));
        assert_eq!((request.page, request.raw_query.as_str()), (Some(2), "tag_name=a%20b&page=2"));
    }

    #[test]
    fn the_url_of_a_list_has_the_host_that_was_asked() {
        assert_eq!(parsed("/v2/images?page=2", "").url, "http://demo.test/v2/images");
        assert_eq!(parsed("http://other.test:8/v2/images", "").url, "http://other.test:8/v2/images");
    }
}
