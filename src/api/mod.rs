//! The only HTTP client: sends a request with the account's token, within its limits, as
//! often as it takes, and answers a body or a [`Fault`].
//!
//! It is made of layers. Each is an [`Exchange`], one request in and one whole body or a [`Fault`] out, and holds the
//! layer below:
//!
//! ```text
//! Client      get, post; a GET ends with its query's time
//!   │         ◄── a cache belongs here: see `Client::try_new`
//! Retrying    sends again what may pass, after a pause; a POST never after it may have been carried out
//!   │
//! Budgeted    waits for a place in the token's budget, holds a permit, counts the request
//!   │
//! Http        one attempt: URL, token, limits of time and size
//! ```
//!
//! A test double is a layer in place of any of them, and [`Client::over`] makes a client of any layer. What goes down
//! with a request is an [`Attempt`]; what a layer hears of it before there is a result comes up through an [`Observer`].
//!
//! - [`Client`]: one account's connection to the API. Cheap to clone.
//! - [`RequestScope`]: the query, and the scan of it, that requests are sent for.
//! - [`page`]: a list's pages, side by side, in order. [`Extent`]: where the list ends.
//! - [`limit`]: a token's budget of requests, and how many are in flight. [`Budgets`]: which clients share one.
//! - [`retry`]: what is sent again, and when.
//!
//! It knows no table, no column and no SQL.

mod base_url;
mod body;
mod budget_layer;
mod budgets;
mod client;
mod exchange;
mod fault;
mod http_layer;
pub mod limit;
mod list_extent;
pub mod page;
mod read_ahead;
mod request;
mod response;
pub mod retry;
mod retry_layer;
mod scope;
#[cfg(test)]
mod test_double;

pub use base_url::is_loopback;
pub use body::{Body, Head, NoObject};
pub use budgets::Budgets;
pub use client::{Client, Options};
pub use exchange::{Attempt, Exchange, Observer, Sent};
pub use fault::Fault;
pub use list_extent::{Extent, Hole, MOST_PROOF, ShortBy, TooFar};
pub use read_ahead::{Memory, ReadAhead};
pub use request::{PER_PAGE, Request, RequestLine};
pub use scope::RequestScope;
