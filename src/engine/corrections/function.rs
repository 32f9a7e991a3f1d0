//! Functions of DataFusion that are called through a wrapper, and one of our own.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

/// The wrapper around a function that needs one:
///
/// - `date_part`, whose comparisons DataFusion 55 turns into comparisons of times: `extract(year FROM t) < 4` is then
///   NULL, since nanoseconds do not reach back to year 4;
/// - `abs`, which claims to keep an order that it does not;
/// - `to_timestamp` and its like, which promise a time in the session's zone, and with formats return one without.
pub(super) fn corrected(function: &Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
    let is_wrong = matches!(function.name(), "abs" | "date_part") || function.name().starts_with("to_timestamp");
    if !is_wrong || function.inner().is::<Corrected>() {
        return None;
    }
    Some(Arc::new(ScalarUDF::new_from_impl(Corrected { inner: Arc::clone(function) })))
}

/// A function without DataFusion's shortcuts, whose result has the type that was promised.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Corrected {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Corrected {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let promised = args.return_field.data_type().clone();
        let value = self.inner.inner().invoke_with_args(args)?;
        if value.data_type() == promised { Ok(value) } else { value.cast_to(&promised, None) }
    }
}

/// The same value, which may be NULL as far as the plan knows.
pub(super) fn nullable(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(ScalarUDF::new_from_impl(Nullable { signature: Signature::any(1, Volatility::Immutable) }))
    });
    FUNCTION.call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Nullable {
    signature: Signature,
}

impl ScalarUDFImpl for Nullable {
    fn name(&self) -> &str {
        "nullable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = &args.arg_fields[0];
        Ok(Arc::new(Field::new(field.name(), field.data_type().clone(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args[0].clone())
    }
}
