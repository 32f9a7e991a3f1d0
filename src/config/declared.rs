//! Datasets and views, as the settings file and `--dataset` declare them.
//!
//! ```toml
//! [datasets]
//! deploys = "deploys.parquet"
//!
//! [datasets.requests]
//! path = "logs/*.csv.gz"
//! delimiter = ";"
//! columns = { at = "TIMESTAMP", status = "BIGINT" }
//!
//! [views]
//! failed = "SELECT * FROM requests WHERE status >= 500"
//! ```

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::layer::TomlReader;
use super::{Error, Origin, parse};
use crate::datasets::{Compression, Dataset, FileKind, FileOptions, Location, View, check_name, split_flag};
use crate::error::nearest;

/// What one source declares, with the place of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    pub(super) datasets: Vec<(Origin, Dataset)>,
    pub(super) views: Vec<(Origin, View)>,
}

/// The keys of a dataset's table.
const KEYS: &[&str] = &["path", "format", "compression", "header", "delimiter", "line_breaks", "columns"];

impl Declared {
    /// The datasets of the command line.
    ///
    /// # Errors
    /// [`Error::Declaration`]
    pub(super) fn of_flags(flags: &[String], directory: &Path) -> Result<Self, Error> {
        let mut declared = Self::default();
        for flag in flags {
            let origin = Origin::Flag("dataset");
            let wrong = |wanted| Error::Declaration { origin: origin.clone(), what: None, wanted };
            let (name, path) = split_flag(flag).map_err(wrong)?;
            let location = Location::parse(path, directory).map_err(wrong)?;
            let dataset = Dataset { name: name.to_owned(), location, options: FileOptions::default() };
            declared.datasets.push((origin, dataset));
        }
        Ok(declared)
    }

    /// Adds what another source declares.
    pub(super) fn extend(&mut self, other: Self) {
        self.datasets.extend(other.datasets);
        self.views.extend(other.views);
    }

    /// Key, text and place of each.
    pub(super) fn listed(&self) -> Vec<(String, String, Origin)> {
        let dataset = |(origin, dataset): &(Origin, Dataset)| {
            (format!("datasets.{}", dataset.name), parse::redacted(&dataset.location.to_string()), origin.clone())
        };
        let view = |(origin, view): &(Origin, View)| {
            (format!("views.{}", view.name), parse::redacted(&view.sql), origin.clone())
        };
        self.datasets.iter().map(dataset).chain(self.views.iter().map(view)).collect()
    }

    /// Checks that no two have the same name, whatever sources they are from.
    ///
    /// # Errors
    /// [`Error::SameName`]
    pub(super) fn check(&self) -> Result<(), Error> {
        let datasets = self.datasets.iter().map(|(origin, dataset)| (origin, &dataset.name));
        let all: Vec<_> = datasets.chain(self.views.iter().map(|(origin, view)| (origin, &view.name))).collect();
        for (at, (other, name)) in all.iter().enumerate() {
            if let Some((one, _)) = all[..at].iter().find(|(_, before)| before == name) {
                let (one, other) = ((*one).clone(), (*other).clone());
                return Err(Error::SameName { name: (*name).clone(), one, other });
            }
        }
        Ok(())
    }
}

/// Reads the table `[datasets]` or `[views]`.
pub(super) struct DeclaredReader<'a> {
    pub(super) reader: &'a TomlReader<'a>,
    pub(super) declared: &'a mut Declared,
}

