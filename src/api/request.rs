//! A request to the API, and how it is named in errors.

use std::borrow::Cow;
use std::fmt;

use url::form_urlencoded;

use crate::query::PartId;

/// A GET of a path and perhaps of a page, or a POST to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    path: String,
    /// What stands behind the path besides the page, not encoded yet.
    query: Vec<(String, String)>,
    page: Option<u64>,
    /// What is posted, JSON.
    body: Option<String>,
}

/// The request that failed: its method, and its path as it was sent.
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

/// Rows a page: the most that DigitalOcean gives.
pub const PER_PAGE: usize = 200;

impl Request {
    /// `path` is percent-encoded already.
    pub fn new(path: String) -> Self {
        Self { path, query: Vec::new(), page: None, body: None }
    }

    /// The same, with these query parameters.
    pub fn with_query(self, query: Vec<(String, String)>) -> Self {
        Self { query, ..self }
    }

    /// The same, for this page of a list (from 1).
    pub fn page(&self, page: u64) -> Self {
        Self { page: Some(page), ..self.clone() }
    }

    /// A POST of this JSON: for [`super::Client::post`] alone, which no query's end drops.
    pub(super) fn post(path: String, body: String) -> Self {
        Self { path, query: Vec::new(), page: None, body: Some(body) }
    }

    /// What of a list it reads, or which row: the same for all pages.
    pub fn part(&self) -> PartId {
        PartId::of((&self.path, &self.query))
    }

    /// What stands behind the path.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let query = self.query.iter().map(|(name, value)| (name.as_str(), Cow::from(value)));
        let page = self.page.into_iter();
        let page = page.flat_map(|page| [("page", page.to_string()), ("per_page", PER_PAGE.to_string())]);
        query.chain(page.map(|(name, value)| (name, Cow::from(value))))
    }

    /// How it is named in errors.
    pub fn at(&self) -> RequestLine {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.parameters());
        let query = query.finish();
        let path = if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) };
        RequestLine { method: if self.is_post() { "POST" } else { "GET" }, path }
    }

    /// Below the base URL, without what stands behind it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether it acts. Such a request must not be sent twice, and its answer is no other request's.
    pub fn is_post(&self) -> bool {
        self.body.is_some()
    }

    /// What is posted.
    pub(super) fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }
}
