//! The options of a session by name: as Flight's messages have them, and as text in headers, cookies and handles.

use std::time::Duration;

use self::proto::session_option_value::OptionValue;
use crate::engine::{Choice, Engine, Limits, Principal, ResultTypes, SessionOptions};

pub(super) mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from proto/")]
    include!(concat!(env!("OUT_DIR"), "/arrow.flight.protocol.rs"));
}

pub(super) use self::proto::set_session_options_result::ErrorValue;

const MAX_REQUESTS: &str = "max_requests";

/// The longest text of a value, in bytes.
const MAX_TEXT_BYTES: usize = 1_000;

/// Sets an option, or with `None` gives it the server's value again.
///
/// # Errors
/// Whether the name or the value is wrong.
pub(super) fn set(
    engine: &Engine,
    options: &mut SessionOptions,
    name: &str,
    value: Option<OptionValue>,
) -> Result<(), ErrorValue> {
    // Drivers send an empty text for what was not set.
    let value = value.filter(|value| !matches!(value, OptionValue::StringValue(text) if text.is_empty()));
    if matches!(&value, Some(OptionValue::StringValue(text)) if text.len() > MAX_TEXT_BYTES) {
        return Err(ErrorValue::InvalidValue);
    }
    match name {
        "catalog" => {
            let catalog = text(value)?;
            if catalog.as_deref().is_some_and(|catalog| !engine.has_catalog(catalog)) {
                return Err(ErrorValue::InvalidValue);
            }
            options.catalog = catalog;
        }
        // It is not looked up: a client may set it before its catalog.
        "schema" => options.schema = text(value)?,
        "query_timeout" => options.timeout = value.map(duration).transpose()?,
        MAX_REQUESTS => options.max_requests = value.map(count).transpose()?,
        "timestamps" => options.timestamps = choice(value)?,
        "nested" => options.nested = choice(value)?,
        "intervals" => options.intervals = choice(value)?,
        "table_types" => options.table_types = choice(value)?,
        _ => return Err(ErrorValue::InvalidName),
    }
    Ok(())
}

fn text(value: Option<OptionValue>) -> Result<Option<String>, ErrorValue> {
    match value {
        None => Ok(None),
        Some(OptionValue::StringValue(text)) => Ok(Some(text)),
        Some(_) => Err(ErrorValue::InvalidValue),
    }
}

/// The value with this name.
fn choice<C: Choice>(value: Option<OptionValue>) -> Result<Option<C>, ErrorValue> {
    text(value)?.map(|name| C::named(&name).ok_or(ErrorValue::InvalidValue)).transpose()
}

/// `30s`, or a number of seconds.
fn duration(value: OptionValue) -> Result<Duration, ErrorValue> {
    let duration = match value {
        OptionValue::Int64Value(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        OptionValue::StringValue(text) => match text.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => humantime::parse_duration(&text).ok(),
        },
        _ => None,
    };
    duration.filter(|duration| !duration.is_zero()).ok_or(ErrorValue::InvalidValue)
}

fn count(value: OptionValue) -> Result<u64, ErrorValue> {
    match value {
        OptionValue::Int64Value(count) => u64::try_from(count).map_err(|_| ErrorValue::InvalidValue),
        OptionValue::StringValue(text) => text.parse().map_err(|_| ErrorValue::InvalidValue),
        _ => Err(ErrorValue::InvalidValue),
    }
}

/// The value of each option in the session of a client. One that is not set has the server's value.
pub(super) fn all(engine: &Engine, principal: &Principal) -> Vec<(&'static str, OptionValue)> {
    let (catalog, schema) = engine.defaults(principal);
    let Limits { timeout, max_requests, .. } = engine.limits(principal);
    let ResultTypes { timestamps, nested, intervals } = principal.session.result_types();
    let in_effect = SessionOptions {
        catalog: Some(catalog),
        schema: Some(schema),
        timeout: Some(timeout),
        max_requests: Some(max_requests),
        timestamps: Some(timestamps),
        nested: Some(nested),
        intervals: Some(intervals),
        table_types: Some(principal.session.table_types.unwrap_or_default()),
    };
    let value = |(name, text)| match name {
        MAX_REQUESTS => (name, OptionValue::Int64Value(i64::try_from(max_requests).unwrap_or(i64::MAX))),
        _ => (name, OptionValue::StringValue(text)),
    };
    to_texts(&in_effect).into_iter().map(value).collect()
}

/// The names of the options.
pub(super) fn names() -> [&'static str; 8] {
    texts(&SessionOptions::default()).map(|(name, _)| name)
}

/// The options that are set, as text.
pub(super) fn to_texts(options: &SessionOptions) -> Vec<(&'static str, String)> {
    texts(options).into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// All options by name, as text. `None`: it is not set.
fn texts(options: &SessionOptions) -> [(&'static str, Option<String>); 8] {
    let SessionOptions { catalog, schema, timeout, max_requests, timestamps, nested, intervals, table_types } = options;
    [
        ("catalog", catalog.clone()),
        ("schema", schema.clone()),
        ("query_timeout", timeout.map(|timeout| humantime::format_duration(timeout).to_string())),
        (MAX_REQUESTS, max_requests.map(|count| count.to_string())),
        ("timestamps", timestamps.map(name_of)),
        ("nested", nested.map(name_of)),
        ("intervals", intervals.map(name_of)),
        ("table_types", table_types.map(name_of)),
    ]
}

fn name_of(choice: impl Choice) -> String {
    choice.name().to_owned()
}

/// The options of [`to_texts`].
///
/// # Errors
/// The name of an option that this server does not have, or whose value is wrong.
pub(super) fn from_texts<'a>(
    engine: &Engine,
    texts: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<SessionOptions, &'a str> {
    let mut options = SessionOptions::default();
    for (name, value) in texts {
        set(engine, &mut options, name, Some(OptionValue::StringValue(value.to_owned()))).map_err(|_| name)?;
    }
    Ok(options)
}
