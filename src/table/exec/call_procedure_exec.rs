//! The physical plan of an EXEC. Executing it sends the request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::stream;

use super::{Fault, Permission};
use crate::api::RequestScope;
use crate::error;
use crate::resource::{Callable, Invocation};
use crate::table::Run;
use crate::table::fault::to_datafusion;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct ProcedureCall {
    pub(super) callable: Arc<Callable>,
    pub(super) invocation: Invocation,
    /// The limit of AWAIT, if the statement has it.
    pub(super) wait: Option<Duration>,
}

impl ProcedureCall {
    /// The name of the account that the request is sent to.
    fn account(&self) -> &str {
        &self.callable.resource.catalog
    }

    /// `POST /v2/images/7/actions {"type":"convert"}`
    pub(super) fn request(&self) -> String {
        format!("POST {} {}", self.invocation.path, self.invocation.body)
    }
}

/// Sends a request, and returns the row of its response.
#[derive(Debug)]
pub struct CallProcedureExec {
    call: Arc<ProcedureCall>,
    properties: Arc<PlanProperties>,
}

impl CallProcedureExec {
    pub(super) fn new(call: ProcedureCall) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(call.callable.returns.planned_schema())),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { call: Arc::new(call), properties: Arc::new(properties) }
    }

    fn details(&self) -> Vec<String> {
        let ProcedureCall { callable, wait, .. } = self.call.as_ref();
        let wait = wait.map(|limit| format!("await={}", humantime::format_duration(limit)));
        let method = [format!("method={}", callable.name()), format!("request={}", self.call.request())];
        method.into_iter().chain(wait).collect()
    }
}

impl DisplayAs for CallProcedureExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "CallProcedureExec: {}", self.details().join(", "))
            }
            DisplayFormatType::TreeRender => self.details().iter().try_for_each(|detail| writeln!(f, "{detail}")),
        }
    }
}

impl ExecutionPlan for CallProcedureExec {
    fn name(&self) -> &'static str {
        "CallProcedureExec"
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
        if children.is_empty() { Ok(self) } else { internal_err!("a CallProcedureExec has no children") }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a CallProcedureExec has no children") }
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    /// Nothing is sent before the stream is polled.
    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (run, call) = (Run::of(&context)?, Arc::clone(&self.call));
        let row = async move { row(&call, &run).await.map_err(to_datafusion) };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream::once(row))))
    }
}

async fn row(call: &Arc<ProcedureCall>, run: &Run) -> error::Result<RecordBatch> {
    let Some(Permission { execution, writer }) = &run.permission else {
        return Err(Fault::Off { procedure: call.callable.name() }.into());
    };
    let client = &run.accounts.named(call.account())?.client;
    writer.call(call, execution, client, &RequestScope::of_exec(Arc::clone(&run.query))).await
}
