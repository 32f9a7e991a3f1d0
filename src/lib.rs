//! DigitalOcean's API as SQL tables, served over Arrow Flight SQL.
//!
//! A client's statement is planned by DataFusion over tables that are declarations; a table's
//! filters become requests; a page's bytes become a record batch and leave as soon as they are
//! there. ARCHITECTURE.md tells how the pieces work together, and why.
//!
//! # Layout
//!
//! From the outside in; each layer imports only what stands below it (`tests/layers.rs` sees to it).
//!
//! - [`cli`]: the commands `serve`, `query`, `tables`, `demo`, `settings`, and the exit codes.
//! - [`config`]: settings from flags, environment, file and defaults.
//! - [`server`]: a listener and a shutdown around the service.
//! - [`flight`]: the only gRPC. One file a Flight SQL command; handles; errors to codes.
//! - [`engine`]: SQL in, a stream of record batches out.
//! - [`sql`]: text to one parsed statement, EXEC, SHOW and DESCRIBE among them. No I/O.
//! - [`table`]: DataFusion's side of a resource: filters to pins, pins to requests, the scan; and EXEC, once.
//! - [`rows`]: JSON bytes and a declaration to a record batch. Pure.
//! - [`api`]: the only HTTP client: paging, retries, the token's budget.
//! - [`resource`]: the declarations. No I/O.
//! - [`query`]: one query, from its text to its last row: who asks, its limits, counts and ledger, its cancel.
//! - [`error`], [`secret`]: errors as values; a token that does not print.
//!
//! The simulated account of `--demo` and of the tests is the crate `simulated-account`, which imports none of these. A
//! build without the feature `demo` does not have it.

pub mod api;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod flight;
pub mod query;
pub mod resource;
pub mod rows;
pub mod secret;
pub mod server;
pub mod sql;
pub mod table;
