//! Bare names of tables: looked up in the default schema, and then in the account's other services.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query, TableFactor, VisitMut, VisitorMut};

use super::Fault;
use crate::resource::{Registry, Resource};
use crate::sql::{identifier, statement_of_mut};

/// Writes out the bare names of tables that are in another service than the default one.
///
/// # Errors
/// [`Fault::Unsupported`] for TABLESAMPLE, which DataFusion reads and then does nothing about, and
/// [`Fault::AmbiguousTable`].
pub(super) fn complete(state: &SessionState, registry: &Registry, ast: &mut Ast) -> Result<(), Fault> {
    let completing = &mut Completing { state, registry, scopes: Vec::new() };
    match statement_of_mut(ast).map(|statement| statement.visit(completing)) {
        Some(ControlFlow::Break(fault)) => Err(fault),
        Some(ControlFlow::Continue(())) | None => Ok(()),
    }
}

/// The table of a bare name, where it is in another service than the default one.
///
/// # Errors
/// [`Fault::AmbiguousTable`], where several services have one.
pub(super) fn elsewhere<'a>(
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

/// The table of this name in any service of a catalog.
fn only_table<'a>(registry: &'a Registry, catalog: &str, name: &str) -> Result<Option<&'a Arc<Resource>>, Fault> {
    let found: Vec<_> = registry.iter().filter(|own| own.catalog == catalog && own.table == name).collect();
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => {
            let tables = found.iter().map(ToString::to_string).collect();
            Err(Fault::AmbiguousTable { name: name.to_owned(), tables })
        }
    }
}

/// A query that is visited, and the names that its WITH gives.
struct WithScope {
    names: Vec<String>,
    /// The queries of those names, told by where they are: nothing moves while a statement is visited. Each sees the names before its own, or all where the WITH is recursive.
    queries: Vec<*const Query>,
    seen: usize,
    recursive: bool,
}

struct Completing<'a> {
    state: &'a SessionState,
    registry: &'a Registry,
    scopes: Vec<WithScope>,
}

impl Completing<'_> {
    fn is_given(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| {
            let seen = if scope.recursive { scope.names.len() } else { scope.seen };
            scope.names[..seen].iter().any(|given| given == name)
        })
    }
}

impl VisitorMut for Completing<'_> {
    type Break = Fault;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Fault> {
        let this: *const Query = query;
        if let Some(scope) = self.scopes.last_mut()
            && let Some(place) = scope.queries.iter().position(|own| *own == this)
        {
            scope.seen = place;
        }
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let (names, queries) = tables.map(|table| (identifier(&table.alias.name), &raw const *table.query)).unzip();
        let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        self.scopes.push(WithScope { names, queries, seen: 0, recursive });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Fault> {
        self.scopes.pop();
        let this: *const Query = query;
        if let Some(scope) = self.scopes.last_mut()
            && let Some(place) = scope.queries.iter().position(|own| *own == this)
        {
            scope.seen = place + 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Fault> {
        match table {
            TableFactor::Table { sample: Some(_), .. } => ControlFlow::Break(Fault::Unsupported("TABLESAMPLE".into())),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Fault> {
        let name = match &relation.0[..] {
            [ObjectNamePart::Identifier(name)] => identifier(name),
            _ => return ControlFlow::Continue(()),
        };
        if self.is_given(&name) {
            return ControlFlow::Continue(());
        }
        let found = match elsewhere(self.state, self.registry, &name) {
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
