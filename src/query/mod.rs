//! A query from its text to its last row: its client, its limits, its state and its counters.
//!
//! - [`Principal`]: the client. An argument of every call of the engine.
//! - [`Query`]: one statement that is being planned or executed. An argument of everything that is done for it.
//! - [`Queries`]: the queries that are planned or executed now, and how many there may be.
//! - [`Counts`]: the counters of a query, or of one of its scans.
//! - [`Ledger`]: the number of requests that the query is known to need, by the lists that it reads.

mod counts;
mod current;
mod ledger;
mod lifecycle;
mod limits;
mod places;
mod principal;
mod queries;
mod session_options;
mod session_scope;

pub use counts::{Count, Counts};
pub use current::current;
pub use ledger::{Ledger, ListId, PartId};
pub use lifecycle::{Cancelled, Query, QueryId, QueryState, StopReason};
pub use limits::{Limits, QueryCaps, RequestLimitReached};
pub use principal::{Identity, Peer, Principal};
pub use queries::{Queries, Registered, TooManyQueries};
pub use session_options::{Choice, Intervals, Nested, ResultTypes, SessionOptions, TableTypes, Timestamps};
pub use session_scope::SessionScope;
