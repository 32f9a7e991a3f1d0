//! The physical operator of a bind join: rows of the driving side supply the keys that the bound side is fetched with.
//!
//! ```text
//! driving side ─► Packing ─► chunk of rows + their keys ─► HashJoinExec(chunk, bound side) ─► rows
//!                                       └── keys: in the TaskContext (`ChunkKeys`), read by the scans of the bound side
//! ```
//!
//! The bound side is executed once per chunk. Each chunk runs a copy with new operator state; the plan is otherwise the
//! same. The keys are in the context.
//!
//! Do not change without thinking:
//! - the driving side has one partition (`required_input_distribution`): a key must not arrive in two streams;
//! - each chunk needs its own copy of the bound side (`reset_plan_states`): operators keep state between executions;
//! - for RightSemi, all rows of a key are in one chunk (`Rule` in `chunk_packing`), or rows of the bound side are
//!   returned twice.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, internal_err};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions, reset_plan_states,
};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties,
};
use serde::{Deserialize, Serialize};

use super::chunk_stream::{Chunks, Counted};
use crate::table::ResourceScan;
use crate::table::chunk_keys::{ChunkKeys, SharedKeys, with_config};
use crate::table::explain;
use crate::table::key_source::{BoundColumn, KeyProvider};
use crate::table::resolved_scan::ResolvedScan;
use crate::table::scan_calls::data_type;

/// Joins chunks of rows of its left (driving) side with the rows of the right (bound) side for the chunk's keys.
#[derive(Clone, Debug)]
pub(crate) struct BindJoinExec {
    /// The hash join. Its children are the driving and the bound side; for each chunk, `join_chunk` replaces the first
    /// by the chunk's rows.
    join: Arc<HashJoinExec>,
    spec: JoinSpec,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The parameters of a bind join apart from its hash join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JoinSpec {
    /// The join's number in its plan: scans of the bound side name it in their `KeyProvider::Join`.
    pub(super) number: usize,
    /// Row count of the nearest LIMIT above, if any.
    limited: Option<usize>,
}

/// The keys that a scan of the bound side needs: which columns of the join, cast to which types.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeyTarget {
    pub(super) from: Vec<BoundColumn>,
    pub(super) types: Vec<DataType>,
    /// The column that identifies a row within its list.
    pub(super) row_id: String,
}

