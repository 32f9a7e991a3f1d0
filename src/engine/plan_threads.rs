//! The threads that statements are planned and run on.
//!
//! DataFusion computes inside `poll`, sometimes for minutes: a join over an inequality, a chain of a thousand
//! operators. On the threads that serve gRPC, timers and signals, two such queries blocked a server with two cores,
//! even for Ctrl-C. So plans run on a tokio runtime of their own, and the main runtime stays responsive:
//!
//! ```text
//! main runtime                              plan runtime (one thread per core, 64 MiB stacks)
//!   gRPC, timers, signals, HTTP  ──spawn──►   planning; polling of plans
//!   awaits the next batch        ◄─channel─   one batch at a time, made when it is wanted
//! ```
//!
//! Do not change without thinking: POSTs must not run here (a busy poll would delay them past their timeout); plans
//! must be dropped here (dropping recurses as deep as the plan); the runtime is never shut down (a busy plan would
//! block that).

use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::LazyLock;

use futures::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// A thread's stack; memory is taken as far as it is touched. Planning goes down an expression by recursion, and
/// `a OR b OR …` is as deep as it is long: this holds the longest that `sql` lets through, also in a debug build.
const STACK_BYTES: usize = 64 << 20;

/// One for the process, as many threads as cores. It is never shut down: a plan that does not let go would hold that up.
static PLANS: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    let plans = builder.enable_all().thread_name("plans").thread_stack_size(STACK_BYTES).build();
    plans.expect("a system that cannot start a thread cannot run a query")
});

/// A task on the plan runtime. Dropping the handle aborts the task at its next await.
pub(super) struct PlanTask<T>(JoinHandle<T>);

impl<T: Send + 'static> PlanTask<T> {
    /// Starts it. It is boxed where it is made, so that the compiler proves there, and only there, that it can be sent.
    pub(super) fn spawn(work: BoxFuture<'static, T>) -> Self {
        Self(PLANS.spawn(work))
    }

    /// Waits for its end.
    pub(super) async fn join(mut self) -> T {
        match (&mut self.0).await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Nobody aborts it but its own drop.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl<T> Drop for PlanTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A value that is dropped on the plan runtime: dropping a plan recurses as deep as the plan is nested.
pub(super) struct DroppedOnPlanThread<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> DroppedOnPlanThread<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value, for those threads again.
    pub(super) fn into_inner(mut self) -> T {
        self.0.take().expect("it is taken here alone")
    }
}

impl<T: Send + 'static> Deref for DroppedOnPlanThread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("nobody has it once it is taken")
    }
}

impl<T: Send + 'static> Drop for DroppedOnPlanThread<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            PLANS.spawn(async move { drop(value) });
        }
    }
}
