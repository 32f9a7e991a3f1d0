//! The table format: aligned columns, numbers to the right.
//!
//! The width of a column depends on all rows, so rows are held back: up to [`BLOCK`] of them are one table, and another
//! table begins after it, with its own header and widths. On a terminal the widest cells are shortened until a row
//! fits; other output is never shortened.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use console::{measure_text_width, truncate_str};

use super::format::{OutputKind, RowWriter};
use super::nested_json;

/// The maximum number of rows in one table: some megabytes.
const BLOCK: usize = 10_000;

/// The minimum width of a shortened column; the terminal wraps rows that still do not fit.
const NARROWEST: usize = 8;

const GAP: &str = " | ";

/// Writes rows as a table.
pub(super) struct TableWriter<'a> {
    out: &'a mut (dyn Write + Send),
    /// The width of the terminal, if the output is one.
    room: Option<usize>,
    names: Vec<String>,
    /// Whether a column is right-aligned.
    right_aligned: Vec<bool>,
    /// The rows that are held back.
    held: Vec<Vec<String>>,
    printed: bool,
}

impl<'a> TableWriter<'a> {
    pub(super) fn new(schema: &SchemaRef, place: OutputKind, out: &'a mut (dyn Write + Send)) -> Self {
        let room = match place {
            OutputKind::Terminal(columns) => Some(columns),
            OutputKind::Pipe | OutputKind::File => None,
        };
        let names = schema.fields().iter().map(|field| printable(field.name())).collect();
        let right_aligned = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
        Self { out, room, names, right_aligned, held: Vec::new(), printed: false }
    }

    fn print(&mut self) -> Result<(), ArrowError> {
        let widths = self.widths();
        let mut text = String::new();
        if self.printed {
            text.push('\n');
        }
        self.line(&self.names, &widths, &mut text);
        text.push_str(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("-+-"));
        text.push('\n');
        for row in &self.held {
            self.line(row, &widths, &mut text);
        }
        self.held.clear();
        self.printed = true;
        Ok(self.out.write_all(text.as_bytes())?)
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.names.len()];
        for row in self.held.iter().chain([&self.names]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = measure_text_width(cell).max(*width);
            }
        }
        match self.room {
            Some(room) => fit(widths, room),
            None => widths,
        }
    }

    fn line(&self, cells: &[String], widths: &[usize], text: &mut String) {
        let start = text.len();
        for (column, cell) in cells.iter().enumerate() {
            let cell = truncate_str(cell, widths[column], "…");
            let padding = " ".repeat(widths[column].saturating_sub(measure_text_width(&cell)));
            let (left, right) =
                if self.right_aligned[column] { (padding.as_str(), "") } else { ("", padding.as_str()) };
            let gap = if column == 0 { "" } else { GAP };
            text.extend([gap, left, &cell, right]);
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
}

impl RowWriter for TableWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let flat = nested_json::flatten(batch)?;
        let options = FormatOptions::default().with_null("NULL");
        let columns: Vec<_> =
            flat.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<_, _>>()?;
        for row in 0..flat.num_rows() {
            let cell = |column: &ArrayFormatter<'_>| Ok(printable(&column.value(row).try_to_string()?));
            self.held.push(columns.iter().map(cell).collect::<Result<_, ArrowError>>()?);
            if self.held.len() == BLOCK {
                self.print()?;
            }
        }
        Ok(())
    }

    fn cut_short(&mut self) -> Result<(), ArrowError> {
        if self.held.is_empty() { Ok(()) } else { self.print() }
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        if self.printed { self.cut_short() } else { self.print() }
    }
}

/// Escapes control characters: a cell is one line, and text from the API must not control the terminal.
pub(super) fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Returns the widths, with the widest ones reduced to one common width so that a row fits into `room`.
fn fit(widths: Vec<usize>, room: usize) -> Vec<usize> {
    let room = room.saturating_sub(GAP.len() * widths.len().saturating_sub(1));
    let widest = widths.iter().copied().max().unwrap_or(0);
    let cut = |limit: usize| widths.iter().map(move |width| (*width).min(limit));
    let limit = (NARROWEST..=widest).rev().find(|limit| cut(*limit).sum::<usize>() <= room);
    cut(limit.unwrap_or(NARROWEST)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn table(place: OutputKind, rows: &[(i64, &str)]) -> String {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)));
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, name)| *name)));
        let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
        let mut out = Vec::new();
        let mut table = TableWriter::new(&batch.schema(), place, &mut out);
        table.write(&batch).unwrap();
        table.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_right_aligned_and_wide_characters_count_twice() {
        let text = table(OutputKind::Pipe, &[(7, "web"), (1_000, "日本"), (12, "é")]);

        assert_eq!(text, "  id | name\n-----+-----\n   7 | web\n1000 | 日本\n  12 | é\n");
    }

    #[test]
    fn a_cell_is_one_line_and_cannot_move_the_cursor() {
        let text = table(OutputKind::Pipe, &[(1, "a\nb\u{1b}[2J\u{7f}")]);

        assert_eq!(text.lines().count(), 3);
        assert!(text.contains(r"a\nb\u{1b}[2J\u{7f}"), "{text}");
    }

    #[test]
    fn the_widest_cells_are_shortened_only_on_a_terminal() {
        let long = "x".repeat(100);

        let narrow = table(OutputKind::Terminal(30), &[(1, &long)]);
        assert!(narrow.lines().all(|line| measure_text_width(line) <= 30), "{narrow}");
        assert!(narrow.contains("x…"), "{narrow}");
        assert!(table(OutputKind::Pipe, &[(1, &long)]).contains(&long));
    }

    #[test]
    fn cells_are_not_shortened_more_than_necessary() {
        assert_eq!(fit(vec![4, 50, 30], 46), [4, 18, 18]);
        assert_eq!(fit(vec![4, 10], 80), [4, 10]);
        assert_eq!(fit(vec![20, 20, 20], 10), [8, 8, 8]);
        assert_eq!(fit(vec![20], usize::MAX), [20]);
        assert_eq!(fit(vec![], 0), [0; 0]);
    }

    #[test]
    fn many_rows_are_several_tables() {
        let rows: Vec<_> = (0..10_001).map(|id| (id, "x")).collect();

        let text = table(OutputKind::Pipe, &rows);

        assert_eq!(text.lines().filter(|line| line.ends_with("| name")).count(), 2);
        assert_eq!(text.lines().count(), 10_001 + 2 * 2 + 1);
    }
}
