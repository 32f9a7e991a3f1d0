//! The analyzer rule that runs before type coercion: casts operands that coercion would cast to the wrong type.

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

/// The rule.
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
            let (left, right) = (as_text_compared_with(*left, &right, schema), *right);
            let right = as_text_compared_with(right, &left, schema);
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let list = list.into_iter().map(|item| as_text_compared_with(item, &expr, schema)).collect();
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// `lag(x, 1, 0.5)`: DataFusion casts the default to the type of `x`. Here both are cast to the type of a CASE of the
/// two.
fn with_common_default(mut window: Box<WindowFunction>, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_offset = matches!(window.fun.name(), "lag" | "lead");
    let [value, _, default] = &mut window.params.args[..] else {
        return Ok(Transformed::no(Expr::WindowFunction(window)));
    };
    // A parameter may have no type yet.
    let (Ok(value_type), Ok(default_type)) = (value.get_type(schema), default.get_type(schema)) else {
        return Ok(Transformed::no(Expr::WindowFunction(window)));
    };
    let common = type_union_coercion(&value_type, &default_type)
        .filter(|common| *common != value_type && default_type != DataType::Null);
    let Some(common) = common.filter(|_| is_offset) else {
        return Ok(Transformed::no(Expr::WindowFunction(window)));
    };
    *value = std::mem::take(value).cast_to(&common, schema)?;
    *default = std::mem::take(default).cast_to(&common, schema)?;
    Ok(Transformed::yes(Expr::WindowFunction(window)))
}

/// An integer literal as a text, if it is compared with a text column: `id = 7` looks for the text `7`. DataFusion
/// would cast each text to a number, and fail on the first that is not a number: ids are numbers in one row and UUIDs
/// in the next.
fn as_text_compared_with(number: Expr, text: &Expr, schema: &DFSchema) -> Expr {
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
