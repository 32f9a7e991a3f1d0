//! Settings, from flags, the environment, a TOML file and defaults.
//!
//! A [`Layer`] has the settings of one source, as written. [`Settings`] has the values that a run uses; [`resolve`]
//! makes them from the layers. A flag has precedence over the environment, the environment over the file, and the file
//! over the default.
//!
//! The flags and their help, the names of variables and keys, `oceanflight settings` and docs/settings.md are generated
//! from [`SETTINGS`]. The typed value of a setting is a field of [`Settings`]; a test compares the defaults of both.
//! The token is not a setting, because a flag would be visible in the process list, and a file in backups: see
//! [`Token`].

mod buckets;
mod declared;
mod environment;
mod error;
mod layer;
mod memory_limit;
mod parse;
mod setting;
mod token;
mod warning;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::datasets::{self, BucketKeys, BucketOptions, Dataset, IngestOptions, View};
use crate::engine::QueryCaps;
use crate::{api, engine, server};

pub use environment::Environment;
pub use error::Error;
pub use layer::{Layer, Origin};
pub use memory_limit::{MemoryLimit, SystemLimit};
pub use setting::{CommandScope, SETTINGS, Setting, ValueShape, reference};
pub use token::{Fault as TokenFault, Token, TokenSource};
pub use warning::UnknownVariable;

/// The variable that names the settings file.
pub const FILE_VARIABLE: &str = "OCEANFLIGHT_CONFIG";

/// The values that a run uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address that `serve` listens on; [`Settings::address`] checks it.
    pub listen: SocketAddr,
    /// Whether `serve` may listen on an address that other machines can reach.
    pub allow_unauthenticated: bool,
    /// The URL of the API. The token is sent only to its host.
    pub api_url: Url,
    /// The file that contains the token, instead of a variable.
    pub token_file: Option<PathBuf>,
    /// The API token; none for a simulated account.
    pub token: Option<Token>,
    /// Whether `serve` runs EXEC. None: only for a simulated account.
    pub allow_writes: Option<bool>,
    /// The maximum number of parameter rows of one EXEC.
    pub max_writes: usize,
    /// The limits of connections and messages.
    pub server: server::Options,
    /// How many queries there may be.
    pub caps: QueryCaps,
    /// The maximum size of a value that a function makes, in bytes.
    pub max_value_bytes: usize,
    /// The maximum size of a statement's text, in bytes.
    pub max_statement_bytes: usize,
    /// Whether a simulated account in this process replaces the API.
    pub demo: bool,
    /// The maximum duration of a query.
    pub timeout: Duration,
    /// The maximum time that a request waits for the rate limit.
    pub max_wait: Duration,
    /// The maximum number of requests of a query; `u64::MAX` is no limit.
    pub max_requests: u64,
    /// What a scan does if the query has no value for the table's parameter.
    pub missing_key: engine::MissingKey,
    /// The memory limit of all queries together, in bytes.
    pub memory_bytes: Option<usize>,
    /// Where operators write what does not fit into memory.
    pub spill_dir: Option<PathBuf>,
    /// The maximum size of what they write, in bytes.
    pub spill_bytes: usize,
    /// The timeout of one HTTP request.
    pub attempt_timeout: Duration,
    /// The maximum size of a response body, in bytes.
    pub max_body_bytes: usize,
    /// The maximum number of requests per minute; `usize::MAX` is no limit.
    pub requests_per_minute: usize,
    /// The maximum number of requests per hour; `usize::MAX` is no limit.
    pub requests_per_hour: usize,
    /// The maximum time that a response of the API pauses other requests.
    pub max_pause: Duration,
    /// The datasets.
    pub datasets: Vec<Dataset>,
    /// The views.
    pub views: Vec<View>,
    /// Whether `serve` takes tables from its clients. None: only for a simulated account.
    pub allow_ingest: Option<bool>,
    /// Where these tables are kept. None: in memory.
    pub data_dir: Option<PathBuf>,
    /// The maximum size of these tables in memory, in bytes.
    pub max_ingest_memory_bytes: usize,
    /// The maximum size of these tables on disk, in bytes.
    pub max_ingest_disk_bytes: usize,
    /// The URL of the service that has the buckets. None: AWS.
    pub s3_endpoint: Option<Url>,
    /// The region of the buckets.
    pub s3_region: String,
    /// The name of the key of the buckets.
    pub s3_access_key_id: Option<String>,
    /// The file that contains the key.
    pub s3_secret_key_file: Option<PathBuf>,
    /// The keys of the buckets.
    pub bucket_keys: Option<BucketKeys>,
    /// The log's filter. None: the command's default.
    pub log: Option<String>,
    /// The log's format.
    pub log_format: LogFormat,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
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
            server: server::Options::default(),
            caps: QueryCaps { at_once: 500, of_a_client: 200, long: 16, max_queue_wait: Duration::from_secs(30) },
            max_value_bytes: 64 << 20,
            max_statement_bytes: 1 << 20,
            demo: false,
            timeout: Duration::from_secs(300),
            max_wait: Duration::from_secs(60),
            max_requests: 1_000,
            missing_key: engine::MissingKey::Enumerate,
            memory_bytes: None,
            spill_dir: None,
            spill_bytes: 10 << 30,
            attempt_timeout: Duration::from_secs(60),
            max_body_bytes: 64 << 20,
            requests_per_minute: 250,
            requests_per_hour: 5_000,
            max_pause: Duration::from_secs(300),
            datasets: Vec::new(),
            views: Vec::new(),
            allow_ingest: None,
            data_dir: None,
            max_ingest_memory_bytes: 256 << 20,
            max_ingest_disk_bytes: 10 << 30,
            s3_endpoint: None,
            s3_region: "us-east-1".into(),
            s3_access_key_id: None,
            s3_secret_key_file: None,
            bucket_keys: None,
            log: None,
            log_format: LogFormat::Text,
        }
    }
}

