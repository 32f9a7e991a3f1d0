//! The client that a statement runs for.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{SessionOptions, SessionScope};

/// A client: its identity, the address it connects from, and the options of its session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Determines what the client may see.
    pub identity: Identity,
    /// For the log.
    pub peer: Peer,
    /// What it has set for its statements.
    pub session: Arc<SessionOptions>,
    /// What belongs to its session. None: it carries no session of its own from call to call.
    pub scope: Option<SessionScope>,
}

/// The authenticated identity of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// No authentication took place.
    Anonymous,
}

/// The address that a call comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// This process.
    Local,
    /// A connection whose address is not known.
    Unknown,
    /// The other end of a connection.
    Remote(SocketAddr),
}

impl Principal {
    /// A caller in this process.
    pub fn local() -> Self {
        Self { identity: Identity::Anonymous, peer: Peer::Local, session: Arc::default(), scope: None }
    }

    /// A remote client without authentication.
    pub fn anonymous(address: Option<SocketAddr>) -> Self {
        let peer = address.map_or(Peer::Unknown, Peer::Remote);
        Self { identity: Identity::Anonymous, peer, session: Arc::default(), scope: None }
    }

    /// The same client in a session with these options.
    pub fn with_session(self, session: Arc<SessionOptions>) -> Self {
        Self { session, ..self }
    }

    /// The same client, with what belongs to its session.
    pub fn with_scope(self, scope: Option<SessionScope>) -> Self {
        Self { scope, ..self }
    }

    /// Whether two calls come from the same client: the same identity at the same address, from any port.
    pub fn is_same_client(&self, other: &Self) -> bool {
        let is_same_peer = match (&self.peer, &other.peer) {
            (Peer::Remote(one), Peer::Remote(other)) => one.ip() == other.ip(),
            (one, other) => one == other,
        };
        is_same_peer && self.identity == other.identity
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// The text in the log: the address.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.peer {
            Peer::Local => f.write_str("local"),
            Peer::Unknown => f.write_str("unknown"),
            Peer::Remote(address) => address.fmt(f),
        }
    }
}
