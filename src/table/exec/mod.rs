//! EXEC: a procedure of a resource, called once.
//!
//! ```text
//! CallProcedure       the logical plan: a procedure and expressions for its arguments      (node)
//!    │ planned: the arguments are evaluated, checked, and become a request               (planner)
//! CallProcedureExec   the physical plan: EXPLAIN shows the request, `execute` sends it     (plan)
//!    │ executed, with the run's `Permission`
//! Records             starts the POST in a task of its own, or finds the one that a       (records)
//!    │                ticket has started before; whoever waits may leave
//!    ├─ post          the POST, its audit line, its row; what to tell if the answer is lost
//!    └─ settle        AWAIT: reads the row again until it says that it is over
//! ```
//!
//! Nothing is sent by planning. A POST is not stopped by its client, nor by a time limit of the query; polling is.

mod audit;
mod fault;
mod node;
mod plan;
mod planner;
mod post;
mod records;
mod settle;
mod values;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::query::Principal;

pub use fault::Fault;
pub use node::{CallProcedure, Slot};
pub use plan::CallProcedureExec;
pub use planner::CallPlanner;
pub use records::{Execution, Once, Records, TICKET_LIFE};

/// How long AWAIT waits where the statement does not say.
pub const USUAL_WAIT: Duration = Duration::from_secs(600);

/// The longest that a statement may say.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// That a run may write, and on whose behalf ([`super::Run`]). A plan that finds none writes nothing.
#[derive(Debug)]
pub struct Permission {
    /// Who asked, for the audit line.
    pub principal: Principal,
    /// Which execution of the statement this is.
    pub execution: Execution,
    /// What was started, and how it ended.
    pub records: Arc<Records>,
    /// Where POSTs run. Plans compute within a poll, and a POST beside them would miss its time.
    pub runtime: Handle,
    /// How AWAIT asks.
    pub polling: Polling,
}

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
