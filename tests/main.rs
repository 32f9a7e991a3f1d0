//! The tests, one binary: each links DataFusion.
//!
//! - `answers`: the value that SQL says, or an error: types, subqueries, parameters, dialects.
//! - `cli`: the program: arguments, exit codes, what is printed where, signals.
//! - `scan`: statements to requests to rows, against the simulated account over HTTP.
//! - `conformance`: every table times every shape of query, over the wire.
//! - `exec`: EXEC and CALL: what is sent, how often, and what is told of it.
//! - `show`: SHOW, DESCRIBE, and the tables that they are queries of.
//! - `joins`: joins that fetch what they need, against an oracle that has all rows.
//! - `price`: what a query costs, and where it stops.
//! - `queries`: queries that run: who knows of them, what cancels them, what is logged of them.
//! - `names`: bare names, and accounts as catalogs.
//! - `faults`: what the upstream can do wrong, and the budget.
//! - `flight`: gRPC over a socket: commands, handles, errors.
//! - `docs`: README.md and docs/: what they show is run, generated pages are compared.
//! - `slt`: DataFusion's own test files over the wire.
//! - `statements`: mistakes, parameters, metadata of the engine.
//! - `lists`: lists that are cut, repeated, or wrong in what they tell of themselves.
//! - `layers`: who imports whom, and that no table's name stands in code.
//! - `openapi`: the declarations against DigitalOcean's document.
//! - `support`: what they share.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod cli;
mod conformance;
mod docs;
mod exec;
mod faults;
mod flight;
mod joins;
mod layers;
mod lists;
mod names;
mod openapi;
mod price;
mod queries;
mod scan;
mod show;
mod slt;
mod statements;
mod support;