impl DeclaredReader<'_> {
    /// Reads `[datasets]`.
    pub(super) fn datasets(&mut self, table: &DeTable<'_>) -> Result<(), Error> {
        for (name, value) in table {
            let origin = self.reader.origin(name.span());
            let name = name.get_ref().to_string();
            let entry = Entry { origin: &origin, what: format!("the dataset `{name}`") };
            check_name(&name).map_err(|wanted| entry.wrong(wanted))?;
            let (location, options) = match value.get_ref() {
                DeValue::String(path) => (self.location(&entry, path)?, FileOptions::default()),
                DeValue::Table(table) => self.dataset(&name, &entry, table)?,
                _ => return Err(entry.wrong("a path, or a table with the key `path`".into())),
            };
            self.declared.datasets.push((origin, Dataset { name, location, options }));
        }
        Ok(())
    }

    /// Reads `[views]`.
    pub(super) fn views(&mut self, table: &DeTable<'_>) -> Result<(), Error> {
        for (name, value) in table {
            let origin = self.reader.origin(name.span());
            let name = name.get_ref().to_string();
            let entry = Entry { origin: &origin, what: format!("the view `{name}`") };
            check_name(&name).map_err(|wanted| entry.wrong(wanted))?;
            let sql = entry.text(value.get_ref(), "a SELECT as text")?;
            self.declared.views.push((origin, View { name, sql }));
        }
        Ok(())
    }

    fn location(&self, entry: &Entry<'_>, path: &str) -> Result<Location, Error> {
        Location::parse(path, self.reader.directory()).map_err(|wanted| entry.wrong(wanted))
    }

    fn dataset(&self, name: &str, entry: &Entry<'_>, table: &DeTable<'_>) -> Result<(Location, FileOptions), Error> {
        let (mut location, mut options) = (None, FileOptions::default());
        for (key, value) in table {
            let (text, place) = (key.get_ref().as_ref(), self.reader.origin(key.span()));
            let entry = Entry { origin: &place, what: format!("`{text}` of {}", entry.what) };
            let value = value.get_ref();
            match text {
                "path" => location = Some(self.location(&entry, &entry.text(value, "a path")?)?),
                "format" => options.kind = Some(entry.named(value, FileKind::NAMES)?),
                "compression" => options.compression = Some(entry.named(value, Compression::NAMES)?),
                "header" => options.has_header = entry.switch(value)?,
                "line_breaks" => options.has_line_breaks = entry.switch(value)?,
                "delimiter" => options.delimiter = Some(entry.delimiter(value)?),
                "columns" => options.columns = Some(entry.columns(value)?),
                other => return Err(self.unknown(name, other, &place)),
            }
        }
        let location = location.ok_or_else(|| entry.wrong("the key `path`".into()))?;
        Ok((location, options))
    }

    fn unknown(&self, name: &str, key: &str, place: &Origin) -> Error {
        let (file, line) = match place {
            Origin::File(file, line) => (file.clone(), *line),
            _ => Default::default(),
        };
        let nearest = nearest(key, KEYS.iter().copied());
        Error::UnknownKey { key: parse::redacted(&format!("datasets.{name}.{key}")), file, line, nearest }
    }
}

/// What is read, for errors.
struct Entry<'a> {
    origin: &'a Origin,
    what: String,
}

impl Entry<'_> {
    fn wrong(&self, wanted: String) -> Error {
        Error::Declaration { origin: self.origin.clone(), what: Some(self.what.clone()), wanted }
    }

    fn text(&self, value: &DeValue<'_>, wanted: &str) -> Result<String, Error> {
        match value {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(self.wrong(wanted.to_owned())),
        }
    }

    fn switch(&self, value: &DeValue<'_>) -> Result<bool, Error> {
        match value {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.wrong("`true` or `false`".into())),
        }
    }

    fn named<T: Copy>(&self, value: &DeValue<'_>, names: &[(&str, T)]) -> Result<T, Error> {
        let wanted = names.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let text = self.text(value, &wanted)?;
        names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| self.wrong(wanted))
    }

    fn delimiter(&self, value: &DeValue<'_>) -> Result<u8, Error> {
        const WANTED: &str = "one ASCII character";
        match self.text(value, WANTED)?.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
            _ => Err(self.wrong(WANTED.into())),
        }
    }

    /// In the order of the file, which is that of the columns.
    fn columns(&self, value: &DeValue<'_>) -> Result<Vec<(String, String)>, Error> {
        const WANTED: &str = "a table of types: `{ id = \"BIGINT\" }`";
        let DeValue::Table(table) = value else { return Err(self.wrong(WANTED.into())) };
        let mut columns: Vec<_> = table.iter().collect();
        columns.sort_by_key(|(name, _)| name.span().start);
        let column = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            Ok((name.to_string(), self.text(value.get_ref(), WANTED)?))
        };
        let columns = columns.into_iter().map(column).collect::<Result<Vec<_>, Error>>()?;
        if columns.is_empty() { Err(self.wrong(WANTED.into())) } else { Ok(columns) }
    }
}
