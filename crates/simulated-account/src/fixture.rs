//! The embedded files of `fixtures`. Each has the routes and the rows of one table; the rows are written as the API
//! returns them.
//!
//! The keys are the fields of [`Fixture`]; an unknown one is an error. In a row,
//! `{"$row": "digitalocean/compute/regions/nyc3"}` stands for that row of another fixture's `items`, and a text such as
//! `"now-90s"` or `"now+2m"` for a time relative to the start of the account.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::rows::{id_text, time};

static FIXTURES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// Why an account cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A fixture that cannot be parsed.
    #[error("the fixture `{name}` cannot be read")]
    Fixture {
        /// Its path below `fixtures`, without `.json`.
        name: String,
        /// The error.
        source: serde_json::Error,
    },
    /// A fixture names a row or a table that does not exist.
    #[error("the fixture `{name}` names `{reference}`, which is in no fixture")]
    Missing {
        /// The fixture.
        name: String,
        /// What it names.
        reference: String,
    },
    /// A [`Total`](crate::Total) for a list that does not exist.
    #[error("`{list}` is neither a table nor an id such as an image's")]
    Total {
        /// The list's name as given.
        list: String,
    },
}

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixture {
    /// A note for the reader of the file.
    #[serde(default, rename = "about")]
    _about: IgnoredAny,
    /// The field that identifies a row.
    #[serde(default = "id")]
    pub(crate) key: String,
    /// The table whose keys are the first parameter of the paths.
    pub(crate) parent: Option<Parent>,
    pub(crate) list: Option<ListRoute>,
    pub(crate) get: Option<GetRoute>,
    pub(crate) post: Option<PostRoute>,
    /// The filters of the list, by query parameter.
    #[serde(default)]
    pub(crate) query: BTreeMap<String, Filter>,
    /// Pairs of query parameters that cannot be combined.
    #[serde(default)]
    pub(crate) not_together: Vec<[String; 2]>,
    /// Fixtures whose rows, below all of their parents, this list and its `get` return too. All rows are then in
    /// descending order of their keys.
    #[serde(default)]
    pub(crate) also: Vec<String>,
    /// Rows are in descending order of their keys, not in the order of the file.
    #[serde(default)]
    pub(crate) newest_first: bool,
    pub(crate) templates: Option<TemplateRows>,
    /// The rows of a table without a parent.
    #[serde(default)]
    pub(crate) items: Vec<Value>,
    /// The number of rows, of which those beyond `items` are generated from `templates`.
    pub(crate) total: Option<usize>,
    /// The rows of a table with a parent. A parent that is not listed has none.
    #[serde(default)]
    pub(crate) children: Vec<Child>,
}

fn id() -> String {
    "id".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parent {
    /// The fixture's name.
    pub(crate) table: String,
    /// The field of a row that repeats the parent's key.
    pub(crate) field: Option<String>,
}

/// Returns a page of rows under the key `rows`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListRoute {
    pub(crate) path: String,
    pub(crate) rows: String,
}

/// Returns one row under the key `row`; a path without a parameter of its own returns the first row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetRoute {
    pub(crate) path: String,
    pub(crate) row: String,
    /// Further fields that a row is found by.
    #[serde(default)]
    pub(crate) also_by: Vec<String>,
}

/// Creates a row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostRoute {
    pub(crate) path: String,
    pub(crate) row: String,
    pub(crate) life: Lifecycle,
    /// The table with the regions.
    pub(crate) regions: String,
}

