//! Finds a key that occurs twice in one object of a body.
//!
//! JSON does not define which of the two values counts, and arrow-json silently takes the last one: it would read
//! `{"actions": [...], "actions": []}` as an empty list. So the body is parsed a second time, along the schema that it
//! was read with. No values are built, and everything that the schema does not name is skipped.
//!
//! The visitors follow the schema; each holds the path down to its value, for the error:
//!
//! ```text
//! Object (Struct) ── visit_map ──► KnownKey: index of the field ──► Typed ─┬─ Struct ──► Object
//!                        │                                                 ├─ List ────► ItemsVisitor ──► Typed …
//!                        └─ `seen[index]` twice: the error                 └─ scalar ──► skipped
//! ```
//!
//! A value of another type than the schema's is skipped as well: arrow-json has reported it, or coerced it.
//!
//! serde's own errors carry only text, so the path of the key is stored in a cell that all visitors share; the serde
//! error that follows only ends the parse.

use std::cell::RefCell;
use std::fmt;

use arrow::datatypes::{DataType, Fields};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fault::Fault;

/// Fails if a key of `fields`, at any depth, occurs twice in one object.
///
/// # Errors
/// [`Fault::DuplicateKey`]; or [`Fault::NotJson`] for a body that arrow-json accepts and serde_json does not.
pub(super) fn check(fields: &Fields, body: &[u8]) -> Result<(), Fault> {
    let duplicate = RefCell::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let result = Object { fields, path: None, duplicate: &duplicate }.deserialize(&mut json);
    match (duplicate.into_inner(), result) {
        (Some(key), _) => Err(Fault::DuplicateKey { key }),
        (None, Err(error)) => Err(Fault::NotJson(error.to_string())),
        (None, Ok(())) => Ok(()),
    }
}

/// The keys from the body down to a value, as a linked list from the last key upwards: no allocation for each value.
#[derive(Clone, Copy)]
struct KeyPath<'a> {
    key: &'a str,
    above: Option<&'a KeyPath<'a>>,
}

impl fmt::Display for KeyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            write!(f, "{above}.")?;
        }
        f.write_str(self.key)
    }
}

/// Checks a value that should have this type. Another type is not reported here: that is arrow-json's part.
struct Typed<'a> {
    data_type: &'a DataType,
    path: &'a KeyPath<'a>,
    /// The path of the first duplicate key.
    duplicate: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Typed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Self { data_type, path, duplicate } = self;
        match data_type {
            DataType::Struct(fields) => Object { fields, path: Some(path), duplicate }.deserialize(json),
            DataType::List(item) => {
                json.deserialize_any(ItemsVisitor(Typed { data_type: item.data_type(), path, duplicate }))
            }
            _ => json.deserialize_ignored_any(IgnoredAny).map(|_| ()),
        }
    }
}

/// Checks a value that should be an object with these fields.
struct Object<'a> {
    fields: &'a Fields,
    path: Option<&'a KeyPath<'a>>,
    /// The path of the first duplicate key.
    duplicate: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

/// The methods of a visitor that skips every value except objects and lists.
macro_rules! skipping_scalars {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }

        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
    };
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    skipping_scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = vec![false; self.fields.len()];
        while let Some(field) = map.next_key_seed(KnownKey(self.fields))? {
            let Some(at) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let path = KeyPath { key: self.fields[at].name(), above: self.path };
            if std::mem::replace(&mut seen[at], true) {
                *self.duplicate.borrow_mut() = Some(path.to_string());
                return Err(A::Error::custom("a key occurs twice"));
            }
            let value = Typed { data_type: self.fields[at].data_type(), path: &path, duplicate: self.duplicate };
            map.next_value_seed(value)?;
        }
        Ok(())
    }
}

/// Checks the items of a list, each of which should have the same type.
struct ItemsVisitor<'a>(Typed<'a>);

impl<'de> Visitor<'de> for ItemsVisitor<'_> {
    type Value = ();

    skipping_scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(Typed { data_type, path, duplicate }) = self;
        while items.next_element_seed(Typed { data_type, path, duplicate })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Reads a key, and returns its index among these fields if it is one of them.
struct KnownKey<'a>(&'a Fields);

impl<'de> DeserializeSeed<'de> for KnownKey<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownKey<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|field| field.name() == key))
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    /// `{things: [{id, place: {name}}], links: {next}}`
    fn fields() -> Fields {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let object = |fields: Vec<Field>| DataType::Struct(Fields::from(fields));
        let thing = object(vec![text("id"), Field::new("place", object(vec![text("name")]), true)]);
        let links = Field::new("links", object(vec![text("next")]), true);
        Fields::from(vec![Field::new("things", DataType::new_list(thing, true), true), links])
    }

    #[test]
    fn a_key_of_the_schema_must_occur_once_in_an_object() {
        for (body, key) in [
            (r#"{"things": [], "things": [{"id": "1"}]}"#, "things"),
            (r#"{"links": {"next": "a"}, "things": [], "links": null}"#, "links"),
            (r#"{"links": {"next": "a", "next": "b"}}"#, "links.next"),
            (r#"{"things": [{"id": "1"}, {"id": "2", "id": "2"}]}"#, "things.id"),
            (r#"{"things": [{"place": {"name": null, "name": 1}}]}"#, "things.place.name"),
            (r#"{"things": [{"id": "1", "\u0069d": "2"}]}"#, "things.id"),
        ] {
            assert_eq!(check(&fields(), body.as_bytes()), Err(Fault::DuplicateKey { key: key.to_owned() }), "{body}");
        }
    }

    #[test]
    fn other_keys_and_values_of_other_types_are_skipped() {
        for body in [
            r#"{"other": 1, "other": {"id": 1, "id": 2}, "things": [{"id": [1], "x": 1, "x": 2}]}"#,
            r#"{"things": [null, 7, "x", [[]], 1.5, true], "links": [{"next": 1}]}"#,
            r#"{"things": {"id": 1}, "links": -3}"#,
            r#"{"things": [{"id": "1"}, {"id": "1"}]}"#,
            "[]",
        ] {
            assert_eq!(check(&fields(), body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn deeply_nested_values_of_other_keys_are_skipped() {
        let deep = format!(r#"{{"other": {}{}, "things": []}}"#, "[".repeat(10_000), "]".repeat(10_000));

        assert_eq!(check(&fields(), deep.as_bytes()), Ok(()));
    }
}
