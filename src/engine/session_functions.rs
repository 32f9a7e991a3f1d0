//! Functions that return properties of the session: `current_catalog`, `current_schema()`, `current_user` and their
//! aliases.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::query::Identity;

/// Registers the functions with the values of this session.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    let defaults = state.config_options().catalog.clone();
    let functions = [
        ("current_catalog", &["current_database"][..], defaults.default_catalog),
        ("current_schema", &[][..], defaults.default_schema),
        // There is no login yet: all clients are anonymous.
        ("current_user", &["session_user", "current_role"][..], Identity::Anonymous.to_string()),
    ];
    for (name, aliases, value) in functions {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        let signature = Signature::nullary(Volatility::Stable);
        let function = SessionFunction { name: name.to_owned(), aliases, value, signature };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(function)))?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SessionFunction {
    name: String,
    aliases: Vec<String>,
    value: String,
    signature: Signature,
}

impl ScalarUDFImpl for SessionFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(self.value.clone()))))
    }
}
