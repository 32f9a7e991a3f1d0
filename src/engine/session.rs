//! DataFusion's session: its options, rules and tables.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::future::{BoxFuture, FutureExt};

use super::corrections::{AfterCoercion, BeforeCoercion, IntervalProducts, OuterTypes, sums};
use super::equal_projections::OptimizeProjections;
use super::fault::{Fault, from_datafusion, to_datafusion};
use super::filters_above_aggregates::PushDownFilter;
use super::interruptible::Interruptible;
use super::join_filters::StopInJoinFilters;
use super::memory_pool::SharedPool;
use super::subqueries::SubqueriesToJoins;
use super::unplannable::left_over;
use super::wide_rows::{BoundWideRows, check_windows};
use super::yielding::YieldInTime;
use super::{
    Options, Principal, SessionOptions, expressions, function_guards, meta_catalog, session_functions, timestamp_units,
};
use crate::datasets::{Datasets, NameFiles};
use crate::error::Result;
use crate::resource::Registry;
use crate::table::FiltersIntoScans;
use crate::table::bind::{BindJoins, SetHints, ThroughBytes};
use crate::table::exec::CallPlanner;
use crate::table::{self, Accounts};

/// The session that the engine's queries share, and the user's own data.
pub(super) fn session(
    accounts: &Arc<Accounts>,
    resources: &Arc<Registry>,
    options: &Options,
) -> Result<(SessionContext, Arc<Datasets>)> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(SharedPool::new(options.memory_bytes)))
        .with_disk_manager_builder(disk(options))
        .build_arc()
        .map_err(from_datafusion)?;
    let mut state = SessionStateBuilder::new()
        .with_config(config(accounts))
        .with_runtime_env(runtime)
        .with_default_features()
        .with_query_planner(Arc::new(Planner))
        .with_analyzer_rules(analyzer_rules())
        .with_optimizer_rules(optimizer_rules())
        .with_physical_optimizer_rules(physical_rules(accounts, options)?)
        .build();
    state.register_expr_planner(Arc::new(IntervalProducts)).map_err(from_datafusion)?;
    timestamp_units::register(&mut state).map_err(from_datafusion)?;
    session_functions::register(&mut state).map_err(from_datafusion)?;
    sums::register(&mut state).map_err(from_datafusion)?;
    function_guards::guard(&mut state).map_err(from_datafusion)?;
    if let Some(counts) = &options.through_bytes {
        let rule = ThroughBytes::new(Arc::clone(resources), expressions::codec(&state), Arc::clone(counts));
        state = SessionStateBuilder::new_from_existing(state).with_physical_optimizer_rule(Arc::new(rule)).build();
    }
    let context = SessionContext::new_with_state(state);
    for (name, catalog) in table::catalogs(accounts, resources).map_err(from_datafusion)? {
        context.register_catalog(name, catalog);
    }
    let datasets = Arc::new(Datasets::open(&options.datasets, &context.runtime_env())?);
    let meta = meta_catalog::catalog(resources, &datasets).map_err(from_datafusion)?;
    context.register_catalog(meta_catalog::CATALOG, meta);
    Ok((context, datasets))
}

/// Where operators spill to, and how much.
fn disk(options: &Options) -> DiskManagerBuilder {
    let mode = match &options.spill_dir {
        Some(dir) => DiskManagerMode::Directories(vec![dir.path().to_owned()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(options.spill_bytes)
}

/// DataFusion's optimizer rules, two of them with corrections, and the guard of patterns.
fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let replaced = |rule: Arc<dyn OptimizerRule + Send + Sync>| match rule.name() {
        "push_down_filter" => Arc::new(PushDownFilter(rule)) as _,
        "optimize_projections" => Arc::new(OptimizeProjections(rule)) as _,
        _ => rule,
    };
    let mut rules: Vec<_> = Optimizer::new().rules.into_iter().map(replaced).collect();
    rules.push(Arc::new(function_guards::GuardPatterns));
    rules.into_iter().map(|rule| Arc::new(Interruptible(rule)) as _).collect()
}

/// DataFusion's analyzer rules, with this engine's corrections before and after them.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(BeforeCoercion)];
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(OuterTypes));
    rules.push(Arc::new(AfterCoercion));
    rules.push(Arc::new(SubqueriesToJoins));
    rules.into_iter().map(|rule| Arc::new(Interruptible(rule)) as _).collect()
}

