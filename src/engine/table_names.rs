//! Table names without their first parts: `table` is looked up in the default schema, and then in the account's other
//! services, and last among the datasets; `schema.table` in the default catalog or, if that has no such schema, in the
//! other catalogs.

use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query, VisitorMut};

use super::Fault;
use crate::datasets;
use crate::resource::Registry;
use crate::sql::{identifier, statement_of_mut, visit_mut};

/// Replaces each name of a table that is elsewhere than in the defaults by the table's full name.
///
/// # Errors
/// [`Fault::AmbiguousTable`]
pub(super) fn complete(state: &SessionState, registry: &Registry, ast: &mut Ast) -> Result<(), Fault> {
    let completer = &mut NameCompleter { state, registry, scopes: Vec::new() };
    match statement_of_mut(ast).map(|statement| visit_mut(statement, completer)) {
        Some(ControlFlow::Break(fault)) => Err(fault),
        Some(ControlFlow::Continue(())) | None => Ok(()),
    }
}

/// The full name of the table `parts`, if it is not found in the defaults, but elsewhere.
///
/// # Errors
/// [`Fault::AmbiguousTable`] if it is in several places.
pub(super) fn elsewhere(
    state: &SessionState,
    registry: &Registry,
    parts: &[String],
) -> Result<Option<[String; 3]>, Fault> {
    let mut found = match parts {
        [table] => outside_the_default_schema(state, registry, table),
        [schema, table] => in_another_catalog(state, schema, table),
        _ => Vec::new(),
    };
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => {
            let tables = found.iter().map(|name| name.join(".")).collect();
            Err(Fault::AmbiguousTable { name: parts.join("."), tables })
        }
    }
}

/// The tables with this bare name elsewhere, if the default schema does not have one: in the services of the default
/// catalog. A session's schema may be one of another catalog only, and then that comes first.
fn outside_the_default_schema(state: &SessionState, registry: &Registry, name: &str) -> Vec<[String; 3]> {
    let defaults = &state.config_options().catalog;
    let services = || in_services(registry, &defaults.default_catalog, name);
    match state.schema_for_ref(TableReference::bare(name)) {
        Ok(schema) if schema.table_exist(name) => Vec::new(),
        Ok(_) => or_dataset(state, services(), name),
        Err(_) => match in_another_catalog(state, &defaults.default_schema, name) {
            found if found.is_empty() => or_dataset(state, services(), name),
            found => found,
        },
    }
}

/// The tables that were found or, if there are none, those among the datasets: a temporary one, and a shared one.
fn or_dataset(state: &SessionState, found: Vec<[String; 3]>, name: &str) -> Vec<[String; 3]> {
    if !found.is_empty() {
        return found;
    }
    let has = |schema: &&str| {
        let reference = TableReference::full(datasets::CATALOG, *schema, name);
        state.schema_for_ref(reference).is_ok_and(|schema| schema.table_exist(name))
    };
    let schemas = [datasets::TEMPORARY, datasets::PUBLIC].into_iter().filter(has);
    schemas.map(|schema| [datasets::CATALOG, schema, name].map(str::to_owned)).collect()
}

fn in_services(registry: &Registry, catalog: &str, name: &str) -> Vec<[String; 3]> {
    let found = registry.iter().filter(|resource| resource.catalog == catalog && resource.table == name);
    found.map(|resource| [&resource.catalog, &resource.schema, &resource.table].map(Clone::clone)).collect()
}

/// The tables with this name in other catalogs, if the default catalog has no such schema.
fn in_another_catalog(state: &SessionState, schema: &str, table: &str) -> Vec<[String; 3]> {
    if state.schema_for_ref(TableReference::partial(schema, table)).is_ok() {
        return Vec::new();
    }
    let mut catalogs = state.catalog_list().catalog_names();
    catalogs.sort();
    let has = |catalog: &String| {
        let schema = state.catalog_list().catalog(catalog).and_then(|catalog| catalog.schema(schema));
        schema.is_some_and(|schema| schema.table_exist(table))
    };
    catalogs.retain(has);
    catalogs.into_iter().map(|catalog| [catalog, schema.to_owned(), table.to_owned()]).collect()
}

