//! Errors in settings.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::layer::Entry;
use super::{Origin, Setting, TokenFault, TokenSource, parse};
use crate::error::{Failure, Kind};

/// An error in a setting, with the place where it was written.
#[derive(Debug)]
pub enum Error {
    /// An invalid value.
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
    VariableNotText {
        /// The variable.
        name: String,
    },
    /// A settings file that is not TOML.
    Syntax {
        /// The settings file.
        file: PathBuf,
        /// The line in it.
        line: usize,
        /// The parser's message.
        message: String,
    },
    /// A settings file that cannot be read.
    Unreadable {
        /// The settings file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A settings file that is not UTF-8.
    NotText {
        /// The settings file.
        file: PathBuf,
    },
    /// An invalid token.
    Token {
        /// The variable or file that contains it.
        source: TokenSource,
        /// The problem.
        fault: TokenFault,
    },
    /// A token that would be sent unencrypted to another machine.
    PlainHttp {
        /// The API's URL.
        url: Url,
    },
    /// An address that other machines can reach, without permission to use it.
    Exposed {
        /// The address.
        listen: SocketAddr,
    },
    /// `demo` and `api_url`, both in the same layer.
    DemoAndUrl {
        /// The place of `demo`.
        demo: Origin,
        /// The place of `api_url`.
        api_url: Origin,
    },
}

impl Error {
    pub(super) fn value(setting: &Setting, entry: &Entry, wanted: String) -> Self {
        Self::Value { key: setting.key, origin: entry.origin.clone(), text: parse::discreet(&entry.text), wanted }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { key, origin, text, wanted } => match origin {
                Origin::Flag(_) | Origin::Variable(_) => write!(f, "{origin} takes {wanted}, not `{text}`"),
                Origin::File(..) if text.is_empty() => write!(f, "{origin}: `{key}` takes {wanted}"),
                Origin::File(..) | Origin::Default => write!(f, "{origin}: `{key}` takes {wanted}, not `{text}`"),
            },
            Self::UnknownKey { key, file, line, .. } => {
                write!(f, "{}:{line}: there is no setting `{key}`", file.display())
            }
            Self::VariableNotText { name } => write!(f, "the value of {name} is not UTF-8"),
            Self::Syntax { file, line, message } => write!(f, "{}:{line}: {message}", file.display()),
            Self::Unreadable { file, .. } => write!(f, "the settings file {} cannot be read", file.display()),
            Self::NotText { file } => write!(f, "the settings file {} is not UTF-8", file.display()),
            Self::Token { source: TokenSource::Variable(name), fault } => write!(f, "{name} {fault}"),
            Self::Token { source: file @ TokenSource::File(_), fault } => write!(f, "the token file {file} {fault}"),
            Self::PlainHttp { url } => {
                write!(f, "the token would be sent to {} over plain HTTP", url.host_str().unwrap_or_default())
            }
            Self::Exposed { listen } => write!(f, "other machines can connect to {listen}, and there is no login"),
            Self::DemoAndUrl { demo, api_url } => write!(f, "{demo} and {api_url} exclude each other"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Self::Unreadable { source, .. } | Self::Token { fault: TokenFault::Unreadable(source), .. }) = self else {
            return None;
        };
        Some(source)
    }
}

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Value { .. }
            | Self::UnknownKey { .. }
            | Self::VariableNotText { .. }
            | Self::Syntax { .. }
            | Self::DemoAndUrl { .. } => Kind::InvalidArgument,
            Self::Unreadable { .. }
            | Self::NotText { .. }
            | Self::Token { .. }
            | Self::PlainHttp { .. }
            | Self::Exposed { .. } => Kind::FailedPrecondition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::UnknownKey { nearest: None, .. } => Some("`oceanflight settings` lists them all".into()),
            Self::Token { source: TokenSource::File(_), fault: TokenFault::Unreadable(_) } => {
                Some("`token_file` is the name of a file, not the token itself".into())
            }
            Self::Token { .. } => Some("a token is one word on one line: `dop_v1_…`".into()),
            Self::PlainHttp { .. } => Some("use https; plain http is for this machine alone".into()),
            Self::Exposed { .. } => {
                Some("`--allow-unauthenticated` if that is meant; otherwise `--listen 127.0.0.1:50051`".into())
            }
            Self::DemoAndUrl { .. } => Some("leave one of them out".into()),
            Self::Value { .. }
            | Self::VariableNotText { .. }
            | Self::Syntax { .. }
            | Self::Unreadable { .. }
            | Self::NotText { .. } => None,
        }
    }
}
