//! Chooses the API methods of a scan, and the values in their paths and query strings. No side effects.
//!
//! ```text
//! constraints          image_id in [7], id in [1, 2]
//!   └─ `choose`        a method whose path parameters all have values: a get for up to 4 ids, else a list
//!        └─ calls      GET /v2/images/7/actions/1, GET /v2/images/7/actions/2
//!             └─ `query_strings`   of each request, from filters that the API supports
//! ```
//!
//! A table may have two methods for the same rows: a *get* returns the row of one id, a *list* returns 200 rows per
//! request. `choose` decides for the values that are known when the query is planned, `calls` for keys that arrive
//! while it runs.
//!
//! Do not change without thinking: the chosen calls must return all rows that the constraints allow. More rows do no
//! harm, because the scan checks the rows again (`ResolvedScan::checks`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::KeyConstraints;
use super::fault::Fault;
use crate::resource::{Binding, ColumnSource, Filter, Method, Resource, Value};

/// Maximum number of single gets for ids of one list. For more ids the list is read: one request returns 200 rows.
pub(super) const MAX_GETS: usize = 4;

/// A method and the values of its path parameters: one request, or one list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct MethodCall {
    /// The method's index in the resource.
    pub method: usize,
    /// The values of the path parameters.
    pub binding: Binding,
}

/// Chooses gets for up to 4 ids, else a list.
///
/// # Errors
/// [`Fault::NeedsKey`], if no method has values for all of its path parameters.
pub(crate) fn choose(resource: &Resource, pins: &KeyConstraints) -> Result<Vec<MethodCall>, Fault> {
    if pins.is_impossible() {
        return Ok(Vec::new());
    }
    let (get, list) = candidates(resource, |key| pins.get(key).is_some());
    let few_ids = pins.get(resource.row_id()).is_none_or(|ids| ids.len() <= MAX_GETS);
    let (at, method) = match (get, list) {
        (Some(get), _) if few_ids => get,
        (_, Some(list)) => list,
        (Some(get), None) => get,
        (None, None) => return Err(needs_key(resource, pins)),
    };
    Ok(calls_of(resource, at, method, pins))
}

fn calls_of(resource: &Resource, at: usize, method: &Method, pins: &KeyConstraints) -> Vec<MethodCall> {
    bindings(resource, method, pins).into_iter().map(|binding| MethodCall { method: at, binding }).collect()
}

/// A method and its index in the resource.
type Numbered<'a> = (usize, &'a Method);

/// The get and the list whose path parameters all have a value.
pub(super) fn candidates(
    resource: &Resource,
    has_value: impl Fn(&str) -> bool,
) -> (Option<Numbered<'_>>, Option<Numbered<'_>>) {
    let methods = || resource.methods.iter().enumerate().filter(|(_, method)| keys(resource, method).all(&has_value));
    // Of several gets, the one with the most parameters: it identifies the row's list as well.
    let get =
        methods().filter(|(_, method)| method.is_get()).max_by_key(|(_, method)| method.path.parameters().count());
    (get, methods().find(|(_, method)| !method.is_get()))
}

/// The calls for keys that other parts of the plan supply, without duplicates. The ids of one list are handled
/// together: either as single gets or as the whole list. A list for which `is_cached` is true is always preferred.
pub(super) fn calls(
    resource: &Resource,
    pins: &KeyConstraints,
    keys: &[Binding],
    is_cached: impl Fn(&MethodCall) -> bool,
) -> Result<Vec<MethodCall>, Fault> {
    let id = resource.row_id();
    // The ids of each list, and the lists in the order of their first key.
    let mut ids_by_list: BTreeMap<Binding, BTreeSet<Value>> = BTreeMap::new();
    let mut lists = Vec::new();
    for key in keys {
        let list = key.without(id);
        if !ids_by_list.contains_key(&list) {
            lists.push(list.clone());
        }
        ids_by_list.entry(list).or_default().extend(key.get(id).cloned());
    }
    let mut calls = Vec::new();
    for list in lists {
        let mut list_pins = pins.clone();
        for (column, value) in list.iter() {
            list_pins = list_pins.with(column, BTreeSet::from([value.clone()]));
        }
        calls.extend(calls_for_list(resource, &list_pins, &ids_by_list[&list], &is_cached)?);
    }
    Ok(calls)
}

