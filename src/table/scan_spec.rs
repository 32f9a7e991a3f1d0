//! What a scan reads, as plain data.
//!
//! A [`ScanSpec`] contains only names and values. So it can be sent as JSON to another process with the same
//! declarations. It is immutable; a pass over the plan makes a new one:
//!
//! | maker | function | purpose |
//! |---|---|---|
//! | the table | [`ScanSpec::new`] | key constraints, and the source of the keys (`key_source`) |
//! | the table, DataFusion's limit pushdown | [`ScanSpec::with_fetch`] | a LIMIT |
//! | the table, `bind::SetHints` | [`ScanSpec::reading_too`] | columns for checks, or for other readers of its lists |
//! | `bind::BindJoins` | [`ScanSpec::with_keys`] | another source of the keys |
//! | `bind::SetHints` | [`ScanSpec::hinted`] | hints about the plan around it |
//!
//! Filters that are more than key constraints are expressions, and not part of the spec ([`Filters`]).
//!
//! [`Filters`]: super::resolved_scan::Filters

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::KeyConstraints;
use super::fault::Fault;
use super::key_source::KeySource;
use super::scan_hints::Hints;
use crate::resource::{ColumnSource, Registry, Resource};

/// What a scan reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScanSpec {
    /// The name of the account, which is also its catalog's.
    account: String,
    schema: String,
    table: String,
    /// Identifies the declaration of the table, which the indexes of columns and methods in the spec refer to.
    fingerprint: u64,
    pins: KeyConstraints,
    /// The columns of the scan's schema, as indexes in the resource's schema.
    projection: Vec<usize>,
    /// The decoded columns, as indexes in the resource's schema, sorted: those of the projection, of the checks, and
    /// those that other readers of its lists need.
    columns: Vec<usize>,
    /// Maximum number of rows; the scan returns exactly this number if there are enough.
    fetch: Option<usize>,
    keys: KeySource,
    hints: Hints,
}

impl ScanSpec {
    /// The spec of a table with these constraints.
    pub(super) fn new(resource: &Resource, pins: KeyConstraints, projection: Vec<usize>, keys: KeySource) -> Self {
        let needed = needed(resource, &pins);
        let spec = Self {
            account: resource.catalog.clone(),
            schema: resource.schema.clone(),
            table: resource.table.clone(),
            fingerprint: resource.fingerprint(),
            pins,
            columns: projection.clone(),
            projection,
            fetch: None,
            keys,
            hints: Hints::default(),
        };
        spec.reading_too(&needed)
    }

    /// Returns the same spec with this LIMIT.
    pub(super) fn with_fetch(&self, fetch: Option<usize>) -> Self {
        Self { fetch, ..self.clone() }
    }

    /// Returns the same spec, which decodes these columns of the resource as well.
    pub(super) fn reading_too(&self, columns: &BTreeSet<usize>) -> Self {
        let more = columns.iter().filter(|column| !self.projection.contains(column));
        let mut columns: Vec<usize> = self.columns.iter().chain(more).copied().collect();
        columns.sort_unstable();
        columns.dedup();
        Self { columns, ..self.clone() }
    }

    /// Returns the same spec with another source of the keys.
    pub(super) fn with_keys(&self, keys: KeySource) -> Self {
        Self { keys, ..self.clone() }
    }

    /// Returns the same spec with these hints.
    pub(super) fn hinted(&self, hints: Hints) -> Self {
        Self { hints, ..self.clone() }
    }

    /// The name of the account.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    pub(super) fn pins(&self) -> &KeyConstraints {
        &self.pins
    }

    pub(super) fn projection(&self) -> &[usize] {
        &self.projection
    }

    pub(super) fn columns(&self) -> &[usize] {
        &self.columns
    }

    pub(super) fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    /// Whether a LIMIT, its own or one above, may end the scan before its last row.
    pub(super) fn may_end_early(&self) -> bool {
        self.fetch.is_some() || self.hints.limited
    }

    pub(super) fn keys(&self) -> &KeySource {
        &self.keys
    }

    pub(super) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Finds the resource that the spec names.
    ///
    /// # Errors
    /// [`Fault::OtherTable`], if there is none with the same declaration.
    pub(super) fn resource<'a>(&self, resources: &'a Registry) -> Result<&'a Arc<Resource>, Fault> {
        let Self { account, schema, table, fingerprint, .. } = self;
        let name = format!("{account}.{schema}.{table}");
        match resources.named(&name) {
            Some(resource) if resource.fingerprint() == *fingerprint => Ok(resource),
            Some(_) | None => Err(Fault::OtherTable { name }),
        }
    }
}

