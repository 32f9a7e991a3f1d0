//! DigitalOcean's API as SQL tables, served over Arrow Flight SQL.
//!
//! DataFusion plans a client's statement over tables that are declared as data. A table's filters become requests. Each
//! page of a response becomes a record batch, which is sent to the client as soon as it is decoded. ARCHITECTURE.md
//! explains how the modules work together, and why.
//!
//! # Layout
//!
//! From the outside in; a layer imports only layers below it (`tests/layers.rs` checks this).
//!
//! - [`cli`]: the commands `serve`, `query`, `tables`, `demo`, `settings` and `completions`; the exit codes.
//! - [`config`]: settings from flags, environment, file and defaults.
//! - [`server`]: a listener, the service, and a graceful shutdown.
//! - [`flight`]: the only gRPC. A file for each Flight SQL command; handles; status codes of errors.
//! - [`engine`]: plans SQL, and returns a stream of record batches.
//! - [`sql`]: parses text to one statement; EXEC, SHOW and DESCRIBE among them. No I/O.
//! - [`datasets`]: the user's own files as DataFusion tables.
//! - [`table`]: a resource as a DataFusion table: filters to key constraints, constraints to requests, scans, bind
//!   joins; and EXEC, at most once.
//! - [`rows`]: decodes JSON to record batches, by a table's declaration. Pure.
//! - [`api`]: the only HTTP client: paging, retries, the token's budget.
//! - [`resource`]: the declarations. No I/O.
//! - [`query`]: one query from its text to its last row: its principal, limits, counts and ledger, and how to cancel
//!   it.
//! - [`heap`]: how much memory the process has allocated.
//! - [`error`], [`secret`]: errors as values; a token that is never printed.
//!
//! The simulated account of `--demo` and of the tests is the crate `simulated-account`, which imports none of these. A
//! build without the feature `demo` does not have it.

pub mod api;
pub mod cli;
pub mod config;
pub mod datasets;
pub mod engine;
pub mod error;
pub mod flight;
pub mod heap;
pub mod query;
pub mod resource;
pub mod rows;
pub mod secret;
pub mod server;
pub mod sql;
pub mod table;
