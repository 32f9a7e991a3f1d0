//! Plans a [`CallProcedure`] as a [`CallProcedureExec`]: evaluates the arguments, checks them as a whole, and makes the
//! request.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::argument_values::{evaluate, to_json, wait};
use super::call_procedure::{ArgumentSlot, CallProcedure};
use super::call_procedure_exec::{CallProcedureExec, ProcedureCall};
use crate::resource::{ArgumentValue, Arguments};
use crate::table::fault::to_datafusion;

/// Plans calls. It sends nothing.
#[derive(Debug)]
pub struct CallPlanner;

impl CallPlanner {
    fn plan(node: &CallProcedure, state: &dyn Session) -> Result<CallProcedureExec> {
        let mut arguments = Arguments::default();
        let mut limit = None;
        for (slot, expr) in node.given() {
            let value = evaluate(slot.name(), expr, state)?;
            let json = |name: &str| to_json(name, &value).map(ArgumentValue::Value).map_err(to_datafusion);
            match slot {
                ArgumentSlot::Named(name) => arguments.named.push((name.clone(), json(name)?)),
                ArgumentSlot::Json => arguments.json = Some(json(slot.name())?),
                ArgumentSlot::Wait => limit = wait(&value).map_err(to_datafusion)?,
            }
        }
        let invocation = node.callable.invoke(&arguments).map_err(to_datafusion)?;
        let callable = Arc::clone(&node.callable);
        Ok(CallProcedureExec::new(ProcedureCall { callable, invocation, wait: limit }))
    }
}

#[async_trait]
impl ExtensionPlanner for CallPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        state: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<CallProcedure>() else { return Ok(None) };
        Ok(Some(Arc::new(Self::plan(node, state)?)))
    }
}
