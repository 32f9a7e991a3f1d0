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
//! merged      several lists served as one   action       the life of an image's action
//! fixture     the rows as they were written
//! ```
//!
//! # A table is a fixture
//! `fixtures/digitalocean/compute/images.json` is one; a further table takes a
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
//! | `query` | by query parameter, what it selects: see below |
//! | `not_together` | pairs of query parameters that are refused with 422 when a list is asked for with both |
//! | `newest_first` | rows in descending order of their keys |
//! | `also` | further fixtures, with parents or without, whose rows are in this list as well, and are got by its path |
//! | `items`, `total` | the rows; how many there are in all, the rest made from templates |
//! | `children` | with a parent: `[{of, rows, total, gone}]`; a parent that is not listed has no rows |
//! | `templates` | `{newest_id, newest_at, span_days, for_unknown, rows}` |
//!
//! What a query parameter selects:
//!
//! | filter | keeps the rows |
//! |---|---|
//! | `{"equals": FIELD}` | whose field has the parameter's value |
//! | `{"equals_ignoring_case": FIELD}` | the same, capital letters or not |
//! | `{"contains": FIELD}` | whose field is a list that has the value in it |
//! | `{"values": {VALUE: {FIELD: VALUE}}}` | whose fields have these values; all, for a value that is not there |
//! | `{"has": {"field": FIELD, "for": VALUE}}` | with the field, for this value; else, also without the parameter, those without it |
//!
//! A child whose `gone` is true is one whose parent was destroyed: it is in no list and cannot be got,
//! but the rows below it are served.
//!
//! A table with `also` and the tables that it names have numbers for keys, `newest_first`, and no number
//! twice: their rows come in descending order of the keys, each as it is in its own table now. A page
//! of it renders its own rows alone, however long the lists are; a `query` renders all.
//!
//! Template rows are cycled: row `k` (0 is the newest) is template `k % n` with the id
//! `newest_id - 1009 k - lane`, begun at `newest_at - k step`. The lane is the parent's
//! place in its list, the step the span divided by the number of rows made; other times
//! of the row keep their distance. So a list of a million rows takes no memory, and is
//! the same every time. Where `for_unknown` is true, the first template also stands for
//! an id that only a [`Total`] names.
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
mod merged;
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
