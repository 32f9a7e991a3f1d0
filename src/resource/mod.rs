//! Resources as data: what the tables are, and which requests answer for them.
//!
//! Each table is one TOML file below this folder, embedded in the binary; its path is
//! the table's name (`digitalocean/compute/image_actions.toml`). [`Resource`] is a
//! declaration that was read and checked; schema, pushdown, requests, Flight metadata
//! and the conformance tests derive from it. Nothing here does I/O.
//!
//! - [`Resource`], [`Column`], [`Method`]: what a declaration says, in this module's types.
//! - [`Registry`]: all of them, by name.
//! - [`Path`], [`Binding`]: `/v2/images/{image_id}/actions`, and what its parameters are filled in with.

mod declaration;
mod path;
mod types;
mod value;

use std::sync::{Arc, LazyLock};

pub use declaration::{Answer, Column, Difference, Invalid, Method, Resource, Source};
pub use path::{Path, Segment};
pub use value::{Binding, Value};

static DECLARATIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/declarations.rs"));

static BUILT_IN: LazyLock<Registry> = LazyLock::new(|| {
    Registry::try_new(DECLARATIONS.iter().copied()).expect("the embedded declarations are checked by a test")
});

/// Every declared resource, in the order of their names.
#[derive(Debug)]
pub struct Registry {
    resources: Vec<Arc<Resource>>,
}

impl Registry {
    /// The declarations that the program carries.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Reads declarations given as (`catalog/schema/table`, TOML text).
    ///
    /// # Errors
    /// [`Invalid`] names the declaration and what is wrong with it.
    pub fn try_new<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Invalid> {
        let resources = texts
            .into_iter()
            .map(|(name, text)| Resource::parse(name, text).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { resources })
    }

    /// All resources.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter()
    }

    /// The resource of this schema and table, in whatever catalog it is shown.
    pub fn find(&self, schema: &str, table: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|resource| resource.schema == schema && resource.table == table)
    }
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
    fn every_table_column_and_method_says_what_it_is() {
        for resource in Registry::built_in().iter() {
            assert!(resource.description.ends_with('.'), "{resource}: a description is a sentence");
            for column in &resource.columns {
                assert!(column.description.ends_with('.'), "{resource}.{}: a description is a sentence", column.name);
            }
            assert!(!resource.methods.is_empty(), "{resource} has no method");
        }
    }
}