/// The calls for some ids of a list, or for the whole list if there are no ids.
fn calls_for_list(
    resource: &Resource,
    list_pins: &KeyConstraints,
    ids: &BTreeSet<Value>,
    is_cached: impl Fn(&MethodCall) -> bool,
) -> Result<Vec<MethodCall>, Fault> {
    if ids.is_empty() {
        return choose(resource, list_pins);
    }
    if let (_, Some((at, method))) = candidates(resource, |key| list_pins.get(key).is_some()) {
        let whole_list = calls_of(resource, at, method, list_pins);
        if !whole_list.is_empty() && whole_list.iter().all(is_cached) {
            return Ok(whole_list);
        }
    }
    choose(resource, &list_pins.with(resource.row_id(), ids.clone()))
}

/// The columns whose values other parts of the plan can supply: those in a path.
pub(super) fn key_columns(resource: &Resource) -> BTreeSet<&str> {
    resource.methods.iter().flat_map(|method| keys(resource, method)).collect()
}

/// Whether a method can be chosen if these columns have values as well.
pub(super) fn is_enough(resource: &Resource, pins: &KeyConstraints, columns: &BTreeSet<String>) -> bool {
    let (get, list) = candidates(resource, |key| pins.get(key).is_some() || columns.contains(key));
    get.or(list).is_some()
}

/// The columns of a method's path parameters.
fn keys<'a>(resource: &'a Resource, method: &'a Method) -> impl Iterator<Item = &'a str> {
    method.path.parameters().map(|parameter| resource.canonical(parameter))
}

/// Every combination of values for the method's path, without values that a path cannot contain.
fn bindings(resource: &Resource, method: &Method, pins: &KeyConstraints) -> Vec<Binding> {
    let mut bindings = vec![Binding::default()];
    for key in keys(resource, method) {
        let values: Vec<_> = pins.get(key).into_iter().flatten().filter(|value| is_sendable(value)).collect();
        let mut combined = Vec::with_capacity(bindings.len() * values.len());
        for binding in &bindings {
            combined.extend(values.iter().map(|value| binding.with(key, (*value).clone())));
        }
        bindings = combined;
    }
    bindings
}

/// Whether a value can be a path segment. An empty one cannot, nor `.` and `..`, which URL parsers resolve even if they
/// are percent-encoded. No row has such a key.
fn is_sendable(value: &Value) -> bool {
    !matches!(value, Value::Text(text) if matches!(text.as_str(), "" | "." | ".."))
}

fn needs_key(resource: &Resource, pins: &KeyConstraints) -> Fault {
    Fault::NeedsKey { table: resource.to_string(), columns: missing(resource, pins) }
}

/// The columns that need a value: the missing path parameters of the list, or of the get with the fewest missing ones
/// if there is no list.
pub(super) fn missing(resource: &Resource, pins: &KeyConstraints) -> Vec<String> {
    let missing_of = |method: &Method| -> Vec<String> {
        keys(resource, method).filter(|key| pins.get(key).is_none()).map(str::to_owned).collect()
    };
    let method = resource.methods.iter().min_by_key(|method| (method.is_get(), missing_of(method).len()));
    method.map(missing_of).unwrap_or_default()
}

/// The path of a request, with the values of its parameters.
pub(super) fn path(resource: &Resource, method: &Method, binding: &Binding) -> String {
    let value = |parameter: &str| -> Option<Value> { binding.get(resource.canonical(parameter)).cloned() };
    method.path.fill(value).expect("`choose` binds every parameter of its method")
}

/// The query parameters of each request of a call: the declared ones, and those of filters that the constraints match.
pub(super) fn query_strings(method: &Method, pins: &KeyConstraints) -> Vec<Vec<(String, String)>> {
    method.union.iter().map(|fixed| query(method, pins, fixed)).collect()
}

/// The query parameters of one request. A filter is sent unless it excludes a parameter that is there already, or is
/// excluded by one.
fn query(method: &Method, pins: &KeyConstraints, fixed: &[(String, String)]) -> Vec<(String, String)> {
    let mut query = fixed.to_vec();
    let mut sent: Vec<&Filter> = Vec::new();
    for filter in &method.filters {
        let excludes = |filter: &Filter, other: &str| filter.incompatible_with.iter().any(|name| name == other);
        let is_compatible = query.iter().all(|(name, _)| *name != filter.query_param && !excludes(filter, name))
            && sent.iter().all(|other| !excludes(other, &filter.query_param));
        if let Some(value) = value_to_send(filter, pins).filter(|_| is_compatible) {
            query.push((filter.query_param.clone(), value));
            sent.push(filter);
        }
    }
    query
}

