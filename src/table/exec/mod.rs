//! EXEC: a procedure of a resource, called once.
//!
//! ```text
//! CallProcedure       the logical plan: a procedure and expressions for its arguments      (node)
//!    │ planned: the arguments are evaluated, checked, and become a request               (planner)
//! CallProcedureExec   the physical plan: EXPLAIN shows the request, `execute` sends it     (plan)
//!    │ executed, if the run has a `Permission`
//! Writer              calls the procedure once for each execution                        (writer)
//!    ├─ records       starts the POST in a task of its own, or finds the one that the ticket has started before
//!    ├─ post          the POST, its audit line, its row; what to tell if the answer is lost
//!    └─ settle        AWAIT: reads the row again until it says that it is over
//! ```
//!
//! Planning sends nothing. Who may end what while a POST runs is a table on the page of `writer`.

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

use std::time::Duration;

pub use call_planner::CallPlanner;
pub use call_procedure::{ArgumentSlot, CallProcedure};
pub use call_procedure_exec::CallProcedureExec;
pub use exec_records::{Execution, Once, TICKET_LIFE};
pub use fault::Fault;
pub use writer::{Permission, TIME_OF_AN_EXEC, Writer};

/// How long AWAIT waits where the statement does not say.
pub const USUAL_WAIT: Duration = Duration::from_secs(600);

/// The longest that a statement may say.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// How often AWAIT asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// The pause before the first question; each is half as long again as the one before.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self { first_pause: Duration::from_secs(1), longest_pause: Duration::from_secs(15) }
    }
}
