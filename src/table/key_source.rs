//! The source of a scan's keys, which are the values of its path parameters. A state machine without side effects.
//!
//! ```text
//!          the filters have the values
//!   scan() ───────────────────────────► Known
//!     │                                   ▲
//!     │ they do not                       │ a method without the parameter, with more requests
//!     ▼                                   │
//!   Wanted ────────── or_fallback ────────┼──► Parent     the rows of the parent supply them
//!     │                                   │
//!     │ bound_by: a join, or a value      └──► None       the scan cannot run
//!     ▼ that is known when it runs
//!   Bound ◄─┐
//!     │     │ bound_by: another one; the keys are those that all of them have
//!     └─────┘
//! ```
//!
//! [`KeySource::bound_by`] and [`KeySource::or_fallback`] are the only transitions. Each returns a new value. The rule of
//! bind joins calls them; a plan that is executed has no scan in the state `Wanted`.

use serde::{Deserialize, Serialize};

use super::bind::MissingKey;
use super::request_choice::MethodCall;

/// Where the keys of a scan come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeySource {
    /// From the query's text.
    Known(Vec<MethodCall>),
    /// Not from the query's text. The optimizer rules have not decided yet.
    Wanted(KeyFallback),
    /// From other parts of the plan. The keys are those that all of these providers supply.
    Bound(Vec<KeyProvider>),
    /// From the rows of the scan below, whose columns have the values for these columns.
    Parent { columns: Vec<String> },
}

/// How a scan gets its keys if no other part of the plan supplies them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeyFallback {
    /// From the rows of its parent, whose columns have the values for these columns.
    Parent { columns: Vec<String> },
    /// It calls a method without the parameter, which costs more requests.
    Calls(Vec<MethodCall>),
    /// There is none: the scan cannot run.
    Nothing,
}

/// A part of the plan that supplies keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeyProvider {
    /// The driving side of the join with this number. While a chunk runs, its keys are in the context (`ChunkKeys`).
    Join { number: usize, from: Vec<BoundColumn> },
    /// Expressions whose values are known when the plan runs, such as the value of a scalar subquery.
    Late { column: String },
}

/// The column of a path parameter, and the index of the join's key that supplies its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BoundColumn {
    pub(super) column: String,
    pub(super) key: usize,
}

impl KeyProvider {
    /// The columns that it supplies values for.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let (several, one) = match self {
            Self::Join { from, .. } => (&from[..], None),
            Self::Late { column } => (&[][..], Some(column.as_str())),
        };
        several.iter().map(|bound| bound.column.as_str()).chain(one)
    }
}

impl KeySource {
    /// Adds a provider; `None` if the keys are already known or come from the parent.
    pub(super) fn bound_by(&self, provider: KeyProvider) -> Option<Self> {
        match self {
            Self::Wanted(_) => Some(Self::Bound(vec![provider])),
            Self::Bound(providers) => Some(Self::Bound(providers.iter().cloned().chain([provider]).collect())),
            Self::Known(_) | Self::Parent { .. } => None,
        }
    }

    /// The fallback's keys, if there is no provider. `None`: there is no fallback that may be used, so the scan cannot run.
    /// Keys that are decided already stay as they are.
    pub(super) fn or_fallback(&self, missing_key: MissingKey) -> Option<Self> {
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

    /// Whether the optimizer rules have not decided yet.
    pub(super) fn is_undecided(&self) -> bool {
        matches!(self, Self::Wanted(_))
    }

    /// Whether one more provider can be added.
    pub(super) fn accepts_provider(&self) -> bool {
        matches!(self, Self::Wanted(_) | Self::Bound(_))
    }

    /// The calls that are known before the plan runs.
    pub(super) fn calls(&self) -> Option<&[MethodCall]> {
        if let Self::Known(calls) = self { Some(calls) } else { None }
    }

    /// The providers.
    pub(super) fn providers(&self) -> &[KeyProvider] {
        if let Self::Bound(providers) = self { providers } else { &[] }
    }

    /// The numbers of the joins among the providers.
    pub(super) fn joins(&self) -> impl Iterator<Item = usize> {
        self.providers().iter().filter_map(|provider| match provider {
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
    fn wanted_keys_can_have_several_providers() {
        let late = KeyProvider::Late { column: "image_id".into() };

        let once = KeySource::Wanted(parent()).bound_by(join(1)).unwrap();
        let twice = once.bound_by(late.clone()).unwrap();

        assert_eq!(once, KeySource::Bound(vec![join(1)]));
        assert_eq!(twice, KeySource::Bound(vec![join(1), late]));
        assert_eq!(twice.joins().collect::<Vec<_>>(), [1]);
        assert!(twice.accepts_provider() && !twice.is_undecided());
    }

    #[test]
    fn known_keys_and_those_of_the_parent_take_no_provider() {
        for keys in [KeySource::Known(calls()), KeySource::Parent { columns: columns() }] {
            assert_eq!(keys.bound_by(join(1)), None);
            assert!(!keys.accepts_provider());
        }
    }

    #[test]
    fn wanted_keys_without_a_provider_come_from_the_fallback() {
        let resolved = |fallback, missing_key| KeySource::Wanted(fallback).or_fallback(missing_key);

        assert_eq!(resolved(parent(), MissingKey::Enumerate), Some(KeySource::Parent { columns: columns() }));
        assert_eq!(resolved(parent(), MissingKey::Error), None);
        for missing_key in [MissingKey::Enumerate, MissingKey::Error] {
            assert_eq!(resolved(KeyFallback::Calls(calls()), missing_key), Some(KeySource::Known(calls())));
            assert_eq!(resolved(KeyFallback::Nothing, missing_key), None);
        }
    }

    #[test]
    fn keys_that_are_decided_do_not_take_the_fallback() {
        for keys in
            [KeySource::Known(calls()), KeySource::Bound(vec![join(1)]), KeySource::Parent { columns: columns() }]
        {
            assert_eq!(keys.or_fallback(MissingKey::Error), Some(keys.clone()));
        }
    }
}
