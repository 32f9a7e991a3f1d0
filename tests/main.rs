//! The integration tests. They are one binary, because each binary links DataFusion.
//!
//! - `answers`: SQL returns the right value, or an error: types, subqueries, parameters, dialects.
//! - `cancelled`: queries that a client ends by each of the ways that Flight SQL has.
//! - `cli`: the command line: arguments, exit codes, output, signals.
//! - `scan`: statements, their requests and their rows, against the simulated account over HTTP.
//! - `conformance`: every table with every shape of query, over gRPC.
//! - `datasets`: the user's own files and views: formats, folders, errors, joins, and that nothing else is reachable.
//! - `exec`: EXEC and CALL: the requests, how often they are sent, the rows and errors.
//! - `show`: SHOW, DESCRIBE, and the tables that they query.
//! - `joins`: joins that fetch only the keys that they need, against an oracle that has all rows.
//! - `price`: the number of requests of a query, and its limit.
//! - `queries`: the list of running queries, cancelling them, their log lines.
//! - `rust_client`: arrow-flight's own client.
//! - `names`: bare names, and accounts as catalogs.
//! - `faults`: errors of the API, and the budget.
//! - `flight`: gRPC over a socket: commands, handles, errors.
//! - `docs`: README.md and docs/: console blocks are run, generated parts are compared.
//! - `slt`: DataFusion's own test files over gRPC.
//! - `statements`: errors, parameters, metadata of the engine.
//! - `lists`: lists that are truncated, repeated, or have wrong totals and links.
//! - `limits`: statements that need much memory or time.
//! - `layers`: the imports between layers; no table's name in code.
//! - `openapi`: the declarations against DigitalOcean's OpenAPI document.
//! - `support`: shared code.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod cancelled;
mod cli;
mod conformance;
mod datasets;
mod docs;
mod exec;
mod faults;
mod flight;
mod joins;
mod layers;
mod limits;
mod lists;
mod names;
mod openapi;
mod price;
mod queries;
mod rust_client;
mod scan;
mod show;
mod slt;
mod statements;
mod support;
