//! The tasks that DataFusion's operators spawn work for the query of their spawner.
//!
//! Operators such as RepartitionExec spawn tasks. A spawned task has no span by default, no current query, and no turn
//! ([`super::turns`]): the log lines of a scan below such an operator would lack the query's id, a function could not
//! check whether the query has ended, and the task would not wait for its turn.

use std::any::Any;

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::future::{BoxFuture, FutureExt};
use tracing::{Instrument, Span};

use super::turns::Turns;
use crate::query;

/// The output of a task, of any type.
type TaskOutput = Box<dyn Any + Send>;

/// Gives a task the span and the query of the task that spawns it.
struct OfSpawner;

impl JoinSetTracer for OfSpawner {
    fn trace_future(&self, task: BoxFuture<'static, TaskOutput>) -> BoxFuture<'static, TaskOutput> {
        let task = task.in_current_span().boxed();
        match query::current() {
            Some(query) => Turns::new(query, task).boxed(),
            None => task,
        }
    }

    fn trace_block(&self, block: Box<dyn FnOnce() -> TaskOutput + Send>) -> Box<dyn FnOnce() -> TaskOutput + Send> {
        let (span, query) = (Span::current(), query::current());
        Box::new(move || match query {
            Some(query) => span.in_scope(|| query.in_scope(block)),
            None => span.in_scope(block),
        })
    }
}

/// Makes every task that DataFusion spawns in this process work for the query of its spawner. A tracer that the program
/// has set before stays in place.
pub(super) fn follow_tasks() {
    let _ = set_join_set_tracer(&OfSpawner);
}
