//! The OpenAPI document, version 3.0: its paths, and its schemas with every reference followed.

use std::collections::{BTreeMap, BTreeSet};

use oceanflight::resource::{Path, Segment};
use serde_json::Value as Json;

/// An OpenAPI document, version 3.0.
pub(super) struct Document(pub(super) Json);

/// A schema, with its `$ref`, `allOf`, `oneOf` and `anyOf` followed.
#[derive(Default)]
pub(super) struct Shape<'a> {
    pub(super) types: BTreeSet<&'a str>,
    formats: BTreeSet<&'a str>,
    /// A property that several parts of an `allOf` have is all of theirs.
    pub(super) properties: BTreeMap<&'a str, Vec<&'a Json>>,
    pub(super) items: Vec<&'a Json>,
    pub(super) nullable: bool,
}

impl Document {
    fn follow<'a>(&'a self, mut node: &'a Json) -> &'a Json {
        while let Some(reference) = node["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
            node = self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"));
        }
        node
    }

    pub(super) fn shape<'a>(&'a self, schemas: &[&'a Json]) -> Shape<'a> {
        let mut shape = Shape::default();
        schemas.iter().for_each(|schema| self.gather(schema, &mut shape));
        shape
    }

    fn gather<'a>(&'a self, schema: &'a Json, shape: &mut Shape<'a>) {
        let schema = self.follow(schema);
        shape.types.extend(schema["type"].as_str());
        shape.formats.extend(schema["format"].as_str());
        shape.items.extend(schema.get("items"));
        shape.nullable |= schema["nullable"] == true;
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            shape.properties.entry(name).or_default().push(property);
        }
        if !shape.properties.is_empty() {
            shape.types.insert("object");
        }
        for part in ["allOf", "oneOf", "anyOf"].iter().filter_map(|key| schema[key].as_array()).flatten() {
            self.gather(part, shape);
        }
    }

    /// The path that differs from ours in its parameters' names alone, and what it holds.
    pub(super) fn path(&self, ours: &Path) -> Option<(&str, &Json)> {
        let is_ours = |path: &str| {
            let pieces: Vec<&str> = path.trim_start_matches('/').split('/').collect();
            pieces.len() == ours.segments().len()
                && pieces.iter().zip(ours.segments()).all(|(piece, segment)| match segment {
                    Segment::Fixed(text) => piece == text,
                    Segment::Parameter(_) => parameter(piece).is_some(),
                })
        };
        let paths = self.0["paths"].as_object()?;
        paths.iter().find(|(path, _)| is_ours(path)).map(|(path, item)| (path.as_str(), item))
    }

    /// The parameters of an operation: its own come before its path's.
    pub(super) fn parameters<'a>(&'a self, item: &'a Json) -> Vec<&'a Json> {
        let both = [&item["get"], item].into_iter().filter_map(|node| node["parameters"].as_array());
        both.flatten().map(|node| self.follow(node)).collect()
    }

    pub(super) fn answer<'a>(&'a self, item: &'a Json) -> Shape<'a> {
        let response = self.follow(&item["get"]["responses"]["200"]);
        self.shape(&[&response["content"]["application/json"]["schema"]])
    }
}

pub(super) fn parameter(piece: &str) -> Option<&str> {
    piece.strip_prefix('{')?.strip_suffix('}')
}

impl Shape<'_> {
    /// The types as a declaration writes them: one, but for `anyOf` and `oneOf`.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let date = self.formats.contains("date-time");
        let name = |kind: &&str| match *kind {
            "boolean" => "Boolean",
            "integer" => "Int64",
            "number" => "Float64",
            "string" if date => "Timestamp",
            "string" => "Utf8",
            "array" => "List",
            "object" => "Struct",
            _ => "a type that no declaration has",
        };
        self.types.iter().map(name).collect()
    }
}
