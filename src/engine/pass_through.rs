//! An operator that passes on the batches of its input, and does something with each of them or between them.

use std::fmt::{self, Debug};
use std::sync::Arc;

use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};

/// What such an operator does. Order, partitions and schema of the rows stay the same.
pub(super) trait PassThrough: Debug + Clone + Send + Sync + 'static {
    /// The operator's name in EXPLAIN.
    const NAME: &'static str;

    /// What EXPLAIN shows after the name.
    fn details(&self) -> &'static str;

    /// The batches to pass on.
    fn pass(&self, input: SendableRecordBatchStream, context: &TaskContext) -> SendableRecordBatchStream;
}

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct PassThroughExec<P> {
    input: Arc<dyn ExecutionPlan>,
    work: P,
}

impl<P: PassThrough> PassThroughExec<P> {
    pub(super) fn above(input: Arc<dyn ExecutionPlan>, work: P) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { input, work })
    }
}

impl<P: PassThrough> DisplayAs for PassThroughExec<P> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.work.details() {
            "" => f.write_str(P::NAME),
            details => write!(f, "{}: {details}", P::NAME),
        }
    }
}

impl<P: PassThrough> ExecutionPlan for PassThroughExec<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) if children.is_empty() => Ok(Self::above(input, self.work.clone())),
            _ => internal_err!("a {} has one input", P::NAME),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        Ok(self.work.pass(input, &context))
    }
}
