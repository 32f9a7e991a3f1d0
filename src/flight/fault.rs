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
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The part is empty.
    #[error("the {0} is empty")]
    NoCommand(MessagePart),
    /// The bytes are not a `google.protobuf.Any`.
    #[error("the {0} is not a Flight SQL command")]
    NotACommand(MessagePart),
    /// An `Any` of a type that Flight SQL does not have.
    #[error("Flight SQL has no command `{}`", printable(.0))]
    UnknownCommand(String),
    /// A command of Flight SQL whose own bytes do not decode.
    #[error("the bytes of `{0}` do not decode")]
    BrokenCommand(String),
    /// A command of Flight SQL that is not valid in this part.
    #[error("`{command}` is not valid in a {place}")]
    Misplaced { command: String, place: MessagePart },
    /// A PATH descriptor.
    #[error("path descriptors are not supported")]
    Path,
    /// A command, action or call that this server does not support, by its name.
    #[error("`{0}` is not supported")]
    Unimplemented(String),
    /// An action that neither Flight nor Flight SQL has.
    #[error("there is no action `{}`", printable(.0))]
    UnknownAction(String),
    /// An `authorization` header that is neither Basic nor Bearer.
    #[error("the `authorization` header is neither Basic nor Bearer")]
    Authorization,
    /// A header that is an option of the session.
    #[error("`{}` is no value of the session's option `{name}`", printable(.value))]
    SessionOption { name: &'static str, value: String },
    /// More sessions on a connection than are kept.
    #[error("this connection has {most} sessions, as many as are kept")]
    ManySessions { most: usize },
    /// A handle whose session this server cannot have: a catalog that only another one has.
    #[error("the handle's session has an option `{}` that this server cannot set", printable(.0))]
    HandleSession(String),
    /// The ticket of an EXEC: it is valid for a time, in which its result is kept.
    #[error("the ticket of an EXEC cannot be renewed")]
    NotRenewed,
    /// An ingest into a catalog that takes none.
    #[error("rows can only be ingested into the catalog `datasets`, not `{}`", printable(.0))]
    IngestCatalog(String),
    /// An ingest with a mode that Flight SQL does not have.
    #[error("the ingest has an unknown mode")]
    IngestMode,
    /// A temporary table in another schema than theirs.
    #[error("a temporary table is in the schema `temp`, not `{}`", printable(.0))]
    TemporarySchema(String),
    /// A transaction's id: there are no transactions.
    #[error("this server has no transactions")]
    Transaction,
    /// Bytes that are not a handle of this server.
    #[error("the handle is not from this server")]
    NotAHandle,
    /// A handle of another version of this server.
    #[error("the handle is of version {0}; this server reads version {version}", version = handle::VERSION)]
    HandleVersion(u32),
    /// DoPut without a single message.
    #[error("DoPut has no message")]
    NoData,
    /// Data of a DoPut that is not Arrow.
    #[error("the data of DoPut is not Arrow: {}", printable(.0))]
    NotArrow(String),
    /// More or fewer values than the statement has parameters.
    #[error("the statement has {}, and {found} were bound", parameters(*.expected))]
    ParameterCount { expected: usize, found: usize },
    /// A DoPut without a row, for a statement with parameters.
    #[error("the statement has {}, and no row of values was bound", parameters(*.expected))]
    NoRow { expected: usize },
    /// More parameter rows than one call may bind.
    #[error("more than {most} rows of parameters were bound")]
    ManyRows { most: usize },
    /// More bytes of parameter rows than one call may bind.
    #[error("the rows of parameters have more than {most} bytes")]
    ManyBytes {
        /// The limit.
        most: usize,
    },
    /// Too many messages without a parameter row.
    #[error("{most} messages had no row of parameters")]
    ManyMessages { most: usize },
    /// A LIKE pattern longer than any name.
    #[error("a pattern of {characters} characters is longer than any name")]
    LongPattern { characters: usize },
    /// A response that Arrow cannot encode.
    #[error("the response could not be encoded")]
    Encoding(#[source] ArrowError),
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
            | Self::ManyBytes { .. }
            | Self::ManyMessages { .. }
            | Self::SessionOption { .. }
            | Self::HandleSession(_)
            | Self::IngestCatalog(_)
            | Self::IngestMode
            | Self::TemporarySchema(_)
            | Self::LongPattern { .. } => Kind::InvalidArgument,
            Self::Unimplemented(_) | Self::Transaction => Kind::Unimplemented,
            Self::Authorization => Kind::Unauthenticated,
            Self::NotRenewed => Kind::FailedPrecondition,
            Self::ManySessions { .. } => Kind::ResourceExhausted,
            Self::Encoding(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCommand(MessagePart::Ticket)
            | Self::NotACommand(MessagePart::Ticket)
            | Self::Misplaced { place: MessagePart::Ticket, .. } => {
                "send the ticket that GetFlightInfo has returned, unchanged"
            }
            // A command that is not wrapped decodes as an Any of an unknown type.
            Self::NoCommand(_) | Self::NotACommand(_) | Self::UnknownCommand(_) => {
                "send a Flight SQL command as a `google.protobuf.Any`"
            }
            Self::IngestCatalog(_) => "leave the catalog out, or set it to `datasets`",
            Self::TemporarySchema(_) => "leave the schema out",
            Self::Path => "send a Flight SQL command; CommandGetTables lists the tables",
            Self::UnknownAction(_) => "ListActions lists the actions",
            Self::Authorization => "send `Bearer <token>`, or a user and a password as Basic",
            Self::Transaction => "leave autocommit on",
            Self::SessionOption { name: "catalog", .. } => "`SHOW PROVIDERS` lists the catalogs",
            Self::SessionOption { name: "timestamps", .. } => "write `with_zone` or `without_zone`",
            Self::SessionOption { name: "query_timeout", .. } => "write seconds, or a duration such as `30s`",
            Self::SessionOption { .. } => "docs/sessions.md lists the options",
            Self::NotRenewed => "call GetFlightInfo again, if the EXEC was not executed",
            Self::ManySessions { .. } => "return cookies, or make a handshake and send its token",
            Self::NotAHandle | Self::HandleVersion(_) | Self::HandleSession(_) => "prepare the statement again",
            Self::ParameterCount { .. } | Self::NoRow { .. } => {
                "bind a value for every `?` or `$n`; NULL if there is none"
            }
            Self::ManyRows { .. } => "bind fewer rows at a time; query.max_writes bounds those of an EXEC",
            Self::ManyBytes { .. } => "bind fewer or shorter rows at a time, or raise grpc.max_message_bytes",
            Self::BrokenCommand(_)
            | Self::Misplaced { .. }
            | Self::Unimplemented(_)
            | Self::IngestMode
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
fn printable(text: &str) -> String {
    text.chars().take(ECHO).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn parameters(count: usize) -> String {
    match count {
        0 => "no parameters".to_owned(),
        1 => "1 parameter".to_owned(),
        count => format!("{count} parameters"),
    }
}