/// What happens to a new row later.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lifecycle {
    ImageAction,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Filter {
    /// The field equals the parameter.
    Equals(String),
    /// The same, ignoring case.
    EqualsIgnoringCase(String),
    /// The field is a list that contains the parameter.
    Contains(String),
    /// For these values of the parameter, fields have these values. Any other value of the parameter selects all rows,
    /// as in the API.
    Values(BTreeMap<String, Map<String, Value>>),
    /// For this value of the parameter, the field is present and not null. For any other value, and without the
    /// parameter, it is absent or null.
    Has { field: String, r#for: String },
}

impl Filter {
    pub(crate) fn keeps(&self, row: &Value, wanted: &str) -> bool {
        match self {
            Self::Equals(field) => row.get(field).is_some_and(|value| id_text(value) == wanted),
            Self::Contains(field) => {
                row[field.as_str()].as_array().is_some_and(|list| list.iter().any(|value| id_text(value) == wanted))
            }
            Self::EqualsIgnoringCase(field) => {
                row.get(field).is_some_and(|value| id_text(value).to_lowercase() == wanted.to_lowercase())
            }
            Self::Values(values) => values
                .get(wanted)
                .is_none_or(|fields| fields.iter().all(|(field, value)| row.get(field) == Some(value))),
            Self::Has { field, r#for: value } => {
                let has = row.get(field).is_some_and(|own| !own.is_null());
                has == (wanted == value)
            }
        }
    }

    /// The value that a query without the parameter stands for; `None` if it selects all rows.
    pub(crate) fn default_value(&self) -> Option<&'static str> {
        match self {
            Self::Has { .. } => Some(""),
            Self::Equals(_) | Self::EqualsIgnoringCase(_) | Self::Contains(_) | Self::Values(_) => None,
        }
    }
}

/// See [`Templates`](crate::rows::Templates).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateRows {
    pub(crate) newest_id: i64,
    #[serde(deserialize_with = "instant")]
    pub(crate) newest_at: DateTime<Utc>,
    pub(crate) span_days: i64,
    /// Whether the first row is also the row of an id that only a total names.
    #[serde(default)]
    pub(crate) for_unknown: bool,
    pub(crate) rows: Vec<Value>,
}

fn instant<'de, D: Deserializer<'de>>(text: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(text)?;
    let at = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
    Ok(at.to_utc())
}

/// The rows below one parent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Child {
    /// The parent's key.
    pub(crate) of: Value,
    /// Whether the parent was destroyed: no list returns it, but the paths below it still return its rows.
    #[serde(default)]
    pub(crate) gone: bool,
    #[serde(default)]
    pub(crate) rows: Vec<Value>,
    /// The number of rows, of which those beyond `rows` are generated from templates.
    pub(crate) total: Option<usize>,
}

/// All fixtures, by name.
pub(crate) fn load() -> Result<BTreeMap<String, Fixture>, Error> {
    read(FIXTURES)
}

pub(crate) fn read(files: &[(&str, &str)]) -> Result<BTreeMap<String, Fixture>, Error> {
    let unreadable = |name: &str| {
        let name = name.to_owned();
        move |source| Error::Fixture { name, source }
    };
    let mut texts = BTreeMap::new();
    for (name, text) in files {
        let value: Value = serde_json::from_str(text).map_err(unreadable(name))?;
        texts.insert(*name, value);
    }
    let mut fixtures = BTreeMap::new();
    for (name, value) in &texts {
        let mut value = value.clone();
        resolve(&mut value, &texts).map_err(|reference| Error::Missing { name: (*name).to_owned(), reference })?;
        let fixture = serde_json::from_value(value).map_err(unreadable(name))?;
        fixtures.insert((*name).to_owned(), fixture);
    }
    Ok(fixtures)
}

