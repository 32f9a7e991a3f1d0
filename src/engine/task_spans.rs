//! Gives the tasks that DataFusion spawns the span of their query.
//!
//! Operators such as RepartitionExec spawn tasks. A spawned task has no span by default: the log lines of a scan below
//! such an operator would lack the query's id.

use std::any::Any;

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::future::{BoxFuture, FutureExt};
use tracing::{Instrument, Span};

/// The output of a task, of any type.
type TaskOutput = Box<dyn Any + Send>;

/// Gives a task the span of the task that spawns it.
struct SpawnerSpan;

impl JoinSetTracer for SpawnerSpan {
    fn trace_future(&self, task: BoxFuture<'static, TaskOutput>) -> BoxFuture<'static, TaskOutput> {
        task.in_current_span().boxed()
    }

    fn trace_block(&self, block: Box<dyn FnOnce() -> TaskOutput + Send>) -> Box<dyn FnOnce() -> TaskOutput + Send> {
        let span = Span::current();
        Box::new(move || span.in_scope(block))
    }
}

/// Makes every task that DataFusion spawns in this process inherit the span of its spawner. A tracer that the program
/// has set before stays in place.
pub(super) fn follow_tasks() {
    let _ = set_join_set_tracer(&SpawnerSpan);
}
