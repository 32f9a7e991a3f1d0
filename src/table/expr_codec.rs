//! Encodes physical expressions as bytes, in DataFusion's protobuf form, for the filters of scans.
//!
//! That form contains only the name of a function. The name is not enough: `engine::corrections` calls functions
//! through wrappers that have the name of the wrapped function. Looked up by name, `abs` is DataFusion's, which returns
//! another result. So the codec also writes where to find the function: among its own functions, or in the session.
//! Encoding fails if the function there is a different one.
//!
//! Some expressions lose a part without an error: the overflow check of an operator, the metadata of a literal, the
//! options of a cast. So [`ExprCodec::encode`] decodes what it has written, and compares.
//!
//! The value of a scalar subquery is a slot that a `ScalarSubqueryExec` further up in the plan fills when it runs. The
//! bytes contain the number of the slot. The slots belong to the plan around the expression, and are an argument here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::not_impl_err;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::from_proto::parse_physical_expr_with_converter;
use datafusion_proto::physical_plan::to_proto::serialize_physical_expr;
use datafusion_proto::physical_plan::{
    DefaultPhysicalProtoConverter, PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalExprNode;
use prost::Message;

use super::fault::{Fault, from_datafusion, to_datafusion};

/// Written before a function's name: where to find the function.
const OWN: &[u8] = b"own:";
const OF_SESSION: &[u8] = b"session:";

/// Encodes and decodes expressions.
pub(crate) struct ExprCodec {
    /// The session's functions, and the configuration that decoded functions are called with.
    session: TaskContext,
    /// Functions that the session does not have, or has under the same name with another meaning.
    own: BTreeMap<String, Arc<ScalarUDF>>,
}

/// Why an expression cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// It calls a function that decoding would not find.
    #[error("the function `{0}` would not be found again")]
    Function(String),
    /// It is the value of a scalar subquery in another part of the plan.
    #[error("it is the value of a scalar subquery in another part of the plan")]
    Subquery,
    /// It is nested deeper than protobuf can read.
    #[error("it is nested too deep")]
    Nesting,
    /// Decoding would return a different expression.
    #[error("a part of it would be lost")]
    Lossy,
    /// DataFusion has no protobuf form for it; DataFusion's error.
    #[error("{0}")]
    Unknown(String),
}

impl ExprCodec {
    /// The codec for the expressions of a session. `own` are the functions that the session does not have by their
    /// names.
    pub(crate) fn new(session: TaskContext, own: impl IntoIterator<Item = Arc<ScalarUDF>>) -> Self {
        let own = own.into_iter().map(|function| (function.name().to_owned(), function)).collect();
        Self { session, own }
    }

    /// Encodes an expression over rows of this schema. The bytes decode to an equal expression. `values` are the values
    /// of scalar subqueries that it may refer to.
    ///
    /// # Errors
    /// [`Fault::Unencodable`].
    pub(crate) fn encode(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        schema: &Schema,
        values: Option<&ScalarSubqueryResults>,
    ) -> Result<Vec<u8>, Fault> {
        let unencodable = |why| Fault::Unencodable { expression: expr.to_string(), why };
        let unknown = |error: DataFusionError| match from_datafusion(&error) {
            Some(Fault::Unencodable { why, .. }) => unencodable(why),
            Some(_) | None => unencodable(Unencodable::Unknown(error.strip_backtrace())),
        };
        if names_other_values(expr, values).map_err(unknown)? {
            return Err(unencodable(Unencodable::Subquery));
        }
        let bytes = serialize_physical_expr(expr, self).map_err(unknown)?.encode_to_vec();
        // The bytes are valid protobuf, so reading them can only fail at the limit of nesting.
        let node = PhysicalExprNode::decode(bytes.as_slice()).map_err(|_| unencodable(Unencodable::Nesting))?;
        let decoded = self.read(&node, schema, values).map_err(unknown)?;
        if &decoded == expr { Ok(bytes) } else { Err(unencodable(Unencodable::Lossy)) }
    }