/// The columns that are decoded even if they are not selected: rows are identified and checked by them.
fn needed(resource: &Resource, pins: &KeyConstraints) -> BTreeSet<usize> {
    let is_field = |name: &str| resource.column(name).is_some_and(|column| column.source == ColumnSource::Field);
    let mut names = vec![resource.row_id()];
    names.extend(pins.iter().map(|(column, _)| column));
    for method in &resource.methods {
        names.extend(method.conditions.iter().map(|(field, _)| field.as_str()));
        if method.is_get() {
            let keys = method.path.parameters().map(|parameter| resource.canonical(parameter));
            names.extend(keys.filter(|key| is_field(key)));
        }
    }
    let place = |name| resource.planned_schema().index_of(name).expect("declarations name columns of their own");
    names.into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resource::{Binding, Value};
    use crate::table::key_source::{BoundColumn, KeyFallback, KeyProvider};
    use crate::table::request_choice::MethodCall;
    use crate::table::scan_hints::Expected;

    fn actions() -> &'static Arc<Resource> {
        Registry::built_in().find("compute", "image_actions").unwrap()
    }

    fn spec(pins: KeyConstraints, keys: KeySource) -> ScanSpec {
        ScanSpec::new(actions(), pins, vec![0], keys)
    }

    fn nothing() -> KeySource {
        KeySource::Wanted(KeyFallback::Nothing)
    }

    #[test]
    fn columns_for_checks_are_decoded_even_if_they_are_not_selected() {
        let place = |name: &str| actions().planned_schema().index_of(name).unwrap();
        let pins = KeyConstraints::none().with("image_id", BTreeSet::from([Value::Int(7)]));

        let spec = spec(pins, nothing()).reading_too(&BTreeSet::from([0, place("status")]));

        for name in ["id", "image_id", "status"] {
            assert!(spec.columns().contains(&place(name)), "{name}: {:?}", spec.columns());
        }
        assert_eq!(spec.projection(), [0]);
    }

    #[test]
    fn a_spec_needs_the_declaration_that_it_was_made_with() {
        let spec = spec(KeyConstraints::none(), nothing());
        let two = Registry::built_in().in_catalogs([("staging", "digitalocean")]);

        assert!(spec.resource(Registry::built_in()).is_ok());
        assert!(spec.resource(&two).is_err(), "another account's");
        let other = ScanSpec { fingerprint: spec.fingerprint ^ 1, ..spec };
        assert!(other.resource(Registry::built_in()).is_err(), "another declaration of that name");
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Int),
            any::<String>().prop_map(Value::Text),
            any::<bool>().prop_map(Value::Bool)
        ]
    }

    fn bindings() -> impl Strategy<Value = Binding> {
        prop::collection::btree_map("[a-z_]{1,8}", values(), 0..3)
            .prop_map(|all| all.into_iter().fold(Binding::default(), |all, (name, value)| all.with(&name, value)))
    }

    fn some_pins() -> impl Strategy<Value = KeyConstraints> {
        let pin = (prop_oneof![Just("image_id"), Just("id")], prop::collection::btree_set(values(), 0..4));
        prop::collection::vec(pin, 0..3).prop_map(|pins| {
            pins.into_iter().fold(KeyConstraints::none(), |all, (column, values)| all.with(column, values))
        })
    }

    fn calls() -> impl Strategy<Value = Vec<MethodCall>> {
        let call = (0_usize..9, bindings()).prop_map(|(method, binding)| MethodCall { method, binding });
        prop::collection::vec(call, 0..3)
    }

    fn providers() -> impl Strategy<Value = KeyProvider> {
        let from = prop::collection::vec((any::<String>(), 0_usize..9), 0..3);
        let from = from.prop_map(|from| from.into_iter().map(|(column, key)| BoundColumn { column, key }).collect());
        prop_oneof![
            (any::<usize>(), from).prop_map(|(number, from)| KeyProvider::Join { number, from }),
            any::<String>().prop_map(|column| KeyProvider::Late { column }),
        ]
    }

    fn keys() -> impl Strategy<Value = KeySource> {
        let columns = prop::collection::vec(any::<String>(), 0..3);
        prop_oneof![
            calls().prop_map(KeySource::Known),
            calls().prop_map(|calls| KeySource::Wanted(KeyFallback::Calls(calls))),
            columns.clone().prop_map(|columns| KeySource::Wanted(KeyFallback::Parent { columns })),
            Just(KeySource::Wanted(KeyFallback::Nothing)),
            prop::collection::vec(providers(), 0..3).prop_map(KeySource::Bound),
            columns.prop_map(|columns| KeySource::Parent { columns }),
        ]
    }

    fn hints() -> impl Strategy<Value = Hints> {
        let expected = any::<Option<(u64, u64)>>();
        let expected = expected.prop_map(|own| own.map(|(requests, rows)| Expected { requests, rows }));
        (any::<[bool; 2]>(), any::<Option<u64>>(), expected)
            .prop_map(|([limited, kept], keys_expected, expected)| Hints { limited, kept, keys_expected, expected })
    }

    proptest! {
        #[test]
        fn a_spec_goes_through_json_and_back(
            pins in some_pins(), keys in keys(), hints in hints(), fetch in any::<Option<usize>>(),
        ) {
            let spec = spec(pins, keys).with_fetch(fetch).hinted(hints);

            let json = serde_json::to_vec(&spec).unwrap();

            prop_assert_eq!(serde_json::from_slice::<ScanSpec>(&json).unwrap(), spec);
        }
    }
}
