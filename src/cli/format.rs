//! Output formats: the values of `--format`.
//!
//! Every format except the table writes each batch when it arrives. An incomplete output can be recognized: it has no
//! `]`, no end of the Arrow stream, no Parquet footer.

use std::fmt;
use std::io::Write;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited};
use arrow::json::{self, WriterBuilder};
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::error::Error;
use super::nested_json;
use super::table::TableWriter;

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns; structs and lists as JSON
    Table,
    /// With a header; NULL is empty, structs and lists are JSON
    Csv,
    /// A JSON array of objects
    Json,
    /// One JSON object per line
    Jsonl,
    /// Arrow IPC: the file format in a file, the stream format elsewhere
    Arrow,
    /// Parquet, compressed with Snappy
    Parquet,
}

/// The kind of output, which some formats depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputKind {
    /// A terminal with this number of columns.
    Terminal(usize),
    /// A pipe or device, which cannot seek.
    Pipe,
    /// A file.
    File,
}

/// Writes rows in a format, batch by batch.
pub(super) trait RowWriter: Send {
    /// Writes a batch, or holds it back.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError>;

    /// Ends an incomplete result: writes rows that were held back, but not the format's end.
    fn cut_short(&mut self) -> Result<(), ArrowError> {
        Ok(())
    }

    /// Ends a complete result: writes rows that were held back, and the format's end.
    fn finish(&mut self) -> Result<(), ArrowError>;
}

impl Format {
    /// Returns the requested format, or the one of the file's extension.
    pub(super) fn choose(requested: Option<Self>, file: Option<&Path>) -> Result<Self, Error> {
        match (requested, file) {
            (Some(format), _) => Ok(format),
            (None, Some(file)) => Self::of_extension(file).ok_or_else(|| Error::Extension { file: file.to_owned() }),
            (None, None) => Ok(Self::Table),
        }
    }

    fn of_extension(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Table),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "arrow" | "feather" | "ipc" => Some(Self::Arrow),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// Rejects binary formats on a terminal.
    pub(super) fn check(self, place: OutputKind) -> Result<(), Error> {
        match (self, place) {
            (Self::Arrow | Self::Parquet, OutputKind::Terminal(_)) => Err(Error::Binary { format: self }),
            _ => Ok(()),
        }
    }

    /// Opens a writer for rows of this schema.
    pub(super) fn open<'a>(
        self,
        schema: &SchemaRef,
        place: OutputKind,
        out: &'a mut (dyn Write + Send),
    ) -> Result<Box<dyn RowWriter + 'a>, ArrowError> {
        Ok(match self {
            Self::Table => Box::new(TableWriter::new(schema, place, out)),
            Self::Csv => Box::new(Csv { schema: schema.clone(), out: csv::Writer::new(out), has_header: false }),
            Self::Json => Box::new(json_writer::<_, JsonArray>(out)),
            Self::Jsonl => Box::new(json_writer::<_, LineDelimited>(out)),
            Self::Arrow if place == OutputKind::File => Box::new(FileWriter::try_new(out, schema)?),
            Self::Arrow => Box::new(StreamWriter::try_new(out, schema)?),
            Self::Parquet => {
                let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
                Box::new(ArrowWriter::try_new(out, schema.clone(), Some(properties))?)
            }
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        })
    }
}

struct Csv<W: Write> {
    schema: SchemaRef,
    out: csv::Writer<W>,
    /// Whether the header was written, which is a part of the first batch.
    has_header: bool,
}

impl<W: Write + Send> RowWriter for Csv<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.has_header = true;
        self.out.write(&nested_json::flatten(batch)?)
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        if self.has_header { Ok(()) } else { self.write(&RecordBatch::new_empty(self.schema.clone())) }
    }
}

/// Returns a JSON writer that writes NULLs, so that every object has all keys.
fn json_writer<W: Write, F: JsonFormat>(out: W) -> json::Writer<W, F> {
    WriterBuilder::new().with_explicit_nulls(true).build(out)
}

impl<W: Write + Send> RowWriter for json::Writer<W, LineDelimited> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        Self::write(self, batch)
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        Self::finish(self)
    }
}

impl<W: Write + Send> RowWriter for json::Writer<W, JsonArray> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        Self::write(self, batch)
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        Self::finish(self)?;
        Ok(self.get_mut().write_all(b"\n")?)
    }
}

impl<W: Write + Send> RowWriter for StreamWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        Self::write(self, batch)
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        Self::finish(self)
    }
}

impl<W: Write + Send> RowWriter for FileWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        Self::write(self, batch)
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        Self::finish(self)
    }
}

