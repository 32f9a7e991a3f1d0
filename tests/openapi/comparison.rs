//! One declaration held against the document, place by place.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, Fields};
use oceanflight::resource::{Answer, Method, Resource, Source};
use serde_json::Value as Json;

use super::document::{Document, Shape, parameter};

/// A type as a declaration writes it.
fn name(ours: &DataType) -> &'static str {
    match ours {
        DataType::Boolean => "Boolean",
        DataType::Int64 => "Int64",
        DataType::Float64 => "Float64",
        DataType::Timestamp(..) => "Timestamp",
        DataType::Utf8 => "Utf8",
        DataType::List(_) => "List",
        DataType::Struct(_) => "Struct",
        _ => "a type that no declaration has",
    }
}

/// One declaration held against the document.
pub(super) struct Comparison<'a> {
    document: &'a Document,
    resource: &'a Resource,
    /// The differences: the place, then the document's side and ours.
    pub(super) found: BTreeMap<String, String>,
}

impl<'a> Comparison<'a> {
    pub(super) fn of(document: &'a Document, resource: &'a Resource) -> Self {
        let mut comparison = Self { document, resource, found: BTreeMap::new() };
        resource.methods.iter().for_each(|method| comparison.method(method));
        comparison
    }

    fn differ(&mut self, place: String, document: &str, ours: &str) {
        self.found.insert(place, format!("the document has {document}, the declaration {ours}"));
    }

    fn method(&mut self, method: &Method) {
        let document = self.document;
        let item = document.path(&method.path).filter(|(_, item)| item.get("get").is_some());
        let Some((path, item)) = item else {
            let place = format!("methods.{}.path", method.name);
            return self.differ(place, "no such path with a GET", &format!("`{}`", method.path));
        };
        self.parameters(method, path, item);
        self.paged(method, item);
        if let Some(row) = self.row(method, item) {
            self.columns(&row);
        }
    }

    /// A column that is a parameter has the document's name and type.
    fn parameters(&mut self, method: &Method, path: &str, item: &Json) {
        let declared = self.document.parameters(item);
        let theirs = path.split('/').filter_map(parameter);
        for (ours, theirs) in method.path.parameters().zip(theirs) {
            let Some(column) = self.resource.column(ours).filter(|column| column.source == Source::Parameter) else {
                continue;
            };
            if ours != theirs {
                self.differ(format!("columns.{ours}.param"), &format!("`{{{theirs}}}`"), &format!("`{{{ours}}}`"));
            }
            let declared = declared.iter().find(|node| node["in"] == "path" && node["name"] == theirs);
            let shape = self.document.shape(&declared.map(|node| &node["schema"]).into_iter().collect::<Vec<_>>());
            let ours_is = name(&column.data_type);
            if !shape.names().contains(ours_is) {
                self.differ(format!("columns.{ours}.type"), &one_of(&shape), ours_is);
            }
        }
    }

    fn paged(&mut self, method: &Method, item: &Json) {
        let declared = self.document.parameters(item);
        let has = |name: &str| declared.iter().any(|node| node["in"] == "query" && node["name"] == name);
        let theirs = has("page") && has("per_page");
        let ours = matches!(method.answer, Answer::Rows { paged: true, .. });
        if theirs != ours {
            let say = |paged| if paged { "`page` and `per_page`" } else { "no pages" };
            self.differ(format!("methods.{}.paged", method.name), say(theirs), say(ours));
        }
    }

    /// The schema of a row. Where a single row's key is missing, the answer itself is the row.
    fn row(&mut self, method: &Method, item: &'a Json) -> Option<Shape<'a>> {
        let body = self.document.answer(item);
        let (key, is_list) = match &method.answer {
            Answer::Row(key) => (key, false),
            Answer::Rows { key, .. } => (key, true),
        };
        let inside = body.properties.get(key.as_str()).map(|schemas| self.document.shape(schemas));
        match inside {
            Some(list) if is_list && list.types.contains("array") => Some(self.document.shape(&list.items)),
            Some(row) if !is_list => Some(row),
            _ => {
                let keys: Vec<_> = body.properties.keys().map(|key| format!("`{key}`")).collect();
                let theirs =
                    format!("an answer of {}", if keys.is_empty() { "nothing".into() } else { keys.join(", ") });
                let ours = if is_list { format!("a list `{key}`") } else { format!("`{key}`") };
                self.differ(format!("methods.{}.row", method.name), &theirs, &ours);
                (!is_list).then_some(body)
            }
        }
    }

    fn columns(&mut self, row: &Shape<'_>) {
        let resource = self.resource;
        for column in resource.columns.iter().filter(|column| column.source == Source::Field) {
            let place = format!("columns.{}", column.name);
            let Some(schemas) = row.properties.get(column.name.as_str()) else {
                self.differ(format!("{place}.unknown"), "no such property", name(&column.data_type));
                continue;
            };
            let shape = self.document.shape(schemas);
            self.data_type(&place, &column.data_type, &shape);
            if shape.nullable != column.nullable {
                let say = |nullable| if nullable { "null" } else { "never null" };
                self.differ(format!("{place}.nullable"), say(shape.nullable), say(column.nullable));
            }
        }
        for property in row.properties.keys().filter(|property| resource.column(property).is_none()) {
            self.differ(format!("columns.{property}.missing"), "it", "no such column");
        }
    }

    fn data_type(&mut self, place: &str, ours: &DataType, theirs: &Shape<'_>) {
        if theirs.names() != BTreeSet::from([name(ours)]) {
            return self.differ(format!("{place}.type"), &one_of(theirs), name(ours));
        }
        match ours {
            DataType::List(item) => {
                let items = self.document.shape(&theirs.items);
                self.data_type(&format!("{place}.items"), item.data_type(), &items);
            }
            DataType::Struct(fields) => self.fields(place, fields, theirs),
            _ => {}
        }
    }

    fn fields(&mut self, place: &str, fields: &Fields, theirs: &Shape<'_>) {
        for field in fields {
            let place = format!("{place}.{}", field.name());
            match theirs.properties.get(field.name().as_str()) {
                Some(schemas) => self.data_type(&place, field.data_type(), &self.document.shape(schemas)),
                None => self.differ(format!("{place}.unknown"), "no such property", name(field.data_type())),
            }
        }
        for property in theirs.properties.keys().filter(|property| fields.find(property).is_none()) {
            self.differ(format!("{place}.{property}.missing"), "it", "no such field");
        }
    }
}

fn one_of(shape: &Shape<'_>) -> String {
    let names = Vec::from_iter(shape.names());
    if names.is_empty() { "no type".to_owned() } else { names.join(" or ") }
}
