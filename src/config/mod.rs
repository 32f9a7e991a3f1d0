//! Settings: what was written in four places, and what the program runs with.
//!
//! A [`Layer`] is what one place says, as written: the flags, the environment, a TOML
//! file. [`Settings`] is what a run uses; [`resolve`] makes it of the layers, of which
//! the nearer one counts: flag, then environment, then file, then default.
//!
//! What can be set stands once, in [`SETTINGS`]: the flags and their help, the names
//! of variables and keys, `oceanflight settings` and the README's table derive from it.
//! The token is no setting, as a flag would show in the process list and a file in a
//! backup: see [`Token`] for where it comes from.

mod environment;
mod error;
mod layer;
mod parse;
mod setting;
mod token;
mod warning;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::{api, engine};

pub use environment::Environment;
pub use error::Error;
pub use layer::{Layer, Origin};
pub use setting::{CommandScope, SETTINGS, Setting, ValueShape, reference};
pub use token::{Fault as TokenFault, Token, TokenSource};
pub use warning::UnknownVariable;

/// The variable that names the settings file.
pub const FILE_VARIABLE: &str = "OCEANFLIGHT_CONFIG";

/// What a run uses. `Settings::default()` is what holds where nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where `serve` listens; [`Settings::address`] checks it.
    pub listen: SocketAddr,
    /// Whether an address that others reach is meant.
    pub allow_unauthenticated: bool,
    /// The API, and the one host that the token is sent to.
    pub api_url: Url,
    /// The file to read the token from, instead of a variable.
    pub token_file: Option<PathBuf>,
    /// What the upstream is asked with; none in a simulated account.
    pub token: Option<Token>,
    /// Whether `serve` carries EXEC out; where nothing is said, a simulated account's does.
    pub allow_writes: Option<bool>,
    /// How many rows of parameters an EXEC is carried out for at once.
    pub max_writes: usize,
    /// Whether a simulated account in this process takes the API's place.
    pub demo: bool,
    /// The longest that a query may take.
    pub timeout: Duration,
    /// The longest that a query waits for room in the rate limit.
    pub max_wait: Duration,
    /// How many requests a query may send; `u64::MAX` is no limit.
    pub max_requests: u64,
    /// What a table does whose parameter a query does not name.
    pub missing_key: engine::MissingKey,
    /// What all queries together may hold.
    pub memory_bytes: usize,
    /// The longest that one HTTP request may take.
    pub attempt_timeout: Duration,
    /// The largest body that is read.
    pub max_body_bytes: usize,
    /// Requests in a minute; `usize::MAX` is no limit.
    pub requests_per_minute: usize,
    /// Requests in an hour, likewise.
    pub requests_per_hour: usize,
    /// The longest that an answer of the API holds requests back.
    pub max_pause: Duration,
    /// What is logged; a command has a default of its own.
    pub log: Option<String>,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50_051)),
            allow_unauthenticated: false,
            api_url: Url::parse("https://api.digitalocean.com").expect("a constant that a test reads"),
            token_file: None,
            token: None,
            allow_writes: None,
            max_writes: 20,
            demo: false,
            timeout: Duration::from_secs(300),
            max_wait: Duration::from_secs(60),
            max_requests: 1_000,
            missing_key: engine::MissingKey::Enumerate,
            memory_bytes: 2 << 30,
            attempt_timeout: Duration::from_secs(60),
            max_body_bytes: 64 << 20,
            requests_per_minute: 250,
            requests_per_hour: 5_000,
            max_pause: Duration::from_secs(300),
            log: None,
            log_format: LogFormat::Text,
        }
    }
}

impl Settings {
    /// Where to listen.
    ///
    /// # Errors
    /// [`Error::Exposed`] where others would reach it and nobody said that they may.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        if self.listen.ip().is_loopback() || self.allow_unauthenticated {
            Ok(self.listen)
        } else {
            Err(Error::Exposed { listen: self.listen })
        }
    }

    /// The HTTP client's options, for the API that is set.
    pub fn api_options(&self) -> api::Options {
        let token = self.token.as_ref().map(|token| token.secret.clone());
        let mut options = api::Options::new(self.api_url.clone(), token);
        options.attempt_timeout = self.attempt_timeout;
        options.max_body_bytes = self.max_body_bytes;
        options.limit.per_minute = self.requests_per_minute;
        options.limit.per_hour = self.requests_per_hour;
        options.limit.max_pause = self.max_pause;
        options
    }

    /// Whether a server carries EXEC out for whoever connects.
    pub fn serves_writes(&self) -> bool {
        self.allow_writes.unwrap_or(self.demo)
    }

    /// The engine's options; `writes` is whether EXEC is carried out.
    pub fn engine_options(&self, writes: bool) -> engine::Options {
        engine::Options {
            timeout: self.timeout,
            max_wait: self.max_wait,
            memory_bytes: self.memory_bytes,
            writes,
            max_writes: self.max_writes,
            max_requests: self.max_requests,
            missing_key: self.missing_key,
            ..engine::Options::default()
        }
    }
}