impl Settings {
    /// Returns the address to listen on.
    ///
    /// # Errors
    /// [`Error::Exposed`] if other machines can reach the address and `allow_unauthenticated` is not set.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        if self.listen.ip().is_loopback() || self.allow_unauthenticated {
            Ok(self.listen)
        } else {
            Err(Error::Exposed { listen: self.listen })
        }
    }

    /// Returns the options of the HTTP client.
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

    /// How much memory queries may use.
    pub fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::new(self.memory_bytes)
    }

    fn dataset_options(&self) -> datasets::Options {
        datasets::Options {
            datasets: self.datasets.clone(),
            views: self.views.clone(),
            buckets: BucketOptions {
                endpoint: self.s3_endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned()),
                region: self.s3_region.clone(),
                keys: self.bucket_keys.clone(),
            },
            ingest: IngestOptions::default(),
        }
    }

    /// Whether and where a server takes tables from its clients.
    pub fn ingest_options(&self) -> IngestOptions {
        IngestOptions {
            allowed: self.allow_ingest.unwrap_or(self.demo),
            max_memory_bytes: self.max_ingest_memory_bytes,
            max_disk_bytes: self.max_ingest_disk_bytes,
            data_dir: self.data_dir.clone(),
        }
    }

    /// Whether a server runs EXEC for its clients.
    pub fn serves_writes(&self) -> bool {
        self.allow_writes.unwrap_or(self.demo)
    }

    /// Returns the options of the engine; `writes` is whether it runs EXEC.
    pub fn engine_options(&self, writes: bool) -> engine::Options {
        engine::Options {
            timeout: self.timeout,
            max_wait: self.max_wait,
            memory_bytes: self.memory_limit().bytes,
            writes,
            max_writes: self.max_writes,
            caps: self.caps,
            max_value_bytes: self.max_value_bytes,
            max_statement_bytes: self.max_statement_bytes,
            max_requests: self.max_requests,
            spill_bytes: self.spill_bytes as u64,
            missing_key: self.missing_key,
            datasets: self.dataset_options(),
            ..engine::Options::default()
        }
    }
}

