//! Changes the JSON body of a response.

use serde_json::Value;

/// Removes a top-level field, or the value at a JSON pointer.
pub(super) fn without(body: &mut Value, field: &str) {
    let (parent, name) = match field.rsplit_once('/') {
        Some((parent, name)) => (parent, name),
        None => ("", field),
    };
    for parent in pointers(body, parent) {
        match body.pointer_mut(&parent) {
            Some(Value::Object(map)) => {
                map.remove(name);
            }
            Some(Value::Array(list)) => {
                if let Some(index) = name.parse().ok().filter(|index| *index < list.len()) {
                    list.remove(index);
                }
            }
            _ => {}
        }
    }
}

/// Sets the value at a JSON pointer; adds the field if the object lacks it.
pub(super) fn set(body: &mut Value, pointer: &str, value: &Value) {
    for pointer in pointers(body, pointer) {
        if let Some(present) = body.pointer_mut(&pointer) {
            *present = value.clone();
        } else if let Some((parent, name)) = pointer.rsplit_once('/')
            && let Some(Value::Object(map)) = body.pointer_mut(parent)
        {
            map.insert(name.to_owned(), value.clone());
        }
    }
}

/// The pointers that match one with `*`, which is every index of a list.
fn pointers(body: &Value, pointer: &str) -> Vec<String> {
    let Some((list, rest)) = pointer.split_once("/*") else { return vec![pointer.to_owned()] };
    let length = body.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
    (0..length).flat_map(|index| pointers(body, &format!("{list}/{index}{rest}"))).collect()
}

/// Truncates the top-level lists, which are the rows of a page.
pub(super) fn truncate_rows(body: &mut Value, rows: usize) {
    let lists = body.as_object_mut().into_iter().flat_map(|body| body.values_mut()).filter_map(Value::as_array_mut);
    lists.for_each(|list| list.truncate(rows));
}

/// Replaces the rows of a page by those of another.
pub(super) fn with_rows_of(body: &mut Value, other: &Value) {
    let fields = body.as_object_mut().into_iter().flatten().filter(|(_, value)| value.is_array());
    fields.for_each(|(name, rows)| *rows = other[name.as_str()].clone());
}

/// The body as text, with a key a second time after the first.
pub(super) fn twice(mut body: Value, pointer: &str, value: &Value) -> String {
    // Sorts after every key of the API.
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
    fn a_field_is_removed_by_name_or_by_pointer() {
        let mut body = json!({"actions": [{"id": 1, "type": "x"}, {"id": 2}], "meta": {}});

        without(&mut body, "meta");
        without(&mut body, "/actions/0/id");
        without(&mut body, "/actions/1");
        without(&mut body, "/nowhere/at/all");

        assert_eq!(body, json!({"actions": [{"type": "x"}]}));
    }

    #[test]
    fn a_value_is_set_or_added() {
        let mut body = json!({"actions": [{"id": 1}]});

        set(&mut body, "/actions/0/id", &json!(1.5));
        set(&mut body, "/actions/0/region", &json!("nyc1"));
        set(&mut body, "/actions/7/id", &json!(0));

        assert_eq!(body, json!({"actions": [{"id": 1.5, "region": "nyc1"}]}));
    }

    #[test]
    fn a_star_is_every_index_of_a_list() {
        let mut body = json!({"actions": [{"id": 1, "tags": [{"a": 1}, {"a": 2}]}, {"id": 2, "tags": []}]});

        set(&mut body, "/actions/*/id", &json!(7));
        set(&mut body, "/actions/*/tags/*/a", &json!(0));
        without(&mut body, "/actions/*/none");
        assert_eq!(body, json!({"actions": [{"id": 7, "tags": [{"a": 0}, {"a": 0}]}, {"id": 7, "tags": []}]}));

        without(&mut body, "/actions/*/tags");
        assert_eq!(body, json!({"actions": [{"id": 7}, {"id": 7}]}));
    }

    #[test]
    fn a_key_is_duplicated_at_any_depth() {
        let body = json!({"actions": [{"id": 1, "type": "x"}], "links": {}});

        assert_eq!(
            twice(body.clone(), "/actions", &json!([])),
            r#"{"actions":[{"id":1,"type":"x"}],"links":{},"actions":[]}"#
        );
        assert_eq!(twice(body, "/actions/0/id", &json!(2)), r#"{"actions":[{"id":1,"type":"x","id":2}],"links":{}}"#);
    }

    #[test]
    fn the_rows_of_a_page_are_truncated_or_replaced() {
        let mut body = json!({"actions": [1, 2, 3], "meta": {"total": 3}});

        truncate_rows(&mut body, 2);
        assert_eq!(body, json!({"actions": [1, 2], "meta": {"total": 3}}));

        with_rows_of(&mut body, &json!({"actions": [9], "meta": {"total": 1}}));
        assert_eq!(body, json!({"actions": [9], "meta": {"total": 3}}));
    }
}
