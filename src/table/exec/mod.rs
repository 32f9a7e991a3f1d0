//! EXEC: calls a procedure of a resource, once.
//!
//! ```text
//! CallProcedure       the logical plan: a procedure and expressions for its arguments  (call_procedure)
//!    │ planning evaluates and checks the arguments, and makes the request              (call_planner)
//! CallProcedureExec   the physical plan: EXPLAIN shows the request, `execute` sends it (call_procedure_exec)
//!    │ executed, if the run has a `Permission`
//! Writer              calls the procedure once for each execution                      (writer)
//!    ├─ exec_records  starts the POST in its own task, or finds the one that the ticket has started before
//!    ├─ post          the POST, its audit line, its row; the error if the response is lost
//!    └─ await_end     AWAIT: reads the row again until its status is a final one
//! ```
//!
//! Do not change without thinking:
//! - planning sends nothing: a client may prepare and explain an EXEC;
//! - only [`Writer`] starts a POST. What may end while a POST runs, and what continues, is a table in `writer`;
//! - a POST is sent again only if the API has certainly not executed it (see `post`).

mod argument_values;
mod audit;
mod await_end;
mod call_planner;
mod call_procedure;
mod call_procedure_exec;
mod exec_records;
mod fault;
mod post;
mod writer;

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use std::time::Duration;

pub use call_planner::CallPlanner;
pub use call_procedure::{ArgumentSlot, CallProcedure};
pub use call_procedure_exec::CallProcedureExec;
pub use exec_records::{Execution, Once, TICKET_LIFE};
pub use fault::Fault;
pub use writer::{Permission, TIME_OF_AN_EXEC, Writer};

/// The default limit of AWAIT, for a statement without a time.
pub const USUAL_WAIT: Duration = Duration::from_secs(600);

/// Maximum limit of AWAIT.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// How often AWAIT reads the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// The pause before the first request. Each further pause is 1.5 times as long as the one before.
    pub first_pause: Duration,
    /// Maximum length of a pause.
    pub longest_pause: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self { first_pause: Duration::from_secs(1), longest_pause: Duration::from_secs(15) }
    }
}

/// Whether an operator calls a procedure.
pub(super) fn is_call(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<CallProcedureExec>()
}
