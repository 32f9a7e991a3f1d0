//! The list of all settings, and what is generated from it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::{Settings, parse};

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// The key in a settings file, with the table's name: `query.timeout`.
    pub key: &'static str,
    /// The form of the value.
    pub shape: ValueShape,
    /// The default value; none if it depends on something, which `help` explains.
    pub default: Option<&'static str>,
    /// The commands that have this setting.
    pub scope: CommandScope,
    /// One or two sentences for `--help` and docs/settings.md.
    pub help: &'static str,
    /// Parses a value and stores it; the error describes a valid value.
    store: fn(&mut Settings, &str) -> Result<(), String>,
}

/// The form of a [`Setting`]'s value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueShape {
    /// `true` or `false`; the flag alone is `true`.
    Switch,
    /// A value; the name is for the help text.
    Value(&'static str),
}

/// The commands that have a [`Setting`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandScope {
    /// Only `serve`.
    Serve,
    /// Commands that call the API: `serve`, and `query` without `--server`.
    Upstream,
    /// All commands with settings.
    All,
}

impl Setting {
    /// Returns the setting with this key.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Returns the flag without its dashes: `query.max_wait` is `query-max-wait`.
    pub fn flag(&self) -> &'static str {
        &self.names().flag
    }

    /// Returns the environment variable: `query.max_wait` is `OCEANFLIGHT_QUERY_MAX_WAIT`.
    pub fn variable(&self) -> &'static str {
        &self.names().variable
    }

    fn names(&self) -> &'static Names {
        NAMES.get(self.key).expect("every setting is in SETTINGS")
    }

    /// Parses a value and stores it; the error describes a valid value.
    pub(super) fn store(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        (self.store)(settings, text)
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Setting {}

/// The names that derive from a setting's key.
struct Names {
    flag: String,
    variable: String,
}

/// The names by key. They live as long as the process, because clap and [`Origin`](super::Origin) keep them.
static NAMES: LazyLock<HashMap<&'static str, Names>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for Setting { key, .. } in SETTINGS {
        let flag = key.replace(['.', '_'], "-");
        let variable = format!("OCEANFLIGHT_{}", key.replace('.', "_").to_uppercase());
        names.insert(*key, Names { flag, variable });
    }
    names
});

