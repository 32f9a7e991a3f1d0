//! Extracts from filters the values that key columns may have. No side effects.
//!
//! `image_id = 1`, `id IN (2, 3)`, and their ORs and ANDs restrict a column to a set of values: they *pin* the column.
//! AND intersects sets: `id = 1 AND id = 2` leaves no value, and needs no request. Key columns are those that a request
//! can contain: the parameters of a path, and the columns of a method's `filters`. A column and its alias (`id`,
//! `action_id`) are one key. `array_has(tags, 'x')` is kept as well, if a method has a filter for it.
//!
//! Do not change without thinking: the sets may be too large, but never too small, because rows outside of them are not
//! requested. `exact` may be true only if "the row passes the filters" and "its keys are in the sets" are equivalent:
//! DataFusion then drops the filters. A property test compares both with SQL's rules.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use serde::{Deserialize, Serialize};

use crate::resource::{Resource, Value};

/// The values that key columns may have. A column that is not pinned may have any value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyConstraints {
    /// The values of each pinned column.
    sets: BTreeMap<String, BTreeSet<Value>>,
    /// The values that a list column must contain, all of them.
    contained: BTreeMap<String, BTreeSet<Value>>,
    /// Whether no row can pass: `id = NULL`, which is never true.
    never: bool,
    /// Whether a row passes the filters if, and only if, its keys are in the sets.
    exact: bool,
}

impl KeyConstraints {
    /// The constraints without a filter: no column is pinned, and that is exact.
    pub fn none() -> Self {
        Self { exact: true, ..Self::default() }
    }

    /// The constraints of these filters, all of which must be true, on the resource's key columns.
    pub fn of<'a>(resource: &Resource, filters: impl IntoIterator<Item = &'a Expr>) -> Self {
        Self::all(filters.into_iter().map(|filter| read(resource, filter)))
    }

    /// Combines the constraints of filters that must all be true.
    pub(super) fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        filters.into_iter().fold(Self::none(), Self::and)
    }

    /// The values of a column; `None` if it is not pinned.
    pub fn get(&self, column: &str) -> Option<&BTreeSet<Value>> {
        self.sets.get(column)
    }

    /// A value that a list column must contain.
    pub fn contained(&self, column: &str) -> Option<&Value> {
        self.contained.get(column)?.first()
    }

    /// The list columns, and the values that they must contain.
    pub fn contained_in(&self) -> impl Iterator<Item = (&str, &BTreeSet<Value>)> {
        self.contained.iter().map(|(column, values)| (column.as_str(), values))
    }

    /// Returns the same constraints, with one column restricted to `values` as well.
    pub fn with(&self, column: &str, values: BTreeSet<Value>) -> Self {
        self.clone().and(Self::one(column, values))
    }

    /// The pinned columns and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeSet<Value>)> {
        self.sets.iter().map(|(column, values)| (column.as_str(), values))
    }

    /// Whether there are no constraints.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.contained.is_empty() && !self.never
    }

    /// Whether a row passes the filters if, and only if, its keys are in the sets.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether no row can pass.
    pub fn is_impossible(&self) -> bool {
        self.never || self.sets.values().any(BTreeSet::is_empty)
    }

    fn one(column: &str, values: BTreeSet<Value>) -> Self {
        Self { sets: BTreeMap::from([(column.to_owned(), values)]), exact: true, ..Self::default() }
    }

    /// The constraints of a filter that pins nothing.
    fn unknown() -> Self {
        Self::default()
    }

    fn containing(column: &str, value: Value) -> Self {
        Self { contained: BTreeMap::from([(column.to_owned(), BTreeSet::from([value]))]), ..Self::default() }
    }

    fn and(mut self, other: Self) -> Self {
        for (column, values) in other.sets {
            let narrowed = match self.sets.get(&column) {
                Some(set) => set.intersection(&values).cloned().collect(),
                None => values,
            };
            self.sets.insert(column, narrowed);
        }
        for (column, values) in other.contained {
            self.contained.entry(column).or_default().extend(values);
        }
        self.exact &= other.exact;
        self.never |= other.never;
        self
    }

    fn never() -> Self {
        Self { never: true, exact: true, ..Self::default() }
    }

    /// The constraints of two filters of which one must be true. `(a = 1 AND b = 2) OR (a = 3 AND b = 4)` pins a and b,
    /// but the sets also allow (1, 4): the result is exact only if both sides pin the same single column.
    fn or(self, other: Self) -> Self {
        match (self.never, other.never) {
            (true, _) => return other,
            (_, true) => return self,
            (false, false) => {}
        }
        let same_column = self.sets.len() == 1 && self.sets.keys().eq(other.sets.keys());
        let exact = self.exact && other.exact && same_column;
        let mut sets = BTreeMap::new();
        for (column, values) in self.sets {
            if let Some(others) = other.sets.get(&column) {
                sets.insert(column, values.union(others).cloned().collect());
            }
        }
        let mut contained = BTreeMap::new();
        for (column, values) in self.contained {
            let both = other.contained.get(&column).map(|others| values.intersection(others).cloned().collect());
            contained.extend(both.filter(|both: &BTreeSet<_>| !both.is_empty()).map(|both| (column, both)));
        }
        Self { sets, contained, exact, never: false }
    }
}

