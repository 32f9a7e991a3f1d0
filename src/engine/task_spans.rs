//! Log lines of the tasks that DataFusion starts.
//!
//! Operators such as RepartitionExec start tasks of their own. A task has no span unless it is given one: without this,
//! what a scan below such an operator logs would not have its query's id.

use std::any::Any;

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::future::{BoxFuture, FutureExt};
use tracing::{Instrument, Span};

/// What a task answers, of whatever type.
type TaskOutput = Box<dyn Any + Send>;

/// Gives a task the span of whoever starts it.
struct SpanOfTheStarter;

impl JoinSetTracer for SpanOfTheStarter {
    fn trace_future(&self, task: BoxFuture<'static, TaskOutput>) -> BoxFuture<'static, TaskOutput> {
        task.in_current_span().boxed()
    }

    fn trace_block(&self, block: Box<dyn FnOnce() -> TaskOutput + Send>) -> Box<dyn FnOnce() -> TaskOutput + Send> {
        let span = Span::current();
        Box::new(move || span.in_scope(block))
    }
}

/// Makes every task that DataFusion spawns in this process inherit the span of the task that spawns it. If the program
/// has set a tracer before, that one stays.
pub(super) fn follow_tasks() {
    let _ = set_join_set_tracer(&SpanOfTheStarter);
}