/// The settings of a run, and where each of them was found.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What the run uses.
    pub settings: Settings,
    /// One for each of [`SETTINGS`], in that order.
    pub values: Vec<SettingValue>,
    /// The variables that are ignored.
    pub unknown: Vec<UnknownVariable>,
}

/// Where a setting's value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingValue {
    /// Which setting.
    pub setting: &'static Setting,
    /// As written; none where it is not set and has no default.
    pub text: Option<String>,
    /// Where.
    pub origin: Origin,
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_deref().unwrap_or_default())
    }
}

/// Reads the settings file and the token's, where there are any, and makes [`Settings`] of all layers.
///
/// `file` is the settings file that the command line names.
///
/// # Errors
/// An [`Error`] that names the flag, the variable, or the file and line.
pub fn resolve(flags: Layer, file: Option<&Path>, environment: &Environment) -> Result<Resolved, Error> {
    let layers = [flags, Layer::from_environment(environment)?, read_file(file, environment)?];
    let mut settings = Settings::default();
    let mut values = Vec::with_capacity(SETTINGS.len());
    for setting in SETTINGS {
        values.push(store(setting, &layers, &mut settings)?);
    }
    settle_upstream(&mut settings, &values)?;
    settings.token = token::find(&settings, origin_of(&values, "token_file"), environment)?;
    check_transport(&settings)?;
    Ok(Resolved { settings, values, unknown: layer::unknown_variables(environment) })
}

fn store(setting: &'static Setting, layers: &[Layer], settings: &mut Settings) -> Result<SettingValue, Error> {
    let Some(entry) = layers.iter().find_map(|layer| layer.get(setting.key)) else {
        return Ok(SettingValue { setting, text: setting.default.map(str::to_owned), origin: Origin::Default });
    };
    setting.store(settings, &entry.text).map_err(|wanted| Error::value(setting, entry, wanted))?;
    Ok(SettingValue { setting, text: Some(parse::discreet(&entry.text)), origin: entry.origin.clone() })
}

fn read_file(named: Option<&Path>, environment: &Environment) -> Result<Layer, Error> {
    let named = match named {
        Some(file) => Some(file.to_owned()),
        None => environment.text(FILE_VARIABLE)?.map(PathBuf::from),
    };
    if let Some(file) = named {
        return Layer::from_file(&file);
    }
    match environment.config_directory().map(|directory| directory.join("oceanflight/oceanflight.toml")) {
        Some(file) if file.exists() => Layer::from_file(&file),
        Some(_) | None => Ok(Layer::default()),
    }
}

/// A simulated account has an address of its own: what is written nearer counts, and at the same place neither does.
fn settle_upstream(settings: &mut Settings, values: &[SettingValue]) -> Result<(), Error> {
    let (demo, api_url) = (origin_of(values, "demo"), origin_of(values, "api_url"));
    if !settings.demo || *api_url == Origin::Default {
        return Ok(());
    }
    match demo.distance().cmp(&api_url.distance()) {
        std::cmp::Ordering::Less => Ok(()),
        std::cmp::Ordering::Equal => Err(Error::DemoAndUrl { demo: demo.clone(), api_url: api_url.clone() }),
        std::cmp::Ordering::Greater => {
            settings.demo = false;
            Ok(())
        }
    }
}

fn origin_of<'a>(values: &'a [SettingValue], key: &str) -> &'a Origin {
    let value = values.iter().find(|value| value.setting.key == key);
    &value.expect("`values` has one for each of SETTINGS").origin
}

/// The client refuses this as well; here it has the name of the setting.
fn check_transport(settings: &Settings) -> Result<(), Error> {
    let plain = settings.api_url.scheme() == "http" && !api::is_loopback(&settings.api_url);
    match settings.token {
        Some(_) if plain && !settings.demo => Err(Error::PlainHttp { url: settings.api_url.clone() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
