//! The details that EXPLAIN shows of a scan: requests, values, where the values come from, and the number of requests.

use std::fmt;
use std::sync::Arc;

use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan};

use super::key_source::{KeyProvider, KeySource};
use super::request_choice::{self, describe};
use super::scan::ResourceScan;
use super::scan_hints::Expected;
use crate::resource::{Method, ResponseShape};

/// Writes an operator's details: in one line, or a line for each in a tree.
pub(super) fn write(
    name: &str,
    details: Vec<(&'static str, String)>,
    format: DisplayFormatType,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut details = details.into_iter().map(|(name, value)| format!("{name}={value}"));
    match format {
        DisplayFormatType::Default | DisplayFormatType::Verbose => {
            write!(f, "{name}: {}", details.collect::<Vec<_>>().join(", "))
        }
        DisplayFormatType::TreeRender => details.try_for_each(|detail| writeln!(f, "{detail}")),
    }
}

/// The names and values of a scan's details, in order.
pub(super) fn details(scan: &ResourceScan) -> Vec<(&'static str, String)> {
    let resolved = &scan.resolved;
    let methods = methods(scan);
    let columns: Vec<_> =
        resolved.spec.projection().iter().map(|at| resolved.resource.columns[*at].name.clone()).collect();
    let mut details = vec![("table", resolved.table())];
    details.push(match &methods[..] {
        [] => ("request", "none: no row can match".into()),
        [method] => ("request", request(scan, method)),
        several => {
            let requests: Vec<_> = several.iter().map(|method| request(scan, method)).collect();
            ("request", format!("one of {}", requests.join(", ")))
        }
    });
    let names: Vec<_> = methods.iter().map(|method| method.name.as_str()).collect();
    details.extend((!names.is_empty()).then(|| ("method", names.join(" or "))));
    details.extend((!resolved.spec.pins().is_empty()).then(|| ("pins", describe(resolved.spec.pins()))));
    details.extend(keys_from(scan).map(|from| ("keys", from)));
    details.extend(requests(scan, &methods).map(|requests| ("requests", requests)));
    details.push(("projection", format!("[{}]", columns.join(", "))));
    details.extend(resolved.filters.predicate.iter().map(|predicate| ("filter", predicate.to_string())));
    details.extend(resolved.spec.fetch().iter().map(|fetch| ("fetch", fetch.to_string())));
    details
}

/// The methods that the scan may call. Which one it is may depend on the keys that arrive.
fn methods(scan: &ResourceScan) -> Vec<&Method> {
    let resolved = &scan.resolved;
    match scan.keys().calls() {
        Some(calls) => calls.first().map(|call| resolved.method(call.method)).into_iter().collect(),
        None => {
            let supplied: Vec<&str> = match scan.keys() {
                KeySource::Bound(providers) => providers.iter().flat_map(KeyProvider::columns).collect(),
                KeySource::Parent { columns } => columns.iter().map(String::as_str).collect(),
                KeySource::Known(_) | KeySource::Wanted(_) => Vec::new(),
            };
            let has_value = |key: &str| supplied.contains(&key) || resolved.spec.pins().get(key).is_some();
            let (get, list) = request_choice::candidates(&resolved.resource, has_value);
            get.into_iter().chain(list).map(|(_, method)| method).collect()
        }
    }
}

fn request(scan: &ResourceScan, method: &Method) -> String {
    let with_query = |query: &Vec<(String, String)>| {
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if query.is_empty() { method.path.to_string() } else { format!("{}?{}", method.path, query.join("&")) }
    };
    let query_strings = request_choice::query_strings(method, scan.resolved.spec.pins());
    format!("GET {}", query_strings.iter().map(with_query).collect::<Vec<_>>().join(" and GET "))
}

/// Where the keys come from, if the query's text does not name them.
fn keys_from(scan: &ResourceScan) -> Option<String> {
    let text = |provider: &KeyProvider| match provider {
        KeyProvider::Join { number, from } => {
            let columns: Vec<_> = from.iter().map(|bound| bound.column.as_str()).collect();
            format!("{} from BindJoinExec {number}", columns.join(", "))
        }
        KeyProvider::Late { column } => format!("{column} from a value that is known when it runs"),
    };
    match scan.keys() {
        KeySource::Known(_) | KeySource::Wanted(_) => None,
        KeySource::Bound(providers) => Some(providers.iter().map(text).collect::<Vec<_>>().join(" and ")),
        KeySource::Parent { columns } => {
            let parent = scan.resolved.resource.parent.as_ref();
            let description = parent.map(|parent| parent.description.as_str()).unwrap_or_default();
            Some(format!("{} from the scan below ({description})", columns.join(", ")))
        }
    }
}

/// The note about a scan without keys: which parents it covers instead.
pub(super) fn covers(scan: &ResourceScan) -> Option<String> {
    let (KeySource::Parent { columns }, Some(parent)) = (scan.keys(), &scan.resolved.resource.parent) else {
        return None;
    };
    Some(format!("{} without a value of {} covers {}", scan.resolved.table(), columns.join(", "), parent.description))
}

/// The number of requests: a minimum, or an estimate from the last time that the lists were read.
fn requests(scan: &ResourceScan, methods: &[&Method]) -> Option<String> {
    let lists = methods.iter().any(|method| matches!(method.response, ResponseShape::Rows { paged: true, .. }));
    let more = if lists { ", and one for every further 200 rows of a list" } else { "" };
    let Some(calls) = scan.keys().calls() else {
        return Some(match keys_expected(scan) {
            Some(keys) => format!("{keys}, one for each of the keys that there were last time{more}"),
            None => format!("1 for each of the keys{more}"),
        });
    };
    let least: usize = calls.iter().map(|call| scan.resolved.method(call.method).union.len()).sum();
    match (least, scan.resolved.spec.hints().expected.filter(|_| lists)) {
        (0, _) => None,
        (_, Some(Expected { requests, rows })) => {
            Some(format!("{requests}, for the {rows} rows that there were last time"))
        }
        (least, None) => Some(format!("{least}{more}")),
    }
}

/// The expected number of keys, from the last time that the lists were read.
fn keys_expected(scan: &ResourceScan) -> Option<u64> {
    match scan.keys() {
        KeySource::Parent { .. } => scan.parent().ok().and_then(rows_expected),
        KeySource::Bound(_) | KeySource::Wanted(_) | KeySource::Known(_) => scan.resolved.spec.hints().keys_expected,
    }
}

/// An upper estimate of the rows of a plan that consists of a scan and operators that keep or drop rows.
pub(super) fn rows_expected(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    if let Some(scan) = plan.downcast_ref::<ResourceScan>() {
        return scan.resolved.spec.hints().expected.map(|expected| expected.rows);
    }
    let keeps = plan.is::<ProjectionExec>() || plan.is::<FilterExec>() || plan.is::<CooperativeExec>();
    plan.children().first().filter(|_| keeps).and_then(|child| rows_expected(child))
}
