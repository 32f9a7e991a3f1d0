//! A request to the API, and its request line for errors.

use std::borrow::Cow;
use std::fmt;

use url::form_urlencoded;

use crate::query::PartId;

/// A GET of a path, or of one page of a list; or a POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    path: String,
    /// The query parameters without the page, not percent-encoded.
    query: Vec<(String, String)>,
    page: Option<u64>,
    /// The JSON body of a POST.
    body: Option<String>,
}

/// The method and the path of a request as sent, for errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    /// `GET`.
    pub method: &'static str,
    /// `/v2/images/7/actions?page=2&per_page=200`.
    pub path: String,
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Rows per page: DigitalOcean's maximum.
pub const PER_PAGE: usize = 200;

impl Request {
    /// A GET. `path` must be percent-encoded.
    pub fn new(path: String) -> Self {
        Self { path, query: Vec::new(), page: None, body: None }
    }

    /// Sets the query parameters.
    pub fn with_query(self, query: Vec<(String, String)>) -> Self {
        Self { query, ..self }
    }

    /// The same request for one page of the list (from 1).
    pub fn page(&self, page: u64) -> Self {
        Self { page: Some(page), ..self.clone() }
    }

    /// A POST with a JSON body. Only [`super::Client::post`] may use it: the end of a query does not drop its request.
    pub(super) fn post(path: String, body: String) -> Self {
        Self { path, query: Vec::new(), page: None, body: Some(body) }
    }

    /// Identifies the part of a list, or the single row, that this request reads: the same for all pages.
    pub fn part(&self) -> PartId {
        PartId::of((&self.path, &self.query))
    }

    /// The query parameters, `page` and `per_page` included.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let query = self.query.iter().map(|(name, value)| (name.as_str(), Cow::from(value)));
        let page = self.page.map(|page| [("page", page.to_string().into()), ("per_page", PER_PAGE.to_string().into())]);
        query.chain(page.into_iter().flatten())
    }

    /// The request line, for errors.
    pub fn at(&self) -> RequestLine {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(self.parameters()).finish();
        let path = if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) };
        RequestLine { method: if self.is_post() { "POST" } else { "GET" }, path }
    }

    /// The path below the base URL, without query parameters.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether this is a POST. A POST must not be sent twice, and its response must not be cached.
    pub fn is_post(&self) -> bool {
        self.body.is_some()
    }

    /// The JSON body of a POST.
    pub(super) fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }
}
