//! Procedures, which EXEC and CALL execute: a POST, its parameters, and how to find out whether its action has ended.
//!
//! ```toml
//! [methods.image_actions_post]
//! verb = "exec"
//! description = "…"
//! post = "/v2/images/{image_id}/actions"      # its parameters are columns of the table
//! row = "action"                             # the response's key: a row of the table
//! path = { image_id = { example = "62137902", description = "…" } }   # their types are those of the columns
//! # Optional, and needed for AWAIT: the column with the status, its final values (in any case), and the method that
//! # reads the row. With any other value, or null, the action has not ended.
//! completion = { status_column = "status", succeeded = ["completed"], failed = ["errored"], poll_method = "image_actions_get" }
//! # If the response is lost: the method that lists the actions, newest first, and the columns to show of them.
//! lookup_if_lost = { list_method = "image_actions_list", time_column = "started_at", columns = ["id", "type", "status"] }
//!
//! [[methods.image_actions_post.body]]
//! name = "region"
//! type = "Utf8"                              # Boolean, Int64, Float64, Utf8
//! required = true                            # default: false
//! when = { type = ["transfer"] }             # only valid with these values of another one, and then required
//! enum = ["nyc3"]                            # the allowed values; default: any
//! example = "nyc3"
//! description = "…"
//!
//! [methods.transfer]                         # another table's procedure under a shorter name
//! verb = "exec"
//! description = "…"
//! alias_of = "compute.image_actions.image_actions_post"
//! fixed = { type = "transfer" }              # parameters with a fixed value
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use serde::Deserialize;

use super::completion::Completion;
use super::declaration::{Column, ColumnSource, Resource};
use super::method::{Method, ResponseShape};
use super::path::PathTemplate;
use super::types::{self, Name};

/// A POST that EXEC sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Procedure {
    /// The same name as in StackQL: `image_actions_post`.
    pub name: String,
    /// What it does.
    pub description: String,
    /// The procedure of another table that it is an alias of, as `schema.table.name`.
    pub alias_of: Option<String>,
    /// The body parameters with a fixed value.
    pub fixed: BTreeMap<String, String>,
    /// The path of the POST.
    pub path: PathTemplate,
    /// The parameters of the path, then those of the body.
    pub parameters: Vec<Parameter>,
    /// The response's key of the row.
    pub row: String,
    /// How to find out whether the action has ended. `None` if it has ended with the response.
    pub completion: Option<Completion>,
    /// Where to look for the action if the response was lost.
    pub lookup_if_lost: Option<LostPostLookup>,
}

/// A parameter of a [`Procedure`].
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The API's own name.
    pub name: String,
    /// Int64, Utf8, Float64 or Boolean.
    pub data_type: DataType,
    /// Where it is sent.
    pub location: Location,
    /// Whether it is required: always, or with the values of `when`.
    pub required: bool,
    /// The values of another parameter that it is valid with.
    pub when: Option<When>,
    /// The allowed values; if empty, any.
    pub allowed: Vec<String>,
    /// A value for examples.
    pub example: String,
    /// What it is.
    pub description: String,
}

/// Where a [`Parameter`] is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In the path.
    Path,
    /// In the JSON body.
    Body,
}

/// A condition on another parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// The other parameter.
    pub parameter: String,
    /// The values that it must have one of.
    pub is: Vec<String>,
}