    /// Decodes the bytes of [`ExprCodec::encode`].
    ///
    /// # Errors
    /// [`Fault::Undecodable`]: other bytes, or a session without a function that they name.
    pub(crate) fn decode(
        &self,
        bytes: &[u8],
        schema: &Schema,
        values: Option<&ScalarSubqueryResults>,
    ) -> Result<Arc<dyn PhysicalExpr>, Fault> {
        let node = PhysicalExprNode::decode(bytes).map_err(|error| Fault::Undecodable { words: error.to_string() })?;
        self.read(&node, schema, values).map_err(|error| Fault::Undecodable { words: error.strip_backtrace() })
    }

    fn read(
        &self,
        node: &PhysicalExprNode,
        schema: &Schema,
        values: Option<&ScalarSubqueryResults>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let context = PhysicalPlanDecodeContext::new(&self.session, self);
        let context = match values {
            Some(values) => context.with_scalar_subquery_results(values.clone()),
            None => context,
        };
        parse_physical_expr_with_converter(node, schema, &context, &DefaultPhysicalProtoConverter {})
    }
}

/// Whether an expression refers to the value of a subquery that is not one of these.
fn names_other_values(expr: &Arc<dyn PhysicalExpr>, values: Option<&ScalarSubqueryResults>) -> Result<bool> {
    expr.exists(|part| {
        let value = part.downcast_ref::<ScalarSubqueryExpr>();
        Ok(value.is_some_and(|value| Some(value.results()) != values))
    })
}

impl fmt::Debug for ExprCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExprCodec").field("own", &self.own.keys()).finish_non_exhaustive()
    }
}

impl PhysicalExtensionCodec for ExprCodec {
    fn try_encode_udf(&self, function: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        let name = function.name();
        let is_own = self.own.get(name).is_some_and(|own| own.as_ref() == function);
        let is_of_session = || self.session.udf(name).is_ok_and(|known| known.as_ref() == function);
        if !is_own && !is_of_session() {
            return Err(unknown_function(name));
        }
        buf.extend_from_slice(if is_own { OWN } else { OF_SESSION });
        buf.extend_from_slice(name.as_bytes());
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        let own = buf.strip_prefix(OWN).and_then(|name| self.own.get(std::str::from_utf8(name).ok()?));
        if let Some(function) = own {
            return Ok(Arc::clone(function));
        }
        match buf.strip_prefix(OF_SESSION).map(std::str::from_utf8) {
            Some(Ok(name)) => self.session.udf(name),
            Some(Err(_)) | None => not_impl_err!("there is no function of our own for `{name}`"),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        _: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        not_impl_err!("this codec encodes expressions, not plans such as {}", node.name())
    }

    fn try_decode(
        &self,
        _: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        not_impl_err!("this codec decodes expressions, not plans")
    }
}

/// The error for a function that cannot be encoded. It passes through DataFusion; `encode` adds the expression.
fn unknown_function(name: &str) -> DataFusionError {
    let why = Unencodable::Function(name.to_owned());
    to_datafusion(Fault::Unencodable { expression: String::new(), why })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use datafusion::common::ScalarValue;
    use datafusion::common::metadata::FieldMetadata;
    use datafusion::logical_expr::Operator;
    use datafusion::logical_expr::physical_planning_context::SubqueryIndex;
    use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal, NoOp, lit, not};

    use super::*;
    use crate::error::{Failure, Kind};

    fn codec() -> ExprCodec {
        ExprCodec::new(TaskContext::default(), [])
    }

    fn schema() -> Schema {
        Schema::new(vec![Field::new("i", DataType::Int64, true), Field::new("b", DataType::Boolean, true)])
    }

    fn binary(left: Arc<dyn PhysicalExpr>, operator: Operator, right: Arc<dyn PhysicalExpr>) -> BinaryExpr {
        BinaryExpr::new(left, operator, right)
    }

