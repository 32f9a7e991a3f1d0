//! The settings of one source (flags, environment or file), as written.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::declared::{Declared, DeclaredReader};
use super::{Environment, Error, FILE_VARIABLE, SETTINGS, Setting, UnknownVariable, parse};
use crate::error::nearest;

/// Variables with our prefix that are not settings: the tests use them.
const TEST_VARIABLES: &[&str] = &["OCEANFLIGHT_OPENAPI"];

/// The settings that one source has. Their values are not parsed yet.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    entries: Vec<Entry>,
    pub(super) declared: Declared,
}

/// One setting, as written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// The place of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This flag, on the command line.
    Flag(&'static str),
    /// This variable.
    Variable(&'static str),
    /// This line of this file.
    File(PathBuf, usize),
    /// Not written anywhere: the default.
    Default,
}

impl Origin {
    /// Returns the precedence of the origin; the smaller number wins (flag, variable, file, default).
    pub(super) fn precedence(&self) -> u8 {
        match self {
            Self::Flag(_) => 0,
            Self::Variable(_) => 1,
            Self::File(..) => 2,
            Self::Default => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Variable(name) => f.write_str(name),
            Self::File(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Whether Kubernetes sets the variable: for a service called `oceanflight`, every container gets its addresses.
fn is_of_kubernetes(name: &str) -> bool {
    ["OCEANFLIGHT_SERVICE_", "OCEANFLIGHT_PORT_"].iter().any(|prefix| name.starts_with(prefix))
        || name == "OCEANFLIGHT_PORT"
}

/// Returns the variables that have our prefix and are not settings. They are not errors, because an environment has
/// variables that the user did not write, such as Kubernetes's for a service called `oceanflight-x`.
pub(super) fn unknown_variables(environment: &Environment) -> Vec<UnknownVariable> {
    let known: Vec<&str> = SETTINGS.iter().map(Setting::variable).chain([FILE_VARIABLE]).collect();
    let mut unknown = Vec::new();
    for name in environment.names().filter(|name| name.starts_with("OCEANFLIGHT_")) {
        if !known.contains(&name) && !TEST_VARIABLES.contains(&name) && !is_of_kubernetes(name) {
            unknown.push(UnknownVariable { name: name.to_owned(), nearest: nearest(name, known.iter().copied()) });
        }
    }
    unknown
}

impl Layer {
    /// Returns the settings of the command line.
    pub fn from_flags(flags: impl IntoIterator<Item = (&'static Setting, String)>) -> Self {
        let mut entries = Vec::new();
        for (setting, text) in flags {
            entries.push(Entry { setting, text, origin: Origin::Flag(setting.flag()) });
        }
        Self { entries, declared: Declared::default() }
    }

    /// Adds the datasets of the command line, `NAME=PATH`. Their paths are relative to `directory`.
    ///
    /// # Errors
    /// Text that is not a name and a path.
    pub fn with_datasets(mut self, flags: &[String], directory: &Path) -> Result<Self, Error> {
        self.declared.extend(Declared::of_flags(flags, directory)?);
        Ok(self)
    }

    /// Returns the settings of the environment.
    ///
    /// # Errors
    /// A variable that is not UTF-8.
    pub fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for setting in SETTINGS {
            if let Some(text) = environment.text(setting.variable())? {
                entries.push(Entry { setting, text: text.to_owned(), origin: Origin::Variable(setting.variable()) });
            }
        }
        Ok(Self { entries, declared: Declared::default() })
    }

    /// Reads a settings file.
    ///
    /// # Errors
    /// A file that cannot be read, is not TOML, or has an unknown key.
    pub fn from_file(file: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(file).map_err(|source| Error::Unreadable { file: file.to_owned(), source })?;
        let text = String::from_utf8(bytes).map_err(|_| Error::NotText { file: file.to_owned() })?;
        Self::from_toml(file, &text)
    }

    /// Parses the text of a settings file.
    ///
    /// # Errors
    /// Text that is not TOML, or has an unknown key.
    pub fn from_toml(file: &Path, text: &str) -> Result<Self, Error> {
        let reader = TomlReader { file, text };
        let table = DeTable::parse(text).map_err(|error| reader.syntax_error(&error))?;
        let mut layer = Self::default();
        reader.layer(table.get_ref(), &mut layer)?;
        Ok(layer)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.setting.key == key)
    }
}

pub(super) struct TomlReader<'a> {
    file: &'a Path,
    text: &'a str,
}

impl TomlReader<'_> {
    fn layer(&self, table: &DeTable<'_>, layer: &mut Layer) -> Result<(), Error> {
        for (name, value) in table {
            let mut declared = DeclaredReader { reader: self, declared: &mut layer.declared };
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("datasets", DeValue::Table(table)) => declared.datasets(table)?,
                ("views", DeValue::Table(table)) => declared.views(table)?,
                (key, DeValue::Table(inner)) if is_table(key) => {
                    self.table(&format!("{key}."), inner, &mut layer.entries)?;
                }
                (key, value) => layer.entries.push(self.entry(key, self.line(name.span()), value)?),
            }
        }
        Ok(())
    }

    /// The place of a key.
    pub(super) fn origin(&self, span: Range<usize>) -> Origin {
        Origin::File(self.file.to_owned(), self.line(span))
    }

    /// The directory that relative paths are from.
    pub(super) fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    fn table(&self, prefix: &str, table: &DeTable<'_>, entries: &mut Vec<Entry>) -> Result<(), Error> {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) if is_table(&key) => self.table(&format!("{key}."), inner, entries)?,
                value => entries.push(self.entry(&key, self.line(name.span()), value)?),
            }
        }
        Ok(())
    }

    fn entry(&self, key: &str, line: usize, value: &DeValue<'_>) -> Result<Entry, Error> {
        let file = self.file.to_owned();
        let Some(setting) = Setting::find(key) else {
            let nearest = nearest(key, SETTINGS.iter().map(|setting| setting.key));
            return Err(Error::UnknownKey { key: parse::redacted(key), file, line, nearest });
        };
        let mut entry = Entry { setting, text: String::new(), origin: Origin::File(file, line) };
        let Some(text) = scalar(value) else {
            return Err(Error::value(setting, &entry, "a single value".into()));
        };
        entry.text = self.relative_to_the_file(setting, text);
        Ok(entry)
    }

    /// Resolves a file name against the settings file's directory, not the working directory.
    fn relative_to_the_file(&self, setting: &Setting, text: String) -> String {
        match self.file.parent() {
            Some(directory) if setting.key.ends_with("_file") || setting.key == "data_dir" => {
                directory.join(&text).into_os_string().into_string().unwrap_or(text)
            }
            Some(_) | None => text,
        }
    }

    /// Converts TOML's error, without the snippet that it shows: the line may contain a token.
    fn syntax_error(&self, error: &toml::de::Error) -> Error {
        let line = error.span().map_or(1, |span| self.line(span));
        Error::Syntax { file: self.file.to_owned(), line, message: parse::redacted(error.message()) }
    }

    fn line(&self, span: Range<usize>) -> usize {
        1 + self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
    }
}

fn is_table(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
