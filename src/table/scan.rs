//! The leaf of a plan that reads a resource.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, conjunction};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};

use futures::StreamExt;
use futures::stream::poll_fn;

use super::access::describe;
use super::stream::{self, Plan};
use crate::api::QueryContext;

/// Reads a resource. Filters that DataFusion offers are evaluated page by page, so that a row
/// leaves with its page; a limit is cut exactly.
#[derive(Clone, Debug)]
pub struct ResourceScan {
    plan: Plan,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ResourceScan {
    pub(super) fn new(plan: Plan, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { plan, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }

    fn with_plan(&self, plan: Plan) -> Self {
        Self { plan, properties: Arc::clone(&self.properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl ResourceScan {
    /// What EXPLAIN shows, by name.
    fn details(&self) -> Vec<(&'static str, String)> {
        let Plan { resource, access, pins, predicate, fetch, .. } = &self.plan;
        let request = match access.bindings.len() {
            0 => "none: no row can match".to_owned(),
            _ => format!("GET {}", resource.methods[access.method].path),
        };
        let columns: Vec<_> = self.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut details = vec![("table", resource.to_string()), ("request", request)];
        details.extend((pins.iter().next().is_some()).then(|| ("pins", describe(pins))));
        details.push(("projection", format!("[{}]", columns.join(", "))));
        details.extend(predicate.iter().map(|predicate| ("filter", predicate.to_string())));
        details.extend(fetch.iter().map(|fetch| ("fetch", fetch.to_string())));
        details
    }
}

impl DisplayAs for ResourceScan {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details: Vec<_> = self.details().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "ResourceScan: {}", details.join(", "))
            }
            DisplayFormatType::TreeRender => details.iter().try_for_each(|detail| writeln!(f, "{detail}")),
        }
    }
}

impl ExecutionPlan for ResourceScan {
    fn name(&self) -> &'static str {
        "ResourceScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a ResourceScan has no children") }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a ResourceScan has no children") }
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        match &self.plan.predicate {
            Some(predicate) => f(predicate),
            None => Ok(TreeNodeRecursion::Continue),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let query = context.session_config().get_extension::<QueryContext>().unwrap_or_default();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let mut rows = stream::rows(self.plan.clone(), query);
        let observed = poll_fn(move |context| metrics.record_poll(rows.poll_next_unpin(context)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), observed)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn fetch(&self) -> Option<usize> {
        self.plan.fetch
    }

    fn with_fetch(&self, fetch: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(self.with_plan(Plan { fetch, ..self.plan.clone() })))
    }

    /// Takes every filter of the first phase. The later ones are the dynamic filters of joins
    /// and sorts, which their own operators check as well.
    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        offered: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        // A filter above a limit must not come below it.
        if phase != FilterPushdownPhase::Pre || offered.parent_filters.is_empty() || self.plan.fetch.is_some() {
            return Ok(FilterPushdownPropagation::all_unsupported(offered));
        }
        let taken = vec![PushedDown::Yes; offered.parent_filters.len()];
        let filters = offered.parent_filters.into_iter().map(|offer| offer.filter);
        let predicate = Some(conjunction(self.plan.predicate.iter().cloned().chain(filters)));
        let scan = self.with_plan(Plan { predicate, ..self.plan.clone() });
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(taken).with_updated_node(Arc::new(scan) as _))
    }
}
