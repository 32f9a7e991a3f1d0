//! The catalogs that one client's statements see: those of all clients, and `datasets`.
//!
//! A view is planned when a statement reads it, so its rows are those of now. Its names mean the same for all clients.
//! DataFusion inlines its plan into the statement's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::Statement;
use futures::future::{BoxFuture, FutureExt};

use super::fault::Fault;
use super::parameters::Parameterized;
use super::planning::{self, analysed};
use crate::datasets::{self, ClientDatasets, Found, TableName, View};
use crate::error::{Error, Result};
use crate::resource::Registry;
use crate::sql::{self, StatementBody};

/// How deep views may be nested. Views that read each other in a circle reach it.
const MAX_DEPTH: usize = 16;

/// How many views a statement may read, counted as often as they are read.
const MAX_VIEWS: usize = 200;

/// Lets the state see the catalogs of a client. A view sees `shared`, without the client's temporary tables, and has the
/// defaults of the server: its names mean the same for all clients. `for_views` makes its session, if there are views: that takes
/// as long as planning a short statement.
pub(super) fn register(
    state: &mut SessionState,
    datasets: ClientDatasets,
    shared: ClientDatasets,
    for_views: impl FnOnce() -> SessionState,
    registry: &Arc<Registry>,
) {
    let views = datasets.has_views().then(|| {
        let (state, registry) = (Arc::new(for_views()), Arc::clone(registry));
        ViewReader { state, registry, datasets: shared, depth: 0, count: Arc::default() }
    });
    let catalogs = ReaderCatalogs::of(Arc::clone(state.catalog_list()), datasets, views);
    state.register_catalog_list(Arc::new(catalogs));
}

/// How the views of a statement are planned.
#[derive(Clone)]
struct ViewReader {
    /// Without `datasets`.
    state: Arc<SessionState>,
    registry: Arc<Registry>,
    datasets: ClientDatasets,
    /// In how many views the view is.
    depth: usize,
    /// The number of views that the statement has read.
    count: Arc<AtomicUsize>,
}

impl ViewReader {
    /// The session of a view: the views that it reads are one level deeper.
    fn session(&self) -> SessionState {
        let mut state = SessionState::clone(&self.state);
        let deeper = Self { depth: self.depth + 1, ..self.clone() };
        let catalogs = ReaderCatalogs::of(Arc::clone(state.catalog_list()), self.datasets.clone(), Some(deeper));
        state.register_catalog_list(Arc::new(catalogs));
        state
    }

    fn plan<'a>(&'a self, view: &'a View) -> BoxFuture<'a, Result<ViewTable>> {
        async move {
            let planned = self.plan_query(&view.sql).await;
            planned.map_err(|cause| Fault::View { name: view.name.clone(), cause }.into())
        }
        .boxed()
    }

    async fn plan_query(&self, sql: &str) -> Result<ViewTable> {
        if self.depth >= MAX_DEPTH || self.count.fetch_add(1, Ordering::Relaxed) >= MAX_VIEWS {
            return Err(Fault::ManyViews { depth: MAX_DEPTH, views: MAX_VIEWS }.into());
        }
        let ast = query_of(sql)?;
        let mut state = self.session();
        let ast = planning::translated(&state, &self.registry, ast)?;
        let statement = Parameterized::try_new(ast, 0)?;
        let planned = statement.plan(&mut state).await;
        if planned.is_err()
            && let Some(name) = planning::unknown_table(&state, statement.ast())?
        {
            return Err(Fault::UnknownTable { nearest: None, name }.into());
        }
        let (plan, _) = planned?;
        planning::check_leaves(&plan, |_| true)?;
        let columns = analysed(&state, &plan, &Schema::empty())?.schema().inner().clone();
        Ok(ViewTable { plan, columns, sql: sql.to_owned() })
    }
}