    fn column(name: &str) -> Arc<dyn PhysicalExpr> {
        Arc::new(Column::new(name, schema().index_of(name).unwrap()))
    }

    /// Why an expression cannot be encoded; `None` if it can.
    fn refusal(expr: &Arc<dyn PhysicalExpr>, values: Option<&ScalarSubqueryResults>) -> Option<Unencodable> {
        match codec().encode(expr, &schema(), values) {
            Ok(_) => None,
            Err(Fault::Unencodable { expression, why }) => {
                assert_eq!(expression, expr.to_string());
                Some(why)
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn subquery(values: &ScalarSubqueryResults) -> Arc<dyn PhysicalExpr> {
        Arc::new(ScalarSubqueryExpr::new(DataType::Int64, true, SubqueryIndex::new(1), values.clone()))
    }

    #[test]
    fn an_expression_that_would_lose_a_part_is_rejected() {
        let adds = binary(column("i"), Operator::Plus, lit(1_i64));
        let checked: Arc<dyn PhysicalExpr> = Arc::new(adds.clone().with_fail_on_overflow(true));
        let metadata = FieldMetadata::new(BTreeMap::from([("unit".to_owned(), "bytes".to_owned())]));
        let labelled = Literal::new_with_metadata(ScalarValue::from(1_i64), Some(metadata));
        let labelled: Arc<dyn PhysicalExpr> = Arc::new(labelled);

        assert_eq!(refusal(&(Arc::new(adds) as _), None), None);
        assert_eq!(refusal(&checked, None), Some(Unencodable::Lossy));
        assert_eq!(refusal(&labelled, None), Some(Unencodable::Lossy));
    }

    #[test]
    fn an_expression_without_a_protobuf_form_is_rejected_with_datafusions_error() {
        let why = refusal(&(Arc::new(NoOp::new()) as _), None).unwrap();

        assert!(matches!(&why, Unencodable::Unknown(words) if words.contains("NoOp")), "{why}");
    }

    #[test]
    fn a_long_condition_is_encoded_and_one_that_is_nested_too_deep_is_rejected() {
        let equal = |number: i64| Arc::new(binary(column("i"), Operator::Eq, lit(number))) as Arc<dyn PhysicalExpr>;
        let long = (1..500).fold(equal(0), |all, number| Arc::new(binary(all, Operator::Or, equal(number))));
        let deep = (0..100).fold(column("b"), |all, _| not(all).unwrap());

        assert_eq!(refusal(&long, None), None);
        assert_eq!(refusal(&deep, None), Some(Unencodable::Nesting));
    }

    #[test]
    fn the_value_of_a_scalar_subquery_belongs_to_the_plan_around_it() {
        let (values, others) = (ScalarSubqueryResults::new(2), ScalarSubqueryResults::new(2));
        let value = subquery(&values);

        let bytes = codec().encode(&value, &schema(), Some(&values)).unwrap();

        let decoded = codec().decode(&bytes, &schema(), Some(&values)).unwrap();
        assert_eq!(&decoded, &value);
        values.set(SubqueryIndex::new(1), ScalarValue::from(7_i64)).unwrap();
        assert_eq!(decoded.to_string(), "scalar_subquery(7)");
        assert_eq!(refusal(&value, None), Some(Unencodable::Subquery));
        assert_eq!(refusal(&value, Some(&others)), Some(Unencodable::Subquery));
        assert!(matches!(codec().decode(&bytes, &schema(), None), Err(Fault::Undecodable { .. })));
    }

    #[test]
    fn other_bytes_are_an_error() {
        for bytes in [&b""[..], b"\xff", b"nonsense"] {
            let error = codec().decode(bytes, &schema(), None).unwrap_err();

            assert!(matches!(&error, Fault::Undecodable { .. }), "{error}");
            assert_eq!(error.kind(), Kind::Internal);
        }
    }
}
