//! A query from its text to its last row: its client, its limits, its state, and the counts of what it has done so far.
//!
//! - [`Principal`]: who asks. Every call of the engine is given one.
//! - [`Query`]: one statement that is planned or runs; whatever is done for it is given it as an argument.
//! - [`Queries`]: those that are planned or run now.
//! - [`Counts`]: what was counted; a scan has some of its own.
//! - [`Ledger`]: how many requests the query is known to need, by the lists that it reads.

mod counts;
mod ledger;
mod limits;
mod principal;
mod queries;
mod running;

pub use counts::{Count, Counts};
pub use ledger::{Ledger, ListId, PartId};
pub use limits::{Limits, SentEnough};
pub use principal::{Identity, Peer, Principal};
pub use queries::{Queries, Registered};
pub use running::{Cancelled, Query, QueryId, QueryState};
