//! How an answer reaches the wire: whole, or in one of the ways in which it does not.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use futures::stream;
use serde_json::Value;

use super::answer::{Answer, Body};
use super::limit::Standing;

/// What of the body arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// The first half, of a whole answer.
    Truncated,
    /// The first half, then the connection ends.
    Cut,
    /// A byte at a time, without end.
    Drip(Duration),
}

static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

/// The answer with the headers that every answer has.
pub(super) fn response(mut answer: Answer, delivery: &Delivery, standing: (Standing, i64)) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !matches!(answer.body, Body::Html(_)) {
        own_headers(&mut response, &mut answer, standing);
    }
    let (kind, text) = match answer.body {
        Body::Json(body) => ("application/json; charset=utf-8", body.to_string()),
        Body::Raw(text) => ("application/json; charset=utf-8", text),
        Body::Html(page) => ("text/html", page),
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in &answer.headers {
        put(&mut response, name, value);
    }
    if *delivery == Delivery::Cut {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    }
    *response.body_mut() = body(Bytes::from(text), delivery);
    response
}

fn own_headers(response: &mut Response<HttpBody>, answer: &mut Answer, (standing, reset): (Standing, i64)) {
    let number = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    if !answer.succeeded()
        && let Body::Json(Value::Object(body)) = &mut answer.body
        && body.contains_key("message")
    {
        body.entry("request_id").or_insert_with(|| Value::from(id.as_str()));
    }
    put(response, "x-request-id", &id);
    put(response, "ratelimit-limit", &standing.limit.to_string());
    put(response, "ratelimit-remaining", &standing.remaining.to_string());
    put(response, "ratelimit-reset", &reset.to_string());
}

/// A name or a value that HTTP cannot carry is left out: the fault's author sees it missing.
fn put(response: &mut Response<HttpBody>, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
        response.headers_mut().insert(name, value);
    }
}

fn body(whole: Bytes, delivery: &Delivery) -> HttpBody {
    let half = whole.slice(..whole.len() / 2);
    match delivery {
        Delivery::Whole => HttpBody::from(whole),
        Delivery::Truncated => HttpBody::from(half),
        Delivery::Cut => HttpBody::from_stream(cut(half)),
        Delivery::Drip(every) => HttpBody::from_stream(drip(whole, *every)),
    }
}

fn cut(half: Bytes) -> impl stream::Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some(half), |half| async {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
            _ => {
                // A pause in which the first half leaves: an error discards what is not sent.
                tokio::task::yield_now().await;
                Some((Err(io::ErrorKind::ConnectionReset.into()), None))
            }
        }
    })
}

fn drip(whole: Bytes, every: Duration) -> impl stream::Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(0, move |sent| {
        // After the body come spaces, which JSON allows for ever.
        let byte = whole.get(sent..=sent).map_or(Bytes::from_static(b" "), Bytes::copy_from_slice);
        async move {
            tokio::time::sleep(every).await;
            Some((Ok(byte), sent + 1))
        }
    })
}

/// Takes out a top-level field, or what a JSON pointer names.
pub(super) fn without(body: &mut Value, field: &str) {
    let (parent, name) = match field.rsplit_once('/') {
        Some((parent, name)) => (parent, name),
        None => ("", field),
    };
    for parent in places(body, parent) {
        match body.pointer_mut(&parent) {
            Some(Value::Object(map)) => {
                map.remove(name);
            }
            Some(Value::Array(list)) => {
                if let Some(place) = name.parse().ok().filter(|place| *place < list.len()) {
                    list.remove(place);
                }
            }
            _ => {}
        }
    }
}

/// Puts a value where a JSON pointer points, also where an object has no such field yet.
pub(super) fn set(body: &mut Value, pointer: &str, value: &Value) {
    for pointer in places(body, pointer) {
        if let Some(place) = body.pointer_mut(&pointer) {
            *place = value.clone();
        } else if let Some((parent, name)) = pointer.rsplit_once('/')
            && let Some(Value::Object(map)) = body.pointer_mut(parent)
        {
            map.insert(name.to_owned(), value.clone());
        }
    }
}

