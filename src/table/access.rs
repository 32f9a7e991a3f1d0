//! Which method answers a scan, and with which values. Pure.

use std::collections::BTreeSet;

use super::Pins;
use super::fault::Fault;
use crate::resource::{Answer, Binding, Method, Resource, Value};

/// Above so many pinned ids of one list, the list is read instead: a page of 200 costs one request too.
const MOST_GETS: usize = 4;

/// The requests that a scan makes: one method, once for each binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The method's place among the resource's.
    pub method: usize,
    /// The path's values, for each request or list.
    pub bindings: Vec<Binding>,
}

/// Chooses get for up to 4 pinned ids, else list.
///
/// # Errors
/// [`Fault::NeedsKey`], where no method has all of its parameters pinned.
pub fn choose(resource: &Resource, pins: &Pins) -> Result<Access, Fault> {
    if pins.is_impossible() {
        return Ok(Access { method: 0, bindings: Vec::new() });
    }
    let usable = |method: &&(usize, &Method)| keys(resource, method.1).all(|key| pins.get(key).is_some());
    let methods: Vec<_> = resource.methods.iter().enumerate().collect();
    let get = methods.iter().filter(usable).find(|(_, method)| is_get(method));
    let list = methods.iter().filter(usable).find(|(_, method)| !is_get(method));
    let few_ids = pins.get(resource.row_id()).is_none_or(|ids| ids.len() <= MOST_GETS);
    let chosen = match (get, list) {
        (Some(get), _) if few_ids => get,
        (_, Some(list)) => list,
        (Some(get), None) => get,
        (None, None) => return Err(needs_key(resource, pins)),
    };
    Ok(Access { method: chosen.0, bindings: bindings(resource, chosen.1, pins) })
}

fn is_get(method: &Method) -> bool {
    matches!(method.answer, Answer::Row(_))
}

fn keys<'a>(resource: &'a Resource, method: &'a Method) -> impl Iterator<Item = &'a str> {
    method.path.parameters().map(|parameter| resource.canonical(parameter))
}

/// Every combination of the pinned values that a path can hold.
fn bindings(resource: &Resource, method: &Method, pins: &Pins) -> Vec<Binding> {
    keys(resource, method).fold(vec![Binding::default()], |bindings, key| {
        let values: Vec<_> = pins.get(key).into_iter().flatten().filter(|value| is_sendable(value)).collect();
        let with_each =
            |binding: &Binding| values.iter().map(|value| binding.with(key, (*value).clone())).collect::<Vec<_>>();
        bindings.iter().flat_map(with_each).collect()
    })
}

/// A path's segment cannot be empty, nor `.` or `..`, which URLs resolve however they are encoded: no row has such
/// a key.
fn is_sendable(value: &Value) -> bool {
    !matches!(value, Value::Text(text) if matches!(text.as_str(), "" | "." | ".."))
}

/// Names what the method with the fewest free parameters lacks.
fn needs_key(resource: &Resource, pins: &Pins) -> Fault {
    let missing = |method: &Method| -> Vec<String> {
        keys(resource, method).filter(|key| pins.get(key).is_none()).map(str::to_owned).collect()
    };
    let columns = resource.methods.iter().map(missing).min_by_key(Vec::len).unwrap_or_default();
    Fault::NeedsKey { table: resource.to_string(), columns }
}

/// The path of a request, filled in.
pub(super) fn path(resource: &Resource, method: &Method, binding: &Binding) -> String {
    let value = |parameter: &str| -> Option<Value> { binding.get(resource.canonical(parameter)).cloned() };
    method.path.fill(value).expect("`choose` binds every parameter of its method")
}

/// As EXPLAIN shows it: `image_id in [1, 2]`, and of many values the first few.
pub(super) fn describe(pins: &Pins) -> String {
    const MOST: usize = 8;
    let set = |values: &BTreeSet<Value>| {
        let rest = (values.len() > MOST).then(|| format!("… {} in all", values.len()));
        values.iter().take(MOST).map(ToString::to_string).chain(rest).collect::<Vec<_>>().join(", ")
    };
    pins.iter().map(|(column, values)| format!("{column} in [{}]", set(values))).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{Expr, col, lit};

    use super::*;
    use crate::resource::Registry;

    /// The method's name, and the paths that it is asked with.
    fn requests(filters: &[Expr]) -> Result<Vec<String>, Fault> {
        let resource = Registry::built_in().find("compute", "image_actions").unwrap();
        let access = choose(resource, &Pins::of(resource, filters))?;
        let method = &resource.methods[access.method];
        let paths = access.bindings.iter().map(|binding| path(resource, method, binding));
        Ok(std::iter::once(method.name.clone()).chain(paths).collect())
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
    fn every_pinned_image_is_asked_for() {
        assert_eq!(requests(&[within("image_id", 1..6)]).unwrap().len(), 1 + 5);
    }

    #[test]
    fn what_cannot_be_is_not_asked_for() {
        let both = col("image_id").eq(lit(1_i64)).and(col("image_id").eq(lit(2_i64)));

        assert_eq!(requests(&[both]).unwrap().len(), 1);
    }

    #[test]
    fn without_the_image_the_fault_names_it() {
        let fault = requests(&[col("id").eq(lit(5_i64))]).unwrap_err();

        assert_eq!(
            crate::error::Error::from(fault).report(),
            "`digitalocean.compute.image_actions` needs a value of image_id\nhint: write `SELECT * FROM digitalocean.compute.image_actions WHERE image_id = …`, or IN (…) for several"
        );
    }
}
