//! What EXPLAIN shows of a scan: what is asked, for which values, where those come from, and what it costs.

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

/// Writes an operator's details as EXPLAIN shows them: in a line, or a line each in a tree.
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

/// By name, in order.
pub(super) fn details(scan: &ResourceScan) -> Vec<(&'static str, String)> {
    let reading = &scan.reading;
    let methods = methods(scan);
    let columns: Vec<_> =
        reading.spec.projection().iter().map(|at| reading.resource.columns[*at].name.clone()).collect();
    let mut details = vec![("table", reading.table())];
    details.push(match &methods[..] {
        [] => ("request", "none: no row can match".into()),
        [method] => ("request", request(scan, method)),
        several => (
            "request",
            format!("one of {}", several.iter().map(|own| request(scan, own)).collect::<Vec<_>>().join(", ")),
        ),
    });
    let names: Vec<_> = methods.iter().map(|method| method.name.as_str()).collect();
    details.extend((!names.is_empty()).then(|| ("method", names.join(" or "))));
    details.extend((!reading.spec.pins().is_empty()).then(|| ("pins", describe(reading.spec.pins()))));
    details.extend(keys_from(scan).map(|from| ("keys", from)));
    details.extend(requests(scan, &methods).map(|requests| ("requests", requests)));
    details.push(("projection", format!("[{}]", columns.join(", "))));
    details.extend(reading.filters.predicate.iter().map(|predicate| ("filter", predicate.to_string())));
    details.extend(reading.spec.fetch().iter().map(|fetch| ("fetch", fetch.to_string())));
    details
}

/// The methods that may be asked.
fn methods(scan: &ResourceScan) -> Vec<&Method> {
    let reading = &scan.reading;
    match scan.keys().calls() {
        Some(calls) => calls.first().map(|call| reading.method(call.method)).into_iter().collect(),
        None => {
            let given: Vec<&str> = match scan.keys() {
                KeySource::Bound(sources) => sources.iter().flat_map(KeyProvider::columns).collect(),
                KeySource::Parent { columns } => columns.iter().map(String::as_str).collect(),
                KeySource::Known(_) | KeySource::Wanted(_) => Vec::new(),
            };
            let has_value = |key: &str| given.contains(&key) || reading.spec.pins().get(key).is_some();
            let (get, list) = request_choice::candidates(&reading.resource, has_value);
            get.into_iter().chain(list).map(|(_, method)| method).collect()
        }
    }
}

fn request(scan: &ResourceScan, method: &Method) -> String {
    let with_query = |query: &Vec<(String, String)>| {
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if query.is_empty() { method.path.to_string() } else { format!("{}?{}", method.path, query.join("&")) }
    };
    let queries: Vec<_> = request_choice::queries(method, scan.reading.spec.pins()).iter().map(with_query).collect();
    format!("GET {}", queries.join(" and GET "))
}

/// Where keys come from that the query's text does not name.
fn keys_from(scan: &ResourceScan) -> Option<String> {
    let given = |source: &KeyProvider| match source {
        KeyProvider::Join { number, from } => {
            let columns: Vec<_> = from.iter().map(|bound| bound.column.as_str()).collect();
            format!("{} from BindJoinExec {number}", columns.join(", "))
        }
        KeyProvider::Late { column } => format!("{column} from a value that is known when it runs"),
    };
    match scan.keys() {
        KeySource::Known(_) | KeySource::Wanted(_) => None,
        KeySource::Bound(sources) => Some(sources.iter().map(given).collect::<Vec<_>>().join(" and ")),
        KeySource::Parent { columns } => {
            let says =
                scan.reading.resource.parent.as_ref().map(|parent| parent.description.as_str()).unwrap_or_default();
            Some(format!("{} from the scan below ({says})", columns.join(", ")))
        }
    }
}

/// Which keys a scan covers that none were given to.
pub(super) fn covers(scan: &ResourceScan) -> Option<String> {
    let (KeySource::Parent { columns }, Some(parent)) = (scan.keys(), &scan.reading.resource.parent) else {
        return None;
    };
    Some(format!("{} without a value of {} covers {}", scan.reading.table(), columns.join(", "), parent.description))
}

/// What is known of how many requests it takes, and what was so when the lists were last read.
fn requests(scan: &ResourceScan, methods: &[&Method]) -> Option<String> {
    let lists = methods.iter().any(|method| matches!(method.response, ResponseShape::Rows { paged: true, .. }));
    let more = if lists { ", and one for every further 200 rows of a list" } else { "" };
    let Some(calls) = scan.keys().calls() else {
        return Some(match keys_expected(scan) {
            Some(keys) => format!("{keys}, one for each of the keys that there were last time{more}"),
            None => format!("1 for each of the keys{more}"),
        });
    };
    let least: usize = calls.iter().map(|call| scan.reading.method(call.method).union.len()).sum();
    match (least, scan.reading.spec.hints().expected.filter(|_| lists)) {
        (0, _) => None,
        (_, Some(Expected { requests, rows })) => {
            Some(format!("{requests}, for the {rows} rows that there were last time"))
        }
        (least, None) => Some(format!("{least}{more}")),
    }
}

/// How many keys it gets.
fn keys_expected(scan: &ResourceScan) -> Option<u64> {
    match scan.keys() {
        KeySource::Parent { .. } => scan.parent().ok().and_then(rows_expected),
        KeySource::Bound(_) | KeySource::Wanted(_) | KeySource::Known(_) => scan.reading.spec.hints().keys_expected,
    }
}

/// How many rows a plan answers at most, where it is a scan and what drops rows or leaves them as they are.
pub(super) fn rows_expected(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    if let Some(scan) = plan.downcast_ref::<ResourceScan>() {
        return scan.reading.spec.hints().expected.map(|expected| expected.rows);
    }
    let keeps = plan.is::<ProjectionExec>() || plan.is::<FilterExec>() || plan.is::<CooperativeExec>();
    plan.children().first().filter(|_| keeps).and_then(|child| rows_expected(child))
}