/// The constraints of one filter.
fn read(resource: &Resource, filter: &Expr) -> KeyConstraints {
    match filter {
        Expr::Alias(alias) => read(resource, &alias.expr),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            read(resource, left).and(read(resource, right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            read(resource, left).or(read(resource, right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
                pin(resource, column, [value])
            }
            _ => KeyConstraints::unknown(),
        },
        Expr::InList(InList { expr, list, negated: false }) => match (expr.as_ref(), literals(list)) {
            (Expr::Column(column), Some(values)) => pin(resource, column, values),
            _ => KeyConstraints::unknown(),
        },
        // DataFusion simplifies `id = NULL` to this, in `id IN (1, NULL)` as well.
        Expr::Literal(ScalarValue::Boolean(None | Some(false)), _) => KeyConstraints::never(),
        Expr::Literal(ScalarValue::Boolean(Some(true)), _) => KeyConstraints::none(),
        // `WHERE public`, and `WHERE NOT public` below. DataFusion simplifies `public = false` to the latter.
        Expr::Column(column) => pin(resource, column, [&ScalarValue::Boolean(Some(true))]),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::Column(column) => pin(resource, column, [&ScalarValue::Boolean(Some(false))]),
            _ => KeyConstraints::unknown(),
        },
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "array_has" => match &args[..] {
            [Expr::Column(column), Expr::Literal(value, _)] => contain(resource, column, value),
            _ => KeyConstraints::unknown(),
        },
        _ => KeyConstraints::unknown(),
    }
}

/// The constraint of `array_has`, if a method has a filter for it.
fn contain(resource: &Resource, column: &Column, value: &ScalarValue) -> KeyConstraints {
    let mut filters = resource.methods.iter().flat_map(|method| &method.filters);
    let has_filter = filters.any(|filter| filter.contains && filter.column == column.name);
    match to_value(value).filter(|_| has_filter) {
        Some(value) => KeyConstraints::containing(&column.name, value),
        None => KeyConstraints::unknown(),
    }
}

fn literals(list: &[Expr]) -> Option<Vec<&ScalarValue>> {
    list.iter().map(|item| if let Expr::Literal(value, _) = item { Some(value) } else { None }).collect()
}

/// The constraint of a column that is equal to one of these values. A NULL is equal to nothing, and adds no value.
fn pin<'a>(resource: &Resource, column: &Column, values: impl IntoIterator<Item = &'a ScalarValue>) -> KeyConstraints {
    let name = resource.canonical(&column.name);
    if !is_key(resource, name) {
        return KeyConstraints::unknown();
    }
    let values = values.into_iter().filter(|value| !value.is_null()).map(to_value).collect::<Option<_>>();
    values.map_or_else(KeyConstraints::unknown, |values| KeyConstraints::one(name, values))
}

/// Whether a request can contain a value of this column.
fn is_key(resource: &Resource, name: &str) -> bool {
    resource.methods.iter().any(|method| {
        let in_path = method.path.parameters().any(|parameter| resource.canonical(parameter) == name);
        in_path || method.filters.iter().any(|filter| !filter.contains && filter.column == name)
    })
}

