//! The process's environment as an argument, so that tests need not change that of their process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::Error;

/// Environment variables and their values.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Returns the environment of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Returns the value of a variable. An empty one counts as not set.
    ///
    /// # Errors
    /// [`Error::VariableNotText`].
    pub fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.0.get(&OsString::from(name)) {
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => value.to_str().map(Some).ok_or_else(|| Error::VariableNotText { name: name.to_owned() }),
            None => Ok(None),
        }
    }

    /// Returns the names of all variables that are UTF-8.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }

    /// Returns the user's directory for configuration files, by the XDG base directory specification.
    pub fn config_directory(&self) -> Option<PathBuf> {
        let path = |name: &str| self.0.get(&OsString::from(name)).map(PathBuf::from).filter(|path| path.is_absolute());
        path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
