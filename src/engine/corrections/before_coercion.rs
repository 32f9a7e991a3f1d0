//! Before type coercion: arguments that it would bring to the wrong type.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{InList, WindowFunction};
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use super::rewritten;

/// See the module above.
#[derive(Debug)]
pub(in crate::engine) struct BeforeCoercion;

impl AnalyzerRule for BeforeCoercion {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewritten(plan, |expr, schema| expr.transform_up(|part| corrected(part, schema)))
    }

    fn name(&self) -> &str {
        "correct_before_coercion"
    }
}

fn corrected(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::WindowFunction(window) => with_common_default(window, schema),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Eq | Operator::NotEq), right }) => {
            let (left, right) = (as_text_beside(*left, &right, schema), *right);
            let right = as_text_beside(right, &left, schema);
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let list = list.into_iter().map(|item| as_text_beside(item, &expr, schema)).collect();
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// `lag(x, 1, 0.5)`: DataFusion casts the default to the type of `x`. Both become what a CASE of the two would be.
fn with_common_default(mut window: Box<WindowFunction>, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_offset = matches!(window.fun.name(), "lag" | "lead");
    let [value, _, default] = &mut window.params.args[..] else {
        return Ok(Transformed::no(Expr::WindowFunction(window)));
    };
    // A parameter has no type before its place has told one.
    let (Ok(own), Ok(other)) = (value.get_type(schema), default.get_type(schema)) else {
        return Ok(Transformed::no(Expr::WindowFunction(window)));
    };
    let common = type_union_coercion(&own, &other).filter(|common| *common != own && other != DataType::Null);
    let Some(common) = common.filter(|_| is_offset) else {
        return Ok(Transformed::no(Expr::WindowFunction(window)));
    };
    *value = std::mem::take(value).cast_to(&common, schema)?;
    *default = std::mem::take(default).cast_to(&common, schema)?;
    Ok(Transformed::yes(Expr::WindowFunction(window)))
}

/// A whole number as the text of it, beside a column of text: `id = 7` asks for the text `7`. DataFusion would read each text as a number, and fail on the
/// first that is none: ids are numbers in one row and UUIDs in the next.
fn as_text_beside(number: Expr, text: &Expr, schema: &DFSchema) -> Expr {
    let is_text = |data_type: DataType| matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
    match (&number, text) {
        (Expr::Literal(value, metadata), Expr::Column(_) | Expr::OuterReferenceColumn(..))
            if value.data_type().is_integer() && !value.is_null() && text.get_type(schema).is_ok_and(is_text) =>
        {
            Expr::Literal(ScalarValue::Utf8(Some(value.to_string())), metadata.clone())
        }
        _ => number,
    }
}
