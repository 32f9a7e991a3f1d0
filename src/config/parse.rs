//! Parsers for setting values. Each error is the description of a valid value, for a sentence "… takes DESCRIPTION".

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::LogFormat;
use crate::engine::MissingKey;

/// Parses `127.0.0.1:50051`, `[::1]:0`, `localhost:50051`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| "an address and a port: `127.0.0.1:50051`, `[::1]:0`".into())
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("`true` or `false`".into()),
    }
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the name of a file".into()) } else { Ok(PathBuf::from(text)) }
}

/// Parses a text that is neither empty nor has white space.
pub(super) fn word(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(char::is_whitespace) {
        true => Err("one word".into()),
        false => Ok(text.to_owned()),
    }
}

/// Parses the URL of an API. It must have no password, which would be logged, and no query or fragment, which would be
/// dropped when a path is added.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "a URL: `https://api.digitalocean.com`".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("a URL that starts with `https://` or `http://`".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL without a user name or a password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a URL without `?` and `#`".into());
    }
    Ok(url)
}

/// Parses a duration from zero to 30 days.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(30 * 24 * 3_600);
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("a duration of 30 days at most".into()),
        Err(_) => Err("a duration with its unit: `60s`, `5m`".into()),
    }
}

/// Parses a duration above zero.
pub(super) fn limit(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("a duration above zero".into()),
        limit => Ok(limit),
    }
}

/// Parses `64 MiB`, `500 kB`, `1048576`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let wanted = || "a number of bytes above zero: `64 MiB`, `1048576`".to_owned();
    let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text.trim()[digits.len()..] {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wanted()),
    };
    let number = digits.trim_end().parse::<usize>().map_err(|_| wanted())?;
    number.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(wanted)
}

/// Parses a maximum count; `0` is unlimited.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Ok(usize::MAX),
        Ok(count) => Ok(count),
        Err(_) => Err("a number: `250`, or `0` for no limit".into()),
    }
}

/// As [`count`], in 32 bits.
pub(super) fn count_u32(text: &str) -> Result<u32, String> {
    count(text).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// As [`bytes`], in 32 bits.
pub(super) fn bytes_u32(text: &str) -> Result<u32, String> {
    u32::try_from(bytes(text)?).map_err(|_| "a number of bytes below 4 GiB".to_owned())
}

pub(super) fn missing_key(text: &str) -> Result<MissingKey, String> {
    match text.to_ascii_lowercase().as_str() {
        "enumerate" => Ok(MissingKey::Enumerate),
        "error" => Ok(MissingKey::Error),
        _ => Err("`enumerate` or `error`".into()),
    }
}

pub(super) fn filter(text: &str) -> Result<String, String> {
    let wanted = "levels and modules: `warn`, `info,oceanflight::api=debug`";
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|_| wanted.into())
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("`text` or `json`".into()),
    }
}

/// Returns the text as an error or a listing may show it: redacted if it contains a token or a URL with a password.
pub(super) fn redacted(text: &str) -> String {
    let has_password = text.contains("://") && text.contains('@');
    let has_token = text.contains("_v1_");
    if has_password || has_token { "[redacted]".into() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_parsed_with_and_without_a_unit() {
        let cases = [("64 MiB", 67_108_864), ("1048576", 1_048_576), ("500kB", 500_000), ("1GiB", 1 << 30)];

        for (text, expected) in cases {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_invalid_number_of_bytes_is_rejected() {
        for text in ["", "0", "MiB", "-1", "1.5 MiB", "64 miles", "99999999999999999999", "18446744073709551615 GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        for text in ["127.0.0.1:0", "[::1]:50051", "localhost:50051", "0.0.0.0:1"] {
            assert!(address(text).is_ok(), "{text}");
        }
        for text in ["", "127.0.0.1", "50051", ":50051", "example.com:1", "127.0.0.1:65536", "localhost:"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_has_a_host_and_no_secret() {
        for text in ["https://api.digitalocean.com", "http://127.0.0.1:8080", "https://proxy.example/do/"] {
            assert!(url(text).is_ok(), "{text}");
        }
        let refused =
            ["", "api.digitalocean.com", "ftp://x", "file:///etc", "https://u:p@x", "https://x?a", "https://x#a"];
        for text in refused {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_count_of_zero_is_no_limit() {
        assert_eq!(count("250"), Ok(250));
        assert_eq!(count("0"), Ok(usize::MAX));
        for text in ["", "-1", "many", "1.5"] {
            assert!(count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_is_above_zero_and_has_a_unit() {
        assert_eq!(limit("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for text in ["0s", "60", "soon", "-1s", "", "31d", "400000000000y"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }
}