impl<W: Write + Send> RowWriter for ArrowWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        Ok(Self::write(self, batch)?)
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        Self::finish(self)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray, StructArray, TimestampNanosecondArray};
    use arrow::datatypes::{Field, Int64Type};
    use arrow::ipc::reader::{FileReader, StreamReader};

    use super::*;

    /// Two rows: one with a large number, a text that needs quotes, a time, a struct and a list; one with NULLs only.
    pub(in crate::cli) fn batch() -> RecordBatch {
        let slug: ArrayRef = Arc::new(StringArray::from(vec![Some("nyc3"), None]));
        let field = Arc::new(Field::new("slug", slug.data_type().clone(), true));
        let region = StructArray::try_new(vec![field].into(), vec![slug], Some(vec![true, false].into())).unwrap();
        let sizes = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
        let time = TimestampNanosecondArray::from(vec![Some(1_415_983_443_000_000_000), None]).with_timezone("UTC");
        RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None])) as ArrayRef, true),
            ("name", Arc::new(StringArray::from(vec![Some("a \"b\",\nc"), None])), true),
            ("started_at", Arc::new(time), true),
            ("region", Arc::new(region), true),
            ("sizes", Arc::new(sizes), true),
        ])
        .unwrap()
    }

    pub(in crate::cli) fn written(format: Format, place: OutputKind, batches: &[RecordBatch]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rows = format.open(&batch().schema(), place, &mut out).unwrap();
        batches.iter().for_each(|batch| rows.write(batch).unwrap());
        rows.finish().unwrap();
        drop(rows);
        out
    }

    fn text(format: Format, batches: &[RecordBatch]) -> String {
        String::from_utf8(written(format, OutputKind::Pipe, batches)).unwrap()
    }

    #[test]
    fn csv_has_one_header_and_empty_cells_for_null() {
        assert_eq!(
            text(Format::Csv, &[batch(), batch().slice(1, 1)]),
            "id,name,started_at,region,sizes\n\
             9007199254740993,\"a \"\"b\"\",\nc\",2014-11-14T16:44:03Z,\"{\"\"slug\"\":\"\"nyc3\"\"}\",\"[1,null]\"\n\
             ,,,,\n,,,,\n"
        );
    }

    #[test]
    fn json_is_one_array_with_exact_numbers_and_every_key() {
        let full = r#"{"id":9007199254740993,"name":"a \"b\",\nc","started_at":"2014-11-14T16:44:03Z","region":{"slug":"nyc3"},"sizes":[1,null]}"#;
        let null = r#"{"id":null,"name":null,"started_at":null,"region":null,"sizes":null}"#;

        assert_eq!(text(Format::Json, &[batch(), batch().slice(1, 1)]), format!("[{full},{null},{null}]\n"));
        assert_eq!(text(Format::Jsonl, &[batch()]), format!("{full}\n{null}\n"));
    }

    #[test]
    fn no_rows_are_still_a_result() {
        assert_eq!(text(Format::Csv, &[]), "id,name,started_at,region,sizes\n");
        assert_eq!(text(Format::Json, &[]), "[]\n");
        assert_eq!(text(Format::Jsonl, &[]), "");
        assert_eq!(text(Format::Table, &[]).lines().count(), 2);
        let stream = written(Format::Arrow, OutputKind::Pipe, &[]);
        assert_eq!(StreamReader::try_new(&stream[..], None).unwrap().schema(), batch().schema());
    }

    #[test]
    fn arrow_round_trips() {
        let stream = written(Format::Arrow, OutputKind::Pipe, &[batch()]);
        let file = written(Format::Arrow, OutputKind::File, &[batch()]);

        let from_stream: Vec<_> = StreamReader::try_new(&stream[..], None).unwrap().map(Result::unwrap).collect();
        let from_file: Vec<_> =
            FileReader::try_new(std::io::Cursor::new(file), None).unwrap().map(Result::unwrap).collect();

        assert_eq!(from_stream, [batch()]);
        assert_eq!(from_file, [batch()]);
    }

    #[test]
    fn parquet_round_trips() {
        let bytes = bytes::Bytes::from(written(Format::Parquet, OutputKind::File, &[batch()]));

        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes, 10).unwrap();

        assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), [batch()]);
    }

    #[test]
    fn the_format_is_the_requested_one_or_that_of_the_extension() {
        let choose = |requested, file: Option<&str>| Format::choose(requested, file.map(Path::new));

        assert_eq!(choose(None, None).unwrap(), Format::Table);
        assert_eq!(choose(None, Some("a/b.PARQUET")).unwrap(), Format::Parquet);
        assert_eq!(choose(Some(Format::Csv), Some("b.parquet")).unwrap(), Format::Csv);
        for file in ["b", "b.xlsx", ".csv", "/dev/null"] {
            assert!(matches!(choose(None, Some(file)), Err(Error::Extension { .. })), "{file}");
        }
    }

    #[test]
    fn binary_formats_are_rejected_only_on_a_terminal() {
        for format in [Format::Arrow, Format::Parquet] {
            assert!(format.check(OutputKind::Terminal(80)).is_err(), "{format}");
            assert!(format.check(OutputKind::Pipe).is_ok(), "{format}");
        }
        assert!(Format::Json.check(OutputKind::Terminal(80)).is_ok());
    }
}