/// All settings, in the order of `--help` and docs/settings.md.
pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        shape: ValueShape::Value("ADDRESS:PORT"),
        default: Some("127.0.0.1:50051"),
        scope: CommandScope::Serve,
        help: "Address to listen on. Port 0 picks a free port. An address that other machines can reach needs \
               --allow-unauthenticated.",
        store: |settings, text| parse::address(text).map(|address| settings.listen = address),
    },
    Setting {
        key: "allow_unauthenticated",
        shape: ValueShape::Switch,
        default: Some("false"),
        scope: CommandScope::Serve,
        help: "Allow an address that other machines can reach. There is no login: anyone who connects can read the account.",
        store: |settings, text| parse::switch(text).map(|allow| settings.allow_unauthenticated = allow),
    },
    Setting {
        key: "allow_writes",
        shape: ValueShape::Switch,
        default: None,
        scope: CommandScope::Serve,
        help: "Run EXEC and CALL for anyone who can connect. Off by default, except with --demo.",
        store: |settings, text| parse::switch(text).map(|allow| settings.allow_writes = Some(allow)),
    },
    Setting {
        key: "demo",
        shape: ValueShape::Switch,
        default: Some("false"),
        scope: CommandScope::Upstream,
        help: "Use a simulated account inside this process: no token, no network.",
        store: |settings, text| parse::switch(text).map(|demo| settings.demo = demo),
    },
    Setting {
        key: "api_url",
        shape: ValueShape::Value("URL"),
        default: Some("https://api.digitalocean.com"),
        scope: CommandScope::Upstream,
        help: "URL of the API. The token is sent only to this host (plain HTTP only to localhost).",
        store: |settings, text| parse::url(text).map(|url| settings.api_url = url),
    },
    Setting {
        key: "token_file",
        shape: ValueShape::Value("FILE"),
        default: None,
        scope: CommandScope::Upstream,
        help: "File that holds the token. The flag and its variable win over DIGITALOCEAN_TOKEN and \
               DIGITALOCEAN_ACCESS_TOKEN; token_file in the settings file does not.",
        store: |settings, text| parse::path(text).map(|path| settings.token_file = Some(path)),
    },
    Setting {
        key: "query.timeout",
        shape: ValueShape::Value("DURATION"),
        default: Some("5m"),
        scope: CommandScope::Upstream,
        help: "Maximum duration of a query.",
        store: |settings, text| parse::limit(text).map(|timeout| settings.timeout = timeout),
    },
    Setting {
        key: "query.max_wait",
        shape: ValueShape::Value("DURATION"),
        default: Some("60s"),
        scope: CommandScope::Upstream,
        help: "Maximum time that a request of a query waits for the API's rate limit.",
        store: |settings, text| parse::duration(text).map(|wait| settings.max_wait = wait),
    },
    Setting {
        key: "query.max_requests",
        shape: ValueShape::Value("COUNT"),
        default: Some("1000"),
        scope: CommandScope::Upstream,
        help: "Maximum requests per query, retries included; EXPLAIN shows how many a query needs. 0 = unlimited.",
        store: |settings, text| parse::count(text).map(|count| settings.max_requests = count as u64),
    },
    Setting {
        key: "query.missing_key",
        shape: ValueShape::Value("WHAT"),
        default: Some("enumerate"),
        scope: CommandScope::Upstream,
        help: "What to do if a query gives no value for a table's required parameter: `enumerate` reads the values from \
               the parent table, `error` rejects the query.",
        store: |settings, text| parse::missing_key(text).map(|missing_key| settings.missing_key = missing_key),
    },
    Setting {
        key: "query.memory_bytes",
        shape: ValueShape::Value("BYTES"),
        default: None,
        scope: CommandScope::Upstream,
        help: "Memory limit for all queries together. \
               Default: 384 MiB, or a quarter of what a cgroup or `ulimit` allows, if that is less.",
        store: |settings, text| parse::bytes(text).map(|bytes| settings.memory_bytes = Some(bytes)),
    },
    Setting {
        key: "spill_dir",
        shape: ValueShape::Value("DIRECTORY"),
        default: None,
        scope: CommandScope::Upstream,
        help: "Where sorts and aggregates write what does not fit into memory. Default: the system's temporary directory.",
        store: |settings, text| parse::path(text).map(|path| settings.spill_dir = Some(path)),
    },
    Setting {
        key: "spill_bytes",
        shape: ValueShape::Value("BYTES"),
        default: Some("10 GiB"),
        scope: CommandScope::Upstream,
        help: "Maximum size of what sorts and aggregates write to spill_dir.",
        store: |settings, text| parse::bytes(text).map(|bytes| settings.spill_bytes = bytes),
    },
    Setting {
        key: "grpc.max_connections",
        shape: ValueShape::Value("COUNT"),
        default: Some("1000"),
        scope: CommandScope::Serve,
        help: "Maximum number of open connections; others are refused with RESOURCE_EXHAUSTED. 0 = unlimited.",
        store: |settings, text| parse::count(text).map(|count| settings.server.max_connections = count),
    },
    Setting {
        key: "grpc.time_to_begin",
        shape: ValueShape::Value("DURATION"),
        default: Some("10s"),
        scope: CommandScope::Serve,
        help: "Maximum time that a client takes to begin HTTP/2 on a connection.",
        store: |settings, text| parse::limit(text).map(|time| settings.server.time_to_begin = time),
    },
    Setting {
        key: "grpc.max_calls_per_connection",
        shape: ValueShape::Value("COUNT"),
        default: Some("100"),
        scope: CommandScope::Serve,
        help: "Maximum number of calls at once on one connection; others wait in the client.",
        store: |settings, text| parse::count_u32(text).map(|count| settings.server.max_calls_per_connection = count),
    },
    Setting {
        key: "grpc.max_header_bytes",
        shape: ValueShape::Value("BYTES"),
        default: Some("64 KiB"),
        scope: CommandScope::Serve,
        help: "Maximum size of the headers of a call.",
        store: |settings, text| parse::bytes_u32(text).map(|bytes| settings.server.max_header_bytes = bytes),
    },
    Setting {
        key: "grpc.max_message_bytes",
        shape: ValueShape::Value("BYTES"),
        default: Some("16 MiB"),
        scope: CommandScope::Serve,
        help: "Maximum size of a message from a client, and of all rows that it binds.",
        store: |settings, text| parse::bytes(text).map(|bytes| settings.server.max_message_bytes = bytes),
    },
    Setting {
        key: "query.max_queries",
        shape: ValueShape::Value("COUNT"),
        default: Some("500"),
        scope: CommandScope::Serve,
        help: "Maximum number of queries that are planned or run at once. 0 = unlimited.",
        store: |settings, text| parse::count(text).map(|count| settings.caps.at_once = count),
    },
    Setting {
        key: "query.max_queries_per_client",
        shape: ValueShape::Value("COUNT"),
        default: Some("200"),
        scope: CommandScope::Serve,
        help: "Maximum number of queries at once of one client (one IP address). 0 = unlimited.",
        store: |settings, text| parse::count(text).map(|count| settings.caps.of_a_client = count),
    },
    Setting {
        key: "query.max_long_queries",
        shape: ValueShape::Value("COUNT"),
        default: Some("16"),
        scope: CommandScope::Serve,
        help: "Maximum number of queries that compute for more than 100 ms at once; others wait. 0 = unlimited.",
        store: |settings, text| parse::count(text).map(|count| settings.caps.long = count),
    },
    Setting {
        key: "query.max_queue_wait",
        shape: ValueShape::Value("DURATION"),
        default: Some("30s"),
        scope: CommandScope::Serve,
        help: "Maximum time that a query waits for the end of other long queries.",
        store: |settings, text| parse::limit(text).map(|wait| settings.caps.max_queue_wait = wait),
    },
    Setting {
        key: "query.max_value_bytes",
        shape: ValueShape::Value("BYTES"),
        default: Some("64 MiB"),
        scope: CommandScope::Upstream,
        help: "Maximum size of a value that a function makes, such as repeat or range. A batch of rows may have a quarter of \
               it.",
        store: |settings, text| parse::bytes(text).map(|bytes| settings.max_value_bytes = bytes),
    },
    Setting {
        key: "query.max_statement_bytes",
        shape: ValueShape::Value("BYTES"),
        default: Some("1 MiB"),
        scope: CommandScope::Upstream,
        help: "Maximum size of a statement's text.",
        store: |settings, text| parse::bytes(text).map(|bytes| settings.max_statement_bytes = bytes),
    },
    Setting {
        key: "query.max_writes",
        shape: ValueShape::Value("COUNT"),
        default: Some("20"),
        scope: CommandScope::Serve,
        help: "Maximum parameter rows per EXEC; a larger batch is rejected before anything is sent. 0 = unlimited.",
        store: |settings, text| parse::count(text).map(|count| settings.max_writes = count),
    },
    Setting {
        key: "api.attempt_timeout",
        shape: ValueShape::Value("DURATION"),
        default: Some("60s"),
        scope: CommandScope::Upstream,
        help: "Timeout of one HTTP request.",
        store: |settings, text| parse::limit(text).map(|timeout| settings.attempt_timeout = timeout),
    },
    Setting {
        key: "api.max_body_bytes",
        shape: ValueShape::Value("BYTES"),
        default: Some("64 MiB"),
        scope: CommandScope::Upstream,
        help: "Maximum size of one response body.",
        store: |settings, text| parse::bytes(text).map(|bytes| settings.max_body_bytes = bytes),
    },
    Setting {
        key: "api.requests_per_minute",
        shape: ValueShape::Value("COUNT"),
        default: Some("250"),
        scope: CommandScope::Upstream,
        help: "Maximum requests per minute; the default is DigitalOcean's limit per token. 0 = unlimited.",
        store: |settings, text| parse::count(text).map(|count| settings.requests_per_minute = count),
    },
    Setting {
        key: "api.requests_per_hour",
        shape: ValueShape::Value("COUNT"),
        default: Some("5000"),
        scope: CommandScope::Upstream,
        help: "Maximum requests per hour; a lower limit that the API reports applies as well. 0 = unlimited.",
        store: |settings, text| parse::count(text).map(|count| settings.requests_per_hour = count),
    },
    Setting {
        key: "api.max_pause",
        shape: ValueShape::Value("DURATION"),
        default: Some("5m"),
        scope: CommandScope::Upstream,
        help: "Maximum pause after a 429, or after headers that report an exhausted rate limit. Then requests are sent \
               one at a time until one succeeds.",
        store: |settings, text| parse::limit(text).map(|pause| settings.max_pause = pause),
    },
    Setting {
        key: "allow_ingest",
        shape: ValueShape::Switch,
        default: None,
        scope: CommandScope::Serve,
        help: "Let anyone who can connect make tables in the catalog datasets, by ingest or CREATE TABLE. Off by default, except \
               with --demo.",
        store: |settings, text| parse::switch(text).map(|allow| settings.allow_ingest = Some(allow)),
    },
    Setting {
        key: "data_dir",
        shape: ValueShape::Value("DIRECTORY"),
        default: None,
        scope: CommandScope::Serve,
        help: "Where these tables are kept across restarts, as Parquet; one process uses it. Default: in memory, until the server \
               stops.",
        store: |settings, text| parse::path(text).map(|directory| settings.data_dir = Some(directory)),
    },
    Setting {
        key: "ingest.max_memory_bytes",
        shape: ValueShape::Value("BYTES"),
        default: Some("256 MiB"),
        scope: CommandScope::Serve,
        help: "Maximum size of all these tables in memory, beside query.memory_bytes.",
        store: |settings, text| parse::bytes(text).map(|bytes| settings.max_ingest_memory_bytes = bytes),
    },
    Setting {
        key: "ingest.max_disk_bytes",
        shape: ValueShape::Value("BYTES"),
        default: Some("10 GiB"),
        scope: CommandScope::Serve,
        help: "Maximum size of all these tables in data_dir.",
        store: |settings, text| parse::bytes(text).map(|bytes| settings.max_ingest_disk_bytes = bytes),
    },
    Setting {
        key: "s3.endpoint",
        shape: ValueShape::Value("URL"),
        default: None,
        scope: CommandScope::Upstream,
        help: "URL of the service that has the buckets of datasets, such as https://fra1.digitaloceanspaces.com for Spaces. \
               Default: AWS.",
        store: |settings, text| parse::url(text).map(|url| settings.s3_endpoint = Some(url)),
    },
    Setting {
        key: "s3.region",
        shape: ValueShape::Value("REGION"),
        default: Some("us-east-1"),
        scope: CommandScope::Upstream,
        help: "Region of the buckets. Spaces take any.",
        store: |settings, text| parse::word(text).map(|region| settings.s3_region = region),
    },
    Setting {
        key: "s3.access_key_id",
        shape: ValueShape::Value("ID"),
        default: None,
        scope: CommandScope::Upstream,
        help: "Name of the key for the buckets. Default: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY; without any key, \
               requests are not signed.",
        store: |settings, text| parse::word(text).map(|id| settings.s3_access_key_id = Some(id)),
    },
    Setting {
        key: "s3.secret_key_file",
        shape: ValueShape::Value("FILE"),
        default: None,
        scope: CommandScope::Upstream,
        help: "File that holds the key that s3.access_key_id names. Default: AWS_SECRET_ACCESS_KEY.",
        store: |settings, text| parse::path(text).map(|file| settings.s3_secret_key_file = Some(file)),
    },
    Setting {
        key: "log",
        shape: ValueShape::Value("FILTER"),
        default: None,
        scope: CommandScope::All,
        help: "Log filter for standard error, such as `warn` or `info,oceanflight::api=debug`. \
               Default: `info` for `serve`, `warn` for other commands.",
        store: |settings, text| parse::filter(text).map(|filter| settings.log = Some(filter)),
    },
    Setting {
        key: "log_format",
        shape: ValueShape::Value("text|json"),
        default: Some("text"),
        scope: CommandScope::All,
        help: "Format of the log.",
        store: |settings, text| parse::log_format(text).map(|format| settings.log_format = format),
    },
];

