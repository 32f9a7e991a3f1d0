//! DataFusion's session: its options, and the tables in it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::fault::from_datafusion;
use super::meta;
use super::yielding::YieldWhereRowsMultiply;
use crate::api::Client;
use crate::error::Result;
use crate::resource::Registry;
use crate::table;
use crate::table::exec::CallPlanner;

/// The session that every query's is a copy of.
pub(super) fn session(client: &Client, resources: &Registry, memory_bytes: usize) -> Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0).build_arc().map_err(from_datafusion)?;
    let state = SessionStateBuilder::new()
        .with_config(config())
        .with_runtime_env(runtime)
        .with_default_features()
        .with_query_planner(Arc::new(Planner(Arc::new(CallPlanner::new(client.clone())))))
        .with_physical_optimizer_rule(Arc::new(YieldWhereRowsMultiply))
        .build();
    let context = SessionContext::new_with_state(state);
    for (name, catalog) in table::catalogs(client, resources).map_err(from_datafusion)? {
        context.register_catalog(name, catalog);
    }
    context.register_catalog(meta::CATALOG, meta::catalog(resources).map_err(from_datafusion)?);
    Ok(context)
}

/// DataFusion's own planner, which knows how a procedure is called.
#[derive(Debug)]
struct Planner(Arc<CallPlanner>);

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        state: &dyn Session,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::clone(&self.0) as _]);
        planner.create_physical_plan(plan, state).await
    }
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema("digitalocean", "compute")
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true);
    let options = config.options_mut();
    // `started_at > now() - interval '1 day'` compares in the columns' own zone.
    options.execution.time_zone = Some("UTC".into());
    // A computed column must not cost streaming: above the scan, round robin collects 8,192 rows a partition before
    // it passes any on, and mixes the list's order.
    options.optimizer.enable_round_robin_repartition = false;
    // Text is Utf8: JDBC up to 18.3 and ODBC know no Utf8View.
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    config
}

/// DataFusion shows it in every catalog without listing it among the schemas.
pub(super) const SYSTEM_SCHEMA: &str = "information_schema";

/// The catalogs in the order of their names.
pub(super) fn catalog_names(context: &SessionContext) -> Vec<String> {
    let mut names = context.catalog_names();
    names.sort();
    names
}