/// A query that is being visited, and the names that its WITH defines.
///
/// The queries of a WITH are the first child queries that the visitor enters, in the order of their names. So the number
/// of child queries that it has left is also the number of names that are visible: the query of a name sees the names
/// before it, and the rest of the statement sees all of them. In WITH RECURSIVE, all names are visible from the start.
struct WithScope {
    names: Vec<String>,
    recursive: bool,
    /// The number of child queries that the visitor has left.
    visited: usize,
}

impl WithScope {
    fn of(query: &Query) -> Self {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let names = tables.map(|table| identifier(&table.alias.name)).collect();
        let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        Self { names, recursive, visited: 0 }
    }

    fn defines(&self, name: &str) -> bool {
        let visible = if self.recursive { self.names.len() } else { self.visited.min(self.names.len()) };
        self.names[..visible].iter().any(|defined| defined == name)
    }
}

struct NameCompleter<'a> {
    state: &'a SessionState,
    registry: &'a Registry,
    /// The queries around the current place, the innermost last.
    scopes: Vec<WithScope>,
}

impl VisitorMut for NameCompleter<'_> {
    type Break = Fault;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Fault> {
        self.scopes.push(WithScope::of(query));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Fault> {
        self.scopes.pop();
        if let Some(parent) = self.scopes.last_mut() {
            parent.visited += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Fault> {
        let names = relation.0.iter().map(|part| part.as_ident().map(identifier));
        let Some(names) = names.collect::<Option<Vec<String>>>() else { return ControlFlow::Continue(()) };
        if let [name] = &names[..]
            && self.scopes.iter().any(|scope| scope.defines(name))
        {
            return ControlFlow::Continue(());
        }
        match elsewhere(self.state, self.registry, &names) {
            Ok(Some(full)) => {
                relation.0 = full.map(|part| ObjectNamePart::Identifier(Ident::with_quote('"', part))).to_vec();
            }
            Ok(None) => {}
            Err(fault) => return ControlFlow::Break(fault),
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
    use datafusion::datasource::empty::EmptyTable;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::error::Failure;

    const REGIONS: &str = include_str!("../resource/digitalocean/compute/regions.toml");

    #[test]
    fn the_services_that_have_a_table_are_those_of_one_catalog() {
        let services = ["digitalocean/compute/regions", "digitalocean/spaces/regions"];
        let registry = Registry::try_new(services.map(|name| (name, REGIONS))).unwrap();
        let found = |catalog: &str, name: &str| -> Vec<String> {
            in_services(&registry, catalog, name).iter().map(|name| name.join(".")).collect()
        };

        assert_eq!(found("digitalocean", "regions"), ["digitalocean.compute.regions", "digitalocean.spaces.regions"]);
        assert!(found("another_account", "regions").is_empty());
        assert!(found("digitalocean", "images").is_empty());

        let config = SessionConfig::new().with_default_catalog_and_schema("digitalocean", "empty");
        let context = SessionContext::new_with_config(config);
        let fault = elsewhere(&context.state(), &registry, &["regions".to_owned()]).unwrap_err();
        assert_eq!(fault.hint().unwrap(), "write `digitalocean.compute.regions` or `digitalocean.spaces.regions`");
    }

    #[test]
    fn a_name_that_several_catalogs_have_is_an_error_that_lists_them() {
        let context = SessionContext::new();
        for catalog in ["team", "work"] {
            let schemas = Arc::new(MemoryCatalogProvider::new());
            let tables = Arc::new(MemorySchemaProvider::new());
            let table = Arc::new(EmptyTable::new(Arc::new(Schema::empty())));
            tables.register_table("images".into(), table).unwrap();
            schemas.register_schema("compute", tables).unwrap();
            context.register_catalog(catalog, schemas);
        }
        let find = |name: &[&str]| {
            let parts: Vec<String> = name.iter().copied().map(str::to_owned).collect();
            elsewhere(&context.state(), Registry::built_in(), &parts)
        };

        let fault = find(&["compute", "images"]).unwrap_err();

        assert_eq!(fault.to_string(), "`compute.images` is ambiguous: several services or catalogs have it");
        assert_eq!(fault.hint().unwrap(), "write `team.compute.images` or `work.compute.images`");
        assert_eq!(find(&["compute", "droplets"]).unwrap(), None);
        assert_eq!(find(&["team", "compute", "images"]).unwrap(), None);
    }
}