/// DataFusion's physical rules, with these changes: filters are pushed down by [`FiltersIntoScans`]; bind joins are
/// made just before DataFusion selects the sides of joins; the rules that need the final plan come last.
fn physical_rules(
    accounts: &Arc<Accounts>,
    options: &Options,
) -> Result<Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>, Fault> {
    let replaced = |rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>| match rule.name() {
        "FilterPushdown" => Some(Arc::new(FiltersIntoScans) as _),
        // This rule pushes down dynamic filters, which are off.
        "FilterPushdown(Post)" => None,
        _ => Some(rule),
    };
    let mut rules: Vec<_> = PhysicalOptimizer::new().rules.into_iter().filter_map(replaced).collect();
    let place = index_of(&rules, "join_selection")?;
    rules.insert(place, Arc::new(BindJoins::new(options.missing_key)));
    rules.push(Arc::new(SetHints::new(Arc::clone(accounts))));
    rules.push(Arc::new(StopInJoinFilters));
    rules.push(Arc::new(BoundWideRows));
    rules.push(Arc::new(YieldInTime));
    rules.push(Arc::new(NameFiles));
    Ok(rules.into_iter().map(|rule| Arc::new(Interruptible(rule)) as _).collect())
}

/// The index of DataFusion's rule with this name.
///
/// # Errors
/// [`Fault::Internal`] if there is no such rule: then no index is right, and the program does not start.
fn index_of(rules: &[Arc<dyn PhysicalOptimizerRule + Send + Sync>], name: &str) -> Result<usize, Fault> {
    let place = rules.iter().position(|rule| rule.name() == name);
    place.ok_or_else(|| Fault::Internal(format!("DataFusion has no rule `{name}`")))
}

/// DataFusion's planner, extended by the plan of a procedure call.
#[derive(Debug)]
struct Planner;

impl QueryPlanner for Planner {
    // Not an `async fn`: the compiler would prove again that a plan is `Send`, see `engine::SharedSession`.
    fn create_physical_plan<'a, 'b, 'c, 'd>(
        &'a self,
        plan: &'b LogicalPlan,
        state: &'c dyn Session,
    ) -> BoxFuture<'d, datafusion::error::Result<Arc<dyn ExecutionPlan>>>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        physical_plan(plan, state)
    }
}

fn physical_plan<'a>(
    plan: &'a LogicalPlan,
    state: &'a dyn Session,
) -> BoxFuture<'a, datafusion::error::Result<Arc<dyn ExecutionPlan>>> {
    async move {
        check_windows(plan)?;
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(CallPlanner)]);
        planner.create_physical_plan(plan, state).await.map_err(|error| match error.find_root() {
            DataFusionError::NotImplemented(_) => left_over(plan).map_or(error, to_datafusion),
            _ => error,
        })
    }
    .boxed()
}

/// The session's options. The first account's catalog is the default catalog.
fn config(accounts: &Accounts) -> SessionConfig {
    let catalog = accounts.default_name().unwrap_or("digitalocean");
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(catalog, "compute")
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true);
    let options = config.options_mut();
    // The columns' time zone, so that `started_at > now() - interval '1 day'` compares without a conversion.
    options.execution.time_zone = Some("UTC".into());
    // Rows must stream also through a projection: above the scan, round robin collects 8,192 rows per partition before
    // it passes any on, and loses the list's order.
    options.optimizer.enable_round_robin_repartition = false;
    // Below a join, dynamic filters find their columns by name, and may find those of another table (apache/datafusion
    // issue 25296).
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // Text is Utf8: JDBC up to 18.3 and ODBC do not support Utf8View.
    options.sql_parser.map_string_types_to_utf8view = false;
    config
}

/// A copy of the session's state, with the current time, and the catalog and schema of a client's own session.
pub(super) fn state_of(context: &SessionContext, principal: &Principal) -> Result<SessionState, DataFusionError> {
    let mut state = context.state();
    let SessionOptions { catalog, schema, .. } = &*principal.session;
    if catalog.is_none() && schema.is_none() {
        return Ok(state);
    }
    let defaults = &mut state.config_mut().options_mut().catalog;
    if let Some(catalog) = catalog {
        defaults.default_catalog.clone_from(catalog);
    }
    if let Some(schema) = schema {
        defaults.default_schema.clone_from(schema);
    }
    session_functions::register(&mut state)?;
    Ok(state)
}

/// The schema that DataFusion has in every catalog without listing it among the schemas.
pub const SYSTEM_SCHEMA: &str = "information_schema";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_rule_is_an_error_and_not_index_zero() {
        let (accounts, options) = (Arc::new(Accounts::new(Vec::new())), Options::default());
        let rules = physical_rules(&accounts, &options).unwrap();
        let name = |place: usize| rules[place].name();

        assert_eq!(name(index_of(&rules, "join_selection").unwrap() - 1), BindJoins::new(options.missing_key).name());
        assert!(matches!(index_of(&rules, "no_such_rule"), Err(Fault::Internal(_))));
    }
}
