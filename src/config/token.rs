//! Finds the API token: in a file, or in one of two variables.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Environment, Error, Origin, Settings};
use crate::secret::Secret;

/// The variables that may contain the token; the first has precedence.
const VARIABLES: [&str; 2] = ["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"];

/// The maximum size of a token file: larger than any token, and small enough if the file is a device by mistake.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The token, and its origin.
///
/// A `token_file` of the command line or the environment has the highest precedence, then `DIGITALOCEAN_TOKEN`, then
/// `DIGITALOCEAN_ACCESS_TOKEN`, then a `token_file` of the settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// The variable or file that contains it.
    pub source: TokenSource,
    /// The variables with another token, which is not used.
    pub ignored_variables: Vec<&'static str>,
}

/// The origin of a [`Token`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// This variable.
    Variable(&'static str),
    /// This file.
    File(PathBuf),
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File(file) => f.write_str(&super::parse::redacted(&file.display().to_string())),
        }
    }
}

/// The problem of a text or file that is not a token. It never contains the text.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It has more than one line.
    #[error("has more than one line")]
    SeveralLines,
    /// It is not UTF-8, or a character is not ASCII.
    #[error("is not ASCII text")]
    NotText,
    /// It is larger than any token.
    #[error("is larger than any token")]
    TooLong,
    /// It has white space inside.
    #[error("has white space inside of the token")]
    WhiteSpace,
    /// It is in quotes, which would be sent with it.
    #[error("is in quotes, which are not part of a token")]
    Quotes,
    /// It has a control character.
    #[error("has a control character")]
    ControlCharacter,
}

/// Finds the token; none if there is no token, or the account is simulated.
pub(super) fn find(
    settings: &Settings,
    token_file: &Origin,
    environment: &Environment,
) -> Result<Option<Token>, Error> {
    if settings.demo {
        return Ok(None);
    }
    let variables = read_variables(environment)?;
    let found = match (&settings.token_file, token_file) {
        (Some(file), Origin::Flag(_) | Origin::Variable(_)) => Some(read_file(file)?),
        (file, _) => match variables.first() {
            Some((name, text)) => Some(read_variable(name, text)?),
            None => file.as_deref().map(read_file).transpose()?,
        },
    };
    let Some((source, secret)) = found else { return Ok(None) };
    let others = variables.into_iter().filter(|(_, other)| other.trim() != secret.expose());
    let ignored_variables = others.map(|(name, _)| name).collect();
    Ok(Some(Token { secret, source, ignored_variables }))
}

/// Returns the values of the variables that are set. They are not checked, because a token that is not used may be
/// malformed.
fn read_variables(environment: &Environment) -> Result<Vec<(&'static str, &str)>, Error> {
    let mut found = Vec::new();
    for name in VARIABLES {
        if let Some(text) = environment.text(name)? {
            found.push((name, text));
        }
    }
    Ok(found)
}

fn read_variable(name: &'static str, text: &str) -> Result<(TokenSource, Secret), Error> {
    let place = TokenSource::Variable(name);
    match check(text) {
        Ok(secret) => Ok((place, secret)),
        Err(fault) => Err(Error::Token { place, fault }),
    }
}

/// Reads a file that holds a secret.
pub(super) fn read_secret(file: &Path) -> Result<Secret, Error> {
    read_file(file).map(|(_, secret)| secret)
}

fn read_file(file: &Path) -> Result<(TokenSource, Secret), Error> {
    let place = TokenSource::File(file.to_owned());
    let checked = match read(file) {
        Ok(bytes) => check_bytes(&bytes),
        Err(source) => return Err(Error::TokenUnreadable { place, source }),
    };
    match checked {
        Ok(secret) => Ok((place, secret)),
        Err(fault) => Err(Error::Token { place, fault }),
    }
}

/// Reads at most one byte more than a token file may have.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check_bytes(bytes: &[u8]) -> Result<Secret, Fault> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Fault::TooLong);
    }
    check(std::str::from_utf8(bytes).map_err(|_| Fault::NotText)?)
}

/// Checks that the text is valid in a header: visible ASCII, without quotes and white space.
fn check(text: &str) -> Result<Secret, Fault> {
    let token = text.trim();
    if token.is_empty() {
        return Err(Fault::Empty);
    }
    if token.starts_with(['"', '\'']) || token.ends_with(['"', '\'']) {
        return Err(Fault::Quotes);
    }
    if token.contains('\n') {
        return Err(Fault::SeveralLines);
    }
    if token.contains([' ', '\t']) {
        return Err(Fault::WhiteSpace);
    }
    if token.contains(char::is_control) {
        return Err(Fault::ControlCharacter);
    }
    if token.is_ascii() { Ok(Secret::new(token)) } else { Err(Fault::NotText) }
}
