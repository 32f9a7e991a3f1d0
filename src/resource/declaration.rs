//! The declaration of a resource: parsed from TOML and checked.
//!
//! ```toml
//! description = "…"
//! key = ["image_id", "id"]           # the columns that make a row unique
//!
//! [[columns]]                        # in the order of `SELECT *`
//! name = "id"
//! type = "Int64"                     # Boolean, Int64, Float64, Utf8, Timestamp, List (items), Struct (fields)
//! nullable = false                   # default: true
//! description = "…"
//!
//! [[columns]]
//! name = "image_id"
//! type = "Int64"
//! param = true                       # not in the body: the value comes from the request
//!
//! [[columns]]
//! name = "action_id"
//! alias_of = "id"                    # another name for a column, with its type
//!
//! [parent]                           # the parameter's values for a query that does not constrain it
//! table = "compute.images"           # schema.table of the same provider
//! keys = { image_id = "id" }         # the parameter, and the parent's column with its values
//! where = { public = "false" }       # only the parent's rows with these values, as text
//! description = "the account's own images"  # ends the sentence "A query that names none covers …"
//!
//! [methods.image_actions_list]
//! verb = "select"                    # a request that reads; its keys are documented in `method.rs`
//! get = "/v2/images/{image_id}/actions"
//! rows = "actions"
//!
//! [methods.image_actions_post]
//! verb = "exec"                      # a procedure; its keys are documented in `procedure.rs`
//! post = "/v2/images/{image_id}/actions"
//!
//! [[differences]]                    # from DigitalOcean's OpenAPI document, with the reason
//! at = ["columns.region.nullable"]
//! reason = "…"
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::Deserialize;

use super::method::{self, Method};
use super::procedure::{Procedure, ProcedureToml};
use super::types::{self, ItemsToml, Name, StructField};
use crate::error::{Failure, Kind};

/// A table over the API: its columns, and the requests that read it.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The provider of the API: `digitalocean`.
    pub provider: String,
    /// The catalog of the account. By default the provider's name.
    pub catalog: String,
    /// The SQL schema: `compute`.
    pub schema: String,
    /// The table: `image_actions`.
    pub table: String,
    /// What a row is; clients get it as the table's remark.
    pub description: String,
    /// The columns that make a row unique. The last one is the id of a row within a list.
    pub key: Vec<String>,
    /// In the order of `SELECT *`.
    pub columns: Vec<Column>,
    /// The requests that read it, in the order of their names.
    pub methods: Vec<Method>,
    /// The requests that EXEC sends, in the order of their names. The registry completes those that are aliases of
    /// another table's.
    pub procedures: Vec<Procedure>,
    /// The table with the values of its parameter, for a query that does not constrain the parameter.
    pub parent: Option<Parent>,
    /// The differences from DigitalOcean's OpenAPI document.
    pub differences: Vec<Difference>,
    fingerprint: u64,
    arrow: SchemaRef,
    planned: SchemaRef,
}

/// A column of a [`Resource`].
#[derive(Clone, Debug)]
pub struct Column {
    /// The API's own field or parameter name.
    pub name: String,
    /// Its Arrow type.
    pub data_type: DataType,
    /// Whether the value may be missing.
    pub nullable: bool,
    /// Clients get it as the column's remark.
    pub description: String,
    /// Where the value comes from.
    pub source: ColumnSource,
}

/// Where a [`Column`]'s value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnSource {
    /// The response's field with the column's name.
    Field,
    /// The request: a parameter of its path.
    Parameter,
    /// The column with this name.
    Alias(String),
}

/// The table whose rows have a parameter's values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// `compute.images`, of the same provider.
    pub table: String,
    /// The parameters, and the parent's columns with their values.
    #[serde(deserialize_with = "method::pairs")]
    pub keys: Vec<(String, String)>,
    /// Conditions on the parent's rows: columns and their values as text.
    #[serde(default, rename = "where", deserialize_with = "method::pairs")]
    pub conditions: Vec<(String, String)>,
    /// A description of these rows, which ends the sentence "a query that names none covers …".
    pub description: String,
}

/// Places where a declaration differs from the OpenAPI document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The places: `columns.region.nullable`, `methods.image_actions_get.row`.
    pub at: Vec<String>,
    /// Why.
    pub reason: String,
}

