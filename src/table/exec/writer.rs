//! The only place that starts POSTs: one for each execution.
//!
//! An engine that may write has one [`Writer`]. A plan only calls it ([`Writer::call`]). A shutdown reads the number of
//! POSTs without an outcome, and waits for them. A POST runs in its own task, so it continues if the future that waits
//! for its row is dropped.
//!
//! ```text
//! DoGet ─► CallProcedureExec ─► Writer::call ─► Records::start ─ ─ ─► task: post::post ─► API
//!                                    │                │ a record per ticket    │
//!                                    │                ▼                        │
//!                                    └─ waits for PendingOutcome ◄─────────────┘ row or error
//!                                    └─ with AWAIT: await_end::until_settled
//! ```
//!
//! Do not change without thinking:
//! - nothing may abort the task of a POST, and its runtime must not be the one of the plan threads;
//! - the record is stored under the same lock that looks it up, before the POST begins: otherwise two reads of a ticket
//!   could start two POSTs.
//!
//! # What ends, and what continues
//!
//! `by` names the function that does it, `test` the test that shows it; `tests/exec/page.rs` checks that they exist.
//!
//! ```text
//! What happens                        What ends with it                     What continues
//! ----------------------------------  ------------------------------------  -----------------------------------
//! The client closes the stream of     the plan, its wait for the row,       the POST, and its record: the same
//! a DoGet, or its connection          AWAIT                                 ticket returns the row later
//!     by    engine::plan_threads::drop
//!     test  exec::once::a_client_that_disconnects_during_the_post_gets_its_row_later
//!     test  exec::awaiting::polling_ends_when_the_client_disconnects_and_the_post_does_not
//!
//! A DoGet is dropped before its       planning, or the plan: it has sent    the ticket
//! rows are read                       nothing
//!     by    table::exec::call_procedure_exec::execute
//!     test  exec::dropped::a_do_get_that_is_dropped_before_its_rows_are_read_sends_nothing
//!
//! A DoPut is dropped                  the wait for the current parameter    the POST of the current row
//!                                     row; later rows are not sent
//!     by    engine::exec_update::update
//!     test  exec::several::a_client_that_disconnects_between_rows_leaves_the_rest_unsent
//!
//! The query's deadline passes         planning, and reading the rows of a   the EXEC: its time is
//! (query.timeout)                     DoPut                                 TIME_OF_AN_EXEC
//!     by    engine::task
//!     test  engine::plan_driver::tests::the_timeout_of_a_query_ends_a_select_and_not_an_exec
//!
//! The query is cancelled by its       the plan, its wait for the row,       the POST, and its record; the error says
//! number                              AWAIT                                 that the POST is not cancelled
//!     by    engine::cancel
//!     test  queries::the_error_of_a_cancelled_exec_says_that_its_post_is_not_undone
//!
//! query: the first Ctrl-C,            planning, reading rows, AWAIT         the POST: the process waits for it,
//! SIGTERM or SIGHUP                                                         and prints what it started
//!     by    cli::query::run, cli::copy::next, cli::finish_exec::finish
//!     test  cli::exec::after_a_signal_the_post_is_awaited_and_its_action_reported
//!     test  cli::exec::a_signal_ends_an_await_and_the_started_action_is_reported
//!
//! query: another signal, or an        nothing while a POST runs; otherwise  the POST
//! output pipe that is not read        the process, 2 s after the first
//!     by    cli::signal::end_if_stuck
//!     test  cli::exec::a_second_signal_does_not_end_a_post
//!
//! serve: the first signal             new connections; after 5 s streams,   the streams of EXECs; then the
//!                                     but not those of EXECs                writer stops, see below
//!     by    server::run, flight::stream::encode
//!     test  exec::stopping::a_shutdown_waits_for_the_post_and_starts_no_other
//!     test  cli::serving::a_query_that_takes_longer_ends_as_unavailable
//!
//! serve: the second signal            the 5 s, at once; the process, as     POSTs
//! (a SIGHUP does not count)           soon as no POST runs
//!     by    cli::serve::run
//!     test  cli::exec::after_a_second_signal_a_server_still_waits_for_the_post
//!     test  cli::exec::repeated_sighups_of_a_closed_terminal_count_once
//!
//! The writer stops (finish)           AWAIT, with the action's id; an EXEC  POSTs: it waits for all of them
//!                                     that has sent nothing is rejected
//!     by    table::exec::writer::finish
//!     test  exec::stopping::a_shutdown_ends_an_await_with_the_id_of_the_action
//!     test  table::exec::exec_records::tests::a_post_without_a_reader_runs_to_its_end_and_a_shutdown_waits_for_it
//!
//! AWAIT ends: a final status, its     the stream, with the row or an error  the action, at DigitalOcean
//! limit, or a permanent error
//!     by    table::exec::await_end::until_settled
//!     test  exec::awaiting::an_expired_limit_is_an_error_with_the_id_and_the_last_status
//!
//! The POST's task ends: with a        the waits of all readers of its       nothing; after a panic it is unknown
//! response, a timeout, or a panic     ticket, with the same outcome         whether the POST was sent
//!     by    table::exec::exec_records::start
//!     test  exec::lost::a_timeout_is_a_lost_response_too
//!     test  table::exec::exec_records::tests::a_task_that_panics_leaves_an_error
//!
//! A ticket's record is removed:       nothing: the ticket has expired       the POST, and the waits for it
//! 11 minutes after GetFlightInfo, at  before
//! the next EXEC
//!     by    table::exec::exec_records::start
//!     test  table::exec::exec_records::tests::removing_a_record_ends_neither_its_post_nor_the_wait_for_it
//!
//! The process is killed               everything: a request that was sent   nothing; its tickets are rejected by
//! (SIGKILL, out of memory)            may have been executed                the next process
//!     by    table::exec::exec_records::expires
//!     test  exec::once::the_ticket_of_another_process_is_rejected
//! ```
//!
//! A POST whose query has ended is counted by [`Writer::unanswered`], but not listed by `Engine::queries`.
//!
//! `oceanflight query --server` does not run the POST itself: a signal closes its stream.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::runtime::Handle;

