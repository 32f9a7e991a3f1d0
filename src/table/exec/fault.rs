//! The errors of an EXEC.

use std::fmt;
use std::time::Duration;

use crate::api::{Fault as ApiFault, RequestLine};
use crate::error::{Error, Failure, Kind};

/// Why an EXEC failed: the procedure was not called, or its outcome is a failure or unknown.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// Writes are off.
    #[error("writes are off, and `{procedure}` writes")]
    Off {
        /// The procedure.
        procedure: String,
    },
    /// The ticket has no number that identifies its execution.
    #[error("the ticket of this EXEC has no execution number")]
    NoOnce,
    /// The ticket is from another process, or from before a restart.
    #[error("the ticket is from another process, or from before a restart")]
    OtherProcess,
    /// The ticket is too old.
    #[error("the ticket of this EXEC has expired")]
    Expired,
    /// The number in the ticket belongs to another statement.
    #[error("the ticket belongs to another statement")]
    OtherStatement,
    /// The server is shutting down.
    #[error("the server is stopping and starts no new action")]
    Stopping,
    /// There is no runtime for POSTs to run on.
    #[error("an engine that writes cannot be made outside of a tokio runtime")]
    NoRuntime,
    /// An argument is not a constant value.
    #[error("`{name}` has no value: {problem}")]
    Argument {
        /// The name of the argument.
        name: String,
        /// The reason.
        problem: String,
    },
    /// The limit of AWAIT is not valid.
    #[error("`{text}` is not a valid wait time: {problem}")]
    Wait {
        /// The limit as it was written.
        text: String,
        /// The reason.
        problem: String,
    },
    /// AWAIT for a procedure that declares no completion.
    #[error("`{procedure}` finishes with its response: there is nothing to await")]
    NoEnd {
        /// The procedure.
        procedure: String,
    },
    /// The request was executed, or may have been, and there is no readable response.
    #[error("{0}")]
    Lost(Box<Lost>),
    /// The action was started, and failed.
    #[error("{} was started, and is {}", .0, .0.status.as_deref().unwrap_or("over"))]
    Failed(Box<StartedAction>),
    /// The action was started, and the limit of AWAIT is over.
    #[error("{}", unfinished(started, *limit, unread.is_some()))]
    Unfinished {
        /// The action, as it was last read.
        started: Box<StartedAction>,
        /// The limit of AWAIT.
        limit: Duration,
        /// The error of the last request, if it failed.
        #[source]
        unread: Option<Error>,
    },
    /// The action was started, and AWAIT has ended before the action.
    #[error("{started} was started, had {} when it was last read, and cannot be watched", .started.status())]
    Unwatched {
        /// The action, as it was last read.
        started: Box<StartedAction>,
        /// The reason.
        #[source]
        cause: Error,
    },
    /// The task of the request panicked.
    #[error("{what} may have been executed, but its task ended without a result")]
    Vanished {
        /// The request.
        what: String,
    },
}

/// A request with an unknown outcome.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The request.
    pub at: RequestLine,
    /// The HTTP status, if there was a response. A success status means that the request was executed.
    pub status: Option<u16>,
    /// What is wrong with the response, or why there is none.
    pub cause: Error,
    /// The actions that have begun since the request was sent.
    pub appeared: Appeared,
    /// The request's id for DigitalOcean's support, if the response had it.
    pub request_id: Option<String>,
    /// The query that selects the latest actions.
    pub query: String,
}

/// An action that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedAction {
    /// `digitalocean.compute.image_actions`.
    pub table: String,
    /// The id column and its value: `id 7`.
    pub id: String,
    /// The last status, if the row has one.
    pub status: Option<String>,
    /// The query that selects the action.
    pub query: String,
}

/// The actions that have begun since a request was sent.
#[derive(Clone, Debug)]
pub enum Appeared {
    /// These rows, each as `id 7, type transfer, status in-progress`.
    Rows(Vec<String>),
    /// They can't be read.
    Unreadable(Error),
    /// The declaration has no list for them.
    NoLookup,
}

