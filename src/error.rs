//! Errors as values: every layer has an enum of its own whose variants hold what
//! went wrong; [`Error`] carries any of them to the edge, where one match turns
//! its [`Kind`] into a gRPC code and another into an exit code.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What sort of failure this is: what a caller may do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong, and stays wrong however often it is repeated.
    InvalidArgument,
    /// A thing that was named does not exist.
    NotFound,
    /// The upstream does not know the token, or there is none.
    Unauthenticated,
    /// The token is known and may not do this.
    PermissionDenied,
    /// Something must change before this can work: a setting, a file.
    FailedPrecondition,
    /// A budget is used up: requests a minute, memory, bytes of a body.
    ResourceExhausted,
    /// What was read changed while it was read, or what was started failed; once more may work.
    Aborted,
    /// The request was or may have been executed, and its outcome is unknown: check before retrying.
    Unknown,
    /// It took longer than allowed.
    DeadlineExceeded,
    /// The upstream cannot be reached or says that it is broken.
    Unavailable,
    /// The upstream's response is invalid or contradicts itself.
    DataLoss,
    /// This server does not do that.
    Unimplemented,
    /// It was cancelled.
    Cancelled,
    /// A fault of this program.
    Internal,
}

/// An error of one layer: a value with a kind, and with advice where there is any.
pub trait Failure: std::error::Error + Any + Send + Sync {
    /// What sort of failure it is.
    fn kind(&self) -> Kind;

    /// What the reader can do about it; printed as a line `hint: …`.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Any layer's [`Failure`], on its way to the edge. Clones are cheap.
#[derive(Clone)]
pub struct Error(Arc<dyn Failure>);

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    /// The layer's own error, where it is of this type.
    pub fn downcast_ref<F: Failure>(&self) -> Option<&F> {
        let failure: &dyn Any = self.0.as_ref();
        failure.downcast_ref()
    }

    /// The message and its causes, for a sentence of another error.
    pub fn line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// The message, its causes, and the hint on a line of its own: what a person gets to read.
    pub fn report(&self) -> String {
        let mut text = self.line();
        if let Some(hint) = self.hint() {
            text.push_str("\nhint: ");
            text.push_str(&hint);
        }
        text
    }
}

impl<F: Failure> From<F> for Error {
    fn from(failure: F) -> Self {
        Self(Arc::new(failure))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The name in `known` that a mistyped `name` is nearest to, where one is near enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&name, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Broken(std::io::Error);

    impl fmt::Display for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the valve is broken")
        }
    }

    impl std::error::Error for Broken {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    impl Failure for Broken {
        fn kind(&self) -> Kind {
            Kind::Unavailable
        }

        fn hint(&self) -> Option<String> {
            Some("turn it off".into())
        }
    }

    #[test]
    fn a_report_has_the_cause_and_the_hint() {
        let error = Error::from(Broken(std::io::Error::other("rust")));

        assert_eq!(error.report(), "the valve is broken: rust\nhint: turn it off");
        assert_eq!(error.kind(), Kind::Unavailable);
    }

    #[test]
    fn the_nearest_name_is_found_and_a_stranger_is_not() {
        let known = ["image_actions", "images"];

        assert_eq!(nearest("image_action", known), Some("image_actions"));
        assert_eq!(nearest("IMAGES", known), Some("images"));
        assert_eq!(nearest("load_balancers", known), None);
    }
}
