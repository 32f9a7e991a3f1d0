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
//! [`Keys::bound_by`] and [`Keys::closed`] are the only ways on, and make new keys each. The rule of bind joins takes
//! them; a plan that is executed has no scan that still wants keys.

use serde::{Deserialize, Serialize};

use super::access::Call;
use super::bind::MissingKey;

/// Where the values come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Keys {
    /// From the query's text.
    Known(Vec<Call>),
    /// The query's text does not name them; the rules still have to say.
    Wanted(Otherwise),
    /// From other parts of the plan; the keys are those that all of these sources supply.
    Bound(Vec<Source>),
    /// From the rows of the scan below, whose columns are these.
    Parent { columns: Vec<String> },
}

/// How a scan gets its keys if no other part of the plan supplies them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Otherwise {
    /// It reads those of its parent, whose columns are for these.
    Parent { columns: Vec<String> },
    /// By a method without that parameter, which costs more requests.
    Calls(Vec<Call>),
    /// It cannot be read.
    Nothing,
}

/// A place in the plan that values come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Source {
    /// The other side of the join of this number. While it runs, a chunk's values are in the context (`ChunkKeys`).
    Join { number: usize, from: Vec<Bound> },
    /// Expressions that have one value each, which is known when the plan runs: a scalar subquery's.
    Late { column: String },
}

/// A parameter's column, and the pair of the join's keys that gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bound {
    pub(super) column: String,
    pub(super) key: usize,
}

impl Source {
    /// The parameters' columns that it gives.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let (several, one) = match self {
            Self::Join { from, .. } => (&from[..], None),
            Self::Late { column } => (&[][..], Some(column.as_str())),
        };
        several.iter().map(|bound| bound.column.as_str()).chain(one)
    }
}

impl Keys {
    /// Adds a source; `None` if the keys are already known or come from the parent.
    pub(super) fn bound_by(&self, source: Source) -> Option<Self> {
        match self {
            Self::Wanted(_) => Some(Self::Bound(vec![source])),
            Self::Bound(sources) => Some(Self::Bound(sources.iter().cloned().chain([source]).collect())),
            Self::Known(_) | Self::Parent { .. } => None,
        }
    }

    /// Resolves keys that no part of the plan supplies: by the fallback, or `None` if the scan cannot run without them.
    pub(super) fn closed(&self, missing_key: MissingKey) -> Option<Self> {
        match (self, missing_key) {
            (Self::Wanted(Otherwise::Calls(calls)), _) => Some(Self::Known(calls.clone())),
            (Self::Wanted(Otherwise::Parent { columns }), MissingKey::Enumerate) => {
                Some(Self::Parent { columns: columns.clone() })
            }
            (Self::Wanted(Otherwise::Parent { .. }), MissingKey::Error) | (Self::Wanted(Otherwise::Nothing), _) => None,
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
    pub(super) fn calls(&self) -> Option<&[Call]> {
        if let Self::Known(calls) = self { Some(calls) } else { None }
    }

    /// The places that they come from.
    pub(super) fn sources(&self) -> &[Source] {
        if let Self::Bound(sources) = self { sources } else { &[] }
    }

    /// The numbers of the joins that they come from.
    pub(super) fn joins(&self) -> impl Iterator<Item = usize> {
        self.sources().iter().filter_map(|source| match source {
            Source::Join { number, .. } => Some(*number),
            Source::Late { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Binding;

    fn join(number: usize) -> Source {
        Source::Join { number, from: vec![Bound { column: "image_id".into(), key: 0 }] }
    }

    fn columns() -> Vec<String> {
        vec!["image_id".into()]
    }

    fn calls() -> Vec<Call> {
        vec![Call { method: 1, binding: Binding::default() }]
    }

    fn parent() -> Otherwise {
        Otherwise::Parent { columns: columns() }
    }

    #[test]
    fn keys_that_are_wanted_come_from_each_place_that_gives_them() {
        let late = Source::Late { column: "image_id".into() };

        let once = Keys::Wanted(parent()).bound_by(join(1)).unwrap();
        let twice = once.bound_by(late.clone()).unwrap();

        assert_eq!(once, Keys::Bound(vec![join(1)]));
        assert_eq!(twice, Keys::Bound(vec![join(1), late]));
        assert_eq!(twice.joins().collect::<Vec<_>>(), [1]);
        assert!(twice.are_open() && !twice.are_wanted());
    }

    #[test]
    fn keys_that_are_known_or_the_parents_come_from_nowhere_else() {
        for keys in [Keys::Known(calls()), Keys::Parent { columns: columns() }] {
            assert_eq!(keys.bound_by(join(1)), None);
            assert!(!keys.are_open());
        }
    }

    #[test]
    fn keys_that_nothing_gives_are_the_parents_or_done_without_or_missing() {
        let closed = |otherwise, missing_key| Keys::Wanted(otherwise).closed(missing_key);

        assert_eq!(closed(parent(), MissingKey::Enumerate), Some(Keys::Parent { columns: columns() }));
        assert_eq!(closed(parent(), MissingKey::Error), None);
        for missing_key in [MissingKey::Enumerate, MissingKey::Error] {
            assert_eq!(closed(Otherwise::Calls(calls()), missing_key), Some(Keys::Known(calls())));
            assert_eq!(closed(Otherwise::Nothing, missing_key), None);
        }
    }

    #[test]
    fn keys_that_something_gives_stay_what_they_are() {
        for keys in [Keys::Known(calls()), Keys::Bound(vec![join(1)]), Keys::Parent { columns: columns() }] {
            assert_eq!(keys.closed(MissingKey::Error), Some(keys.clone()));
        }
    }
}
