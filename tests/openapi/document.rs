//! The OpenAPI document, version 3.0: its paths, and its schemas with every reference followed.

use std::collections::{BTreeMap, BTreeSet};

use oceanflight::resource::{PathTemplate, Segment};
use serde_json::Value as Json;

/// An OpenAPI document, version 3.0.
pub(super) struct Document(pub(super) Json);

/// The document's entry for one verb of one path.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    /// The part for all verbs of the path.
    item: &'a Json,
    own: &'a Json,
}

/// A schema, with its `$ref`, `allOf`, `oneOf` and `anyOf` followed.
#[derive(Default)]
pub(super) struct Shape<'a> {
    pub(super) types: BTreeSet<&'a str>,
    formats: BTreeSet<&'a str>,
    /// The schemas of each property: several, if several parts of an `allOf` have it.
    pub(super) properties: BTreeMap<&'a str, Vec<&'a Json>>,
    pub(super) items: Vec<&'a Json>,
    pub(super) nullable: bool,
    /// The values of `enum`, as text; if empty, any value.
    pub(super) values: BTreeSet<String>,
    /// The properties that any part requires. Those of one part of an `anyOf` are required conditionally.
    pub(super) required: BTreeSet<&'a str>,
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
        shape.values.extend(schema["enum"].as_array().into_iter().flatten().map(text));
        shape.required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str));
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

    /// The operation for this verb of the path that equals ours except for the names of parameters.
    pub(super) fn operation(&self, ours: &PathTemplate, verb: &str) -> Option<Operation<'_>> {
        let is_ours = |path: &str| {
            let pieces: Vec<&str> = path.trim_start_matches('/').split('/').collect();
            pieces.len() == ours.segments().len()
                && pieces.iter().zip(ours.segments()).all(|(piece, segment)| match segment {
                    Segment::Fixed(text) => piece == text,
                    Segment::Parameter(_) => parameter(piece).is_some(),
                })
        };
        let paths = self.0["paths"].as_object()?;
        let (path, item) = paths.iter().find(|(path, _)| is_ours(path))?;
        Some(Operation { path: path.as_str(), item, own: item.get(verb)? })
    }

    /// The parameters of an operation, then those of its path.
    pub(super) fn parameters<'a>(&'a self, operation: &Operation<'a>) -> Vec<&'a Json> {
        let both = [operation.own, operation.item].into_iter().filter_map(|node| node["parameters"].as_array());
        both.flatten().map(|node| self.follow(node)).collect()
    }

    /// The body of the request.
    pub(super) fn request<'a>(&'a self, operation: &Operation<'a>) -> Shape<'a> {
        self.body(&operation.own["requestBody"])
    }

    /// The body of the success response: status 200 for a GET; also 201 or 202 for a POST.
    pub(super) fn answer<'a>(&'a self, operation: &Operation<'a>) -> Shape<'a> {
        let responses = operation.own["responses"].as_object();
        let success = responses.into_iter().flatten().find(|(status, _)| status.starts_with('2'));
        success.map(|(_, response)| self.body(response)).unwrap_or_default()
    }

    fn body<'a>(&'a self, node: &'a Json) -> Shape<'a> {
        self.shape(&[&self.follow(node)["content"]["application/json"]["schema"]])
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn parameter(piece: &str) -> Option<&str> {
    piece.strip_prefix('{')?.strip_suffix('}')
}

impl Shape<'_> {
    /// The names of the types as in a declaration: one, or several with `anyOf` and `oneOf`.
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
