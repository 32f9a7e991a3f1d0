//! Bare table names: looked up in the default schema, and then in the account's other services.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query, VisitorMut};

use super::Fault;
use crate::resource::{Registry, Resource};
use crate::sql::{identifier, statement_of_mut, visit_mut};

/// Replaces each bare name of a table that only another service has by the table's full name.
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

/// The table with this bare name in another service, if the default service has none.
///
/// # Errors
/// [`Fault::AmbiguousTable`] if several services have one.
pub(super) fn in_another_service<'a>(
    state: &SessionState,
    registry: &'a Registry,
    name: &str,
) -> Result<Option<&'a Arc<Resource>>, Fault> {
    let defaults = &state.config_options().catalog;
    let default = state.catalog_list().catalog(&defaults.default_catalog);
    match default.and_then(|catalog| catalog.schema(&defaults.default_schema)) {
        Some(schema) if !schema.table_exist(name) => only_table(registry, &defaults.default_catalog, name),
        Some(_) | None => Ok(None),
    }
}

/// The only table with this name in the services of a catalog.
fn only_table<'a>(registry: &'a Registry, catalog: &str, name: &str) -> Result<Option<&'a Arc<Resource>>, Fault> {
    let found: Vec<_> =
        registry.iter().filter(|resource| resource.catalog == catalog && resource.table == name).collect();
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => {
            let tables = found.iter().map(ToString::to_string).collect();
            Err(Fault::AmbiguousTable { name: name.to_owned(), tables })
        }
    }
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
        let name = match &relation.0[..] {
            [ObjectNamePart::Identifier(name)] => identifier(name),
            _ => return ControlFlow::Continue(()),
        };
        if self.scopes.iter().any(|scope| scope.defines(&name)) {
            return ControlFlow::Continue(());
        }
        let found = match in_another_service(self.state, self.registry, &name) {
            Ok(found) => found,
            Err(fault) => return ControlFlow::Break(fault),
        };
        if let Some(resource) = found {
            let parts = [&resource.catalog, &resource.schema, &resource.table];
            relation.0 = parts.map(|part| ObjectNamePart::Identifier(Ident::with_quote('"', part))).to_vec();
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn a_bare_name_that_several_services_have_is_an_error_that_lists_them() {
        const REGIONS: &str = include_str!("../resource/digitalocean/compute/regions.toml");
        let services = ["digitalocean/compute/regions", "digitalocean/spaces/regions"];
        let registry = Registry::try_new(services.map(|name| (name, REGIONS))).unwrap();

        let fault = only_table(&registry, "digitalocean", "regions").unwrap_err();

        assert_eq!(fault.to_string(), "several services have a table `regions`");
        let hint = fault.hint().unwrap();
        assert_eq!(hint, "write `digitalocean.compute.regions` or `digitalocean.spaces.regions`");
        assert!(only_table(&registry, "another_account", "regions").unwrap().is_none());
        assert!(only_table(&registry, "digitalocean", "images").unwrap().is_none());
        let built_in = Registry::built_in();
        assert!(only_table(built_in, "digitalocean", "regions").unwrap().is_some());
    }
}
