//! The logical plan of an EXEC: a procedure, and an expression for each argument.
//!
//! Both syntaxes (EXEC and CALL) become this plan. The expressions are DataFusion's, so parameters are found, typed and
//! bound as in any statement.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, TableReference, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use super::argument_values::{literal, to_json, wait};
use super::{Fault, USUAL_WAIT};
use crate::error::Error;
use crate::resource::Resource;
use crate::resource::{ArgumentValue, Arguments, Callable};

/// The call of a procedure.
#[derive(Clone, Debug)]
pub struct CallProcedure {
    pub(super) callable: Arc<Callable>,
    pub(super) slots: Vec<ArgumentSlot>,
    /// The value of each slot.
    pub(super) values: Vec<Expr>,
    schema: DFSchemaRef,
}

/// The argument that a value is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Hash)]
pub enum ArgumentSlot {
    /// The parameter of this name.
    Named(String),
    /// The body as JSON text.
    Json,
    /// How long to wait for the end.
    Wait,
}

impl ArgumentSlot {
    /// The argument's name in a statement, without the `@` of a parameter.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Json => "@@json",
            Self::Wait => "@@await",
        }
    }
}

impl CallProcedure {
    /// Makes the plan, and checks the values that are known already.
    ///
    /// # Errors
    /// [`Fault`], and [`crate::resource::ArgumentFault`], which shows a statement that would work.
    pub fn try_new(callable: Arc<Callable>, values: Vec<(ArgumentSlot, Expr)>) -> Result<Self, Error> {
        let schema = DFSchema::try_from(callable.returns.planned_schema().as_ref().clone());
        let schema = Arc::new(schema.expect("a declaration has no column twice"));
        let (slots, values) = values.into_iter().unzip();
        let call = Self { callable, slots, values, schema };
        call.check()?;
        Ok(call)
    }

    /// The default value of [`ArgumentSlot::Wait`].
    pub fn usual_wait() -> Expr {
        Expr::Literal(humantime::format_duration(USUAL_WAIT).to_string().into(), None)
    }

    /// The name of the procedure.
    pub fn procedure(&self) -> String {
        self.callable.name()
    }

    /// The table that the row belongs to.
    pub fn table(&self) -> TableReference {
        let Resource { catalog, schema, table, .. } = &*self.callable.returns;
        TableReference::full(catalog.as_str(), schema.as_str(), table.as_str())
    }

    /// The column that identifies the row.
    pub fn row_id(&self) -> &str {
        self.callable.returns.row_id()
    }

    /// The slots with their values.
    pub(super) fn given(&self) -> impl Iterator<Item = (&ArgumentSlot, &Expr)> {
        self.slots.iter().zip(&self.values)
    }

    fn check(&self) -> Result<(), Error> {
        let mut arguments = Arguments::default();
        for (slot, expr) in self.given() {
            let given = match literal(expr) {
                Some(value) if *slot != ArgumentSlot::Wait => ArgumentValue::Value(to_json(slot.name(), value)?),
                Some(value) => {
                    wait(value)?;
                    continue;
                }
                None => ArgumentValue::Later,
            };
            match slot {
                ArgumentSlot::Named(name) => arguments.named.push((name.clone(), given)),
                ArgumentSlot::Json => arguments.json = Some(given),
                ArgumentSlot::Wait => {}
            }
        }
        if self.slots.contains(&ArgumentSlot::Wait) && self.callable.procedure.completion.is_none() {
            return Err(Fault::NoEnd { procedure: self.callable.name() }.into());
        }
        Ok(self.callable.check(&arguments)?)
    }

    fn key(&self) -> (String, &[ArgumentSlot], &[Expr]) {
        (self.callable.name(), &self.slots, &self.values)
    }
}

impl PartialEq for CallProcedure {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for CallProcedure {}

impl PartialOrd for CallProcedure {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key().partial_cmp(&other.key())
    }
}

impl Hash for CallProcedure {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl UserDefinedLogicalNodeCore for CallProcedure {
    fn name(&self) -> &str {
        "CallProcedure"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.values.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given: Vec<_> =
            self.given().map(|(slot, value)| format!("{}={}", slot.name(), value.clone().unalias())).collect();
        write!(f, "CallProcedure: {} {}", self.callable.name(), given.join(", "))
    }

    /// Checks no values: to find a statement's schema, DataFusion binds NULLs.
    fn with_exprs_and_inputs(&self, values: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        if values.len() != self.slots.len() || !inputs.is_empty() {
            return plan_err!("CallProcedure has {} values and no input", self.slots.len());
        }
        Ok(Self { values, ..self.clone() })
    }
}