/// An invalid declaration: a bug in this program, found by a test.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("declaration {declaration}: {problem}")]
pub struct InvalidDeclaration {
    pub(super) declaration: String,
    pub(super) problem: String,
}

impl Failure for InvalidDeclaration {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}

/// FNV-1a: the same hash in every process and version of this program, unlike the standard library's hashers.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclarationToml {
    description: String,
    key: Vec<String>,
    columns: Vec<ColumnToml>,
    methods: BTreeMap<String, AnyMethodToml>,
    parent: Option<Parent>,
    #[serde(default)]
    differences: Vec<Difference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnToml {
    name: String,
    r#type: Option<Name>,
    #[serde(default)]
    fields: Vec<StructField>,
    items: Option<ItemsToml>,
    #[serde(default = "default_nullable")]
    nullable: bool,
    description: String,
    #[serde(default)]
    param: bool,
    alias_of: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
enum AnyMethodToml {
    Select(Box<method::MethodToml>),
    Exec(Box<ProcedureToml>),
}

const fn default_nullable() -> bool {
    true
}

impl Resource {
    /// Parses the declaration of `name` (`digitalocean/compute/images`).
    ///
    /// # Errors
    /// [`InvalidDeclaration`], with the name and the problem.
    pub fn parse(name: &str, text: &str) -> Result<Self, InvalidDeclaration> {
        let invalid = |problem: String| InvalidDeclaration { declaration: name.to_owned(), problem };
        let [provider, schema, table] = name.split('/').collect::<Vec<_>>()[..] else {
            return Err(invalid("its path is not provider/schema/table".into()));
        };
        let written: DeclarationToml = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let columns = read_columns(written.columns).map_err(invalid)?;
        let (methods, procedures) = read_methods(written.methods, &columns).map_err(invalid)?;
        let resource = Self {
            provider: provider.to_owned(),
            catalog: provider.to_owned(),
            schema: schema.to_owned(),
            table: table.to_owned(),
            description: written.description,
            key: written.key,
            arrow: Arc::new(arrow_schema(&columns)),
            planned: Arc::new(planned_schema(&columns)),
            columns,
            methods,
            procedures,
            parent: written.parent,
            differences: written.differences,
            fingerprint: fnv1a(text.as_bytes()),
        };
        resource.check().map_err(invalid)?;
        Ok(resource)
    }

    /// The same resource in an account's catalog.
    pub(super) fn in_catalog(&self, catalog: &str) -> Self {
        Self { catalog: catalog.to_owned(), ..self.clone() }
    }

    /// Identifies this version of the declaration. Column indices of one version are meaningless in another.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The schema that DataFusion plans with: every column is nullable, and there are no descriptions.
    ///
    /// No descriptions, because DataFusion 55 compares the metadata of a plan's columns before and after physical
    /// planning, and they are not always equal: `SELECT id FROM images UNION ALL SELECT TRY_CAST(id AS BIGINT) FROM
    /// snapshots` failed.
    ///
    /// Nullable, because DataFusion 55 gives a scalar subquery the nullability of its column, and then rejects the NULL
    /// of a subquery without rows: `SELECT (SELECT id FROM images WHERE id = 5)` failed.
    pub fn planned_schema(&self) -> &SchemaRef {
        &self.planned
    }

    /// The table's Arrow schema. A field's description is its metadata `description`.
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The method of this name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// Resolves an alias: the name of the column that `name` stands for, or `name` itself.
    pub fn canonical<'a>(&'a self, name: &'a str) -> &'a str {
        match self.column(name).map(|column| &column.source) {
            Some(ColumnSource::Alias(other)) => other,
            Some(ColumnSource::Field | ColumnSource::Parameter) | None => name,
        }
    }

    /// Whether `name` is its `schema.table`.
    pub(super) fn has_name(&self, name: &str) -> bool {
        name.split_once('.').is_some_and(|(schema, table)| schema == self.schema && table == self.table)
    }

    /// The column with the id of a row within a list.
    pub fn row_id(&self) -> &str {
        self.key.last().expect("`check` refuses an empty key")
    }

    fn check(&self) -> Result<(), String> {
        self.check_names_are_unique()?;
        self.check_key()?;
        for column in &self.columns {
            self.check_source(column)?;
        }
        for method in &self.methods {
            self.check_parameters(method)?;
            method.check(&self.columns).map_err(|problem| format!("{}: {problem}", method.name))?;
        }
        self.check_parent()?;
        self.procedures.iter().try_for_each(|procedure| procedure.check(self))
    }

    fn check_names_are_unique(&self) -> Result<(), String> {
        for (at, column) in self.columns.iter().enumerate() {
            if self.columns[..at].iter().any(|other| other.name == column.name) {
                return Err(format!("the column `{}` is declared twice", column.name));
            }
        }
        Ok(())
    }

    fn check_key(&self) -> Result<(), String> {
        if self.key.is_empty() {
            return Err("`key` is empty".into());
        }
        for name in &self.key {
            let column = self.column(name).ok_or_else(|| format!("the key `{name}` is not a column"))?;
            if column.nullable {
                return Err(format!("the key column `{name}` is nullable"));
            }
            if !matches!(column.data_type, DataType::Int64 | DataType::Utf8) {
                return Err(format!("the key column `{name}` is neither Int64 nor Utf8"));
            }
        }
        match self.column(self.row_id()).map(|column| &column.source) {
            Some(ColumnSource::Field) => Ok(()),
            _ => Err(format!("the last key column `{}` is not a field of the response", self.row_id())),
        }
    }

    fn check_source(&self, column: &Column) -> Result<(), String> {
        let ColumnSource::Alias(other) = &column.source else { return Ok(()) };
        match self.column(other) {
            Some(Column { source: ColumnSource::Field | ColumnSource::Parameter, .. }) => Ok(()),
            Some(_) => Err(format!("`{}` is an alias of `{other}`, which is an alias itself", column.name)),
            None => Err(format!("`{}` is an alias of `{other}`, which is not a column", column.name)),
        }
    }

    fn check_parameters(&self, method: &Method) -> Result<(), String> {
        for name in method.path.parameters() {
            let column = self
                .column(name)
                .ok_or_else(|| format!("{}: the path parameter `{name}` is not a column", method.name))?;
            if !matches!(column.data_type, DataType::Int64 | DataType::Utf8) {
                return Err(format!("{}: the path parameter `{name}` is neither Int64 nor Utf8", method.name));
            }
        }
        for column in self.columns.iter().filter(|column| column.source == ColumnSource::Parameter) {
            let in_path = method.path.parameters().any(|name| name == column.name);
            if in_path == method.field_for(&column.name).is_some() {
                return Err(format!(
                    "{}: the column `{}` must come from either the path or a field",
                    method.name, column.name
                ));
            }
        }
        Ok(())
    }

    /// Checks what can be checked without the parent's declaration. The registry checks the rest.
    fn check_parent(&self) -> Result<(), String> {
        let Some(parent) = &self.parent else { return Ok(()) };
        let is_parameter =
            |name: &str| self.column(name).is_some_and(|column| column.source == ColumnSource::Parameter);
        match parent.keys.iter().find(|(name, _)| !is_parameter(name)) {
            Some((name, _)) => Err(format!("the parent has keys for `{name}`, which is not a parameter")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.schema, self.table)
    }
}

fn read_columns(written: Vec<ColumnToml>) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> = Vec::with_capacity(written.len());
    for column in written {
        let read = read_column(column, &columns)?;
        columns.push(read);
    }
    Ok(columns)
}

fn read_column(written: ColumnToml, before: &[Column]) -> Result<Column, String> {
    let ColumnToml { name, r#type, fields, items, nullable, description, param, alias_of } = written;
    let (data_type, nullable, source) = match (r#type, alias_of, param) {
        (Some(kind), None, param) => {
            let data_type =
                types::to_arrow(kind, &fields, items.as_ref()).map_err(|error| format!("`{name}`: {error}"))?;
            // A parameter's value comes from the request, so it is never null.
            (data_type, nullable && !param, if param { ColumnSource::Parameter } else { ColumnSource::Field })
        }
        (None, Some(other), false) => {
            let Some(original) = before.iter().find(|column| column.name == other) else {
                return Err(format!("`{name}` is an alias of `{other}`, which is not a column before it"));
            };
            (original.data_type.clone(), original.nullable, ColumnSource::Alias(other))
        }
        _ => return Err(format!("`{name}` needs either a `type` or an `alias_of`")),
    };
    Ok(Column { name, data_type, nullable, description, source })
}

fn read_methods(
    written: BTreeMap<String, AnyMethodToml>,
    columns: &[Column],
) -> Result<(Vec<Method>, Vec<Procedure>), String> {
    let (mut methods, mut procedures) = (Vec::new(), Vec::new());
    for (name, method) in written {
        match method {
            AnyMethodToml::Select(select) => methods.push(select.read(name)?),
            AnyMethodToml::Exec(exec) => procedures.push(Procedure::read(name, *exec, columns)?),
        }
    }
    Ok((methods, procedures))
}

fn planned_schema(columns: &[Column]) -> Schema {
    let field = |column: &Column| Field::new(&column.name, column.data_type.clone(), true);
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

fn arrow_schema(columns: &[Column]) -> Schema {
    let field = |column: &Column| {
        let description = [("description".to_owned(), column.description.clone())];
        Field::new(&column.name, column.data_type.clone(), column.nullable).with_metadata(description.into())
    };
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        description = "Things."
        key = ["id"]
        [[columns]]
        name = "id"
        type = "Int64"
        nullable = false
        description = "Its number."
        [[columns]]
        name = "thing_id"
        alias_of = "id"
        description = "Same as id."
        [[columns]]
        name = "regions"
        type = "List"
        items = { type = "Utf8" }
        description = "Where it is."
        [methods.things_list]
        description = "Lists the things."
        verb = "select"
        get = "/v2/things"
        rows = "things"
        paged = true
    "#;

    fn problem(text: &str) -> String {
        Resource::parse("digitalocean/compute/things", text).unwrap_err().to_string()
    }

    #[test]
    fn a_declaration_defines_the_arrow_schema() {
        let things = Resource::parse("digitalocean/compute/things", GOOD).unwrap();

        let schema = things.arrow_schema();
        assert_eq!(schema.field(0).data_type(), &DataType::Int64);
        assert!(!schema.field(1).is_nullable());
        assert_eq!(schema.field(1).metadata()["description"], "Same as id.");
        assert_eq!(things.canonical("thing_id"), "id");
        assert_eq!(things.to_string(), "digitalocean.compute.things");
    }

    /// A declaration with a procedure whose `poll_method` has this path.
    fn with_poll_path(path: &str) -> String {
        let procedure = r#"
        [methods.things_get]
        description = "One thing."
        verb = "select"
        get = "PATH"
        row = "thing"
        [methods.things_post]
        description = "Makes a thing."
        verb = "exec"
        post = "/v2/things"
        row = "thing"
        completion = { status_column = "state", succeeded = ["made"], failed = [], poll_method = "things_get" }
        [[columns]]
        name = "state"
        type = "Utf8"
        description = "How far it is."
        "#;
        format!("{GOOD}{}", procedure.replace("PATH", path))
    }

    #[test]
    fn the_poll_method_must_request_the_row_by_its_id() {
        let read = |path: &str| Resource::parse("digitalocean/compute/things", &with_poll_path(path));

        assert!(read("/v2/things/{id}").is_ok() && read("/v2/things/{thing_id}").is_ok());
        let problem = read("/v2/things/newest").unwrap_err().to_string();
        assert!(problem.contains("the path of `things_get` does not name the row by its `id`"), "{problem}");
    }

    #[test]
    fn an_invalid_declaration_is_rejected_with_its_name() {
        let cases = [
            (GOOD.replace("key = [\"id\"]", "key = [\"uuid\"]"), "the key `uuid` is not a column"),
            (GOOD.replace("nullable = false", ""), "the key column `id` is nullable"),
            (GOOD.replace("alias_of = \"id\"", "alias_of = \"ids\""), "which is not a column before it"),
            (GOOD.replace("/v2/things", "/v2/things/{x}"), "the path parameter `x` is not a column"),
            (GOOD.replace("/v2/things", "/v2/things/{regions}"), "neither Int64 nor Utf8"),
            (GOOD.replace("items = { type = \"Utf8\" }", ""), "a List takes `items`"),
            (GOOD.replace("rows = \"things\"", ""), "either `row` or `rows`"),
            (GOOD.replace("\"thing_id\"", "\"id\""), "is declared twice"),
            (GOOD.replace("verb = \"select\"", "verb = \"selct\""), "unknown variant `selct`"),
            (GOOD.replace("paged = true", "pagd = true"), "unknown field `pagd`"),
        ];

        for (text, expected) in cases {
            let problem = problem(&text);
            assert!(problem.contains(expected), "{problem}");
            assert!(problem.starts_with("declaration digitalocean/compute/things: "), "{problem}");
        }
    }
}
