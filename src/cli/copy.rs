//! Copies a stream of rows to an output format, while it draws the progress line and listens for signals.
//!
//! ```text
//!                    signal    ──► Err(Stopped)
//!   next() waits for batch     ──► RowWriter ──► Output
//!                    tick      ──► progress line (only while the next batch is awaited)
//! ```
//!
//! Do not change without thinking: an end that is not the end of the rows must look like one. `finish` is called only
//! after the last row, and writes the format's end (`]`, the Parquet footer). After an error or a signal `cut_short`
//! writes only rows that were held back, and the caller reports that the result is incomplete. The signal has priority
//! over rows that are ready, or Ctrl-C would have no effect on a fast stream.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::error::Error;
use super::format::{Format, OutputKind, RowWriter};
use super::output::Output;
use super::plan_text::PlanWriter;
use super::progress::{self, Line};
use super::signal::Signals;
use super::upstream::Upstream;
use crate::engine::{Query, QueryStream, is_explain};
use crate::error::Result;
use crate::flight::client::{Notes, Remote};

/// A statement that runs.
pub(super) struct StatementRun {
    /// Whether it is an EXPLAIN.
    is_explain: bool,
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
    /// The query, if it runs in this process.
    query: Option<Arc<Query>>,
    /// The server's notes, if it runs on a server.
    notes: Notes,
    /// Kept alive while rows may be read.
    _upstream: Option<Upstream>,
}

impl StatementRun {
    /// A statement that runs in this process.
    pub(super) fn local(sql: &str, stream: QueryStream, upstream: Upstream) -> Self {
        let QueryStream { schema, rows, query, .. } = stream;
        let (is_explain, query, notes) = (is_explain(sql), Some(query), Notes::default());
        Self { is_explain, schema, rows, query, notes, _upstream: Some(upstream) }
    }

    /// A statement that runs on a server.
    pub(super) fn remote(sql: &str, remote: Remote) -> Self {
        let Remote { schema, rows, notes } = remote;
        Self { is_explain: is_explain(sql), schema, rows, query: None, notes, _upstream: None }
    }

    /// Opens a writer for its rows. In the table format, plans of an EXPLAIN are written as text.
    fn open<'a>(
        &self,
        format: Format,
        place: OutputKind,
        output: &'a mut Output<'_>,
    ) -> Result<Box<dyn RowWriter + 'a>, ArrowError> {
        match format {
            Format::Table if self.is_explain && PlanWriter::supports(&self.schema) => {
                Ok(Box::new(PlanWriter::new(output)))
            }
            _ => format.open(&self.schema, place, output),
        }
    }

    /// Returns the text of the progress line, after `rows` rows.
    fn progress(&self, rows: u64) -> String {
        let Some(query) = &self.query else { return progress::text(None, rows) };
        match query.activity() {
            Some(activity) => activity,
            None => progress::text(Some(query.counts.pages.get()), query.counts.rows.get()),
        }
    }

    /// Returns the action that an EXEC has started, or its error, for a stream that ended before its row.
    pub(super) fn written(&self) -> Option<Result<String>> {
        self.query.as_ref().and_then(|query| query.exec_outcome())
    }

    /// Returns the notices about the rows.
    pub(super) fn notices(&self) -> Vec<String> {
        self.query.as_ref().map_or_else(|| self.notes.get(), |query| query.notices())
    }
}

/// The result of [`copy`].
pub(super) struct Copied {
    /// The number of rows received.
    pub(super) rows: u64,
    /// Whether all rows were received and written.
    pub(super) result: Result<()>,
}

/// Writes all rows, or the rows before an error.
pub(super) async fn copy(
    run: &mut StatementRun,
    format: Format,
    place: OutputKind,
    output: &mut Output<'_>,
    mut line: Line,
    signals: &mut Signals,
) -> Copied {
    let encode = |source: ArrowError| Error::Encode { format, source }.into();
    let mut rows = 0;
    let mut writer = match run.open(format, place, output) {
        Ok(writer) => writer,
        Err(error) => return Copied { rows, result: Err(encode(error)) },
    };
    // The progress line must be cleared before rows are written to the same terminal. The table format writes nothing
    // before the end (or 10,000 rows).
    let shares_terminal = matches!(place, OutputKind::Terminal(_)) && format != Format::Table;
    let result = loop {
        match next(run, rows, &mut line, signals).await {
            Ok(Some(batch)) => {
                if shares_terminal {
                    line.clear();
                }
                if let Err(error) = writer.write(&batch) {
                    break Err(encode(error));
                }
                rows += batch.num_rows() as u64;
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    line.clear();
    let last = if result.is_ok() { writer.finish() } else { writer.cut_short() };
    Copied { rows, result: result.and(last.map_err(encode)) }
}

/// Returns the next batch, and draws the progress line meanwhile.
async fn next(
    run: &mut StatementRun,
    rows: u64,
    line: &mut Line,
    signals: &mut Signals,
) -> Result<Option<RecordBatch>> {
    let mut ticks = ticks();
    loop {
        tokio::select! {
            biased;
            () = signals.next() => return Err(Error::Stopped.into()),
            batch = run.rows.next() => return batch.transpose(),
            _ = ticks.tick(), if line.is_visible() => {
                line.draw(run.progress(rows));
            }
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval_at(Instant::now() + progress::EVERY, progress::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
