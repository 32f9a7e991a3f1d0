//! Converts an [`Error`] to a gRPC status, and back.
//!
//! One match maps kinds to codes. The message is the error's report, with the hint on a separate line. It is sent in an
//! HTTP/2 trailer, whose size clients limit (some to 8 KiB): a longer one arrives as PROTOCOL_ERROR without a message.

use arrow_flight::error::FlightError;
use tonic::{Code, Status};

use super::fault::Fault;
use crate::error::{Error, Failure, Kind};

/// The maximum length of a message with its hint, in characters.
const LIMIT: usize = 2_000;

/// The maximum length of a hint, in characters: a long message is cut before its hint.
const HINT_LIMIT: usize = 500;

const HINT: &str = "\nhint: ";

/// Logs the error, and returns its status.
pub(crate) fn of(error: &Error) -> Status {
    log(error);
    Status::new(code(error.kind()), message(error))
}

/// As [`of`], for an error of the encoder. It contains a status if our stream failed (`stream::encoder_error`).
pub(super) fn of_encoder(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        FlightError::Arrow(error) => of(&Fault::Encoding(error).into()),
        other => of(&Fault::Encoding(arrow::error::ArrowError::ExternalError(Box::new(other))).into()),
    }
}

fn code(kind: Kind) -> Code {
    match kind {
        Kind::InvalidArgument => Code::InvalidArgument,
        Kind::NotFound => Code::NotFound,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::PermissionDenied => Code::PermissionDenied,
        Kind::FailedPrecondition => Code::FailedPrecondition,
        Kind::ResourceExhausted => Code::ResourceExhausted,
        Kind::Aborted => Code::Aborted,
        Kind::Unknown => Code::Unknown,
        Kind::DeadlineExceeded => Code::DeadlineExceeded,
        Kind::Unavailable => Code::Unavailable,
        Kind::DataLoss => Code::DataLoss,
        Kind::Unimplemented => Code::Unimplemented,
        Kind::Cancelled => Code::Cancelled,
        Kind::Internal => Code::Internal,
    }
}

/// Returns the name of a kind's gRPC code, such as `INVALID_ARGUMENT`.
pub fn code_name(kind: Kind) -> String {
    let mut name = String::new();
    for character in format!("{:?}", code(kind)).chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}

/// The inverse of [`code`]. Codes that this server does not use are mapped to the nearest kind.
fn kind(code: Code) -> Kind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => Kind::InvalidArgument,
        Code::NotFound => Kind::NotFound,
        Code::Unauthenticated => Kind::Unauthenticated,
        Code::PermissionDenied => Kind::PermissionDenied,
        Code::FailedPrecondition | Code::AlreadyExists => Kind::FailedPrecondition,
        Code::ResourceExhausted => Kind::ResourceExhausted,
        Code::Aborted => Kind::Aborted,
        Code::DeadlineExceeded => Kind::DeadlineExceeded,
        Code::Unavailable => Kind::Unavailable,
        Code::DataLoss => Kind::DataLoss,
        Code::Unimplemented => Kind::Unimplemented,
        Code::Cancelled => Kind::Cancelled,
        Code::Unknown => Kind::Unknown,
        Code::Internal | Code::Ok => Kind::Internal,
    }
}

fn log(error: &Error) {
    let kind = error.kind();
    match kind {
        Kind::Internal => tracing::error!(?kind, report = %error.report(), "failed"),
        Kind::DataLoss
        | Kind::Unavailable
        | Kind::DeadlineExceeded
        | Kind::ResourceExhausted
        | Kind::Aborted
        | Kind::Unknown => {
            tracing::warn!(?kind, report = %error.report(), "failed");
        }
        Kind::InvalidArgument
        | Kind::NotFound
        | Kind::Unauthenticated
        | Kind::PermissionDenied
        | Kind::FailedPrecondition
        | Kind::Unimplemented
        | Kind::Cancelled => {
            tracing::info!(?kind, "rejected");
            // The report of a mistake may quote the statement, with its literals: only at debug level.
            tracing::debug!(?kind, report = %error.report(), "rejected");
        }
    }
}