/// Replaces `{"$row": …}` by the row; returns a reference to a row that does not exist.
fn resolve(value: &mut Value, texts: &BTreeMap<&str, Value>) -> Result<(), String> {
    if let Some(reference) = value.get("$row").and_then(Value::as_str) {
        let row = referred(reference, texts).ok_or_else(|| reference.to_owned())?;
        *value = row;
        return Ok(());
    }
    match value {
        Value::Array(list) => list.iter_mut().try_for_each(|value| resolve(value, texts)),
        Value::Object(map) => map.values_mut().try_for_each(|value| resolve(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn referred(reference: &str, texts: &BTreeMap<&str, Value>) -> Option<Value> {
    let (name, wanted) = reference.rsplit_once('/')?;
    let fixture = texts.get(name)?;
    let key = fixture.get("key").and_then(Value::as_str).unwrap_or("id");
    let rows = fixture.get("items")?.as_array()?;
    rows.iter().find(|row| row.get(key).is_some_and(|id| id_text(id) == wanted)).cloned()
}

/// Replaces times relative to `start` by absolute ones.
pub(crate) fn date(row: &mut Value, start: DateTime<Utc>) {
    let Some(fields) = row.as_object_mut() else { return };
    for value in fields.values_mut() {
        if let Some(offset) = value.as_str().and_then(offset) {
            *value = time(start + offset);
        }
    }
}

fn offset(text: &str) -> Option<TimeDelta> {
    let text = text.strip_prefix("now")?;
    let (sign, length) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => return None,
    };
    let length = TimeDelta::from_std(humantime::parse_duration(length).ok()?).ok()?;
    Some(length * sign)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fixture_can_be_read() {
        let fixtures = load().unwrap_or_else(|error| panic!("{error}: {error:?}"));

        let compute = ["regions", "sizes", "images", "image_actions", "droplets", "droplet_actions", "snapshots"];
        let names = compute.map(|name| format!("compute/{name}")).into_iter();
        for name in names.chain(["account/account", "account/actions"].map(str::to_owned)) {
            assert!(fixtures.contains_key(&format!("digitalocean/{name}")), "{name}");
        }
    }

    #[test]
    fn a_reference_is_replaced_by_the_row() {
        let regions = r#"{"key": "slug", "items": [{"slug": "nyc3", "name": "New York 3"}]}"#;
        let uses = r#"{"items": [{"id": 1, "region": {"$row": "regions/nyc3"}}]}"#;

        let fixtures = read(&[("regions", regions), ("uses", uses)]).unwrap();

        assert_eq!(fixtures["uses"].items[0]["region"]["name"], "New York 3");
    }

    #[test]
    fn a_reference_to_a_missing_row_is_named() {
        let uses = r#"{"items": [{"id": 1, "region": {"$row": "regions/nyc3"}}]}"#;

        let error = read(&[("uses", uses)]).unwrap_err().to_string();

        assert_eq!(error, "the fixture `uses` names `regions/nyc3`, which is in no fixture");
    }

    #[test]
    fn an_unknown_key_of_a_fixture_is_an_error() {
        let error = read(&[("odd", r#"{"itmes": []}"#)]).unwrap_err();

        assert!(format!("{error:?}").contains("itmes"), "{error:?}");
    }

    #[test]
    fn a_relative_time_becomes_absolute() {
        let start = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        let mut row = json!({"started_at": "now-90s", "completed_at": "now+2m", "name": "nowhere"});

        date(&mut row, start);

        let dated =
            json!({"started_at": "2025-12-31T23:58:30Z", "completed_at": "2026-01-01T00:02:00Z", "name": "nowhere"});
        assert_eq!(row, dated);
    }

    #[test]
    fn filters_select_as_the_api_does() {
        let row = json!({"public": true, "tags": ["golden"], "name": "web"});
        let filter = |text: &str| serde_json::from_str::<Filter>(text).unwrap();

        assert!(filter(r#"{"contains": "tags"}"#).keeps(&row, "golden"));
        assert!(!filter(r#"{"contains": "tags"}"#).keeps(&row, "gold"));
        assert!(filter(r#"{"equals": "name"}"#).keeps(&row, "web"));
        let private = filter(r#"{"values": {"true": {"public": false}}}"#);
        assert!(!private.keeps(&row, "true"));
        assert!(private.keeps(&row, "false"));
        assert!(!filter(r#"{"equals": "name"}"#).keeps(&row, "Web"));
        assert!(filter(r#"{"equals_ignoring_case": "name"}"#).keeps(&row, "Web"));
        assert!(!filter(r#"{"equals_ignoring_case": "name"}"#).keeps(&row, "web-1"));
    }

    #[test]
    fn a_filter_on_a_present_field_applies_without_its_parameter() {
        let filter: Filter = serde_json::from_str(r#"{"has": {"field": "lock", "for": "locked"}}"#).unwrap();
        let (locked, open, never) = (json!({"lock": {}}), json!({"lock": null}), json!({}));

        let kept = |wanted: &str| [&locked, &open, &never].map(|row| filter.keeps(row, wanted));

        assert_eq!(kept("locked"), [true, false, false]);
        assert_eq!(kept("open"), [false, true, true]);
        assert_eq!(kept(filter.default_value().unwrap()), [false, true, true]);
        assert_eq!(Filter::Equals("lock".to_owned()).default_value(), None);
    }
}