fn to_value(value: &ScalarValue) -> Option<Value> {
    match value {
        ScalarValue::Int64(Some(number)) => Some(Value::Int(*number)),
        ScalarValue::Utf8(Some(text)) => Some(Value::Text(text.clone())),
        ScalarValue::Boolean(Some(truth)) => Some(Value::Bool(*truth)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};
    use proptest::prelude::*;

    use super::*;
    use crate::resource::Registry;

    fn pins(filter: Expr) -> KeyConstraints {
        KeyConstraints::of(Registry::built_in().find("compute", "image_actions").unwrap(), [&filter])
    }

    fn set(pins: &KeyConstraints, column: &str) -> Option<Vec<i64>> {
        let number =
            |value: &Value| if let Value::Int(number) = value { *number } else { panic!("{value} is not a number") };
        pins.get(column).map(|values| values.iter().map(number).collect())
    }

    fn image(id: i64) -> Expr {
        col("image_id").eq(lit(id))
    }

    fn null() -> Expr {
        lit(ScalarValue::Int64(None))
    }

    #[test]
    fn an_equality_pins_either_way_round() {
        for filter in [image(7), lit(7_i64).eq(col("image_id"))] {
            let pins = pins(filter);
            assert_eq!(set(&pins, "image_id"), Some(vec![7]));
            assert!(pins.is_exact());
        }
    }

    #[test]
    fn in_and_or_are_unions() {
        let list = col("image_id").in_list(vec![lit(2_i64), lit(1_i64), null()], false);

        for filter in [list, image(1).or(image(2))] {
            let pins = pins(filter);
            assert_eq!(set(&pins, "image_id"), Some(vec![1, 2]));
            assert!(pins.is_exact());
        }
    }

    #[test]
    fn and_is_an_intersection() {
        let pins = pins(image(1).and(image(2)));

        assert_eq!(set(&pins, "image_id"), Some(vec![]));
        assert!(pins.is_impossible());
    }

    #[test]
    fn two_names_of_one_column_are_pinned_together() {
        let pins = pins(col("id").eq(lit(5_i64)).and(col("action_id").in_list(vec![lit(5_i64), lit(6_i64)], false)));

        assert_eq!(set(&pins, "id"), Some(vec![5]));
        assert_eq!(set(&pins, "action_id"), None);
    }

    #[test]
    fn a_null_is_equal_to_nothing() {
        assert!(pins(col("image_id").eq(null())).is_impossible());
        let folded = image(7).or(lit(ScalarValue::Boolean(None)));
        assert_eq!(set(&pins(folded), "image_id"), Some(vec![7]));
        assert!(pins(lit(ScalarValue::Boolean(None))).is_impossible());
        assert!(pins(image(7).and(lit(false))).is_impossible());
    }

    #[test]
    fn keys_with_something_else_are_kept_but_not_exact() {
        let one = image(1).and(col("type").eq(lit("create")));
        let two = image(2).and(col("type").eq(lit("transfer")));

        let pins = pins(one.or(two));

        assert_eq!(set(&pins, "image_id"), Some(vec![1, 2]));
        assert!(!pins.is_exact());
    }

    #[test]
    fn pairs_of_keys_are_not_exact() {
        let pair = |image_id, id: i64| image(image_id).and(col("id").eq(lit(id)));

        let pins = pins(pair(1, 10).or(pair(2, 20)));

        assert_eq!(set(&pins, "id"), Some(vec![10, 20]));
        assert!(!pins.is_exact());
    }

    #[test]
    fn a_filter_that_is_not_an_equality_of_a_key_pins_nothing() {
        let filters = [
            col("image_id").gt(lit(5_i64)),
            col("image_id").not_eq(lit(5_i64)),
            col("image_id").in_list(vec![lit(5_i64)], true),
            col("image_id").eq(col("id")),
            col("status").eq(lit("completed")),
            image(1).or(col("status").eq(lit("completed"))),
            !image(1),
        ];

        for filter in filters {
            let pins = pins(filter.clone());
            assert_eq!(pins.iter().count(), 0, "{filter}");
            assert!(!pins.is_exact(), "{filter}");
        }
    }

    fn filters() -> impl Strategy<Value = Expr> {
        let column = prop_oneof![Just("image_id"), Just("id"), Just("action_id"), Just("resource_id")];
        let leaf =
            (column, prop::collection::vec(0_i64..4, 0..3), any::<bool>()).prop_map(|(column, values, negated)| {
                match values[..] {
                    [value] if !negated => col(column).eq(lit(value)),
                    _ => col(column).in_list(values.into_iter().map(lit).collect(), negated),
                }
            });
        leaf.prop_recursive(4, 24, 2, |inner| {
            (inner.clone(), inner, any::<bool>()).prop_map(|(a, b, and)| if and { a.and(b) } else { a.or(b) })
        })
    }

    /// Whether a row (image_id, id, resource_id) passes, by SQL's rules for values without NULL.
    fn holds(filter: &Expr, row: (i64, i64, i64)) -> bool {
        let value = |expr: &Expr| match expr {
            Expr::Column(column) if column.name == "image_id" => row.0,
            Expr::Column(column) if column.name == "resource_id" => row.2,
            Expr::Column(_) => row.1,
            Expr::Literal(ScalarValue::Int64(Some(value)), _) => *value,
            other => panic!("{other}"),
        };
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => holds(left, row) && holds(right, row),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => holds(left, row) || holds(right, row),
            Expr::BinaryExpr(BinaryExpr { left, right, .. }) => value(left) == value(right),
            Expr::InList(InList { expr, list, negated }) => {
                list.iter().any(|item| value(item) == value(expr)) != *negated
            }
            other => panic!("{other}"),
        }
    }

    proptest! {
        #[test]
        fn pins_keep_the_meaning_of_their_filters(filter in filters()) {
            let pins = pins(filter.clone());
            for (image_id, id, resource_id) in (0..64).map(|n| (n / 16, n / 4 % 4, n % 4)) {
                let within = |column: &str, value| pins.get(column).is_none_or(|set| set.contains(&Value::Int(value)));
                let let_through = within("image_id", image_id) && within("id", id);
                let wanted = holds(&filter, (image_id, id, resource_id));
                prop_assert!(!wanted || let_through, "a wanted row is lost");
                prop_assert!(!pins.is_exact() || wanted == let_through, "exact, and yet different");
            }
        }
    }
}
