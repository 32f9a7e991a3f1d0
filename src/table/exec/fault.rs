//! What can go wrong with an EXEC.

use std::fmt;
use std::time::Duration;

use crate::api::{Fault as ApiFault, RequestLine};
use crate::error::{Error, Failure, Kind};

/// Why an EXEC failed: the procedure was not called, or its outcome is a failure or unknown.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Writes are off.
    Off {
        /// What was to be called.
        procedure: String,
    },
    /// A ticket without the number that its one execution is known by.
    NoOnce,
    /// A ticket from another process, or from before a restart.
    OtherProcess,
    /// A ticket that is too old.
    Expired,
    /// A ticket whose number belongs to another statement.
    OtherStatement,
    /// The server stops.
    Stopping,
    /// There is no runtime for POSTs to run on.
    NoRuntime,
    /// An argument that is no value, and why.
    Argument {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A time to wait that is none.
    Wait {
        /// As it was written.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing tells when what it starts is over.
    NoEnd {
        /// What was to be called.
        procedure: String,
    },
    /// The request was carried out, or may have been, and there is no answer that can be read.
    Lost(Box<Lost>),
    /// It was started, and failed.
    Failed(Box<StartedAction>),
    /// It was started, and the time to wait is over.
    Unfinished {
        /// What was started, as it was when it was last read.
        started: Box<StartedAction>,
        /// How long it was waited for.
        limit: Duration,
        /// Why it could not be read in the end, where that is so.
        unread: Option<Error>,
    },
    /// It was started, and cannot be watched.
    Unwatched {
        /// What was started.
        started: Box<StartedAction>,
        /// Why.
        cause: Error,
    },
    /// The task that called it is gone without a word.
    Vanished {
        /// What was called.
        what: String,
    },
}

/// A request with an unknown outcome.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The request.
    pub at: RequestLine,
    /// The HTTP status of the answer, where one came: a success says that the request was carried out.
    pub status: Option<u16>,
    /// What is wrong with the answer.
    pub cause: Error,
    /// What began since then.
    pub appeared: Appeared,
    /// To be named when DigitalOcean is asked about it.
    pub request_id: Option<String>,
    /// The query that shows more.
    pub look: String,
}

/// What was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedAction {
    /// `digitalocean.compute.image_actions`.
    pub table: String,
    /// Its id there.
    pub id: String,
    /// How far it is, where that is known.
    pub status: Option<String>,
    /// The query that shows it.
    pub look: String,
}

/// What began since a request was sent.
#[derive(Clone, Debug)]
pub enum Appeared {
    /// These rows, each as `id 7, type transfer, status in-progress`.
    Rows(Vec<String>),
    /// It cannot be read.
    Unreadable(Error),
    /// There is nothing to look at.
    Untraced,
}

impl Lost {
    /// The status that says that the request was carried out.
    fn accepted(&self) -> Option<u16> {
        self.status.filter(|status| (200..300).contains(status))
    }

    /// What is wrong with the body of an accepted request's answer; the sentence has named the request already.
    fn unreadable(&self) -> String {
        match self.cause.downcast_ref() {
            Some(ApiFault::NoBody { .. }) => "it has no body".into(),
            Some(ApiFault::NotJson { content_type: Some(content_type), .. }) => {
                format!("it is no JSON object (content-type `{content_type}`)")
            }
            Some(ApiFault::NotJson { content_type: None, .. }) => "it is no JSON object".into(),
            Some(ApiFault::Cut { .. }) => "it was cut off".into(),
            Some(ApiFault::Slow { limit, .. }) => {
                format!("it was not complete within {}", humantime::format_duration(*limit))
            }
            Some(ApiFault::TooLarge { limit, .. }) => format!("it is larger than {limit} bytes"),
            Some(_) | None => self.cause.line(),
        }
    }

    fn hint(&self) -> String {
        let look = &self.look;
        match (self.accepted(), self.cause.downcast_ref()) {
            (Some(_), _) => format!("do not send it again; look at what it started: {look}"),
            // The API has no such answers.
            (None, Some(ApiFault::Redirect { .. } | ApiFault::Status { status: ..=399, .. })) => {
                format!("check --api-url, and look before doing it again: {look}")
            }
            (None, _) => format!("look before doing it again: {look}"),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, status, cause, appeared, request_id, .. } = self;
        let cause = match (self.accepted(), status) {
            (Some(status), _) => {
                write!(f, "DigitalOcean accepted {at} ({status}), but its answer can't be read: ")?;
                self.unreadable()
            }
            (None, Some(_)) => {
                write!(f, "{at} may have been carried out, and its answer does not tell: ")?;
                cause.line()
            }
            (None, None) => {
                write!(f, "{at} may have been carried out, and its answer is lost: ")?;
                cause.line()
            }
        };
        f.write_str(&cause)?;
        let request_id = request_id.iter().find(|id| !cause.contains(id.as_str()));
        request_id.into_iter().try_for_each(|id| write!(f, " (request {id})"))?;
        appeared.fmt(f)
    }
}