impl Lost {
    /// The status, if it means that the request was executed.
    fn accepted(&self) -> Option<u16> {
        self.status.filter(|status| (200..300).contains(status))
    }

    /// What is wrong with the body of a success response, without the request, which the message has already.
    fn unreadable(&self) -> String {
        match self.cause.downcast_ref() {
            Some(ApiFault::NoBody { .. }) => "it has no body".into(),
            Some(ApiFault::NotJson { content_type: Some(content_type), .. }) => {
                format!("it is not a JSON object (content-type `{content_type}`)")
            }
            Some(ApiFault::NotJson { content_type: None, .. }) => "it is not a JSON object".into(),
            Some(ApiFault::Cut { .. }) => "it was cut off".into(),
            Some(ApiFault::Slow { limit, .. }) => {
                format!("it was not complete within {}", humantime::format_duration(*limit))
            }
            Some(ApiFault::TooLarge { limit, .. }) => format!("it is larger than {limit} bytes"),
            Some(_) | None => self.cause.line(),
        }
    }

    fn hint(&self) -> String {
        let query = &self.query;
        match (self.accepted(), self.cause.downcast_ref()) {
            (Some(_), _) => format!("do not send it again; see what it started: {query}"),
            // The API does not return such a status.
            (None, Some(ApiFault::Redirect { .. } | ApiFault::Status { status: ..=399, .. })) => {
                format!("check --api-url; check before retrying: {query}")
            }
            (None, _) => format!("check before retrying: {query}"),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, status, cause, appeared, request_id, .. } = self;
        let cause = match (self.accepted(), status) {
            (Some(status), _) => {
                write!(f, "DigitalOcean accepted {at} ({status}), but its response can't be read: ")?;
                self.unreadable()
            }
            (None, Some(_)) => {
                write!(f, "{at} may have been executed, and its response does not say: ")?;
                cause.line()
            }
            (None, None) => {
                write!(f, "{at} may have been executed, and its response is lost: ")?;
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
            Self::Rows(rows) if rows.is_empty() => f.write_str("; no action has started since then"),
            // The API's times are in whole seconds.
            Self::Rows(rows) => write!(f, "; started since then, or up to 2 s before: {}", rows.join("; ")),
            Self::Unreadable(error) => write!(f, "; the actions started since then can't be read: {error}"),
            Self::NoLookup => Ok(()),
        }
    }
}

/// The error of an AWAIT whose limit is over. `is_unread` is whether the last requests failed.
fn unfinished(started: &StartedAction, limit: Duration, is_unread: bool) -> String {
    let (status, limit) = (started.status(), humantime::format_duration(limit));
    if is_unread {
        format!("{started} was started, had {status} when it was last read, and can't be read after {limit}")
    } else {
        format!("{started} was started, and still has {status} after {limit}")
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
            // Even if the action was certainly started: a client that retries would start a second one.
            Self::Lost(_) | Self::Vanished { .. } | Self::Unfinished { .. } | Self::Unwatched { .. } => Kind::Unknown,
            Self::Failed(_) => Kind::Aborted,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Off { .. } => "start the server with --allow-writes".into(),
            Self::NoOnce | Self::OtherProcess | Self::Expired | Self::OtherStatement => {
                "call GetFlightInfo again: each ticket is for one execution, within 10 minutes".into()
            }
            Self::Stopping => "nothing was sent: retry when the server is back".into(),
            Self::NoRuntime => "make it in the runtime that serves clients: its POSTs run there".into(),
            Self::Argument { .. } => "write a constant, a function of constants, or a parameter".into(),
            Self::Wait { .. } => "write it as '90s', '10m' or '1h'; 24h is the longest".into(),
            Self::NoEnd { .. } => "leave AWAIT out".into(),
            Self::Lost(lost) => lost.hint(),
            Self::Failed(started) | Self::Unfinished { started, .. } | Self::Unwatched { started, .. } => {
                format!("see its status with {}", started.query)
            }
            Self::Vanished { .. } => "check before retrying; the log may have more".into(),
        })
    }
}
