//! The source of a scan's keys, which are the values of its path parameters. A state machine without side effects.
//!
//! ```text
//!              the filters name them
//!   scan() ───────────────────────────► Known
//!     │                                   ▲
//!     │ they do not                       │ it does without them, at a price
//!     ▼                                   │
//!   Wanted ────────── closed ─────────────┼──► Parent     the rows of its parent tell them
//!     │                                   │
//!     │ bound_by: a join, or a value      └──► no keys    nothing tells them: it cannot be read
//!     ▼ that is known when it runs
//!   Bound ◄─┐
//!     │     │ bound_by: one more, which has to agree
//!     └─────┘
//! ```
//!
//! [`KeySource::bound_by`] and [`KeySource::closed`] are the only ways on, and make new keys each. The rule of bind joins takes
//! them; a plan that is executed has no scan that still wants keys.

use serde::{Deserialize, Serialize};

use super::bind::MissingKey;
use super::request_choice::MethodCall;

/// Where the values come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeySource {
    /// From the query's text.
    Known(Vec<MethodCall>),
    /// The query's text does not name them; the rules still have to say.
    Wanted(KeyFallback),
    /// From other parts of the plan; the keys are those that all of these sources supply.
    Bound(Vec<KeyProvider>),
    /// From the rows of the scan below, whose columns are these.
    Parent { columns: Vec<String> },
}

/// How a scan gets its keys if no other part of the plan supplies them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeyFallback {
    /// It reads those of its parent, whose columns are for these.
    Parent { columns: Vec<String> },
    /// By a method without that parameter, which costs more requests.
    Calls(Vec<MethodCall>),
    /// It cannot be read.
    Nothing,
}

/// A place in the plan that values come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeyProvider {
    /// The other side of the join of this number. While it runs, a chunk's values are in the context (`ChunkKeys`).
    Join { number: usize, from: Vec<BoundColumn> },
    /// Expressions that have one value each, which is known when the plan runs: a scalar subquery's.
    Late { column: String },
}

/// A parameter's column, and the pair of the join's keys that gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BoundColumn {
    pub(super) column: String,
    pub(super) key: usize,
}

impl KeyProvider {
    /// The parameters' columns that it gives.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let (several, one) = match self {
            Self::Join { from, .. } => (&from[..], None),
            Self::Late { column } => (&[][..], Some(column.as_str())),
        };
        several.iter().map(|bound| bound.column.as_str()).chain(one)
    }
}

impl KeySource {
    /// Adds a source; `None` if the keys are already known or come from the parent.
    pub(super) fn bound_by(&self, source: KeyProvider) -> Option<Self> {
        match self {
            Self::Wanted(_) => Some(Self::Bound(vec![source])),
            Self::Bound(sources) => Some(Self::Bound(sources.iter().cloned().chain([source]).collect())),
            Self::Known(_) | Self::Parent { .. } => None,
        }
    }

    /// Resolves keys that no part of the plan supplies: by the fallback, or `None` if the scan cannot run without them.
    pub(super) fn closed(&self, missing_key: MissingKey) -> Option<Self> {
        match (self, missing_key) {
            (Self::Wanted(KeyFallback::Calls(calls)), _) => Some(Self::Known(calls.clone())),
            (Self::Wanted(KeyFallback::Parent { columns }), MissingKey::Enumerate) => {
                Some(Self::Parent { columns: columns.clone() })
            }
            (Self::Wanted(KeyFallback::Parent { .. }), MissingKey::Error) | (Self::Wanted(KeyFallback::Nothing), _) => {
                None
            }
            (Self::Known(_) | Self::Bound(_) | Self::Parent { .. }, _) => Some(self.clone()),
        }
    }

    /// Whether the rules still have to say.
    pub(super) fn are_wanted(&self) -> bool {
        matches!(self, Self::Wanted(_))
    }

    /// Whether values can come from one more place in the plan.
    pub(super) fn are_open(&self) -> bool {
        matches!(self, Self::Wanted(_) | Self::Bound(_))
    }

    /// The calls that are known before the plan runs.
    pub(super) fn calls(&self) -> Option<&[MethodCall]> {
        if let Self::Known(calls) = self { Some(calls) } else { None }
    }

    /// The places that they come from.
    pub(super) fn sources(&self) -> &[KeyProvider] {
        if let Self::Bound(sources) = self { sources } else { &[] }
    }

    /// The numbers of the joins that they come from.
    pub(super) fn joins(&self) -> impl Iterator<Item = usize> {
        self.sources().iter().filter_map(|source| match source {
            KeyProvider::Join { number, .. } => Some(*number),
            KeyProvider::Late { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Binding;

    fn join(number: usize) -> KeyProvider {
        KeyProvider::Join { number, from: vec![BoundColumn { column: "image_id".into(), key: 0 }] }
    }

    fn columns() -> Vec<String> {
        vec!["image_id".into()]
    }

    fn calls() -> Vec<MethodCall> {
        vec![MethodCall { method: 1, binding: Binding::default() }]
    }

    fn parent() -> KeyFallback {
        KeyFallback::Parent { columns: columns() }
    }

    #[test]
    fn keys_that_are_wanted_come_from_each_place_that_gives_them() {
        let late = KeyProvider::Late { column: "image_id".into() };

        let once = KeySource::Wanted(parent()).bound_by(join(1)).unwrap();
        let twice = once.bound_by(late.clone()).unwrap();

        assert_eq!(once, KeySource::Bound(vec![join(1)]));
        assert_eq!(twice, KeySource::Bound(vec![join(1), late]));
        assert_eq!(twice.joins().collect::<Vec<_>>(), [1]);
        assert!(twice.are_open() && !twice.are_wanted());
    }

    #[test]
    fn keys_that_are_known_or_the_parents_come_from_nowhere_else() {
        for keys in [KeySource::Known(calls()), KeySource::Parent { columns: columns() }] {
            assert_eq!(keys.bound_by(join(1)), None);
            assert!(!keys.are_open());
        }
    }

    #[test]
    fn keys_that_nothing_gives_are_the_parents_or_done_without_or_missing() {
        let closed = |otherwise, missing_key| KeySource::Wanted(otherwise).closed(missing_key);

        assert_eq!(closed(parent(), MissingKey::Enumerate), Some(KeySource::Parent { columns: columns() }));
        assert_eq!(closed(parent(), MissingKey::Error), None);
        for missing_key in [MissingKey::Enumerate, MissingKey::Error] {
            assert_eq!(closed(KeyFallback::Calls(calls()), missing_key), Some(KeySource::Known(calls())));
            assert_eq!(closed(KeyFallback::Nothing, missing_key), None);
        }
    }

    #[test]
    fn keys_that_something_gives_stay_what_they_are() {
        for keys in
            [KeySource::Known(calls()), KeySource::Bound(vec![join(1)]), KeySource::Parent { columns: columns() }]
        {
            assert_eq!(keys.closed(MissingKey::Error), Some(keys.clone()));
        }
    }
}
