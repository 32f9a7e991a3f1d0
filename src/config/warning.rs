//! Warnings about settings.

use std::fmt;

/// A variable that starts with `OCEANFLIGHT_` and is not a setting. It is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    /// The variable.
    pub name: String,
    /// The most similar variable of a setting.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is ignored: there is no such setting", self.name)?;
        self.nearest.iter().try_for_each(|nearest| write!(f, "; did you mean `{nearest}`?"))
    }
}
