//! Errors of the protocol: bytes that do not decode, handles of another server, too many or too few parameter values.
//! Errors in SQL are the engine's.

use std::fmt;

use arrow::error::ArrowError;

use super::handle;
use crate::error::{Failure, Kind};

/// The maximum length of a client's text in an error message, in characters.
const ECHO: usize = 100;

/// The part of a call that contains a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessagePart {
    /// Of GetFlightInfo, GetSchema and DoPut.
    Descriptor,
    /// Of DoGet.
    Ticket,
    /// Of DoAction.
    ActionBody,
}

impl fmt::Display for MessagePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Descriptor => "descriptor",
            Self::Ticket => "ticket",
            Self::ActionBody => "action's body",
        })
    }
}

/// A call that this layer rejects.
#[derive(Debug)]
pub(super) enum Fault {
    /// The part is empty.
    NoCommand(MessagePart),
    /// The bytes are not a `google.protobuf.Any`.
    NotACommand(MessagePart),
    /// An `Any` of a type that Flight SQL does not have.
    UnknownCommand(String),
    /// A command of Flight SQL whose own bytes do not decode.
    BrokenCommand(String),
    /// A command of Flight SQL that is not valid in this part.
    Misplaced { command: String, place: MessagePart },
    /// A PATH descriptor.
    Path,
    /// A command, action or call that this server does not support, by its name.
    Unimplemented(String),
    /// An action that neither Flight nor Flight SQL has.
    UnknownAction(String),
    /// An `authorization` header that is neither Basic nor Bearer.
    Authorization,
    /// A transaction's id: there are no transactions.
    Transaction,
    /// Bytes that are not a handle of this server.
    NotAHandle,
    /// A handle of another version of this server.
    HandleVersion(u32),
    /// DoPut without a single message.
    NoData,
    /// Data of a DoPut that is not Arrow.
    NotArrow(String),
    /// More or fewer values than the statement has parameters.
    ParameterCount { expected: usize, found: usize },
    /// A DoPut without a row, for a statement with parameters.
    NoRow { expected: usize },
    /// More parameter rows than one call may bind.
    ManyRows { most: usize },
    /// Too many messages without a parameter row.
    ManyMessages { most: usize },
    /// A LIKE pattern longer than any name.
    LongPattern { characters: usize },
    /// A response that Arrow cannot encode.
    Encoding(ArrowError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand(place) => write!(f, "the {place} is empty"),
            Self::NotACommand(place) => write!(f, "the {place} holds no Flight SQL command"),
            Self::UnknownCommand(name) => write!(f, "Flight SQL has no command `{}`", shown(name)),
            Self::BrokenCommand(name) => write!(f, "the bytes of `{name}` do not decode"),
            Self::Misplaced { command, place } => write!(f, "`{command}` does not belong in a {place}"),
            Self::Path => f.write_str("path descriptors are not supported"),
            Self::Unimplemented(what) => write!(f, "`{what}` is not supported"),
            Self::UnknownAction(name) => write!(f, "there is no action `{}`", shown(name)),
            Self::Authorization => f.write_str("the `authorization` header is neither Basic nor Bearer"),
            Self::Transaction => f.write_str("this server has no transactions"),
            Self::NotAHandle => f.write_str("the handle is not one of this server's"),
            Self::HandleVersion(found) => {
                write!(f, "the handle is of version {found}; this server reads version {}", handle::VERSION)
            }
            Self::NoData => f.write_str("DoPut came without a message"),
            Self::NotArrow(problem) => write!(f, "the data sent does not decode as Arrow: {}", shown(problem)),
            Self::ParameterCount { expected, found } => {
                write!(f, "the statement has {}, and {found} were bound", parameters(*expected))
            }
            Self::NoRow { expected } => {
                write!(f, "the statement has {}, and no row of values was bound", parameters(*expected))
            }
            Self::ManyRows { most } => write!(f, "more than {most} rows of parameters were bound"),
            Self::ManyMessages { most } => write!(f, "{most} messages came without a row of parameters"),
            Self::LongPattern { characters } => {
                write!(f, "a pattern of {characters} characters is longer than any name")
            }
            Self::Encoding(_) => f.write_str("the answer could not be encoded"),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let Self::Encoding(error) = self else { return None };
        Some(error)
    }
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::NoCommand(_)
            | Self::NotACommand(_)
            | Self::UnknownCommand(_)
            | Self::BrokenCommand(_)
            | Self::Misplaced { .. }
            | Self::Path
            | Self::UnknownAction(_)
            | Self::NotAHandle
            | Self::HandleVersion(_)
            | Self::NoData
            | Self::NotArrow(_)
            | Self::ParameterCount { .. }
            | Self::NoRow { .. }
            | Self::ManyRows { .. }
            | Self::ManyMessages { .. }
            | Self::LongPattern { .. } => Kind::InvalidArgument,
            Self::Unimplemented(_) | Self::Transaction => Kind::Unimplemented,
            Self::Authorization => Kind::Unauthenticated,
            Self::Encoding(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCommand(MessagePart::Ticket)
            | Self::NotACommand(MessagePart::Ticket)
            | Self::Misplaced { place: MessagePart::Ticket, .. } => {
                "a ticket comes from GetFlightInfo and is passed on as it is"
            }
            Self::NoCommand(_) | Self::NotACommand(_) => "send a Flight SQL command as a `google.protobuf.Any`",
            Self::Path => "send a Flight SQL command; CommandGetTables lists the tables",
            Self::UnknownAction(_) => "ListActions lists the actions",
            Self::Authorization => "send `Bearer <token>`, or a user and a password as Basic",
            Self::Transaction => "leave autocommit on",
            Self::NotAHandle | Self::HandleVersion(_) => "prepare the statement again",
            Self::ParameterCount { .. } | Self::NoRow { .. } => {
                "bind a value for every `?` or `$n`, NULL where there is none"
            }
            Self::ManyRows { .. } => "bind fewer rows at a time; query.max_writes bounds those of an EXEC",
            Self::UnknownCommand(_)
            | Self::BrokenCommand(_)
            | Self::Misplaced { .. }
            | Self::Unimplemented(_)
            | Self::NoData
            | Self::NotArrow(_)
            | Self::ManyMessages { .. }
            | Self::LongPattern { .. }
            | Self::Encoding(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// Returns a client's text as it may be printed: without control characters, and cut to [`ECHO`].
fn shown(text: &str) -> String {
    text.chars().take(ECHO).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn parameters(count: usize) -> String {
    match count {
        0 => "no parameters".to_owned(),
        1 => "1 parameter".to_owned(),
        count => format!("{count} parameters"),
    }
}
