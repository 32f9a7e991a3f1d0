//! Represents a parameter as a function without arguments, `"$1"()`, instead of DataFusion's placeholder.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr as SqlExpr, Function, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Value, VisitorMut,
};

use crate::sql::{statement_of, statement_of_mut, visit_expressions, visit_mut};

/// The function of a parameter. It is replaced by a literal before the plan runs.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ParameterFunction {
    /// `$1`
    name: String,
    number: usize,
    data_type: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for ParameterFunction {
    fn name(&self) -> &str {
        &self.name
    }

    /// `$1` and not `$1()`: a selected parameter's column has this name.
    fn display_name(&self, _: &[Expr]) -> Result<String> {
        Ok(self.name.clone())
    }

    fn schema_name(&self, _: &[Expr]) -> Result<String> {
        Ok(self.name.clone())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("no value is bound to {}", self.name)
    }
}

/// Registers a function for each parameter, in place of earlier ones.
pub(super) fn register(state: &mut SessionState, types: &[DataType]) -> Result<()> {
    for (at, data_type) in types.iter().enumerate() {
        let parameter = ParameterFunction {
            name: format!("${}", at + 1),
            number: at + 1,
            data_type: data_type.clone(),
            signature: Signature::nullary(Volatility::Stable),
        };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(parameter)))?;
    }
    Ok(())
}

/// The number of the parameter, if the expression is one.
pub(in crate::engine) fn number(expr: &Expr) -> Option<usize> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let inner: &dyn Any = call.func.inner().as_ref();
    inner.downcast_ref::<ParameterFunction>().map(|parameter| parameter.number)
}

/// The plan with a value for each parameter.
///
/// # Errors
/// Fewer values than parameters.
pub(in crate::engine) fn bind(plan: LogicalPlan, values: &[ScalarValue]) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let preserver = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            if !expr.exists(|part| Ok(parameter_number(part).is_some()))? {
                return Ok(Transformed::no(expr));
            }
            let name = preserver.save(&expr);
            let bound = expr.transform_up(|part| match parameter_number(&part) {
                Some(number) => match values.get(number.wrapping_sub(1)) {
                    Some(value) => Ok(Transformed::yes(Expr::Literal(value.clone(), None))),
                    None => exec_err!("no value is bound to ${number}"),
                },
                None => Ok(Transformed::no(part)),
            })?;
            Ok(bound.update_data(|expr| name.restore(expr)))
        })
    })
    .data()
}

/// The number of a parameter. In an EXEC, parameters are DataFusion's placeholders.
fn parameter_number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Placeholder(Placeholder { id, .. }) => id.strip_prefix('$')?.parse().ok(),
        Expr::ScalarFunction(ScalarFunction { .. }) => number(expr),
        _ => None,
    }
}

/// Replaces `$1` by `"$1"()`.
pub(super) fn replace_placeholders(ast: &mut Ast) {
    if let Some(statement) = statement_of_mut(ast) {
        let _ = visit_mut(statement, &mut PlaceholderReplacer);
    }
}

struct PlaceholderReplacer;

impl VisitorMut for PlaceholderReplacer {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<()> {
        if let SqlExpr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
        {
            *expr = call(name);
        }
        ControlFlow::Continue(())
    }
}

fn call(name: &str) -> SqlExpr {
    let no_arguments = FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() };
    SqlExpr::Function(Function {
        name: ObjectName::from(vec![Ident::with_quote('"', name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(no_arguments),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The numbers of the parameters that are operands of `+` or `-`, in a statement whose placeholders are replaced.
pub(super) fn added_to_times(ast: &Ast) -> BTreeSet<usize> {
    let mut added = BTreeSet::new();
    let Some(statement) = statement_of(ast) else { return added };
    let _ = visit_expressions(statement, |expr| {
        if let SqlExpr::BinaryOp { left, op: BinaryOperator::Plus | BinaryOperator::Minus, right } = expr {
            added.extend([left, right].into_iter().filter_map(|side| called_parameter(side)));
        }
        ControlFlow::<()>::Continue(())
    });
    added
}

/// The numbers of the parameters that appear only as operands of a CAST, in a statement whose placeholders are
/// replaced.
pub(super) fn cast_by_statement(ast: &Ast) -> BTreeSet<usize> {
    let (mut places, mut casts) = (BTreeMap::<usize, usize>::new(), BTreeMap::<usize, usize>::new());
    let Some(statement) = statement_of(ast) else { return BTreeSet::new() };
    let _ = visit_expressions(statement, |expr| {
        match expr {
            SqlExpr::Function(_) => {
                called_parameter(expr).into_iter().for_each(|number| *places.entry(number).or_default() += 1)
            }
            SqlExpr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, .. } => {
                called_parameter(expr).into_iter().for_each(|number| *casts.entry(number).or_default() += 1);
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    casts.into_iter().filter(|(number, count)| places.get(number) == Some(count)).map(|(number, _)| number).collect()
}

fn called_parameter(expr: &SqlExpr) -> Option<usize> {
    match expr {
        SqlExpr::Function(function) => match &function.name.0[..] {
            [name] => name.as_ident()?.value.strip_prefix('$')?.parse().ok(),
            _ => None,
        },
        SqlExpr::Nested(inner) => called_parameter(inner),
        _ => None,
    }
}