/// The value that a filter sends for these constraints; `None` for several values, which a query parameter cannot
/// express.
fn value_to_send(filter: &Filter, pins: &KeyConstraints) -> Option<String> {
    let value = match filter.contains {
        true => pins.contained(&filter.column)?,
        false => pins.get(&filter.column).filter(|values| values.len() == 1)?.first()?,
    };
    filter.param_value(value)
}

/// Whether the request already restricts this column to the wanted values, so that rows need no check.
pub(super) fn is_fixed(resource: &Resource, method: &Method, pins: &KeyConstraints, column: &str) -> bool {
    if keys(resource, method).any(|key| key == column) {
        return resource.column(column).is_some_and(|column| column.source == ColumnSource::Parameter);
    }
    let Some(filter) = method.filters.iter().find(|filter| filter.exact && filter.column == column) else {
        return false;
    };
    let Some(value) = value_to_send(filter, pins) else { return false };
    let parameter = (filter.query_param.clone(), value);
    query_strings(method, pins).iter().all(|query| query.contains(&parameter))
}

/// The constraints as EXPLAIN shows them: `image_id in [1, 2]`. Of many values only the first 8 are shown.
pub(super) fn describe(pins: &KeyConstraints) -> String {
    const MOST: usize = 8;
    let literal = |value: &Value| match value {
        Value::Text(text) => format!("'{text}'"),
        Value::Int(_) | Value::Bool(_) => value.to_string(),
    };
    let set = |values: &BTreeSet<Value>| {
        let total = (values.len() > MOST).then(|| format!("… {} in all", values.len()));
        values.iter().take(MOST).map(literal).chain(total).collect::<Vec<_>>().join(", ")
    };
    let pinned = pins.iter().map(|(column, values)| format!("{column} in [{}]", set(values)));
    let contained = pins.contained_in().map(|(column, values)| format!("{column} has [{}]", set(values)));
    pinned.chain(contained).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use datafusion::functions_nested::expr_fn::array_has;
    use datafusion::prelude::{Expr, col, lit};

    use super::*;
    use crate::resource::Registry;

    /// The name of the chosen method, and the paths of its requests.
    fn requests(filters: &[Expr]) -> Result<Vec<String>, Fault> {
        let resource = Registry::built_in().find("compute", "image_actions").unwrap();
        let calls = choose(resource, &KeyConstraints::of(resource, filters))?;
        let method = |call: &MethodCall| &resource.methods[call.method];
        let name = calls.first().map(|call| method(call).name.clone());
        let paths = calls.iter().map(|call| path(resource, method(call), &call.binding));
        Ok(name.into_iter().chain(paths).collect())
    }

    fn within(column: &str, values: std::ops::Range<i64>) -> Expr {
        col(column).in_list(values.map(lit).collect(), false)
    }

    #[test]
    fn a_pinned_image_is_a_list_and_a_pinned_action_a_get() {
        let image = col("image_id").eq(lit(7_i64));

        assert_eq!(requests(std::slice::from_ref(&image)).unwrap(), ["image_actions_list", "/v2/images/7/actions"]);
        let get = requests(&[image, col("action_id").eq(lit(5_i64))]).unwrap();
        assert_eq!(get, ["image_actions_get", "/v2/images/7/actions/5"]);
    }

    #[test]
    fn four_ids_are_four_gets_and_five_are_a_list() {
        let image = col("image_id").eq(lit(7_i64));

        assert_eq!(requests(&[image.clone(), within("id", 0..4)]).unwrap().len(), 1 + 4);
        assert_eq!(requests(&[image, within("id", 0..5)]).unwrap(), ["image_actions_list", "/v2/images/7/actions"]);
    }

    #[test]
    fn every_pinned_image_is_a_request() {
        assert_eq!(requests(&[within("image_id", 1..6)]).unwrap().len(), 1 + 5);
    }

    #[test]
    fn an_impossible_filter_needs_no_request() {
        let both = col("image_id").eq(lit(1_i64)).and(col("image_id").eq(lit(2_i64)));

        assert!(requests(&[both]).unwrap().is_empty());
    }

    #[test]
    fn an_action_without_its_image_is_one_request_and_with_it_another() {
        let action = col("id").eq(lit(5_i64));

        assert_eq!(requests(std::slice::from_ref(&action)).unwrap(), ["actions_get", "/v2/actions/5"]);
        let both = requests(&[action, col("image_id").eq(lit(7_i64))]).unwrap();
        assert_eq!(both, ["image_actions_get", "/v2/images/7/actions/5"]);
    }

    #[test]
    fn without_a_key_the_fault_names_the_one_of_the_list() {
        let fault = requests(&[col("resource_id").eq(lit(5_i64))]).unwrap_err();

        assert_eq!(
            crate::error::Error::from(fault).report(),
            "`digitalocean.compute.image_actions` needs a value of image_id\nhint: write `SELECT * FROM \
             digitalocean.compute.image_actions WHERE image_id = …`, IN (…) for several, or join it with a table that \
             has them; `SHOW METHODS IN digitalocean.compute.image_actions` lists the requests"
        );
    }

    #[test]
    fn ids_from_a_join_are_gets_if_there_are_few_of_a_list() {
        let resource = Registry::built_in().find("compute", "image_actions").unwrap();
        let key = |image, id| Binding::default().with("image_id", Value::Int(image)).with("id", Value::Int(id));
        let keys: Vec<_> = (0..4).map(|id| key(1, id)).chain((0..5).map(|id| key(2, id))).collect();

        let chosen = calls(resource, &KeyConstraints::none(), &keys, |_| false).unwrap();

        let paths = chosen.iter().map(|call| path(resource, &resource.methods[call.method], &call.binding));
        assert_eq!(
            paths.collect::<Vec<_>>(),
            [
                "/v2/images/1/actions/0",
                "/v2/images/1/actions/1",
                "/v2/images/1/actions/2",
                "/v2/images/1/actions/3",
                "/v2/images/2/actions"
            ]
        );
        let is_list = |call: &MethodCall| !resource.methods[call.method].is_get();
        let cached = calls(resource, &KeyConstraints::none(), &keys[..2], is_list).unwrap();
        assert_eq!(cached.len(), 1, "the list, if it is cached");
    }

    fn images(filters: &[Expr]) -> Vec<Vec<(String, String)>> {
        let resource = Registry::built_in().find("compute", "images").unwrap();
        let pins = KeyConstraints::of(resource, filters);
        query_strings(resource.method("images_list").unwrap(), &pins)
    }

    #[test]
    fn a_predicate_that_the_api_supports_is_sent() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let tagged = array_has(col("tags"), lit("golden"));

        assert_eq!(images(&[]), [vec![]]);
        assert_eq!(images(&[!col("public")]), [vec![pair("private", "true")]]);
        assert_eq!(images(&[col("public").eq(lit(false))]), [vec![pair("private", "true")]]);
        assert_eq!(images(&[col("public")]), [vec![]], "the API has no parameter for it");
        assert_eq!(images(std::slice::from_ref(&tagged)), [vec![pair("tag_name", "golden")]]);
        assert_eq!(images(&[tagged, !col("public")]), [vec![pair("private", "true")]], "they exclude each other");
    }

    #[test]
    fn each_request_of_a_union_has_the_filters_that_it_supports() {
        let resource = Registry::built_in().find("compute", "droplets").unwrap();
        let sent = |filter: Expr| {
            let pins = KeyConstraints::of(resource, [&filter]);
            let queries = query_strings(resource.method("droplets_list").unwrap(), &pins);
            queries.iter().map(|query| query.iter().map(|(name, value)| format!("{name}={value}")).collect()).collect()
        };

        let named: Vec<Vec<String>> = sent(col("name").eq(lit("web-1")));
        assert_eq!(named, [vec!["name=web-1".to_owned()], vec!["type=gpus".into(), "name=web-1".into()]]);
        let tagged: Vec<Vec<String>> = sent(array_has(col("tags"), lit("web")));
        assert_eq!(tagged, [vec!["tag_name=web".to_owned()], vec!["type=gpus".into()]]);
    }
}
