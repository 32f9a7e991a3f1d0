//! From a stream of rows to a format, with an eye on the clock and on Ctrl-C.

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

/// A statement that was asked.
pub(super) struct StatementRun {
    /// Whether it is an EXPLAIN.
    explains: bool,
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
    /// Known only where this process reads the pages.
    query: Option<Arc<Query>>,
    /// Known only where a server does.
    notes: Notes,
    /// Stays as long as there may be rows.
    _upstream: Option<Upstream>,
}

impl StatementRun {
    /// In this process.
    pub(super) fn here(sql: &str, answer: QueryStream, upstream: Upstream) -> Self {
        let QueryStream { schema, rows, query, .. } = answer;
        let (explains, query, notes) = (is_explain(sql), Some(query), Notes::default());
        Self { explains, schema, rows, query, notes, _upstream: Some(upstream) }
    }

    /// On a server.
    pub(super) fn elsewhere(sql: &str, remote: Remote) -> Self {
        let Remote { schema, rows, notes } = remote;
        Self { explains: is_explain(sql), schema, rows, query: None, notes, _upstream: None }
    }

    /// Begins to write its rows. For people a plan is no table.
    fn open<'a>(
        &self,
        format: Format,
        place: OutputKind,
        output: &'a mut Output<'_>,
    ) -> Result<Box<dyn RowWriter + 'a>, ArrowError> {
        match format {
            Format::Table if self.explains && PlanWriter::are_in(&self.schema) => Ok(Box::new(PlanWriter::new(output))),
            _ => format.open(&self.schema, place, output),
        }
    }

    /// What it does, after so many rows.
    fn activity(&self, rows: u64) -> String {
        match &self.query {
            Some(query) => {
                let pages = || progress::text(Some(query.counts.pages.get()), query.counts.rows.get());
                query.activity().unwrap_or_else(pages)
            }
            None => progress::text(None, rows),
        }
    }

    /// What an EXEC has started, or why it has not, should there be no rows to tell it.
    pub(super) fn written(&self) -> Option<Result<String>> {
        self.query.as_ref().and_then(|query| query.exec_outcome())
    }

    /// What is to be said about the rows.
    pub(super) fn notices(&self) -> Vec<String> {
        self.query.as_ref().map_or_else(|| self.notes.get(), |query| query.notices())
    }
}

/// How far [`copy`] got.
pub(super) struct Copied {
    /// The rows that came.
    pub(super) rows: u64,
    /// Whether they are all.
    pub(super) result: Result<()>,
}

/// Writes all rows; where that fails, those that came.
pub(super) async fn copy(
    asked: &mut StatementRun,
    format: Format,
    place: OutputKind,
    output: &mut Output<'_>,
    mut line: Line,
    signals: &mut Signals,
) -> Copied {
    let encode = |source: ArrowError| Error::Encode { format, source }.into();
    let mut rows = 0;
    let mut writer = match asked.open(format, place, output) {
        Ok(writer) => writer,
        Err(error) => return Copied { rows, result: Err(encode(error)) },
    };
    // Rows and the line share a terminal, unless the rows come all at the end.
    let shared = matches!(place, OutputKind::Terminal(_)) && format != Format::Table;
    let result = loop {
        match next(asked, rows, &mut line, signals).await {
            Ok(Some(batch)) => {
                if shared {
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

/// The next batch; the line is drawn while it is waited for.
async fn next(
    asked: &mut StatementRun,
    rows: u64,
    line: &mut Line,
    signals: &mut Signals,
) -> Result<Option<RecordBatch>> {
    let mut ticks = ticks();
    loop {
        tokio::select! {
            biased;
            () = signals.next() => return Err(Error::Stopped.into()),
            batch = asked.rows.next() => return batch.transpose(),
            _ = ticks.tick(), if line.is_visible() => {
                line.say(asked.activity(rows));
            }
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval_at(Instant::now() + progress::EVERY, progress::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
