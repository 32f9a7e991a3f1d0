//! A simulated DigitalOcean account: an HTTP server with rows of its own and the API's pages, filters, rate limits,
//! errors and actions.
//!
//! `oceanflight --demo` and `oceanflight demo` run it, so that a trial needs no token. The tests run it with the feature
//! `faults`, because they need an API that fails in a given way. It does not simulate all of DigitalOcean: it has the
//! tables whose fixtures are embedded, and the one POST that the fixtures declare. It imports nothing of oceanflight, so
//! that the two cannot share a mistake.
//!
//! # Layout
//!
//! | module | what |
//! |---|---|
//! | `server`, `connection` | the listener; TCP connections that the server can close |
//! | `handler` | from an HTTP request to its response: token, rate limit, faults, API |
//! | `request`, `response` | the parts of a request that matter here; status, body and headers of a response |
//! | `api` | the API's response to a request, without limits and faults |
//! | `route`, `page` | the table that a path belongs to; `page`, `per_page` and `links` |
//! | `rate_limit` | the sliding windows of a token |
//! | `account`, `options` | the state that all requests share; how it is configured |
//! | `fixture` | the embedded files |
//! | `tables`, `rows`, `merged` | the current rows of all tables; one list; several lists served as one |
//! | `action` | how an image's action begins and completes |
//! | `fault`, `fault_text` | which requests fail, and how; faults as text |
//! | `faults` | test machinery, with the feature `faults` |
//!
//! # Features
//!
//! Without features there is one effect of a fault, another status (`GET /v2/images/* status=403`). The feature `faults`
//! adds what tests need: all other effects (responses that hang, are cut short or have other rows), a log of the
//! requests, and `/_demo/…`, which controls both over HTTP.
//!
//! # A table is a fixture
//! `fixtures/digitalocean/compute/images.json` is one. A new table needs a new file and no code. Its keys:
//!
//! | key | meaning |
//! |---|---|
//! | `about` | a note for the reader |
//! | `key` | the field that identifies a row; default `id` |
//! | `parent` | `{table, field}`: the table whose key is the first path parameter, and the field of a row that repeats it |
//! | `list` | `{path, rows}`: returns a page of rows under the key `rows` |
//! | `get` | `{path, row, also_by}`: returns one row under the key `row`, found by its key or one of the fields `also_by`; a path without a parameter returns the first row |
//! | `post` | `{path, row, life, regions}`: creates a row; `life` names one of the lifecycles in `action` |
//! | `query` | the filters, by query parameter: see below |
//! | `not_together` | pairs of query parameters; a list request with both returns 422 |
//! | `newest_first` | rows are in descending order of their keys |
//! | `also` | further fixtures, with or without parents, whose rows this list and its `get` return too |
//! | `items`, `total` | the rows; the number of rows, of which those beyond `items` are generated from templates |
//! | `children` | for a table with a parent: `[{of, rows, total, gone}]`; a parent that is not listed has no rows |
//! | `templates` | `{newest_id, newest_at, span_days, for_unknown, rows}` |
//!
//! Filters:
//!
//! | filter | keeps the rows |
//! |---|---|
//! | `{"equals": FIELD}` | whose field equals the parameter |
//! | `{"equals_ignoring_case": FIELD}` | the same, ignoring case |
//! | `{"contains": FIELD}` | whose field is a list that contains the parameter |
//! | `{"values": {VALUE: {FIELD: VALUE}}}` | whose fields have the values given for the parameter; all rows if none are given for it |
//! | `{"has": {"field": FIELD, "for": VALUE}}` | that have the field, if the parameter is `VALUE`; otherwise, also without the parameter, those that do not |
//!
//! A child with `gone` is one whose parent was destroyed: no list or get returns the parent, but the paths below it
//! still return its rows.
//!
//! A table with `also`, and the tables that it names, have integer keys, `newest_first`, and no key in common. The list
//! is in descending order of the keys over all of them. A page renders only its own rows, however long the lists are;
//! with a filter all rows are rendered.
//!
//! Template rows repeat in turn: row `k` (0 is the newest) is template `k % n` with the id `newest_id - 1009 k - lane`,
//! started at `newest_at - k step`. The lane is the parent's position in its list. The step is the span divided by the
//! number of generated rows; the other times of a row keep their distance to the first. So a list of a million rows
//! needs no memory, and is the same every time. With `for_unknown`, the first template is also the row of an id that
//! only a [`Total`] names.
//!
//! In a fixture `{"$row": "TABLE/KEY"}` stands for a row of another fixture, and `"now-90s"` or `"now+2m"` for a time
//! relative to the start. In a table with a `post`, a row that is in progress until `now+2m` completes at that time.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that fails may panic"))]

mod account;
mod action;
mod api;
#[cfg(test)]
mod client;
mod connection;
mod fault;
mod fault_text;
#[cfg(feature = "faults")]
mod faults;
mod fixture;
mod handler;
mod merged;
mod options;
mod page;
mod rate_limit;
mod request;
mod response;
mod route;
mod rows;
mod server;
mod tables;

pub use account::Account;
pub use fault::{Condition, Effect, Fault};
pub use fault_text::FaultError;
#[cfg(feature = "faults")]
pub use faults::{After, Before, Change, Instead, Paging, RecordedRequest, TestEffect};
pub use fixture::Error;
pub use options::{Limits, Options, Total, TotalError};
pub use server::{Running, StartError, serve};
