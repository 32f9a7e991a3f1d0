//! Compares a declaration with the document, place by place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use arrow::datatypes::{DataType, Fields};
use oceanflight::resource::{
    ColumnSource, Location, Method, Parameter, PathTemplate, Procedure, Resource, ResponseShape,
};

use super::document::{Document, Operation, Shape, parameter};

/// The name of a type in a declaration.
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

/// The comparison of a declaration with the document.
pub(super) struct Comparison<'a> {
    document: &'a Document,
    resource: &'a Resource,
    /// The differences by place: the document's side, then ours.
    pub(super) found: BTreeMap<String, String>,
}

impl<'a> Comparison<'a> {
    pub(super) fn of(document: &'a Document, resource: &'a Resource) -> Self {
        let mut comparison = Self { document, resource, found: BTreeMap::new() };
        resource.methods.iter().for_each(|method| comparison.method(method));
        // An alias is compared in the other table.
        let own = resource.procedures.iter().filter(|procedure| procedure.alias_of.is_none());
        own.for_each(|procedure| comparison.procedure(procedure));
        comparison
    }

    fn differ(&mut self, place: String, document: &str, ours: &str) {
        self.found.insert(place, format!("the document has {document}, the declaration {ours}"));
    }

    fn method(&mut self, method: &Method) {
        let Some(operation) = self.operation(&method.name, &method.path, "get") else { return };
        self.parameters(&method.path, &operation);
        self.paged(method, &operation);
        self.query(method, &operation);
        let row = match &method.response {
            ResponseShape::Row(key) => Some(self.row(&method.name, key, &operation)),
            ResponseShape::Rows { key, .. } => self.rows(&method.name, key, &operation),
        };
        if let Some(row) = row {
            self.columns(&row);
        }
    }

    /// A procedure returns a row of the table, which is compared with the columns.
    fn procedure(&mut self, procedure: &Procedure) {
        let Some(operation) = self.operation(&procedure.name, &procedure.path, "post") else { return };
        self.parameters(&procedure.path, &operation);
        self.body(procedure, &self.document.request(&operation));
        let row = self.row(&procedure.name, &procedure.row, &operation);
        self.completion(procedure, &row);
        self.columns(&row);
    }

    /// The final values must be among the document's values of the column.
    fn completion(&mut self, procedure: &Procedure, row: &Shape<'_>) {
        let Some(completion) = &procedure.completion else { return };
        let schemas = row.properties.get(completion.status_column.as_str()).map_or(&[][..], Vec::as_slice);
        let theirs = self.document.shape(schemas).values;
        for (key, ours) in [("succeeded", &completion.succeeded), ("failed", &completion.failed)] {
            if !theirs.is_empty() && !ours.iter().all(|value| theirs.contains(value)) {
                self.differ(format!("methods.{}.completion.{key}", procedure.name), &any_of(&theirs), &listed(ours));
            }
        }
    }