/// How to find the action that a POST may have started, if its response was lost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostPostLookup {
    /// The method that lists the actions, newest first.
    pub list_method: String,
    /// The column with the time when an action began.
    pub time_column: String,
    /// The columns to show in the error.
    pub columns: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProcedureToml {
    description: String,
    post: Option<String>,
    row: Option<String>,
    #[serde(default)]
    path: BTreeMap<String, PathParameterToml>,
    #[serde(default)]
    body: Vec<BodyParameterToml>,
    completion: Option<Completion>,
    lookup_if_lost: Option<LostPostLookup>,
    alias_of: Option<String>,
    #[serde(default)]
    fixed: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathParameterToml {
    example: String,
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyParameterToml {
    name: String,
    r#type: Name,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    when: BTreeMap<String, Vec<String>>,
    #[serde(default, rename = "enum")]
    allowed: Vec<String>,
    example: String,
    description: String,
}

impl Procedure {
    pub(super) fn read(name: String, written: ProcedureToml, columns: &[Column]) -> Result<Self, String> {
        let ProcedureToml { description, post, row, path, body, completion, lookup_if_lost, alias_of, fixed } = written;
        let described = path;
        let at = |problem: String| format!("{name}: {problem}");
        match (post, row, alias_of) {
            (Some(post), Some(row), None) if fixed.is_empty() => {
                let path = PathTemplate::parse(&post).map_err(at)?;
                let mut parameters = path_parameters(&path, columns, described).map_err(at)?;
                for parameter in body {
                    parameters.push(read_parameter(parameter).map_err(at)?);
                }
                Ok(Self { name, description, alias_of: None, fixed, path, parameters, row, completion, lookup_if_lost })
            }
            (None, None, Some(other))
                if described.is_empty() && body.is_empty() && completion.is_none() && lookup_if_lost.is_none() =>
            {
                let (path, parameters, row) = (PathTemplate::default(), Vec::new(), String::new());
                Ok(Self {
                    name,
                    description,
                    alias_of: Some(other),
                    fixed,
                    path,
                    parameters,
                    row,
                    completion,
                    lookup_if_lost,
                })
            }
            _ => Err(at("it needs either `post` and `row`, or `alias_of` and `fixed`".into())),
        }
    }

    /// Completes an alias: returns `other` under this procedure's name, without the parameters that are fixed.
    pub(super) fn resolve(&self, other: &Self) -> Result<Self, String> {
        for (name, value) in &self.fixed {
            let parameter = other.parameter(name).ok_or_else(|| format!("{} has no parameter `{name}`", other.name))?;
            if parameter.location == Location::Path || parameter.data_type != DataType::Utf8 {
                return Err(format!("`{name}` cannot be fixed: it is not a text parameter of the body"));
            }
            if !parameter.allowed.is_empty() && !parameter.allowed.contains(value) {
                return Err(format!("`{value}` is not an allowed value of `{name}`"));
            }
        }
        let mut parameters = Vec::new();
        for parameter in other.parameters.iter().filter(|parameter| !self.fixed.contains_key(&parameter.name)) {
            let fixed = parameter.when.as_ref().and_then(|when| Some((when, self.fixed.get(&when.parameter)?)));
            match fixed {
                Some((when, value)) if when.is.contains(value) => {
                    parameters.push(Parameter { when: None, ..parameter.clone() });
                }
                // It is only valid with other values than the fixed one.
                Some(_) => {}
                None => parameters.push(parameter.clone()),
            }
        }
        let Self { path, row, completion, lookup_if_lost, .. } = other.clone();
        Ok(Self { path, row, completion, lookup_if_lost, parameters, ..self.clone() })
    }

    /// The parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The parameters that every call needs.
    pub fn required(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.required && parameter.when.is_none())
    }

    /// The parameters that a call may omit.
    pub fn optional(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| !parameter.required || parameter.when.is_some())
    }

    pub(super) fn check(&self, resource: &Resource) -> Result<(), String> {
        if self.alias_of.is_some() {
            return Ok(());
        }
        let at = |problem: String| format!("{}: {problem}", self.name);
        for (place, parameter) in self.parameters.iter().enumerate() {
            if self.parameters[..place].iter().any(|other| other.name == parameter.name) {
                return Err(at(format!("the parameter `{}` is declared twice", parameter.name)));
            }
            self.check_parameter(parameter).map_err(at)?;
        }
        self.check_completion(resource).map_err(at)?;
        self.check_lookup_if_lost(resource).map_err(at)?;
        // The returned row needs a value of every parameter column.
        for column in resource.columns.iter().filter(|column| column.source == ColumnSource::Parameter) {
            if !self.path.parameters().any(|name| name == column.name) {
                return Err(at(format!("the path lacks the parameter `{}`", column.name)));
            }
        }
        Ok(())
    }

    fn check_parameter(&self, parameter: &Parameter) -> Result<(), String> {
        let Parameter { name, allowed, example, when, .. } = parameter;
        if ["json", "await"].contains(&name.as_str()) {
            return Err(format!("`{name}` is a keyword of EXEC and cannot be the name of a parameter"));
        }
        if !allowed.is_empty() && !allowed.contains(example) {
            return Err(format!("the example `{example}` is not an allowed value of `{name}`"));
        }
        let Some(When { parameter: other, is }) = when else { return Ok(()) };
        let Some(other) = self.parameter(other).filter(|other| other.when.is_none()) else {
            return Err(format!("`when` of `{name}` names `{other}`, which is not a parameter without `when`"));
        };
        match is.iter().find(|value| !other.allowed.contains(value)) {
            Some(value) => {
                Err(format!("`when` of `{name}` has `{value}`, which is not an allowed value of `{}`", other.name))
            }
            None => Ok(()),
        }
    }

    fn check_completion(&self, resource: &Resource) -> Result<(), String> {
        let Some(completion) = &self.completion else { return Ok(()) };
        completion.check_values()?;
        text_column(resource, &completion.status_column)?;
        match resource.method(&completion.poll_method) {
            Some(method) if matches!(method.response, ResponseShape::Row(_)) => {
                self.check_reader(resource, method, true)?;
                requests_the_row_by_id(resource, method)
            }
            _ => Err(format!("`{}` does not read a single row", completion.poll_method)),
        }
    }

    fn check_lookup_if_lost(&self, resource: &Resource) -> Result<(), String> {
        let Some(lookup) = &self.lookup_if_lost else { return Ok(()) };
        let time = resource.column(&lookup.time_column).map(|column| &column.data_type);
        if !matches!(time, Some(DataType::Timestamp(..))) {
            return Err(format!("`{}` is not a Timestamp column", lookup.time_column));
        }
        if let Some(name) = lookup.columns.iter().find(|name| resource.column(name).is_none()) {
            return Err(format!("`{name}` is not a column"));
        }
        match resource.method(&lookup.list_method) {
            Some(method) if matches!(method.response, ResponseShape::Rows { .. }) => {
                self.check_reader(resource, method, false)
            }
            _ => Err(format!("`{}` does not read a list", lookup.list_method)),
        }
    }

    /// Checks that the path of a method that reads the action can be filled: with the parameters of the call's path,
    /// and with the row id if it is known.
    fn check_reader(&self, resource: &Resource, method: &Method, with_id: bool) -> Result<(), String> {
        let known = |name: &&str| {
            let column = resource.canonical(name);
            (with_id && column == resource.row_id()) || self.path.parameters().any(|parameter| parameter == column)
        };
        match method.path.parameters().find(|name| !known(name)) {
            Some(name) => Err(format!("nothing fills `{name}` in the path of `{}`", method.name)),
            None => Ok(()),
        }
    }
}

