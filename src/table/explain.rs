//! What EXPLAIN shows of a scan: what is asked, for which values, where those come from, and what it costs.

use super::access::{self, describe};
use super::keys::{Keys, Source};
use super::scan::ResourceScan;
use crate::resource::{Answer, Method};

/// By name, in order.
pub(super) fn details(scan: &ResourceScan) -> Vec<(&'static str, String)> {
    let reading = &scan.reading;
    let methods = methods(scan);
    let columns: Vec<_> = reading.projection.iter().map(|at| reading.resource.columns[*at].name.clone()).collect();
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
    details.extend((!reading.pins.is_empty()).then(|| ("pins", describe(&reading.pins))));
    details.extend(keys_from(scan).map(|from| ("keys", from)));
    details.extend(requests(scan, &methods).map(|requests| ("requests", requests)));
    details.push(("projection", format!("[{}]", columns.join(", "))));
    details.extend(reading.predicate.iter().map(|predicate| ("filter", predicate.to_string())));
    details.extend(reading.fetch.iter().map(|fetch| ("fetch", fetch.to_string())));
    details
}

/// The methods that may be asked.
fn methods(scan: &ResourceScan) -> Vec<&Method> {
    let reading = &scan.reading;
    match scan.known_calls() {
        Some(calls) => calls.first().map(|call| reading.method(call.method)).into_iter().collect(),
        None => {
            let given: Vec<&str> = match &scan.keys {
                Keys::Open { sources, .. } => sources.iter().flat_map(Source::columns).collect(),
                Keys::Parent { columns, .. } => columns.iter().map(String::as_str).collect(),
                Keys::Known(_) => Vec::new(),
            };
            let has_value = |key: &str| given.contains(&key) || reading.pins.get(key).is_some();
            let (get, list) = access::candidates(&reading.resource, has_value);
            get.into_iter().chain(list).map(|(_, method)| method).collect()
        }
    }
}

fn request(scan: &ResourceScan, method: &Method) -> String {
    let with_query = |query: &Vec<(String, String)>| {
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if query.is_empty() { method.path.to_string() } else { format!("{}?{}", method.path, query.join("&")) }
    };
    let queries: Vec<_> = access::queries(method, &scan.reading.pins).iter().map(with_query).collect();
    format!("GET {}", queries.join(" and GET "))
}

/// Where keys come from that the query's text does not name.
fn keys_from(scan: &ResourceScan) -> Option<String> {
    let given = |source: &Source| match source {
        Source::Join { number, from, .. } => {
            let columns: Vec<_> = from.iter().map(|bound| bound.column.as_str()).collect();
            format!("{} from BindJoinExec {number}", columns.join(", "))
        }
        Source::Late { column, .. } => format!("{column} from a value that is known when it runs"),
    };
    match &scan.keys {
        Keys::Known(_) => None,
        Keys::Open { sources, .. } => Some(sources.iter().map(given).collect::<Vec<_>>().join(" and ")),
        Keys::Parent { columns, .. } => {
            let says = scan.reading.resource.parent.as_ref().map(|parent| parent.says.as_str()).unwrap_or_default();
            Some(format!("{} from the scan below ({says})", columns.join(", ")))
        }
    }
}

/// Which keys a scan covers that none were given to.
pub(super) fn covers(scan: &ResourceScan) -> Option<String> {
    let (Keys::Parent { columns, .. }, Some(parent)) = (&scan.keys, &scan.reading.resource.parent) else { return None };
    Some(format!("{} without a value of {} covers {}", scan.reading.table(), columns.join(", "), parent.says))
}

/// What is known of how many requests it takes.
fn requests(scan: &ResourceScan, methods: &[&Method]) -> Option<String> {
    let lists = methods.iter().any(|method| matches!(method.answer, Answer::Rows { paged: true, .. }));
    let more = if lists { ", and one for every further 200 rows of a list" } else { "" };
    let known = scan.known_calls().map(|calls| calls.iter().map(|call| scan.reading.method(call.method).union.len()));
    Some(match known.map(Iterator::sum::<usize>) {
        Some(0) => return None,
        Some(least) if lists => format!("{least}{more}"),
        Some(least) => least.to_string(),
        None => format!("1 for each of the keys{more}"),
    })
}
