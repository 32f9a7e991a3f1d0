//! The planned type of an aggregate's result.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};

use crate::engine::fault::{Fault, to_datafusion};
use crate::engine::overflow::Overflow;

/// The aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Function {
    Sum,
    Average,
}

impl Function {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Average => "avg",
        }
    }
}

/// The types of an aggregate.
#[derive(Clone, Debug)]
pub(super) struct AggregateType {
    pub(super) function: Function,
    /// The type of the values.
    pub(super) value: DataType,
    /// The type of the result.
    pub(super) result: DataType,
}

impl AggregateType {
    /// The result without values.
    pub(super) fn null(&self) -> Result<ScalarValue> {
        ScalarValue::try_from(&self.result)
    }

    /// The error of a result that does not fit its type.
    pub(super) fn overflow(&self) -> DataFusionError {
        to_datafusion(Fault::Overflow(Overflow::Aggregate {
            function: self.function.name(),
            of: self.value.clone(),
            result: self.result.clone(),
        }))
    }
}
