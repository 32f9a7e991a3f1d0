//! How a dataset is declared, in the settings file or with `--dataset`.

use super::form::{Compression, FileKind};
use super::location::Location;

/// A table that consists of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The table's name in `datasets.public`.
    pub name: String,
    /// Its files.
    pub location: Location,
    /// How they are read.
    pub options: FileOptions,
}

/// A query with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The table's name in `datasets.public`.
    pub name: String,
    /// The query.
    pub sql: String,
}

/// How files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// Their format. `None`: by the extension of their names.
    pub kind: Option<FileKind>,
    /// Their compression. `None`: by the extension.
    pub compression: Option<Compression>,
    /// CSV: whether the first line has the names of the columns.
    pub has_header: bool,
    /// CSV: the character between values. `None`: a comma, or a tab for `.tsv`.
    pub delimiter: Option<u8>,
    /// CSV: whether a quoted value may contain a line break. Such a file is read by one core.
    pub has_line_breaks: bool,
    /// The columns and their types in SQL. `None`: they are inferred.
    pub columns: Option<Vec<(String, String)>>,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { kind: None, compression: None, has_header: true, delimiter: None, has_line_breaks: true, columns: None }
    }
}

/// The maximum length of a table's name.
const MAX_NAME_BYTES: usize = 255;

/// Checks the name of a table. Any text is a name, because SQL can quote it; but a name is not empty, and can be printed.
///
/// # Errors
/// What a name is.
pub fn check_name(name: &str) -> Result<(), String> {
    match name {
        "" => Err("a name that is not empty".into()),
        name if name.len() > MAX_NAME_BYTES => Err(format!("a name of {MAX_NAME_BYTES} bytes at most")),
        name if name.chars().any(char::is_control) => Err("a name without control characters".into()),
        _ => Ok(()),
    }
}

/// Splits `NAME=PATH`.
///
/// # Errors
/// What is expected.
pub fn split_flag(text: &str) -> Result<(&str, &str), String> {
    let (name, path) = text.split_once('=').ok_or("a name and a path: `deploys=deploys.parquet`")?;
    check_name(name)?;
    Ok((name, path))
}
