//! The threads that statements are planned and run on.
//!
//! DataFusion computes inside of a poll, sometimes for minutes: a join over an inequality, a chain of a thousand
//! operators. On the threads that also answer gRPC, timers and signals, two such queries made a server of two cores
//! deaf, to Ctrl-C as well. So plans have a runtime of their own; what waits for them stays awake, and keeps the time.

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

/// A task on those threads, stopped where it next waits when this is dropped.
pub(super) struct Apart<T>(JoinHandle<T>);

impl<T: Send + 'static> Apart<T> {
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

impl<T> Drop for Apart<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A value that is dropped on those threads: a plan is dropped by recursion, and as deep as it is planned.
pub(super) struct DroppedApart<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> DroppedApart<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// The value, for those threads again.
    pub(super) fn into_inner(mut self) -> T {
        self.0.take().expect("it is taken here alone")
    }
}

impl<T: Send + 'static> Deref for DroppedApart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("nobody has it once it is taken")
    }
}

impl<T: Send + 'static> Drop for DroppedApart<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            PLANS.spawn(async move { drop(value) });
        }
    }
}
