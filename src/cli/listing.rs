//! Prints lists of this program's own data in the formats of query results.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::console::Console;
use super::error::Error;
use super::format::Format;
use super::output::Output;
use crate::error::Result;

/// Rows of text; a missing value is NULL.
pub(super) struct TextTable<const N: usize> {
    names: [&'static str; N],
    rows: Vec<[Option<String>; N]>,
}

impl<const N: usize> TextTable<N> {
    pub(super) fn new(names: [&'static str; N]) -> Self {
        Self { names, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, row: [Option<String>; N]) {
        self.rows.push(row);
    }

    fn batch(&self) -> RecordBatch {
        let fields: Vec<_> = self.names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let column = |at: usize| -> ArrayRef {
            Arc::new(self.rows.iter().map(|row| row[at].as_deref()).collect::<StringArray>())
        };
        let columns = (0..N).map(column).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("as many texts in each column")
    }

    /// Writes the rows to standard output. A closed pipe is not an error.
    pub(super) fn print(&self, format: Format, console: &mut Console) -> Result<()> {
        let mut output = Output::stdout(&mut *console.stdout);
        let place = output.place(console.terminal.stdout);
        format.check(place)?;
        let batch = self.batch();
        let written = format.open(&batch.schema(), place, &mut output).and_then(|mut rows| {
            rows.write(&batch)?;
            rows.finish()
        });
        Ok(output.finish(written, |source| Error::Encode { format, source })?)
    }
}
