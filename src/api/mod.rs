//! The only HTTP client: sends a request with the account's token, within its limits, as
//! often as it takes, and answers a body or a [`Fault`].
//!
//! - [`Client`]: one account's connection to the API. Cheap to clone.
//! - [`QueryContext`]: what all requests of one query share: its time limit, its counts, its notices.
//! - [`page`]: a list's pages, side by side, in order. [`Extent`]: where the list ends.
//! - [`limit`]: the account's budget of requests, and how many are in flight.
//! - [`retry`]: what is sent again, and when.
//!
//! It knows no table, no column and no SQL.

mod answer;
mod base_url;
mod body;
mod client;
mod context;
mod extent;
mod fault;
pub mod limit;
pub mod page;
mod read_ahead;
mod request;
pub mod retry;

pub use base_url::is_loopback;
pub use body::{Body, Head};
pub use client::{Client, Options, Sent};
pub use context::{Count, Counts, QueryContext, SentEnough};
pub use extent::{Extent, Far, Hole, MOST_PROOF, Short};
pub use fault::Fault;
pub use read_ahead::{Memory, ReadAhead};
pub use request::{PER_PAGE, Request, Where};
