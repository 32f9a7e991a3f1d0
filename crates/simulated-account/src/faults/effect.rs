//! What a fault can do besides returning another status.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::Change;

/// What happens to a request or its response.
#[derive(Debug, Clone)]
pub enum TestEffect {
    /// Before the request is executed.
    Before(Before),
    /// Instead of executing the request.
    Instead(Instead),
    /// The request is executed for another page or page size.
    Paging(Paging),
    /// After the request was executed.
    After(After),
}

/// What happens before a request is executed.
#[derive(Debug, Clone)]
pub enum Before {
    /// The request waits for this time.
    Delay(Duration),
    /// The request waits for a permit and takes it: tests need no sleeps.
    Hold(Arc<Semaphore>),
    /// Rows are added to the requested list or removed.
    Rows(Change),
}

/// What happens to a request that is not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// The error page of a gateway, with this status, which may be 200.
    Html(u16),
    /// 200 with any text as JSON.
    Body(String),
    /// 302 to this URL.
    Redirect(String),
    /// No response; the connection stays open.
    Hang,
    /// No response; the connection closes.
    Reset,
}

/// Which rows a page has instead of the requested ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// At most this number of rows, whatever `per_page` is.
    PerPage(u64),
    /// The rows of this page, whichever page is requested; the links and the total are those of the requested page.
    RowsOfPage(u64),
}

/// What happens to the response of a request that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// No response; the connection closes.
    Reset,
    /// Another response.
    Answer {
        /// The status, which may be a success or a redirect.
        code: u16,
        /// The body, sent unchanged: JSON or any other text, an HTML page if it starts with `<`, or empty; `None` is
        /// DigitalOcean's error for the status.
        body: Option<String>,
        /// Headers besides those that every response has.
        headers: Vec<(String, String)>,
    },
    /// The connection closes half-way through the body, short of its `content-length`.
    CutBody,
    /// A complete HTTP response with only half of the JSON.
    Truncated,
    /// The body comes byte by byte with this interval, and never ends.
    Drip(Duration),
    /// A top-level field, or the value at a JSON pointer, is removed; `*` in the pointer is every index of a list.
    Without(String),
    /// There is another value at a JSON pointer.
    Set {
        /// Such as `/actions/3/id`; `*` is every index of a list.
        pointer: String,
        /// The other value.
        value: Value,
    },
    /// There is a key twice: unchanged, and after that with another value.
    Twice {
        /// A JSON pointer to the key, such as `/actions` or `/actions/3/id`.
        pointer: String,
        /// The second value.
        value: Value,
    },
    /// Only the first rows of a page are returned; its links and its total do not change.
    Short(usize),
}

impl TestEffect {
    /// The request waits for a permit and takes it.
    pub fn hold(gate: Arc<Semaphore>) -> Self {
        Self::Before(Before::Hold(gate))
    }

    /// This status and this body, instead of the response to a request that was executed.
    pub fn answer_after(code: u16, body: &str) -> Self {
        Self::After(After::Answer { code, body: Some(body.to_owned()), headers: Vec::new() })
    }

    /// Whether this decides how a request ends: of several such effects only the first applies.
    pub(crate) fn decides(&self) -> bool {
        match self {
            Self::Before(_) | Self::Paging(_) => false,
            Self::Instead(_) => true,
            Self::After(after) => match after {
                After::Reset | After::Answer { .. } | After::CutBody | After::Truncated | After::Drip(_) => true,
                After::Without(_) | After::Set { .. } | After::Twice { .. } | After::Short(_) => false,
            },
        }
    }
}