/// The syntax tree of a view's query.
///
/// # Errors
/// It is not a query, or has parameters.
fn query_of(sql: &str) -> Result<Ast> {
    let sql::Statement { body, parameters } = sql::parse(sql)?;
    match body {
        StatementBody::Sql(ast) if parameters == 0 && is_query(&ast) => Ok(*ast),
        _ => Err(Fault::NotAQuery.into()),
    }
}

fn is_query(ast: &Ast) -> bool {
    matches!(ast, Ast::Statement(statement) if matches!(**statement, Statement::Query(_)))
}

/// The catalogs of all clients, with `datasets` of this one.
struct ReaderCatalogs {
    shared: Arc<dyn CatalogProviderList>,
    datasets: Arc<dyn CatalogProvider>,
}

impl ReaderCatalogs {
    fn of(shared: Arc<dyn CatalogProviderList>, datasets: ClientDatasets, views: Option<ViewReader>) -> Self {
        Self { shared, datasets: Arc::new(DatasetCatalog { datasets, views }) }
    }
}

impl fmt::Debug for ReaderCatalogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReaderCatalogs").field(&self.catalog_names()).finish()
    }
}

impl CatalogProviderList for ReaderCatalogs {
    /// Statements register no catalogs.
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        let mut names = self.shared.catalog_names();
        names.push(datasets::CATALOG.to_owned());
        names
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        if name == datasets::CATALOG { Some(Arc::clone(&self.datasets)) } else { self.shared.catalog(name) }
    }
}

struct DatasetCatalog {
    datasets: ClientDatasets,
    views: Option<ViewReader>,
}

impl fmt::Debug for DatasetCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(datasets::CATALOG)
    }
}

impl CatalogProvider for DatasetCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.datasets.schemas()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.datasets.has_schema(name).then(|| {
            let (datasets, views, name) = (self.datasets.clone(), self.views.clone(), name.to_owned());
            Arc::new(DatasetSchema { datasets, views, name }) as _
        })
    }
}

/// The tables of a schema of `datasets`.
struct DatasetSchema {
    datasets: ClientDatasets,
    views: Option<ViewReader>,
    name: String,
}

impl DatasetSchema {
    fn table_name(&self, table: &str) -> TableName {
        TableName { schema: self.name.clone(), table: table.to_owned() }
    }
}

impl fmt::Debug for DatasetSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[async_trait]
impl SchemaProvider for DatasetSchema {
    fn table_names(&self) -> Vec<String> {
        self.datasets.names(&self.name)
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let carried = |error: Error| DataFusionError::External(Box::new(error));
        Ok(match self.datasets.find(&self.table_name(name)).await.map_err(carried)? {
            None => None,
            Some(Found::Rows(table)) => Some(table),
            Some(Found::View(view)) => {
                let reader = self
                    .views
                    .as_ref()
                    .ok_or_else(|| carried(Fault::Internal("a view without a reader".into()).into()))?;
                Some(Arc::new(reader.plan(view).await.map_err(carried)?))
            }
        })
    }

    /// DataFusion's own would look into the files of each dataset.
    async fn table_type(&self, name: &str) -> DataFusionResult<Option<TableType>> {
        let is_view = self.datasets.is_view(&self.table_name(name));
        Ok(self.table_exist(name).then_some(if is_view { TableType::View } else { TableType::Base }))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.datasets.has(&self.table_name(name))
    }
}

/// A view, planned for one statement.
#[derive(Debug)]
struct ViewTable {
    /// Before analysis: the statement's analysis includes it.
    plan: LogicalPlan,
    /// After analysis, which changes types.
    columns: SchemaRef,
    sql: String,
}

#[async_trait]
impl TableProvider for ViewTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_table_definition(&self) -> Option<&str> {
        Some(&self.sql)
    }

    fn get_logical_plan(&self) -> Option<std::borrow::Cow<'_, LogicalPlan>> {
        Some(std::borrow::Cow::Borrowed(&self.plan))
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        datafusion::common::internal_err!("a view is inlined when it is planned")
    }
}
