//! A token that cannot be printed by accident.

use std::fmt;

/// An API token. Its `Debug` is redacted and it has no `Display`; only
/// [`Secret::expose`] gives the text, and only the `Authorization` header asks for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a token as it was read, without the white space around it.
    pub fn new(token: impl AsRef<str>) -> Self {
        Self(token.as_ref().trim().to_owned())
    }

    /// The token itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it, as with a variable that is set to "".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_token() {
        let secret = Secret::new("dop_v1_abc\n");

        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose(), "dop_v1_abc");
    }
}
