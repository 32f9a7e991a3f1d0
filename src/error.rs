//! Errors as values. Every layer has an enum whose variants hold the details. [`Error`] carries any of them to the
//! edge, where one match maps its [`Kind`] to a gRPC code and another one to an exit code.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The category of an error, by what a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is invalid. Retrying does not help.
    InvalidArgument,
    /// The request names something that does not exist.
    NotFound,
    /// There is no token, or the API does not accept it.
    Unauthenticated,
    /// The token is valid, but lacks a permission.
    PermissionDenied,
    /// Something else must change first: a setting, a file.
    FailedPrecondition,
    /// A limit is reached: requests, memory, bytes of a body.
    ResourceExhausted,
    /// The rows changed while they were read, or the started action failed. Retrying may help.
    Aborted,
    /// The request was or may have been executed, and its outcome is unknown: check before retrying.
    Unknown,
    /// A timeout was reached.
    DeadlineExceeded,
    /// The API cannot be reached, or returns server errors.
    Unavailable,
    /// The API's response is invalid or contradicts itself.
    DataLoss,
    /// This program does not support the request.
    Unimplemented,
    /// The query was cancelled.
    Cancelled,
    /// A bug in this program.
    Internal,
}

impl Kind {
    /// All kinds, in the order of docs/errors.md.
    pub const ALL: [Self; 14] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::FailedPrecondition,
        Self::Unimplemented,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::DeadlineExceeded,
        Self::Unavailable,
        Self::Aborted,
        Self::DataLoss,
        Self::Unknown,
        Self::Cancelled,
        Self::Internal,
    ];

    /// Returns when errors have this kind, for docs/errors.md.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::InvalidArgument => "the statement, a parameter, a flag or a setting is wrong",
            Self::NotFound => "the API or oceanflight does not have the requested object",
            Self::FailedPrecondition => {
                "a file, setting or URL has to be changed first; an EXEC where writes are off, or whose ticket has expired"
            }
            Self::Unimplemented => "not supported",
            Self::Unauthenticated => "no token, or the API does not accept it",
            Self::PermissionDenied => "the token lacks a scope",
            Self::ResourceExhausted => "a limit is reached: requests, memory, or the size of a response",
            Self::DeadlineExceeded => "the query or a request took too long",
            Self::Unavailable => {
                "the API or the server can't be reached or is busy, or the API reports an error of its own (5xx)"
            }
            Self::Aborted => {
                "a list changed each time it was read, or its pages contradict each other; \
                 an action that failed while AWAIT waited for it"
            }
            Self::DataLoss => "a response of the API is invalid or contradicts itself",
            Self::Unknown => {
                "an EXEC whose response was lost or can't be read, or an action whose end AWAIT has not seen"
            }
            Self::Cancelled => "the query was cancelled",
            Self::Internal => "a bug in oceanflight",
        }
    }
}

/// An error of one layer, with a kind and possibly a hint.
pub trait Failure: std::error::Error + Any + Send + Sync {
    /// The category of the error.
    fn kind(&self) -> Kind;

    /// What the user can do about it. Printed as a line `hint: …`.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// An error of any layer. Cheap to clone.
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Arc<dyn Failure>);

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The category of the error.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    /// The layer's own error, if it has type `F`.
    pub fn downcast_ref<F: Failure>(&self) -> Option<&F> {
        let failure: &dyn Any = self.0.as_ref();
        failure.downcast_ref()
    }

    /// The message and its causes on one line, for use inside another message.
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

    /// The message and its causes, with the hint on a second line: the text that users read.
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

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The name in `known` that is most similar to the mistyped `name`, if any is similar enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let mut nearest = None;
    for candidate in known {
        let similarity = strsim::normalized_damerau_levenshtein(&name, &candidate.to_lowercase());
        if similarity >= nearest.map_or(0.5, |(highest, _)| highest) {
            nearest = Some((similarity, candidate));
        }
    }
    nearest.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_listed() {
        // A new kind does not compile until it has a number here, and fails until it is in `ALL`.
        let number = |kind: Kind| match kind {
            Kind::InvalidArgument => 0,
            Kind::NotFound => 1,
            Kind::FailedPrecondition => 2,
            Kind::Unimplemented => 3,
            Kind::Unauthenticated => 4,
            Kind::PermissionDenied => 5,
            Kind::ResourceExhausted => 6,
            Kind::DeadlineExceeded => 7,
            Kind::Unavailable => 8,
            Kind::Aborted => 9,
            Kind::DataLoss => 10,
            Kind::Unknown => 11,
            Kind::Cancelled => 12,
            Kind::Internal => 13,
        };
        assert_eq!(Kind::ALL.map(number), std::array::from_fn(|at| at));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the valve is broken")]
    struct Broken(#[source] std::io::Error);

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
    fn the_nearest_name_is_found_unless_none_is_similar() {
        let known = ["image_actions", "images"];

        assert_eq!(nearest("image_action", known), Some("image_actions"));
        assert_eq!(nearest("IMAGES", known), Some("images"));
        assert_eq!(nearest("load_balancers", known), None);
    }
}
