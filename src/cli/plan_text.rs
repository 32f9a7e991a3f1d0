//! Writes plans of EXPLAIN as text of several lines. In a table, each plan would be a cell of one line.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::format::RowWriter;
use super::table::printable;

/// The columns of EXPLAIN.
const COLUMNS: [&str; 2] = ["plan_type", "plan"];

/// Writes plans, each under its name.
pub(super) struct PlanWriter<'a> {
    out: &'a mut (dyn Write + Send),
}

impl<'a> PlanWriter<'a> {
    /// Whether the rows of an EXPLAIN are plans: a server of another version may return other columns.
    pub(super) fn supports(schema: &SchemaRef) -> bool {
        schema.fields().iter().map(|field| field.name().as_str()).eq(COLUMNS)
    }

    pub(super) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out }
    }
}

impl RowWriter for PlanWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let options = FormatOptions::default();
        let names = ArrayFormatter::try_new(batch.column(0), &options)?;
        let plans = ArrayFormatter::try_new(batch.column(1), &options)?;
        for row in 0..batch.num_rows() {
            writeln!(self.out, "{}:", printable(&names.value(row).try_to_string()?))?;
            for line in plans.value(row).try_to_string()?.trim_end().lines() {
                writeln!(self.out, "  {}", printable(line))?;
            }
        }
        Ok(())
    }

    fn cut_short(&mut self) -> Result<(), ArrowError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn a_plan_is_several_lines_below_its_name() {
        let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        let plan = "Limit\n  Scan: name='\u{1b}[2J'\n";
        let batch = RecordBatch::try_from_iter([("plan_type", text("logical_plan")), ("plan", text(plan))]).unwrap();
        let mut out = Vec::new();

        assert!(PlanWriter::supports(&batch.schema()));
        PlanWriter::new(&mut out).write(&batch).unwrap();

        assert_eq!(String::from_utf8(out).unwrap(), "logical_plan:\n  Limit\n    Scan: name='\\u{1b}[2J'\n");
    }
}
