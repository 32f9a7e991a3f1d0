//! Evaluates the expressions of arguments.

use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Expr;
use serde_json::{Number, Value as Json};

use super::{Fault, LONGEST_WAIT};
use crate::table::fault::to_datafusion;

/// The value of a constant expression, which refers to no columns.
pub(super) fn evaluate(name: &str, expr: &Expr, state: &dyn Session) -> Result<ScalarValue> {
    compute(expr, state).map_err(|error| match error.find_root() {
        // DataFusion's error for an aggregate, a window function and the like contains its expression tree.
        DataFusionError::NotImplemented(_) | DataFusionError::Internal(_) => {
            let problem = format!("`{}` is not a constant", expr.clone().unalias().human_display());
            to_datafusion(Fault::Argument { name: name.to_owned(), problem })
        }
        _ => error,
    })
}

fn compute(expr: &Expr, state: &dyn Session) -> Result<ScalarValue> {
    if let Some(value) = literal(expr) {
        return Ok(value.clone());
    }
    let row = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Schema::empty().into(), vec![], &row)?;
    let expr = state.create_physical_expr(expr.clone(), &DFSchema::empty())?;
    ScalarValue::try_from_array(&expr.evaluate(&row)?.into_array(1)?, 0)
}

/// The value of a literal; `None` for any other expression.
pub(super) fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        // Binding a parameter keeps the name that the expression had.
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}

/// Converts a value to JSON.
pub(super) fn to_json(name: &str, value: &ScalarValue) -> Result<Json, Fault> {
    let float = |number: f64| Number::from_f64(number).map(Json::Number);
    let json = match value {
        value if value.is_null() => Some(Json::Null),
        ScalarValue::Boolean(Some(value)) => Some((*value).into()),
        ScalarValue::Int8(Some(number)) => Some((*number).into()),
        ScalarValue::Int16(Some(number)) => Some((*number).into()),
        ScalarValue::Int32(Some(number)) => Some((*number).into()),
        ScalarValue::Int64(Some(number)) => Some((*number).into()),
        ScalarValue::UInt8(Some(number)) => Some((*number).into()),
        ScalarValue::UInt16(Some(number)) => Some((*number).into()),
        ScalarValue::UInt32(Some(number)) => Some((*number).into()),
        ScalarValue::UInt64(Some(number)) => Some((*number).into()),
        ScalarValue::Float32(Some(number)) => float(f64::from(*number)),
        ScalarValue::Float64(Some(number)) => float(*number),
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            Some(text.as_str().into())
        }
        ScalarValue::Dictionary(_, value) => return to_json(name, value),
        _ => None,
    };
    json.ok_or_else(|| {
        let problem = format!("JSON has no form for {value}, of type {}", value.data_type());
        Fault::Argument { name: name.to_owned(), problem }
    })
}

/// The limit of AWAIT; `None`, which is no AWAIT, for NULL.
pub(super) fn wait(value: &ScalarValue) -> Result<Option<Duration>, Fault> {
    let text = match value {
        value if value.is_null() => return Ok(None),
        value => value.to_string(),
    };
    let wrong = |problem: String| Fault::Wait { text: text.chars().take(100).collect(), problem };
    match humantime::parse_duration(&text) {
        Err(error) => Err(wrong(error.to_string())),
        Ok(Duration::ZERO) => Err(wrong("it is zero".into())),
        Ok(limit) if limit > LONGEST_WAIT => Err(wrong("it is too long".into())),
        Ok(limit) => Ok(Some(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_time_is_parsed_with_its_units() {
        let read = |text: &str| wait(&ScalarValue::from(text)).map_err(|fault| fault.to_string());

        assert_eq!(read("10m"), Ok(Some(Duration::from_secs(600))));
        assert_eq!(read("1h 30m"), Ok(Some(Duration::from_secs(5_400))));
        assert_eq!(wait(&ScalarValue::Utf8(None)).unwrap(), None);
        for text in ["", "0s", "10", "25h", "ten minutes", "1000000000000y"] {
            assert!(read(text).unwrap_err().contains("is not a valid wait time"), "{text}");
        }
        assert!(wait(&ScalarValue::Int64(Some(10))).is_err());
    }

    #[test]
    fn a_value_without_a_json_form_is_an_error_with_its_type() {
        let error = to_json("x", &ScalarValue::Float64(Some(f64::NAN))).unwrap_err().to_string();

        assert!(error.contains("of type Float64"), "{error}");
        assert!(to_json("x", &ScalarValue::Date32(Some(1))).is_err());
        assert_eq!(to_json("x", &ScalarValue::Int64(None)).unwrap(), Json::Null);
    }
}
