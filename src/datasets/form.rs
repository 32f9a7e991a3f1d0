//! The formats of files.

use std::sync::Arc;

use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;

use super::declaration::FileOptions;

/// The format of a file's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Apache Parquet.
    Parquet,
    /// Text with a character between values.
    Csv,
    /// Objects of JSON: one to a line, or in one list.
    Json,
    /// The IPC format of Apache Arrow, also called Feather.
    Arrow,
}

/// How a whole file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `.gz`
    Gzip,
    /// `.bz2`
    Bzip2,
    /// `.xz`
    Xz,
    /// `.zst`
    Zstd,
}

impl FileKind {
    /// The names of the kinds, for settings.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("parquet", Self::Parquet), ("csv", Self::Csv), ("json", Self::Json), ("arrow", Self::Arrow)];
}

impl Compression {
    /// The names of the compressions, for settings.
    pub const NAMES: &'static [(&'static str, Self)] =
        &[("gzip", Self::Gzip), ("bzip2", Self::Bzip2), ("xz", Self::Xz), ("zstd", Self::Zstd)];
}

/// What the name of a file says about its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileForm {
    pub(super) kind: FileKind,
    pub(super) compression: Option<Compression>,
    pub(super) delimiter: u8,
}

impl FileForm {
    /// The form of a file with this name.
    ///
    /// # Errors
    /// The extension that is not known, or that a compression does not fit to.
    pub(super) fn of(name: &str, options: &FileOptions) -> Result<Self, String> {
        let mut extensions: Vec<String> = name.split('.').skip(1).map(str::to_ascii_lowercase).collect();
        let by_name = extensions.last().and_then(|extension| compression(extension));
        if by_name.is_some() {
            extensions.pop();
        }
        let extension = extensions.pop().unwrap_or_default();
        let kind = match options.kind {
            Some(kind) => kind,
            None => kind_of(&extension).ok_or(extension.clone())?,
        };
        let compression = options.compression.or(by_name);
        if compression.is_some() && matches!(kind, FileKind::Parquet | FileKind::Arrow) {
            return Err(name.rsplit('.').next().unwrap_or_default().to_owned());
        }
        let usual = if extension == "tsv" { b'\t' } else { b',' };
        Ok(Self { kind, compression, delimiter: options.delimiter.unwrap_or(usual) })
    }

    pub(super) fn compression_type(&self) -> FileCompressionType {
        FileCompressionType::from(match self.compression {
            None => CompressionTypeVariant::UNCOMPRESSED,
            Some(Compression::Gzip) => CompressionTypeVariant::GZIP,
            Some(Compression::Bzip2) => CompressionTypeVariant::BZIP2,
            Some(Compression::Xz) => CompressionTypeVariant::XZ,
            Some(Compression::Zstd) => CompressionTypeVariant::ZSTD,
        })
    }

    /// DataFusion's reader. `is_list`: whether the objects of JSON are in one list.
    pub(super) fn reader(&self, options: &FileOptions, is_list: bool) -> Arc<dyn FileFormat> {
        match self.kind {
            // Text is Utf8, as everywhere: see `engine::session`.
            FileKind::Parquet => Arc::new(ParquetFormat::default().with_force_view_types(false)),
            FileKind::Arrow => Arc::new(ArrowFormat),
            FileKind::Csv => Arc::new(
                CsvFormat::default()
                    .with_has_header(options.has_header)
                    .with_delimiter(self.delimiter)
                    // Otherwise a large file is split at any line break, also at one within quotes.
                    .with_newlines_in_values(options.has_line_breaks)
                    .with_file_compression_type(self.compression_type()),
            ),
            FileKind::Json => Arc::new(
                JsonFormat::default()
                    .with_newline_delimited(!is_list)
                    .with_file_compression_type(self.compression_type())
                    // All rows: a field that only a later row has would be missing.
                    .with_schema_infer_max_rec(usize::MAX),
            ),
        }
    }
}

/// The types of CSV columns are inferred from so many rows of each file. A later value of another type is an error.
pub(super) const CSV_SAMPLE_ROWS: usize = 20_000;

fn compression(extension: &str) -> Option<Compression> {
    match extension {
        "gz" | "gzip" => Some(Compression::Gzip),
        "bz2" => Some(Compression::Bzip2),
        "xz" => Some(Compression::Xz),
        "zst" | "zstd" => Some(Compression::Zstd),
        _ => None,
    }
}

fn kind_of(extension: &str) -> Option<FileKind> {
    match extension {
        "parquet" | "pq" => Some(FileKind::Parquet),
        "csv" | "tsv" => Some(FileKind::Csv),
        "json" | "jsonl" | "ndjson" => Some(FileKind::Json),
        "arrow" | "arrows" | "ipc" | "feather" => Some(FileKind::Arrow),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(name: &str) -> Result<(FileKind, Option<Compression>), String> {
        FileForm::of(name, &FileOptions::default()).map(|form| (form.kind, form.compression))
    }

    #[test]
    fn the_extensions_of_a_name_give_format_and_compression() {
        assert_eq!(form("a.parquet"), Ok((FileKind::Parquet, None)));
        assert_eq!(form("A.CSV.GZ"), Ok((FileKind::Csv, Some(Compression::Gzip))));
        assert_eq!(form("2026.11.ndjson.zst"), Ok((FileKind::Json, Some(Compression::Zstd))));
        assert_eq!(form("a.feather"), Ok((FileKind::Arrow, None)));
        assert_eq!(FileForm::of("a.tsv", &FileOptions::default()).unwrap().delimiter, b'\t');
    }

    #[test]
    fn a_name_that_does_not_give_a_format_is_an_error_without_the_option() {
        for name in ["README", "a.txt", "a.gz", "a.parquet.gz", ""] {
            assert!(form(name).is_err(), "{name}");
        }
        let options = FileOptions { kind: Some(FileKind::Json), ..FileOptions::default() };
        assert_eq!(FileForm::of("a.log.gz", &options).unwrap().compression, Some(Compression::Gzip));
    }
}