    fn operation(&mut self, name: &str, path: &PathTemplate, verb: &str) -> Option<Operation<'a>> {
        let found = self.document.operation(path, verb);
        if found.is_none() {
            let theirs = format!("no such path with a {}", verb.to_uppercase());
            self.differ(format!("methods.{name}.path"), &theirs, &format!("`{path}`"));
        }
        found
    }

    /// A column that is a parameter of the path must have the document's name and type.
    fn parameters(&mut self, path: &PathTemplate, operation: &Operation<'_>) {
        let declared = self.document.parameters(operation);
        let theirs = operation.path.split('/').filter_map(parameter);
        for (ours, theirs) in path.parameters().zip(theirs) {
            let Some(column) = self.resource.column(ours).filter(|column| column.source == ColumnSource::Parameter)
            else {
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

    fn paged(&mut self, method: &Method, operation: &Operation<'_>) {
        let declared = self.document.parameters(operation);
        let has = |name: &str| declared.iter().any(|node| node["in"] == "query" && node["name"] == name);
        let theirs = has("page") && has("per_page");
        let ours = matches!(method.response, ResponseShape::Rows { paged: true, .. });
        if theirs != ours {
            let say = |paged| if paged { "`page` and `per_page`" } else { "no pages" };
            self.differ(format!("methods.{}.paged", method.name), say(theirs), say(ours));
        }
    }

    /// Compares the query parameters of filters and unions with the document's.
    fn query(&mut self, method: &Method, operation: &Operation<'_>) {
        let declared = self.document.parameters(operation);
        for (name, values) in sent(method) {
            let place = format!("methods.{}.query.{name}", method.name);
            let Some(parameter) = declared.iter().find(|node| node["in"] == "query" && node["name"] == name) else {
                self.differ(format!("{place}.unknown"), "no such parameter", &any_sent(&values));
                continue;
            };
            let allowed = self.document.shape(&[&parameter["schema"]]).values;
            let fits = |value: &Option<&str>| value.is_some_and(|value| allowed.contains(value));
            if !allowed.is_empty() && !values.iter().all(fits) {
                self.differ(format!("{place}.values"), &any_of(&allowed), &any_sent(&values));
            }
        }
    }

    /// Compares the body's parameters with the document's.
    fn body(&mut self, procedure: &Procedure, theirs: &Shape<'_>) {
        let ours = procedure.parameters.iter().filter(|parameter| parameter.location == Location::Body);
        let ours: Vec<&Parameter> = ours.collect();
        for parameter in &ours {
            let place = format!("methods.{}.body.{}", procedure.name, parameter.name);
            let Some(schemas) = theirs.properties.get(parameter.name.as_str()) else {
                self.differ(format!("{place}.unknown"), "no such property", name(&parameter.data_type));
                continue;
            };
            let shape = self.document.shape(schemas);
            self.data_type(&place, &parameter.data_type, &shape);
            self.values(&place, parameter, &shape);
            self.required(&place, parameter, theirs);
        }
        for property in theirs.properties.keys().filter(|property| ours.iter().all(|ours| ours.name != **property)) {
            let place = format!("methods.{}.body.{property}.missing", procedure.name);
            self.differ(place, "it", "no such parameter");
        }
    }

    fn values(&mut self, place: &str, ours: &Parameter, theirs: &Shape<'_>) {
        let allowed = BTreeSet::from_iter(ours.allowed.iter().cloned());
        if theirs.values != allowed {
            self.differ(format!("{place}.values"), &any_of(&theirs.values), &any_of(&allowed));
        }
    }

    /// A parameter that is required conditionally must be required by some part of the document's body.
    fn required(&mut self, place: &str, ours: &Parameter, body: &Shape<'_>) {
        let theirs = body.required.contains(ours.name.as_str());
        if theirs != ours.required {
            let say = |required| if required { "it required" } else { "it optional" };
            self.differ(format!("{place}.required"), say(theirs), say(ours.required));
        }
    }

    /// The schema of a single row. If its key is missing, the response itself is the row.
    fn row(&mut self, method: &str, key: &str, operation: &Operation<'a>) -> Shape<'a> {
        let answer = self.document.answer(operation);
        match answer.properties.get(key) {
            Some(schemas) => self.document.shape(schemas),
            None => {
                self.differ(format!("methods.{method}.row"), &keys(&answer), &format!("`{key}`"));
                answer
            }
        }
    }

    /// The schema of a list's rows.
    fn rows(&mut self, method: &str, key: &str, operation: &Operation<'a>) -> Option<Shape<'a>> {
        let answer = self.document.answer(operation);
        let list = answer.properties.get(key).map(|schemas| self.document.shape(schemas));
        if let Some(list) = list.filter(|list| list.types.contains("array")) {
            return Some(self.document.shape(&list.items));
        }
        self.differ(format!("methods.{method}.row"), &keys(&answer), &format!("a list `{key}`"));
        None
    }

    fn columns(&mut self, row: &Shape<'_>) {
        let resource = self.resource;
        for column in resource.columns.iter().filter(|column| column.source == ColumnSource::Field) {
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

/// The query parameters of a method without those of the page, and their values. `None` stands for any value.
fn sent(method: &Method) -> BTreeMap<&str, BTreeSet<Option<&str>>> {
    let mut sent: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
    for filter in &method.filters {
        let values = sent.entry(filter.query_param.as_str()).or_default();
        values.extend(filter.value_map.iter().map(|(_, value)| Some(value.as_str())));
        if filter.value_map.is_empty() {
            values.insert(None);
        }
    }
    for (name, value) in method.union.iter().flatten() {
        sent.entry(name.as_str()).or_default().insert(Some(value.as_str()));
    }
    sent
}

fn any_sent(values: &BTreeSet<Option<&str>>) -> String {
    if values.contains(&None) { "any value".to_owned() } else { listed(values.iter().flatten()) }
}

fn one_of(shape: &Shape<'_>) -> String {
    let names = Vec::from_iter(shape.names());
    if names.is_empty() { "no type".to_owned() } else { names.join(" or ") }
}

fn any_of(values: &BTreeSet<String>) -> String {
    if values.is_empty() { "any value".to_owned() } else { listed(values) }
}

fn keys(answer: &Shape<'_>) -> String {
    let keys = &answer.properties;
    format!("an answer of {}", if keys.is_empty() { "nothing".to_owned() } else { listed(keys.keys()) })
}

fn listed(names: impl IntoIterator<Item = impl Display>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
