//! Errors in settings.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::layer::Entry;
use super::{Origin, Setting, TokenFault, TokenSource, parse};
use crate::error::{Failure, Kind};

/// An error in a setting, with the place where it was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An invalid value.
    #[error("{}", invalid_value(.key, .origin, .text, .wanted))]
    Value {
        /// The setting's key.
        key: &'static str,
        /// The place.
        origin: Origin,
        /// The value as written, unless it may be a secret.
        text: String,
        /// The valid values.
        wanted: String,
    },
    /// An unknown key.
    #[error("{}:{line}: there is no setting `{key}`", .file.display())]
    UnknownKey {
        /// The key, with its table's name.
        key: String,
        /// The settings file.
        file: PathBuf,
        /// The line in it.
        line: usize,
        /// The most similar key.
        nearest: Option<&'static str>,
    },
    /// A variable whose value is not UTF-8.
    #[error("the value of {name} is not UTF-8")]
    VariableNotText {
        /// The variable.
        name: String,
    },
    /// A settings file that is not TOML.
    #[error("{}:{line}: {message}", .file.display())]
    Syntax {
        /// The settings file.
        file: PathBuf,
        /// The line in it.
        line: usize,
        /// The parser's message.
        message: String,
    },
    /// A settings file that cannot be read.
    #[error("the settings file {} cannot be read", .file.display())]
    Unreadable {
        /// The settings file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A settings file that is not UTF-8.
    #[error("the settings file {} is not UTF-8", .file.display())]
    NotText {
        /// The settings file.
        file: PathBuf,
    },
    /// A token file that cannot be read.
    #[error("{} cannot be read", token_place(.place))]
    TokenUnreadable {
        /// The token file.
        place: TokenSource,
        /// The cause.
        source: io::Error,
    },
    /// An invalid token.
    #[error("{} {fault}", token_place(.place))]
    Token {
        /// The variable or file that contains it.
        place: TokenSource,
        /// The problem.
        fault: TokenFault,
    },
    /// A token that would be sent unencrypted to another machine.
    #[error("the token would be sent to {} over plain HTTP", .url.host_str().unwrap_or_default())]
    PlainHttp {
        /// The API's URL.
        url: Url,
    },
    /// An address that other machines can reach, without permission to use it.
    #[error("other machines can connect to {listen}, and there is no login")]
    Exposed {
        /// The address.
        listen: SocketAddr,
    },
    /// A dataset or view that is not declared as it should be.
    #[error("{origin}{} takes {wanted}", .what.as_ref().map(|what| format!(": {what}")).unwrap_or_default())]
    Declaration {
        /// The place.
        origin: Origin,
        /// Which part of which dataset or view. None: of the flag.
        what: Option<String>,
        /// The valid values.
        wanted: String,
    },
    /// Two datasets or views of one name.
    #[error("`{name}` is declared twice: {one} and {other}")]
    SameName {
        /// The name.
        name: String,
        /// A place.
        one: Origin,
        /// Another place.
        other: Origin,
    },
    /// The name of a key without the key, or the other way round.
    #[error("{set} is set, and {missing} is not")]
    HalfAKey {
        /// The setting that is set.
        set: &'static str,
        /// The setting that is not.
        missing: &'static str,
    },
    /// Requests for buckets that would be sent unencrypted to another machine.
    #[error("requests for buckets would be sent to {} over plain HTTP", .url.host_str().unwrap_or_default())]
    PlainBuckets {
        /// The service's URL.
        url: Url,
    },
    /// `demo` and `api_url`, both in the same layer.
    #[error("{demo} and {api_url} exclude each other")]
    DemoAndUrl {
        /// The place of `demo`.
        demo: Origin,
        /// The place of `api_url`.
        api_url: Origin,
    },
}

impl Error {
    pub(super) fn value(setting: &Setting, entry: &Entry, wanted: String) -> Self {
        Self::Value { key: setting.key, origin: entry.origin.clone(), text: parse::redacted(&entry.text), wanted }
    }
}

fn invalid_value(key: &str, origin: &Origin, text: &str, wanted: &str) -> String {
    match origin {
        Origin::Flag(_) | Origin::Variable(_) => format!("{origin} takes {wanted}, not `{text}`"),
        Origin::File(..) if text.is_empty() => format!("{origin}: `{key}` takes {wanted}"),
        Origin::File(..) | Origin::Default => format!("{origin}: `{key}` takes {wanted}, not `{text}`"),
    }
}

fn token_place(place: &TokenSource) -> String {
    match place {
        TokenSource::Variable(name) => (*name).to_owned(),
        TokenSource::File(_) => format!("the token file {place}"),
    }
}

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Value { .. }
            | Self::UnknownKey { .. }
            | Self::VariableNotText { .. }
            | Self::Syntax { .. }
            | Self::Declaration { .. }
            | Self::SameName { .. }
            | Self::HalfAKey { .. }
            | Self::DemoAndUrl { .. } => Kind::InvalidArgument,
            Self::Unreadable { .. }
            | Self::NotText { .. }
            | Self::TokenUnreadable { .. }
            | Self::Token { .. }
            | Self::PlainHttp { .. }
            | Self::PlainBuckets { .. }
            | Self::Exposed { .. } => Kind::FailedPrecondition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::UnknownKey { nearest: None, .. } => Some("`oceanflight settings` lists them all".into()),
            Self::TokenUnreadable { .. } => Some("`token_file` is the name of a file, not the token itself".into()),
            Self::Token { .. } => Some("a token is one word on one line: `dop_v1_…`".into()),
            Self::PlainHttp { .. } | Self::PlainBuckets { .. } => {
                Some("use https; plain http is only allowed for this machine".into())
            }
            Self::Exposed { .. } => {
                Some("add `--allow-unauthenticated` to allow that, or use `--listen 127.0.0.1:50051`".into())
            }
            Self::DemoAndUrl { .. } => Some("leave one of them out".into()),
            Self::SameName { .. } => Some("give one of them another name".into()),
            Self::HalfAKey { .. } => Some("set both".into()),
            Self::Value { .. }
            | Self::Declaration { .. }
            | Self::VariableNotText { .. }
            | Self::Syntax { .. }
            | Self::Unreadable { .. }
            | Self::NotText { .. } => None,
        }
    }
}
