//! The expected differences, which tests/slt/expected.toml lists.

use std::collections::BTreeMap;

use serde::Deserialize;

const LIST: &str = include_str!("expected.toml");

/// The expected differences, by the places of their records.
pub(super) struct Expected(BTreeMap<String, Listed>);

/// An expected difference.
#[derive(Clone)]
pub(super) struct Listed {
    reason: String,
    /// What is compared instead.
    pub(super) holds: Holds,
    /// Whether the record does not always differ: its result depends on which part of the plan is faster.
    sometimes: bool,
}

/// What is compared although the record differs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Holds {
    /// Nothing: any difference is accepted.
    #[default]
    Nothing,
    /// The rows are those of the file, perhaps in another order.
    AnyOrder,
    /// The rows are those of the file. Only column types differ.
    Rows,
    /// The rows are those of the file, but times have the zone UTC.
    Instants,
    /// The result is that of DataFusion alone in a session with the server's options.
    Session,
}

/// A record whose result is not the one in its file.
pub(super) enum Found {
    /// As the list says.
    Expected,
    /// Not listed, or not as the list says.
    Unlisted(String),
}

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
    #[serde(default)]
    holds: Holds,
    #[serde(default)]
    sometimes: bool,
    at: Vec<String>,
}

impl Expected {
    /// Reads the list.
    pub(super) fn read() -> Self {
        Self::parse(LIST)
    }

    fn parse(list: &str) -> Self {
        let list: List = toml::from_str(list).unwrap();
        let mut places = BTreeMap::new();
        for Difference { reason, holds, sometimes, at } in list.difference {
            assert!(reason.ends_with('.'), "the reason {reason:?} is not a sentence");
            for place in at {
                let twice = places.insert(place.clone(), Listed { reason: reason.clone(), holds, sometimes });
                assert!(twice.is_none(), "{place} is listed twice");
            }
        }
        Self(places)
    }

    /// The difference that is expected of a record.
    pub(super) fn at(&self, place: &str) -> Option<&Listed> {
        self.0.get(place)
    }

    /// The records that fail. If all files ran, these include listed records without a difference.
    pub(super) fn judge(&self, found: &BTreeMap<String, Found>, all: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        for (place, found) in found {
            if let Found::Unlisted(difference) = found {
                let listed = self.at(place).map_or_else(String::new, |listed| format!(" (listed: {})", listed.reason));
                wrong.push(format!("{place}{listed}: {difference}"));
            }
        }
        let is_missing = |(place, listed): &(&String, &Listed)| all && !listed.sometimes && !found.contains_key(*place);
        for (place, Listed { reason, .. }) in self.0.iter().filter(is_missing) {
            wrong.push(format!("{place}: no difference any more, remove it from expected.toml (listed: {reason})"));
        }
        wrong
    }
}

#[test]
fn a_difference_fails_if_it_is_not_listed_or_not_found() {
    let list = "[[difference]]\nreason = \"A.\"\nat = [\"a.slt:1\", \"a.slt:2\"]\n\
                [[difference]]\nreason = \"B.\"\nsometimes = true\nat = [\"a.slt:4\"]";
    let expected = Expected::parse(list);
    let found = [("a.slt:1", Found::Expected), ("a.slt:3", Found::Unlisted("other rows".to_owned()))];
    let found = found.map(|(place, found)| (place.to_owned(), found)).into();

    let wrong = expected.judge(&found, true);

    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert_eq!(wrong[0], "a.slt:3: other rows");
    assert!(wrong[1].starts_with("a.slt:2: no difference any more"), "{wrong:?}");
    assert_eq!(expected.judge(&found, false).len(), 1);
}
