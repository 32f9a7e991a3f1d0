//! The only HTTP client. It sends a request with the account's token, within the rate limits, retries temporary errors,
//! and returns a body or a [`Fault`].
//!
//! It is made of layers. Each layer is an [`Exchange`] and holds the layer below:
//!
//! ```text
//! Client      get, post; the query's timeout applies to a GET
//!   │         ◄── a cache belongs here: see `Client::try_new`
//! Retrying    retries temporary errors after a pause; never a POST that may have been executed
//!   │
//! Budgeted    waits for a place in the token's budget, holds a permit, counts the request
//!   │
//! Http        one attempt: URL, token, timeout, maximum body size
//! ```
//!
//! A test double can replace any layer, and [`Client::over`] makes a client of any layer. An [`Attempt`] goes down with
//! a request. Events that a layer needs before the result exists come up through an [`Observer`].
//!
//! - [`Client`]: one account's connection to the API. Cheap to clone.
//! - [`RequestScope`]: the query and the scan that requests are sent for.
//! - [`page`]: reads a list's pages in parallel and returns them in order. [`Extent`]: where the list ends.
//! - [`rate_limit`]: a token's budget of requests, and the requests in flight. [`Budgets`]: which clients share a budget.
//! - [`retry`]: which requests are retried, and when.
//!
//! This module knows no table, no column and no SQL.

mod base_url;
mod body;
mod budget_layer;
mod budgets;
mod client;
mod exchange;
mod fault;
mod http_layer;
mod list_extent;
pub mod page;
pub mod rate_limit;
mod read_ahead;
mod request;
mod response;
pub mod retry;
mod retry_layer;
mod scope;
#[cfg(test)]
mod test_double;

pub use base_url::is_loopback;
pub use body::{Body, Head, NotAnObject};
pub use budgets::Budgets;
pub use client::{Client, Options};
pub use exchange::{Attempt, Exchange, Observer, Sent};
pub use fault::Fault;
pub use list_extent::{Extent, Hole, MAX_PROOF_PAGES, ShortBy, TooFar};
pub use read_ahead::{Memory, ReadAhead};
pub use request::{PER_PAGE, Request, RequestLine};
pub use scope::RequestScope;
