//! Declarations: the tables, and the requests that read them.
//!
//! Each table is one TOML file below this folder, embedded in the binary. Its path is the table's name
//! (`digitalocean/compute/image_actions.toml`). A [`Resource`] is a parsed and checked declaration: schema, pushdown,
//! requests, Flight metadata and the conformance tests derive from it. This module does no I/O.
//!
//! - [`Resource`], [`Column`], [`Parent`]: a declaration.
//! - [`Method`], [`Filter`]: the requests that read a table.
//! - [`Procedure`], [`Parameter`]: the actions that EXEC starts. [`Arguments`] are checked against a procedure and
//!   become an [`Invocation`].
//! - [`Registry`]: all resources and procedures, by name.
//! - [`PathTemplate`], [`Binding`]: `/v2/images/{image_id}/actions`, and the values of its parameters.

mod argument_fault;
mod arguments;
mod completion;
mod declaration;
mod method;
mod path;
mod procedure;
mod types;
mod value;

use std::sync::{Arc, LazyLock};

pub use argument_fault::{Fault as ArgumentFault, Problem};
pub use arguments::{ArgumentValue, Arguments, Invocation};
pub use completion::{Completion, Phase};
pub use declaration::{Column, ColumnSource, Difference, InvalidDeclaration, Parent, Resource};
pub use method::{Filter, Method, ResponseShape};
pub use path::{PathTemplate, Segment};
pub use procedure::{Callable, Location, LostPostLookup, Parameter, Procedure, When};
pub use types::type_name;
pub use value::{Binding, Value};

static DECLARATIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/declarations.rs"));

static BUILT_IN: LazyLock<Registry> = LazyLock::new(|| {
    Registry::try_new(DECLARATIONS.iter().copied()).expect("the embedded declarations are checked by a test")
});

/// All declared resources, in the order of their names.
#[derive(Debug)]
pub struct Registry {
    resources: Vec<Arc<Resource>>,
    callables: Vec<Arc<Callable>>,
}

impl Registry {
    /// The embedded declarations.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Parses declarations given as (`provider/schema/table`, TOML text).
    ///
    /// # Errors
    /// [`InvalidDeclaration`] for the first declaration that is invalid.
    pub fn try_new<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidDeclaration> {
        Self::of(texts.into_iter().map(|(name, text)| Resource::parse(name, text)).collect::<Result<_, _>>()?)
    }

    /// Returns the same resources for each of these accounts, given as (catalog, provider).
    pub fn in_catalogs<'a>(&self, catalogs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut resources = Vec::new();
        for (catalog, provider) in catalogs {
            let of_provider = self.resources.iter().filter(|resource| resource.provider == provider);
            resources.extend(of_provider.map(|resource| resource.in_catalog(catalog)));
        }
        Self::of(resources).expect("declarations that are valid in one catalog are valid in every one")
    }

    fn of(resources: Vec<Resource>) -> Result<Self, InvalidDeclaration> {
        let resources: Vec<Arc<Resource>> = resources.into_iter().map(Arc::new).collect();
        for resource in &resources {
            check_parent(resource, &resources)?;
        }
        let callables = callables(&resources)?;
        Ok(Self { resources, callables })
    }

    /// All resources.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter()
    }

    /// The resource with this full name, `catalog.schema.table`.
    pub fn named(&self, name: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|resource| resource.to_string() == name)
    }

    /// The first resource with this schema and table, in any catalog.
    pub fn find(&self, schema: &str, table: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|resource| resource.schema == schema && resource.table == table)
    }

    /// The table whose rows have the values of a resource's parameter.
    pub fn parent_of(&self, resource: &Resource) -> Option<&Arc<Resource>> {
        let parent = resource.parent.as_ref()?;
        self.resources.iter().find(|table| table.catalog == resource.catalog && table.has_name(&parent.table))
    }

    /// All procedures, in the order of their tables' and their own names.
    pub fn callables(&self) -> impl Iterator<Item = &Arc<Callable>> {
        self.callables.iter()
    }
}

/// Checks that a resource's parent exists, can be read without a parameter, and has the columns that the resource uses.
fn check_parent(resource: &Resource, resources: &[Arc<Resource>]) -> Result<(), InvalidDeclaration> {
    let Some(parent) = &resource.parent else { return Ok(()) };
    let invalid = |problem: String| InvalidDeclaration { declaration: resource.to_string(), problem };
    let found = resources.iter().find(|table| table.catalog == resource.catalog && table.has_name(&parent.table));
    let Some(table) = found.filter(|table| table.parent.is_none()) else {
        return Err(invalid(format!("its parent `{}` is not a table that can be read without a key", parent.table)));
    };
    let key_columns = parent.keys.iter().map(|(_, column)| column);
    let condition_columns = parent.conditions.iter().map(|(column, _)| column);
    match key_columns.chain(condition_columns).find(|column| table.column(column).is_none()) {
        Some(column) => Err(invalid(format!("its parent `{table}` has no column `{column}`"))),
        None => Ok(()),
    }
}

fn callables(resources: &[Arc<Resource>]) -> Result<Vec<Arc<Callable>>, InvalidDeclaration> {
    let mut callables = Vec::new();
    for resource in resources {
        for procedure in &resource.procedures {
            let (returns, procedure) =
                complete(resource, procedure, resources).map_err(|problem| InvalidDeclaration {
                    declaration: resource.to_string(),
                    problem: format!("{}: {problem}", procedure.name),
                })?;
            callables.push(Arc::new(Callable { resource: Arc::clone(resource), returns, procedure }));
        }
    }
    Ok(callables)
}

/// Completes a procedure that is an alias of another table's. Returns it with the table whose row it returns.
fn complete(
    resource: &Arc<Resource>,
    procedure: &Procedure,
    resources: &[Arc<Resource>],
) -> Result<(Arc<Resource>, Procedure), String> {
    let Some(original) = &procedure.alias_of else { return Ok((Arc::clone(resource), procedure.clone())) };
    for table in resources.iter().filter(|table| table.catalog == resource.catalog) {
        let Some(name) = original.strip_prefix(&format!("{}.{}.", table.schema, table.table)) else { continue };
        if let Some(original) = table.procedures.iter().find(|other| other.name == name && other.alias_of.is_none()) {
            return Ok((Arc::clone(table), procedure.resolve(original)?));
        }
    }
    Err(format!("there is no procedure `{original}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_declaration_is_valid() {
        for (name, text) in DECLARATIONS {
            if let Err(error) = Resource::parse(name, text) {
                panic!("{error}");
            }
        }
    }

    #[test]
    fn every_table_column_and_method_has_a_description() {
        for resource in Registry::built_in().iter() {
            assert!(resource.description.ends_with('.'), "{resource}: a description is a sentence");
            for column in &resource.columns {
                assert!(column.description.ends_with('.'), "{resource}.{}: a description is a sentence", column.name);
            }
            assert!(!resource.methods.is_empty(), "{resource} has no method");
            for method in &resource.methods {
                assert!(method.description.ends_with('.'), "{resource}.{}: a description is a sentence", method.name);
            }
        }
        for callable in Registry::built_in().callables() {
            let Procedure { description, parameters, .. } = &callable.procedure;
            assert!(description.ends_with('.'), "{}: a description is a sentence", callable.name());
            for Parameter { name, description, .. } in parameters {
                assert!(description.ends_with('.'), "{}, {name}: a description is a sentence", callable.name());
            }
        }
    }
}
