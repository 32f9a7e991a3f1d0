//! The operator that reads a resource. It is a leaf, unless its keys come from the scan of its parent, its only child.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

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

use super::bind::MissingKey;
use super::exact_count::ExactCount;
use super::fault::{Fault, to_datafusion};
use super::key_source::{KeyProvider, KeySource};
use super::request_choice;
use super::resolved_scan::{Filters, ResolvedScan};
use super::run::Run;
use super::scan_hints::Hints;
use super::scan_spec::ScanSpec;
use super::scan_stream::ScanExecution;
use super::{explain, scan_calls};
use crate::query::Counts;

/// Reads a resource. Filters are evaluated page by page, so that a row leaves with its page. A LIMIT is exact.
#[derive(Clone, Debug)]
pub(crate) struct ResourceScan {
    pub(super) resolved: ResolvedScan,
    /// The scan of the parent, whose rows supply the keys if nothing else does.
    parent: Option<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// The counts of all executions, for EXPLAIN ANALYZE. A bind join executes a scan once for each chunk.
    counts: Arc<Counts>,
}

impl ResourceScan {
    /// # Errors
    /// The resource does not have the columns of the projection, or the expressions do not match the providers of keys.
    pub(super) fn try_new(resolved: ResolvedScan, parent: Option<Arc<dyn ExecutionPlan>>) -> Result<Self> {
        if resolved.filters.late.len() != resolved.spec.keys().providers().len() {
            return internal_err!("a ResourceScan needs expressions for each provider of its keys");
        }
        let schema = resolved.resource.planned_schema().project(resolved.spec.projection())?;
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Ok(Self { resolved, parent, properties, metrics, counts: Arc::default() })
    }

    pub(super) fn keys(&self) -> &KeySource {
        self.resolved.spec.keys()
    }

    /// The scan of the parent. It is an error to call this if the keys do not come from it.
    pub(super) fn parent(&self) -> Result<&Arc<dyn ExecutionPlan>> {
        match &self.parent {
            Some(parent) => Ok(parent),
            None => internal_err!("a scan whose parent tells its keys has no parent's scan"),
        }
    }

    /// The key columns that other parts of the plan may supply values for, with their indexes in the scan's schema.
    /// There are none if the scan has a LIMIT: with fewer keys it would return other rows.
    pub(super) fn bindable_columns(&self) -> Vec<(usize, String)> {
        let ResolvedScan { spec, resource, .. } = &self.resolved;
        if !spec.keys().accepts_provider() || spec.fetch().is_some() {
            return Vec::new();
        }
        let keys = request_choice::key_columns(resource);
        let name = |at: &usize| resource.canonical(&resource.columns[*at].name).to_owned();
        let columns = spec.projection().iter().map(name).enumerate();
        columns.filter(|(_, name)| keys.contains(name.as_str())).collect()
    }

    /// Returns the same scan with one more provider of keys, if a method can be called with the columns that it
    /// supplies. `expressions` are those of a runtime key.
    pub(super) fn bound_by(&self, provider: KeyProvider, expressions: Vec<Arc<dyn PhysicalExpr>>) -> Option<Self> {
        let ResolvedScan { spec, resource, filters } = &self.resolved;
        let columns: BTreeSet<String> = provider.columns().map(str::to_owned).collect();
        if !request_choice::is_enough(resource, spec.pins(), &columns) {
            return None;
        }
        let spec = spec.with_keys(spec.keys().bound_by(provider)?);
        let late = filters.late.iter().cloned().chain([expressions]).collect();
        let filters = Filters { late, ..filters.clone() };
        Some(Self { resolved: ResolvedScan::new(spec, Arc::clone(resource), filters), ..self.clone() })
    }

    /// Returns the same scan with its fallback, if no part of the plan supplies keys.
    ///
    /// # Errors
    /// [`Fault::NeedsKey`], if there is no fallback.
    pub(super) fn or_fallback(&self, missing_key: MissingKey) -> Result<Self, Fault> {
        let ResolvedScan { spec, resource, .. } = &self.resolved;
        match spec.keys().or_fallback(missing_key) {
            Some(keys) => Ok(self.with_spec(spec.with_keys(keys))),
            None => Err(Fault::NeedsKey {
                table: self.resolved.table(),
                columns: request_choice::missing(resource, spec.pins()),
            }),
        }
    }

    /// Returns the same scan with hints about the plan around it, and with the columns that other readers of its lists
    /// need.
    pub(super) fn hinted(&self, hints: Hints, columns: &BTreeSet<usize>) -> Self {
        self.with_spec(self.resolved.spec.reading_too(columns).hinted(hints))
    }

    /// Returns a new scan with another spec and filters, and the child of this one.
    pub(super) fn rebuilt(&self, resolved: ResolvedScan) -> Result<Self> {
        let parent = self.children().into_iter().next().cloned();
        Self::try_new(resolved, parent)
    }

    fn with_spec(&self, spec: ScanSpec) -> Self {
        Self { resolved: self.resolved.with_spec(spec), ..self.clone() }
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

    /// The scan of the parent, if its rows supply the keys.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        let tells = matches!(self.keys(), KeySource::Parent { .. });
        self.parent.iter().filter(|_| tells).collect()
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.children().iter().map(|_| Distribution::SinglePartition).collect()
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (self.children().len(), children.pop()) {
            (1, Some(parent)) if children.is_empty() => {
                Ok(Arc::new(Self { parent: Some(parent), ..self.as_ref().clone() }))
            }
            (0, None) => Ok(self),
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
        let Filters { predicate, late, .. } = &self.resolved.filters;
        for expr in predicate.iter().chain(late.iter().flatten()) {
            recursion = recursion.visit_sibling(|| f(expr))?;
        }
        Ok(recursion)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let run = Run::of(&context)?;
        let execution = ScanExecution::new(self.resolved.clone(), &run, &context, Arc::clone(&self.counts));
        let execution = execution.map_err(to_datafusion)?;
        if let Some(says) = explain::covers(self) {
            execution.notice(says);
        }
        let calls = scan_calls::calls(self, &run, &context)?;
        let mut rows = execution.rows(calls, Arc::clone(&run.cache));
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
            metrics.push(ExactCount::metric(name, number.get()));
        }
        Some(metrics)
    }

    fn fetch(&self) -> Option<usize> {
        self.resolved.spec.fetch()
    }

    fn with_fetch(&self, fetch: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(self.with_spec(self.resolved.spec.with_fetch(fetch))))
    }

    /// Accepts every filter of the first phase. The filters of the later phase are the dynamic filters of joins and
    /// sorts, which those operators check themselves.
    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        offered: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        // A filter above a LIMIT must not be evaluated below it.
        if phase != FilterPushdownPhase::Pre
            || offered.parent_filters.is_empty()
            || self.resolved.spec.fetch().is_some()
        {
            return Ok(FilterPushdownPropagation::all_unsupported(offered));
        }
        let taken = vec![PushedDown::Yes; offered.parent_filters.len()];
        let filters = offered.parent_filters.into_iter().map(|offer| offer.filter);
        let own = &self.resolved.filters;
        let predicate = Some(conjunction(own.predicate.iter().cloned().chain(filters)));
        let filters = Filters { predicate, ..own.clone() };
        let scan = Self { resolved: ResolvedScan { filters, ..self.resolved.clone() }, ..self.clone() };
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(taken).with_updated_node(Arc::new(scan) as _))
    }
}
