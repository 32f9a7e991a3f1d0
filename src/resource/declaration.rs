//! A resource's declaration: read from TOML, checked, and turned into what the other layers ask for.
//!
//! ```toml
//! description = "…"
//! key = ["image_id", "id"]          # what makes a row unique
//!
//! [[columns]]                        # in the order of `SELECT *`
//! name = "id"
//! type = "Int64"                     # Boolean, Int64, Float64, Utf8, Timestamp, List (items), Struct (fields)
//! nullable = false                   # true where it is left out
//! description = "…"
//!
//! [[columns]]
//! name = "image_id"
//! type = "Int64"
//! param = true                       # not in the body: the value that the request was made with
//!
//! [[columns]]
//! name = "action_id"
//! alias_of = "id"                     # another name for a column, with its type
//!
//! [parent]                           # where the parameter's values come from when a query names none
//! table = "compute.images"           # schema.table of the same provider
//! keys = { image_id = "id" }       # the parameter, and the parent's column
//! where = { public = "false" }       # only the parents with these values, as text
//! description = "the account's own images"  # "A query that names none covers …"
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
//! [[differences]]                    # from DigitalOcean's OpenAPI document, each with its reason
//! at = ["columns.region.nullable"]
//! reason = "…"
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::Deserialize;

use super::method::{self, Method};
use super::procedure::{Procedure, ProcedureToml as WrittenProcedure};
use super::types::{self, ItemsToml, Name, StructField};
use crate::error::{Failure, Kind};

/// A table over the API: its columns, and the requests that fill them.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Whose API it is: `digitalocean`.
    pub provider: String,
    /// The account's catalog that it is shown in; named like the provider where nothing else is said.
    pub catalog: String,
    /// The SQL schema: `compute`.
    pub schema: String,
    /// The table: `image_actions`.
    pub table: String,
    /// What a row is; shown to clients as the table's remark.
    pub description: String,
    /// The columns that make a row unique; the last one is the row's own id within a list.
    pub key: Vec<String>,
    /// In the order of `SELECT *`.
    pub columns: Vec<Column>,
    /// The requests that read it, in the order of their names.
    pub methods: Vec<Method>,
    /// The requests that act on it, in the order of their names. Those that are another table's under a shorter
    /// name are completed by the registry.
    pub procedures: Vec<Procedure>,
    /// Where the values of its parameter come from when a query names none.
    pub parent: Option<Parent>,
    /// Where this departs from DigitalOcean's OpenAPI document, and why.
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
    /// Whether a row may have none.
    pub nullable: bool,
    /// Shown to clients as the column's remark.
    pub description: String,
    /// Where the value comes from.
    pub source: ColumnSource,
}

/// Where a [`Column`]'s value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnSource {
    /// The field of this column's name in the answer.
    Field,
    /// The request: the value that its path was filled with.
    Parameter,
    /// Another column, under a second name.
    Alias(String),
}

/// The table whose rows tell a parameter's values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// `compute.images`, of the same provider.
    pub table: String,
    /// The parameters, and the parent's columns that tell them.
    #[serde(deserialize_with = "method::pairs")]
    pub keys: Vec<(String, String)>,
    /// The parent's columns that have to have these values, as text.
    #[serde(default, rename = "where", deserialize_with = "method::pairs")]
    pub conditions: Vec<(String, String)>,
    /// Which these are, to end the sentence "a query that names none covers …".
    pub description: String,
}

/// A place where a declaration departs from the OpenAPI document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The places: `columns.region.nullable`, `methods.image_actions_get.row`.
    pub at: Vec<String>,
    /// Why.
    pub reason: String,
}

/// A declaration that cannot be meant: a fault of this program, found by a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDeclaration {
    pub(super) declaration: String,
    pub(super) problem: String,
}

impl fmt::Display for InvalidDeclaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "declaration {}: {}", self.declaration, self.problem)
    }
}

impl std::error::Error for InvalidDeclaration {}

impl Failure for InvalidDeclaration {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}

/// FNV-1a: the same number in every process and version of this program, which the standard library's hashes are not.
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
    Exec(Box<WrittenProcedure>),
}

const fn default_nullable() -> bool {
    true
}

impl Resource {
    /// Reads the declaration of `name` (`digitalocean/compute/images`).
    ///
    /// # Errors
    /// [`InvalidDeclaration`], with the name and what is wrong.
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

    /// The same, in an account's catalog.
    pub(super) fn in_catalog(&self, catalog: &str) -> Self {
        Self { catalog: catalog.to_owned(), ..self.clone() }
    }

    /// Tells this declaration of the table from every other one: places in one mean nothing in another.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The table's schema as DataFusion plans with it: every column nullable, and without descriptions.
    ///
    /// DataFusion 55 compares the metadata of a plan's columns before and after physical planning, and they are not
    /// always the same: `SELECT id FROM images UNION ALL SELECT TRY_CAST(id AS BIGINT) FROM snapshots` failed.
    ///
    /// DataFusion 55 gives a scalar subquery the nullability of its column, and then refuses the NULL of one
    /// without rows: `SELECT (SELECT id FROM images WHERE id = 5)` failed.
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

    /// The column that `name` stands for: itself, or the one that it is the same as.
    pub fn canonical<'a>(&'a self, name: &'a str) -> &'a str {
        match self.column(name).map(|column| &column.source) {
            Some(ColumnSource::Alias(other)) => other,
            Some(ColumnSource::Field | ColumnSource::Parameter) | None => name,
        }
    }