/// Returns the error's report, at most [`LIMIT`] characters: the hint is kept, the message before it is cut.
fn message(error: &Error) -> String {
    let report = error.report();
    let (text, hint) = match error.hint() {
        Some(hint) => {
            let text = report.strip_suffix(&format!("{HINT}{hint}")).unwrap_or(&report);
            (text, format!("{HINT}{}", cut(&hint, HINT_LIMIT)))
        }
        None => (report.as_str(), String::new()),
    };
    format!("{}{hint}", cut(text, LIMIT - hint.chars().count()))
}

/// Returns the first `limit` characters, or fewer if they need more than two bytes each on the wire. An ellipsis
/// replaces the last one if the text is cut.
fn cut(text: &str, limit: usize) -> String {
    let mut bytes = 0;
    for (at, character) in text.chars().enumerate() {
        bytes += encoded_bytes(character);
        if at == limit || bytes > 2 * limit {
            return text.chars().take(at.saturating_sub(1)).chain(['…']).collect();
        }
    }
    text.to_owned()
}

/// Returns the size of a character on the wire. gRPC percent-encodes messages, so a character of another script takes
/// nine bytes or more. gRPC's C++ clients, pyarrow among them, drop trailers above 8 KiB, and the code with them.
fn encoded_bytes(character: char) -> usize {
    if character.is_ascii_alphanumeric() { 1 } else { 3 * character.len_utf8() }
}

/// An error that a client has received from a server.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct RemoteError {
    kind: Kind,
    message: String,
    hint: Option<String>,
    /// Whether the connection broke, so that there is no response.
    broken: bool,
}

impl RemoteError {
    /// Whether the connection broke, so that there is no response.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }
}

impl From<Status> for RemoteError {
    fn from(status: Status) -> Self {
        let (message, hint) = match status.message().rsplit_once(HINT) {
            Some((message, hint)) => (message, Some(hint.to_owned())),
            None => (status.message(), None),
        };
        let message = if message.is_empty() { status.code().description() } else { message };
        // A status that tonic made for a broken connection has a source; a server's status has none.
        let broken = std::error::Error::source(&status).is_some();
        let kind = if broken { Kind::Unavailable } else { kind(status.code()) };
        Self { kind, message: message.to_owned(), hint, broken }
    }
}

impl Failure for RemoteError {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_the_wire(status: &Status) -> usize {
        status.message().chars().map(encoded_bytes).sum()
    }

    fn remote(kind: Kind, message: &str, hint: Option<&str>) -> Error {
        RemoteError { kind, message: message.to_owned(), hint: hint.map(str::to_owned), broken: false }.into()
    }

    #[test]
    fn an_error_crosses_the_wire_with_its_kind_message_and_hint() {
        for kind in Kind::ALL {
            let sent = remote(kind, "it is\nbroken", Some("repair it"));

            let got = Error::from(RemoteError::from(of(&sent)));

            assert_eq!((got.kind(), got.to_string(), got.hint()), (kind, sent.to_string(), sent.hint()));
        }
    }

    #[test]
    fn a_code_has_the_name_of_grpc() {
        assert_eq!(code_name(Kind::InvalidArgument), "INVALID_ARGUMENT");
        assert_eq!(code_name(Kind::DataLoss), "DATA_LOSS");
        assert_eq!(code_name(Kind::Cancelled), "CANCELLED");
    }

    #[test]
    fn a_long_message_is_cut_between_characters_and_keeps_its_hint() {
        let status = of(&remote(Kind::NotFound, &"ö".repeat(5_000), Some("shorter")));

        assert!(on_the_wire(&status) < 6_000, "{}", on_the_wire(&status));
        assert!(status.message().ends_with("ö…\nhint: shorter"));
    }

    #[test]
    fn a_long_hint_is_cut_too() {
        let status = of(&remote(Kind::NotFound, &"ö".repeat(5_000), Some(&"ß".repeat(5_000))));

        assert!(on_the_wire(&status) < 6_000, "{}", on_the_wire(&status));
    }

    #[test]
    fn a_message_that_fits_is_left_alone() {
        let status = of(&remote(Kind::NotFound, &"x".repeat(LIMIT), None));

        assert_eq!(status.message(), "x".repeat(LIMIT));
    }
}