use super::call_procedure_exec::ProcedureCall;
use super::exec_records::Records;
use super::{Execution, Fault, LONGEST_WAIT, Once, Polling, await_end, post};
use crate::api::{Client, RequestScope};
use crate::error::Result;

/// The timeout of a query that is an EXEC, longer than every limit of its parts: the maximum wait for the budget, the
/// attempts' timeout, the limit of AWAIT. The timeout of other queries would end it with an unknown outcome.
pub const TIME_OF_AN_EXEC: Duration = Duration::from_secs(LONGEST_WAIT.as_secs() + 3_600);

/// The permission of a run to write ([`crate::table::Run`]). A plan whose run has no permission writes nothing.
#[derive(Debug)]
pub struct Permission {
    /// The execution that the run belongs to.
    pub execution: Execution,
    /// The engine's writer.
    pub writer: Arc<Writer>,
}

/// Calls procedures, and records the calls. An engine that may write has one.
#[derive(Debug)]
pub struct Writer {
    records: Records,
    /// The runtime that POSTs run on. Not the plan threads: plans compute within a poll, and would delay a POST.
    runtime: Handle,
    polling: Polling,
}

impl Writer {
    /// A writer whose POSTs run on the current runtime, which must be the one that serves clients.
    ///
    /// # Errors
    /// [`Fault::NoRuntime`].
    pub fn try_new(polling: Polling) -> Result<Self, Fault> {
        let runtime = Handle::try_current().map_err(|_| Fault::NoRuntime)?;
        Ok(Self { records: Records::default(), runtime, polling })
    }

    /// The number of a new execution, for a ticket.
    pub fn mint(&self) -> Once {
        self.records.mint()
    }

    /// Calls a procedure, unless this execution has called it before, and returns the row of the API's response; with
    /// AWAIT, the row with its final status. Dropping the future ends the wait and AWAIT, but not the POST.
    ///
    /// # Errors
    /// [`Fault`], and the errors of the POST.
    pub(super) async fn call(
        &self,
        call: &Arc<ProcedureCall>,
        execution: &Execution,
        client: &Client,
        scope: &RequestScope,
    ) -> Result<RecordBatch> {
        scope.query.set_activity(call.request());
        let post = post::post(Arc::clone(call), client.clone(), scope.clone());
        let row = self.records.start(execution, call.request(), &self.runtime, post)?.outcome().await?;
        match call.wait {
            None => Ok(row),
            Some(limit) => await_end::until_settled(call, client, row, limit, self, scope).await,
        }
    }

    /// The number of POSTs without an outcome.
    pub fn unanswered(&self) -> usize {
        self.records.unanswered()
    }

    /// Rejects new POSTs from now on, and waits for the running ones.
    pub async fn finish(&self) {
        self.records.finish().await;
    }

    /// Waits until [`Writer::finish`] is called.
    pub(super) async fn stopped(&self) {
        self.records.stopped().await;
    }

    /// How often AWAIT reads the row.
    pub(super) fn polling(&self) -> Polling {
        self.polling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_is_made_outside_of_a_runtime_is_an_error() {
        assert!(matches!(Writer::try_new(Polling::default()), Err(Fault::NoRuntime)));
    }
}