    /// Whether `schema.table` names it.
    pub(super) fn has_name(&self, name: &str) -> bool {
        name.split_once('.').is_some_and(|(schema, table)| schema == self.schema && table == self.table)
    }

    /// The column that tells the rows of one list apart.
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
                return Err(format!("the column `{}` stands there twice", column.name));
            }
        }
        Ok(())
    }

    fn check_key(&self) -> Result<(), String> {
        if self.key.is_empty() {
            return Err("`key` is empty".into());
        }
        for name in &self.key {
            let column = self.column(name).ok_or_else(|| format!("the key names no column `{name}`"))?;
            if column.nullable {
                return Err(format!("the key column `{name}` is nullable"));
            }
            if !matches!(column.data_type, DataType::Int64 | DataType::Utf8) {
                return Err(format!("the key column `{name}` is neither Int64 nor Utf8"));
            }
        }
        match self.column(self.row_id()).map(|column| &column.source) {
            Some(ColumnSource::Field) => Ok(()),
            _ => Err(format!("the last key column `{}` is not a field of the answer", self.row_id())),
        }
    }

    fn check_source(&self, column: &Column) -> Result<(), String> {
        let ColumnSource::Alias(other) = &column.source else { return Ok(()) };
        match self.column(other) {
            Some(Column { source: ColumnSource::Field | ColumnSource::Parameter, .. }) => Ok(()),
            Some(_) => Err(format!("`{}` is the same as `{other}`, itself another name", column.name)),
            None => Err(format!("`{}` is the same as `{other}`, which is no column", column.name)),
        }
    }

    fn check_parameters(&self, method: &Method) -> Result<(), String> {
        for name in method.path.parameters() {
            let column =
                self.column(name).ok_or_else(|| format!("{}: the path names no column `{name}`", method.name))?;
            if !matches!(column.data_type, DataType::Int64 | DataType::Utf8) {
                return Err(format!("{}: the path parameter `{name}` is neither Int64 nor Utf8", method.name));
            }
        }
        for column in self.columns.iter().filter(|column| column.source == ColumnSource::Parameter) {
            let in_path = method.path.parameters().any(|name| name == column.name);
            if in_path == method.field_for(&column.name).is_some() {
                return Err(format!("{}: the column `{}` comes neither or twice", method.name, column.name));
            }
        }
        Ok(())
    }

    /// What of it can be told without the parent; the registry looks at the rest.
    fn check_parent(&self) -> Result<(), String> {
        let Some(parent) = &self.parent else { return Ok(()) };
        let is_parameter =
            |name: &str| self.column(name).is_some_and(|column| column.source == ColumnSource::Parameter);
        match parent.keys.iter().find(|(own, _)| !is_parameter(own)) {
            Some((own, _)) => Err(format!("the parent gives `{own}`, which is no parameter")),
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
            // A parameter's value is the one that was asked with: it is always there.
            (data_type, nullable && !param, if param { ColumnSource::Parameter } else { ColumnSource::Field })
        }
        (None, Some(other), false) => {
            let original = before.iter().find(|column| column.name == other);
            let original =
                original.ok_or_else(|| format!("`{name}` is the same as `{other}`, which no column before it is"))?;
            (original.data_type.clone(), original.nullable, ColumnSource::Alias(other))
        }
        _ => return Err(format!("`{name}` has neither a `type` nor an `alias_of` alone")),
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
    fn a_declaration_gives_the_arrow_schema() {
        let things = Resource::parse("digitalocean/compute/things", GOOD).unwrap();

        let schema = things.arrow_schema();
        assert_eq!(schema.field(0).data_type(), &DataType::Int64);
        assert!(!schema.field(1).is_nullable());
        assert_eq!(schema.field(1).metadata()["description"], "Same as id.");
        assert_eq!(things.canonical("thing_id"), "id");
        assert_eq!(things.to_string(), "digitalocean.compute.things");
    }

    /// A procedure whose end is read at this path.
    fn settled_by(path: &str) -> String {
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
    fn what_a_procedure_started_is_read_by_its_own_id() {
        let read = |path: &str| Resource::parse("digitalocean/compute/things", &settled_by(path));

        assert!(read("/v2/things/{id}").is_ok() && read("/v2/things/{thing_id}").is_ok());
        let problem = read("/v2/things/newest").unwrap_err().to_string();
        assert!(problem.contains("the path of `things_get` does not name the row by its `id`"), "{problem}");
    }

    #[test]
    fn a_mistaken_declaration_is_refused_with_its_name() {
        let cases = [
            (GOOD.replace("key = [\"id\"]", "key = [\"uuid\"]"), "the key names no column `uuid`"),
            (GOOD.replace("nullable = false", ""), "the key column `id` is nullable"),
            (GOOD.replace("alias_of = \"id\"", "alias_of = \"ids\""), "which no column before it is"),
            (GOOD.replace("/v2/things", "/v2/things/{x}"), "the path names no column `x`"),
            (GOOD.replace("/v2/things", "/v2/things/{regions}"), "neither Int64 nor Utf8"),
            (GOOD.replace("items = { type = \"Utf8\" }", ""), "a List takes `items`"),
            (GOOD.replace("rows = \"things\"", ""), "either `row` or `rows`"),
            (GOOD.replace("\"thing_id\"", "\"id\""), "stands there twice"),
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