/// Checks that a method requests the row by its id. Otherwise it would be unknown whether the response is about this
/// row.
fn requests_the_row_by_id(resource: &Resource, method: &Method) -> Result<(), String> {
    let id = resource.row_id();
    if method.path.parameters().any(|name| resource.canonical(name) == id) {
        return Ok(());
    }
    Err(format!("the path of `{}` does not name the row by its `{id}`", method.name))
}

fn text_column(resource: &Resource, name: &str) -> Result<(), String> {
    match resource.column(name).map(|column| &column.data_type) {
        Some(DataType::Utf8) => Ok(()),
        _ => Err(format!("`{name}` is not a text column")),
    }
}

/// The parameters of the path, with the types of the columns that they name.
fn path_parameters(
    path: &PathTemplate,
    columns: &[Column],
    mut described: BTreeMap<String, PathParameterToml>,
) -> Result<Vec<Parameter>, String> {
    let mut parameters = Vec::new();
    for name in path.parameters() {
        let Some(column) = columns.iter().find(|column| column.name == name) else {
            return Err(format!("the path parameter `{name}` is not a column"));
        };
        let Some(PathParameterToml { example, description }) = described.remove(name) else {
            return Err(format!("the path parameter `{name}` has no description"));
        };
        parameters.push(Parameter {
            name: name.to_owned(),
            data_type: column.data_type.clone(),
            location: Location::Path,
            required: true,
            when: None,
            allowed: Vec::new(),
            example,
            description,
        });
    }
    match described.keys().next() {
        Some(name) => Err(format!("the path has no parameter `{name}`")),
        None => Ok(parameters),
    }
}

fn read_parameter(written: BodyParameterToml) -> Result<Parameter, String> {
    let BodyParameterToml { name, r#type, required, when, allowed, example, description } = written;
    let data_type = types::to_arrow(r#type, &[], None).map_err(|error| format!("`{name}`: {error}"))?;
    if !matches!(data_type, DataType::Boolean | DataType::Int64 | DataType::Float64 | DataType::Utf8) {
        return Err(format!("the parameter `{name}` is neither Boolean, Int64, Float64 nor Utf8"));
    }
    let mut conditions = when.into_iter().map(|(parameter, is)| When { parameter, is });
    let when = conditions.next();
    if conditions.next().is_some() {
        return Err(format!("`when` of `{name}` names more than one parameter"));
    }
    Ok(Parameter { name, data_type, location: Location::Body, required, when, allowed, example, description })
}

/// A procedure that can be called, with aliases resolved.
#[derive(Debug)]
pub struct Callable {
    /// The table whose declaration has the procedure.
    pub resource: Arc<Resource>,
    /// The table whose row it returns.
    pub returns: Arc<Resource>,
    /// The procedure.
    pub procedure: Procedure,
}

impl Callable {
    /// `digitalocean.compute.image_actions.image_actions_post`
    pub fn name(&self) -> String {
        format!("{}.{}", self.resource, self.procedure.name)
    }
}
