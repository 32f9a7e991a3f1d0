//! The leaf of a plan that reads a resource, or the node above its parent.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, conjunction};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::StreamExt;
use futures::stream::poll_fn;

use super::access::{self, Call};
use super::fault::to_datafusion;
use super::keys::{Keys, Source};
use super::number::Number;
use super::reading::Reading;
use super::run::Run;
use super::stream::Execution;
use super::{explain, keys};
use crate::api::Counts;

/// Reads a resource. Filters that DataFusion offers are evaluated page by page, so that a row
/// leaves with its page; a limit is cut exactly.
#[derive(Clone, Debug)]
pub(crate) struct ResourceScan {
    pub(super) reading: Reading,
    pub(super) keys: Keys,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// Of all its executions, of which a bind join has one for each chunk: EXPLAIN ANALYZE tells of all.
    counts: Arc<Counts>,
}

impl ResourceScan {
    pub(super) fn new(reading: Reading, keys: Keys, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Self { reading, keys, properties, metrics, counts: Arc::default() }
    }

    pub(super) fn with_reading(&self, reading: Reading) -> Self {
        Self { reading, ..self.clone() }
    }

    pub(super) fn with_keys(&self, keys: Keys) -> Self {
        Self { keys, ..self.clone() }
    }

    /// The columns that values can still be given for, from elsewhere, by their places in the scan's schema.
    pub(super) fn open_columns(&self) -> Vec<(usize, String)> {
        if !matches!(self.keys, Keys::Open { .. }) || self.reading.fetch.is_some() {
            return Vec::new();
        }
        let own = &self.reading.resource;
        let keys = access::key_columns(own);
        let name = |at: &usize| own.canonical(&own.columns[*at].name).to_owned();
        let columns = self.reading.projection.iter().map(name).enumerate();
        columns.filter(|(_, name)| keys.contains(name.as_str())).collect()
    }

    /// The same with one more place that values come from, where these columns are enough to ask with.
    pub(super) fn with_source(&self, source: Source) -> Option<Self> {
        let Keys::Open { sources, otherwise } = &self.keys else { return None };
        let columns: BTreeSet<String> = source.columns().map(str::to_owned).collect();
        access::is_enough(&self.reading.resource, &self.reading.pins, &columns).then(|| {
            let sources = sources.iter().cloned().chain([source]).collect();
            self.with_keys(Keys::Open { sources, otherwise: otherwise.clone() })
        })
    }

    /// Whether the keys that it asks for are those of one source.
    pub(super) fn has_one_source(&self) -> bool {
        matches!(&self.keys, Keys::Open { sources, .. } if sources.len() == 1)
    }

    /// The calls that it is known to make before it runs; `None` where that shows later.
    pub(super) fn known_calls(&self) -> Option<&[Call]> {
        match &self.keys {
            Keys::Known(calls) => Some(calls),
            Keys::Open { .. } | Keys::Parent { .. } => None,
        }
    }
}

impl DisplayAs for ResourceScan {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explain::write("ResourceScan", explain::details(self), format, f)
    }
}

impl ExecutionPlan for ResourceScan {
    fn name(&self) -> &'static str {
        "ResourceScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// The scan of the parent, where that tells the keys.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        match &self.keys {
            Keys::Parent { plan, .. } => vec![plan],
            Keys::Known(_) | Keys::Open { .. } => Vec::new(),
        }
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.children().iter().map(|_| Distribution::SinglePartition).collect()
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (&self.keys, children.pop()) {
            (Keys::Parent { columns, .. }, Some(plan)) if children.is_empty() => {
                let columns = columns.clone();
                Ok(Arc::new(self.with_keys(Keys::Parent { plan, columns })))
            }
            (Keys::Known(_) | Keys::Open { .. }, None) => Ok(self),
            _ => internal_err!("a ResourceScan has its parent's scan as its only child"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut recursion = TreeNodeRecursion::Continue;
        for expr in self.reading.predicate.iter().chain(self.keys.expressions()) {
            recursion = recursion.visit_sibling(|| f(expr))?;
        }
        Ok(recursion)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let run = Run::of(&context)?;
        let execution = Execution::new(
            self.reading.clone(),
            &run,
            &context,
            Arc::clone(&self.counts),
            self.keys.are_counted(&context),
        );
        let execution = execution.map_err(to_datafusion)?;
        if let Some(says) = explain::covers(self) {
            execution.notice(says);
        }
        let calls = keys::calls(&self.keys, &self.reading, &run, &context)?;
        let mut rows = execution.rows(calls, Arc::clone(&run.memo));
        let observed = poll_fn(move |context| metrics.record_poll(rows.poll_next_unpin(context)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), observed)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = self.metrics.clone_inner();
        let Counts { requests, retries, pages, rows, waited_ms, .. } = self.counts.as_ref();
        for (name, number) in [
            ("requests", requests),
            ("pages", pages),
            ("rows_read", rows),
            ("retries", retries),
            ("waited_ms", waited_ms),
        ] {
            metrics.push(Number::metric(name, number.get()));
        }
        Some(metrics)
    }

    fn fetch(&self) -> Option<usize> {
        self.reading.fetch
    }

    fn with_fetch(&self, fetch: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(self.with_reading(Reading { fetch, ..self.reading.clone() })))
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
        if phase != FilterPushdownPhase::Pre || offered.parent_filters.is_empty() || self.reading.fetch.is_some() {
            return Ok(FilterPushdownPropagation::all_unsupported(offered));
        }
        let taken = vec![PushedDown::Yes; offered.parent_filters.len()];
        let filters = offered.parent_filters.into_iter().map(|offer| offer.filter);
        let predicate = Some(conjunction(self.reading.predicate.iter().cloned().chain(filters)));
        let scan = self.with_reading(Reading { predicate, ..self.reading.clone() });
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(taken).with_updated_node(Arc::new(scan) as _))
    }
}