/// Returns the table of docs/settings.md, in Markdown.
pub fn reference() -> String {
    let mut table = "| key | flag | variable | default | |\n|---|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let Setting { key, default, help, .. } = setting;
        let (flag, variable) = (setting.flag(), setting.variable());
        let default = default.map(|text| format!("`{text}`")).unwrap_or_default();
        writeln!(table, "| `{key}` | `--{flag}` | `{variable}` | {default} | {help} |")
            .expect("a String accepts everything");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_derive_from_the_key() {
        let setting = Setting::find("query.max_wait").unwrap();

        assert_eq!(setting.flag(), "query-max-wait");
        assert_eq!(setting.variable(), "OCEANFLIGHT_QUERY_MAX_WAIT");
        assert!(SETTINGS.iter().all(|setting| !setting.flag().is_empty() && !setting.variable().is_empty()));
    }

    #[test]
    fn no_two_settings_have_the_same_flag() {
        for (at, setting) in SETTINGS.iter().enumerate() {
            let twin = SETTINGS[..at].iter().find(|other| other.flag() == setting.flag());
            assert_eq!(twin.map(|twin| twin.key), None, "`{}` has the same flag", setting.key);
        }
    }

    #[test]
    fn a_written_default_is_the_default() {
        for setting in SETTINGS {
            let mut settings = Settings::default();
            if let Some(default) = setting.default {
                let stored = setting.store(&mut settings, default);
                assert_eq!(stored, Ok(()), "the default of `{}` cannot be read", setting.key);
            }
            assert_eq!(settings, Settings::default(), "`{}` is not what `Settings::default()` has", setting.key);
        }
    }

    #[test]
    fn help_is_in_sentences_and_a_missing_default_is_explained() {
        for Setting { key, help, shape, default, .. } in SETTINGS {
            assert!(help.ends_with('.'), "the help of `{key}` is a sentence");
            assert!(!help.contains("  "), "the help of `{key}` has a gap");
            let off = matches!(default, None | Some("false"));
            assert!(*shape != ValueShape::Switch || off, "the switch `{key}` is off by default");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_client() {
        let settings = Settings::default();
        let api = settings.api_options();
        let defaults = crate::api::Options::new(settings.api_url.clone(), None);

        assert_eq!(api.attempt_timeout, defaults.attempt_timeout);
        assert_eq!(api.max_body_bytes, defaults.max_body_bytes);
        assert_eq!(api.limit.max_pause, defaults.limit.max_pause);
    }
}