/// The settings of a run, with the origin of each value.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The values that the run uses.
    pub settings: Settings,
    /// One entry for each of [`SETTINGS`], in that order.
    pub values: Vec<SettingValue>,
    /// The datasets and views: key, text, and place.
    pub declared: Vec<(String, String, Origin)>,
    /// The variables that are ignored.
    pub unknown: Vec<UnknownVariable>,
}

/// A setting's value as text, and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingValue {
    /// The setting.
    pub setting: &'static Setting,
    /// The value as written; none if it is not set and has no default.
    pub text: Option<String>,
    /// The origin of the value.
    pub origin: Origin,
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_deref().unwrap_or_default())
    }
}

/// Reads the settings file and the token file, if there are any, and makes [`Settings`] from all layers.
///
/// `file` is the settings file of the command line.
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
    resolve_upstream(&mut settings, &values)?;
    let mut declared = declared::Declared::default();
    layers.into_iter().for_each(|layer| declared.extend(layer.declared));
    declared.check()?;
    let listed = declared.listed();
    settings.datasets = declared.datasets.into_iter().map(|(_, dataset)| dataset).collect();
    settings.views = declared.views.into_iter().map(|(_, view)| view).collect();
    settings.bucket_keys = buckets::keys(&settings, environment)?;
    settings.token = token::find(&settings, origin_of(&values, "token_file"), environment)?;
    check_transport(&settings)?;
    Ok(Resolved { settings, values, declared: listed, unknown: layer::unknown_variables(environment) })
}

fn store(setting: &'static Setting, layers: &[Layer], settings: &mut Settings) -> Result<SettingValue, Error> {
    let Some(entry) = layers.iter().find_map(|layer| layer.get(setting.key)) else {
        return Ok(SettingValue { setting, text: setting.default.map(str::to_owned), origin: Origin::Default });
    };
    setting.store(settings, &entry.text).map_err(|wanted| Error::value(setting, entry, wanted))?;
    Ok(SettingValue { setting, text: Some(parse::redacted(&entry.text)), origin: entry.origin.clone() })
}

/// Reads the settings file: that of the command line, else of the variable, else the one in the user's directory, if it
/// exists.
fn read_file(file: Option<&Path>, environment: &Environment) -> Result<Layer, Error> {
    if let Some(file) = file {
        return Layer::from_file(file);
    }
    if let Some(file) = environment.text(FILE_VARIABLE)? {
        return Layer::from_file(Path::new(file));
    }
    match environment.config_directory().map(|directory| directory.join("oceanflight/oceanflight.toml")) {
        Some(file) if file.exists() => Layer::from_file(&file),
        Some(_) | None => Ok(Layer::default()),
    }
}

/// Decides between `demo` and `api_url`, which exclude each other: the one with higher precedence wins. Both in one
/// layer are an error.
fn resolve_upstream(settings: &mut Settings, values: &[SettingValue]) -> Result<(), Error> {
    let (demo, api_url) = (origin_of(values, "demo"), origin_of(values, "api_url"));
    if !settings.demo || *api_url == Origin::Default {
        return Ok(());
    }
    match demo.precedence().cmp(&api_url.precedence()) {
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

/// Rejects a token over plain HTTP to another machine. The API client rejects it, too; this error has a better hint.
fn check_transport(settings: &Settings) -> Result<(), Error> {
    let plain = settings.api_url.scheme() == "http" && !api::is_loopback(&settings.api_url);
    match settings.token {
        Some(_) if plain && !settings.demo => return Err(Error::PlainHttp { url: settings.api_url.clone() }),
        _ => {}
    }
    match (&settings.s3_endpoint, &settings.bucket_keys) {
        (Some(url), Some(_)) if url.scheme() == "http" && !api::is_loopback(url) => {
            Err(Error::PlainBuckets { url: url.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
