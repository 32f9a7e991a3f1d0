//! A simulated DigitalOcean account: a real HTTP server on a socket, with rows of
//! its own, the API's pages, limits and refusals, and faults on request.
//!
//! It is for `oceanflight demo`, where nobody needs a token, and for tests, which
//! need an API that fails when told to. It is no model of all of DigitalOcean: it
//! knows the tables whose fixtures are embedded, and of writes only the one that the
//! fixtures declare. It imports nothing from the rest of the crate, so that it shares
//! no mistake with what it is there to test.
//!
//! ```text
//! server      a socket, an account          connection   a socket that can be dropped
//! respond     a request and its answer      delivery     an answer on the wire, or half of it
//! asked       a request, read           api          the answer if nothing happens
//! route       which table a path is about   page         which part of a list
//! limit       the sliding windows           requests     what was asked
//! fault       what goes wrong, when         fault_text   the same as people write it
//! tables      the rows as they are now      rows         one list, mostly two numbers
//! fixture     the rows as they were written action       the life of an image's action
//! ```
//!
//! # A table is a fixture
//! `tests/fixtures/digitalocean/compute/images.json` is one; a further table takes a
//! further file and no code. The keys:
//!
//! | key | meaning |
//! |---|---|
//! | `about` | for the reader |
//! | `key` | the field that identifies a row; `id` if not said |
//! | `parent` | `{table, field}`: the table whose key is the first parameter of the paths, and the field that repeats it |
//! | `list` | `{path, rows}`: a page of rows under that key |
//! | `get` | `{path, row, also_by}`: one row under that key, by its key or another field; without a parameter the first |
//! | `post` | `{path, row, life, regions}`: what begins a row; `life` is one that `action` knows |
//! | `query` | by query parameter: `{"equals": FIELD}`, `{"contains": FIELD}` or `{"values": {VALUE: {FIELD: VALUE}}}` |
//! | `newest_first` | rows in descending order of their keys |
//! | `items`, `total` | the rows; how many there are in all, the rest made from templates |
//! | `children` | with a parent: `[{of, rows, total}]`; a parent that is not listed has no rows |
//! | `templates` | `{newest_id, newest_at, span_days, rows}` |
//!
//! Template rows are cycled: row `k` (0 is the newest) is template `k % n` with the id
//! `newest_id - 1009 k - lane`, begun at `newest_at - k step`. The lane is the parent's
//! place in its list, the step the span divided by the number of rows made; other times
//! of the row keep their distance. So a list of a million rows takes no memory, and is
//! the same every time.
//!
//! In a written row `{"$row": "TABLE/KEY"}` is a row of another fixture, and `"now-90s"`
//! or `"now+2m"` a time relative to the start. Where the table has a `post`, a row that
//! is in progress until `now+2m` is completed then.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that fails may panic"))]

mod account;
mod action;
mod answer;
mod api;
mod asked;
#[cfg(test)]
mod client;
mod connection;
mod control;
mod delivery;
mod fault;
mod fault_text;
mod fixture;
mod limit;
mod options;
mod page;
mod requests;
mod respond;
mod route;
mod rows;
mod server;
mod tables;

pub use account::Account;
pub use fault::{Effect, Fault, When};
pub use fault_text::FaultError;
pub use fixture::Error;
pub use options::{Limits, Options, Total, TotalError};
pub use requests::Recorded;
pub use rows::Change;
pub use server::{Running, StartError, serve};
