//! The differences that are expected, tests/slt/expected.toml.

use std::collections::BTreeMap;

use serde::Deserialize;

const LIST: &str = include_str!("expected.toml");

/// The differences by their places.
pub(super) struct Expected(BTreeMap<String, String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    difference: Vec<Difference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    reason: String,
    at: Vec<String>,
}

impl Expected {
    /// As the file has them.
    pub(super) fn read() -> Self {
        let list: List = toml::from_str(LIST).unwrap();
        let mut places = BTreeMap::new();
        for Difference { reason, at } in list.difference {
            for place in at {
                let twice = places.insert(place.clone(), reason.clone());
                assert!(twice.is_none(), "tests/slt/expected.toml has {place} twice");
            }
        }
        Self(places)
    }

    /// What is wrong with the differences that were found: those that are not listed, and listed ones that are none.
    pub(super) fn judge(&self, found: &BTreeMap<String, String>) -> Vec<String> {
        let unlisted = found.iter().filter(|(place, _)| !self.0.contains_key(*place));
        let gone = self.0.iter().filter(|(place, _)| !found.contains_key(*place));
        unlisted
            .map(|(place, difference)| format!("{place}: {difference}"))
            .chain(gone.map(|(place, reason)| {
                format!("{place}: passes or is skipped now, take it out of tests/slt/expected.toml ({reason})")
            }))
            .collect()
    }
}