/// The pointers that one with `*` stands for.
fn places(body: &Value, pointer: &str) -> Vec<String> {
    let Some((list, rest)) = pointer.split_once("/*") else { return vec![pointer.to_owned()] };
    let length = body.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
    (0..length).flat_map(|place| places(body, &format!("{list}/{place}{rest}"))).collect()
}

/// Leaves the first so many rows of a page, the lists at the top.
pub(super) fn cut_rows(body: &mut Value, rows: usize) {
    let lists = body.as_object_mut().into_iter().flat_map(|body| body.values_mut()).filter_map(Value::as_array_mut);
    lists.for_each(|list| list.truncate(rows));
}

/// Gives a page the rows of another.
pub(super) fn with_rows_of(body: &mut Value, other: &Value) {
    let fields = body.as_object_mut().into_iter().flatten().filter(|(_, value)| value.is_array());
    fields.for_each(|(name, rows)| *rows = other[name.as_str()].clone());
}

/// The body as text, in which a key stands a second time, behind the first.
pub(super) fn twice(mut body: Value, pointer: &str, value: &Value) -> String {
    // Sorts behind every key of the API's.
    const MARK: &str = "~twice";
    let Some((parent, name)) = pointer.rsplit_once('/') else { return body.to_string() };
    if let Some(Value::Object(map)) = body.pointer_mut(parent) {
        map.insert(MARK.to_owned(), Value::from(MARK));
    }
    let mark = Value::from(MARK);
    body.to_string().replacen(&format!("{mark}:{mark}"), &format!("{}:{value}", Value::from(name)), 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_taken_out_by_name_or_by_pointer() {
        let mut body = json!({"actions": [{"id": 1, "type": "x"}, {"id": 2}], "meta": {}});

        without(&mut body, "meta");
        without(&mut body, "/actions/0/id");
        without(&mut body, "/actions/1");
        without(&mut body, "/nowhere/at/all");

        assert_eq!(body, json!({"actions": [{"type": "x"}]}));
    }

    #[test]
    fn a_value_is_set_also_where_none_was() {
        let mut body = json!({"actions": [{"id": 1}]});

        set(&mut body, "/actions/0/id", &json!(1.5));
        set(&mut body, "/actions/0/region", &json!("nyc1"));
        set(&mut body, "/actions/7/id", &json!(0));

        assert_eq!(body, json!({"actions": [{"id": 1.5, "region": "nyc1"}]}));
    }
    #[test]
    fn a_star_is_every_place_of_a_list() {
        let mut body = json!({"actions": [{"id": 1, "tags": [{"a": 1}, {"a": 2}]}, {"id": 2, "tags": []}]});

        set(&mut body, "/actions/*/id", &json!(7));
        set(&mut body, "/actions/*/tags/*/a", &json!(0));
        without(&mut body, "/actions/*/none");
        assert_eq!(body, json!({"actions": [{"id": 7, "tags": [{"a": 0}, {"a": 0}]}, {"id": 7, "tags": []}]}));

        without(&mut body, "/actions/*/tags");
        assert_eq!(body, json!({"actions": [{"id": 7}, {"id": 7}]}));
    }

    #[test]
    fn a_key_stands_twice_at_any_depth() {
        let body = json!({"actions": [{"id": 1, "type": "x"}], "links": {}});

        assert_eq!(
            twice(body.clone(), "/actions", &json!([])),
            r#"{"actions":[{"id":1,"type":"x"}],"links":{},"actions":[]}"#
        );
        assert_eq!(twice(body, "/actions/0/id", &json!(2)), r#"{"actions":[{"id":1,"type":"x","id":2}],"links":{}}"#);
    }

    #[test]
    fn the_rows_of_a_page_are_cut_or_those_of_another() {
        let mut body = json!({"actions": [1, 2, 3], "meta": {"total": 3}});

        cut_rows(&mut body, 2);
        assert_eq!(body, json!({"actions": [1, 2], "meta": {"total": 3}}));

        with_rows_of(&mut body, &json!({"actions": [9], "meta": {"total": 1}}));
        assert_eq!(body, json!({"actions": [9], "meta": {"total": 3}}));
    }
}