impl StartedAction {
    /// ``the status `queued` ``, or that there is none.
    pub(super) fn status(&self) -> String {
        match &self.status {
            Some(status) => format!("the status `{status}`"),
            None => "no status".into(),
        }
    }
}

impl fmt::Display for StartedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.id, self.table)
    }
}

impl fmt::Display for Appeared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) if rows.is_empty() => f.write_str("; no action has started there since"),
            // The API tells whole seconds.
            Self::Rows(rows) => write!(f, "; begun there since, or up to 2 s before: {}", rows.join("; ")),
            Self::Unreadable(error) => write!(f, "; what has begun there since cannot be read: {error}"),
            Self::Untraced => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off { procedure } => write!(f, "writes are off, and `{procedure}` writes"),
            Self::NoOnce => f.write_str("the ticket of this EXEC has no execution number"),
            Self::OtherProcess => f.write_str("the ticket is from another process, or from before a restart"),
            Self::Expired => f.write_str("the ticket of this EXEC has expired"),
            Self::OtherStatement => f.write_str("the ticket belongs to another statement"),
            Self::Stopping => f.write_str("the server is stopping and starts no new action"),
            Self::NoRuntime => f.write_str("an engine that writes cannot be made outside of a tokio runtime"),
            Self::Argument { name, problem } => write!(f, "`{name}` has no value: {problem}"),
            Self::Wait { text, problem } => write!(f, "`{text}` is not a valid wait time: {problem}"),
            Self::NoEnd { procedure } => {
                write!(f, "`{procedure}` finishes with its response: there is nothing to await")
            }
            Self::Lost(lost) => lost.fmt(f),
            Self::Failed(started) => {
                write!(f, "{started} was started, and is {}", started.status.as_deref().unwrap_or("over"))
            }
            Self::Unfinished { started, limit, unread } => {
                let (status, limit) = (started.status(), humantime::format_duration(*limit));
                match unread {
                    None => write!(f, "{started} was started, and still has {status} after {limit}"),
                    Some(_) => write!(
                        f,
                        "{started} was started, had {status} when it was last read, and can't be read after {limit}"
                    ),
                }
            }
            Self::Unwatched { started, .. } => {
                let status = started.status();
                write!(f, "{started} was started, had {status} when it was last read, and cannot be watched")
            }
            Self::Vanished { what } => write!(f, "{what} may have been executed, but its task ended without a result"),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unwatched { cause, .. } | Self::Unfinished { unread: Some(cause), .. } => Some(cause),
            _ => None,
        }
    }
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Off { .. } | Self::NoOnce | Self::OtherProcess | Self::Expired => Kind::FailedPrecondition,
            Self::OtherStatement | Self::Argument { .. } | Self::Wait { .. } | Self::NoEnd { .. } => {
                Kind::InvalidArgument
            }
            Self::Stopping => Kind::Unavailable,
            Self::NoRuntime => Kind::Internal,
            // Also of what was started for certain: whoever does it again starts a second one.
            Self::Lost(_) | Self::Vanished { .. } | Self::Unfinished { .. } | Self::Unwatched { .. } => Kind::Unknown,
            Self::Failed(_) => Kind::Aborted,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Off { .. } => "start the server with --allow-writes".into(),
            Self::NoOnce | Self::OtherProcess | Self::Expired | Self::OtherStatement => {
                "ask for the statement's FlightInfo again: each one is for one execution, within 10 minutes".into()
            }
            Self::Stopping => "nothing was sent: retry when the server is back".into(),
            Self::NoRuntime => "make it in the runtime that answers clients: its POSTs run there".into(),
            Self::Argument { .. } => "write a constant, a function of constants, or a parameter".into(),
            Self::Wait { .. } => "write it as '90s', '10m' or '1h'; 24h is the longest".into(),
            Self::NoEnd { .. } => "leave AWAIT out".into(),
            Self::Lost(lost) => lost.hint(),
            Self::Failed(started) | Self::Unfinished { started, .. } | Self::Unwatched { started, .. } => {
                format!("look at it with {}", started.look)
            }
            Self::Vanished { .. } => "look before doing it again; the log may tell more".into(),
        })
    }
}