impl BindJoinExec {
    /// Makes a bind join of a hash join. The scans on its right side take their keys from the join of this number.
    ///
    /// # Errors
    /// DataFusion's, if it rejects the join.
    pub(super) fn try_new(join: &HashJoinExec, number: usize) -> Result<Self> {
        let join = join.builder().with_partition_mode(PartitionMode::CollectLeft).build()?;
        let properties = PlanProperties::new(
            EquivalenceProperties::new(join.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        let spec = JoinSpec { number, limited: None };
        Ok(Self { join: Arc::new(join), spec, properties: Arc::new(properties), metrics })
    }

    /// Returns the same join with the row count of the nearest LIMIT above.
    pub(super) fn limited(&self, limited: Option<usize>) -> Self {
        Self { spec: JoinSpec { limited, ..self.spec }, ..self.clone() }
    }

    /// Returns a new join of the same hash join and another spec.
    pub(super) fn rebuilt(&self, spec: JoinSpec) -> Result<Self> {
        Ok(Self { spec, ..Self::try_new(&self.join, spec.number)? })
    }

    /// The parameters apart from the hash join.
    pub(super) fn spec(&self) -> &JoinSpec {
        &self.spec
    }

    /// The bound side, which is executed once per chunk.
    pub(super) fn bound(&self) -> &Arc<dyn ExecutionPlan> {
        self.join.right()
    }

    /// The join's keys, as expressions over the driving side.
    pub(super) fn driving_keys(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.join.on().iter().map(|(driving, _)| Arc::clone(driving)).collect()
    }

    /// The keys that the scans of the bound side need, without duplicates.
    pub(super) fn targets(&self) -> Result<Vec<KeyTarget>> {
        let mut targets: Vec<KeyTarget> = Vec::new();
        self.bound().apply(|node| {
            for (scan, from) in self.sources(node) {
                let types = from.iter().map(|bound| data_type(&scan.resolved, &bound.column)).collect();
                let row_id = scan.resolved.resource.row_id().to_owned();
                let target = KeyTarget { from: from.clone(), types, row_id };
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(targets)
    }

    /// The scans that certainly fetch every key of one of these targets, each with the index of its target: no other
    /// source restricts their keys, and no LIMIT may stop them early.
    pub(super) fn scans_of_every_key(&self, targets: &[KeyTarget]) -> Result<Vec<(usize, ResolvedScan)>> {
        let mut scans = Vec::new();
        self.bound().apply(|node| {
            for (scan, from) in self.sources(node) {
                let target = targets.iter().position(|target| target.from == *from);
                if let Some(target) = target
                    && scan.keys().providers().len() == 1
                    && !scan.resolved.spec.may_end_early()
                {
                    scans.push((target, scan.resolved.clone()));
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(scans)
    }

    /// The node, if it is a scan, with the columns that it takes from this join.
    fn sources<'a>(&self, node: &'a Arc<dyn ExecutionPlan>) -> Vec<(&'a ResourceScan, &'a Vec<BoundColumn>)> {
        let Some(scan) = node.downcast_ref::<ResourceScan>() else { return Vec::new() };
        let providers = scan.keys().providers().iter();
        providers
            .filter_map(|provider| match provider {
                KeyProvider::Join { number, from } if *number == self.spec.number => Some((scan, from)),
                KeyProvider::Join { .. } | KeyProvider::Late { .. } => None,
            })
            .collect()
    }

    /// Whether the join returns each row of the bound side at most once (a right semi join).
    pub(super) fn returns_bound_rows(&self) -> bool {
        *self.join.join_type() == JoinType::RightSemi
    }

    /// Whether the target's keys alone decide which rows match: the join compares nothing else, and has no filter.
    pub(super) fn joins_by_keys_alone(&self, target: &KeyTarget) -> bool {
        let is_key_of_target = |key: usize| target.from.iter().any(|bound| bound.key == key);
        self.join.filter().is_none() && (0..self.join.on().len()).all(is_key_of_target)
    }

    /// Starts the join of one chunk: its rows with the rows that the bound side returns for its keys.
    pub(super) fn join_chunk(
        &self,
        rows: Vec<RecordBatch>,
        keys: Vec<(Vec<BoundColumn>, SharedKeys)>,
        context: &TaskContext,
    ) -> Result<SendableRecordBatchStream> {
        let driving = MemorySourceConfig::try_new_exec(&[rows], self.join.left().schema(), None)?;
        // Operators keep state between executions, such as the built side of a hash join: each chunk needs new ones.
        let bound = reset_plan_states(Arc::clone(self.bound()))?;
        let join = self.join.builder().with_new_children(vec![driving, bound])?;
        let join = join.with_partition_mode(PartitionMode::CollectLeft).reset_state().build_exec()?;
        join.execute(0, ChunkKeys::context(self.spec.number, keys, context))
    }
}

impl DisplayAs for BindJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self.join.on().iter().map(|(driving, bound)| format!("{driving} = {bound}"));
        let mut details = vec![
            ("number", self.spec.number.to_string()),
            ("join_type", self.join.join_type().to_string()),
            ("on", format!("[{}]", on.collect::<Vec<_>>().join(", "))),
        ];
        details.extend(self.join.filter().map(|filter| ("filter", filter.expression().to_string())));
        details.extend(self.spec.limited.map(|_| ("chunks", "small at first".to_owned())));
        explain::write("BindJoinExec", details, format, f)
    }
}

impl ExecutionPlan for BindJoinExec {
    fn name(&self) -> &'static str {
        "BindJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![self.join.left(), self.join.right()]
    }

    /// One partition on each side: a key must not arrive in two streams, and each chunk's join reads the whole bound
    /// side.
    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition; 2]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; 2]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let join = Arc::new(self.join.builder().with_new_children(children)?.build()?);
        Ok(Arc::new(Self { join, ..self.as_ref().clone() }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.join.apply_expressions(f)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("a BindJoinExec has one partition");
        }
        let counted = Counted {
            rows: BaselineMetrics::new(&self.metrics, partition),
            chunks: MetricBuilder::new(&self.metrics).counter("chunks", partition),
            keys: MetricBuilder::new(&self.metrics).counter("keys", partition),
        };
        let driving = self.join.left().execute(0, Arc::clone(&context))?;
        let small_first = self.spec.limited.is_some();
        let context = self.spec.limited.map_or_else(|| Arc::clone(&context), |rows| in_small_batches(&context, rows));
        Ok(Box::pin(Chunks::try_new(self.clone(), driving, small_first, counted, context)?))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Lowers the batch size for a plan under a LIMIT: a hash join returns no row before it has a full batch.
fn in_small_batches(context: &TaskContext, rows: usize) -> Arc<TaskContext> {
    const FEWEST: usize = 32;
    let config = context.session_config();
    let batch = rows.max(FEWEST).min(config.batch_size());
    with_config(context, config.clone().with_batch_size(batch))
}
