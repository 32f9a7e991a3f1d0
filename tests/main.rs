//! The tests, one binary: each links DataFusion.
//!
//! - `scan`: statements to requests to rows, against the simulated account over HTTP.
//! - `support`: what they share.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod scan;
mod support;
