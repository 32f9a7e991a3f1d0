//! A scan's filters as bytes, and back.
//!
//! They are read over the schemas that the scan's spec and its declaration give: a [`ScanSpec`] as JSON and these bytes
//! are all that a scan is made of, besides its parent's scan. See `expr_codec` for what does not go through bytes.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
use datafusion::physical_expr::PhysicalExpr;
use prost::Message;

use super::expr_codec::ExprCodec;
use super::fault::Fault;
use super::reading::Filters;
use super::spec::ScanSpec;
use crate::resource::Resource;

/// What a scan's filters are decoded with.
pub(super) struct FiltersCodec<'a> {
    exprs: &'a ExprCodec,
    /// The schema of `predicate`.
    projected: Schema,
    /// The schema of `residual`.
    resource: SchemaRef,
    /// Those of the scalar subqueries that keys may come from.
    values: Option<&'a ScalarSubqueryResults>,
}

/// The expressions of [`Filters`], each as bytes.
#[derive(Clone, PartialEq, Message)]
struct Encoded {
    #[prost(bytes = "vec", optional, tag = "1")]
    predicate: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    residual: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    late: Vec<Late>,
}

/// The expressions of one source of keys.
#[derive(Clone, PartialEq, Message)]
struct Late {
    #[prost(bytes = "vec", repeated, tag = "1")]
    values: Vec<Vec<u8>>,
}

impl<'a> FiltersCodec<'a> {
    /// The codec of the filters of a spec's scan. `values` are those of the scalar subqueries of the plan around it.
    ///
    /// # Errors
    /// A projection that the resource does not have.
    pub(super) fn try_new(
        exprs: &'a ExprCodec,
        spec: &ScanSpec,
        resource: &Resource,
        values: Option<&'a ScalarSubqueryResults>,
    ) -> Result<Self> {
        let projected = resource.planned_schema().project(spec.projection())?;
        Ok(Self { exprs, projected, resource: Arc::clone(resource.planned_schema()), values })
    }

    /// # Errors
    /// [`Fault::Unencodable`], where one of them is.
    pub(super) fn encode(&self, filters: &Filters) -> Result<Vec<u8>, Fault> {
        let one = |expr: &Arc<dyn PhysicalExpr>, schema| self.exprs.encode(expr, schema, self.values);
        let none = Schema::empty();
        let late = |values: &Vec<Arc<dyn PhysicalExpr>>| {
            Ok(Late { values: values.iter().map(|value| one(value, &none)).collect::<Result<_, _>>()? })
        };
        let encoded = Encoded {
            predicate: filters.predicate.as_ref().map(|own| one(own, &self.projected)).transpose()?,
            residual: filters.residual.as_ref().map(|own| one(own, &self.resource)).transpose()?,
            late: filters.late.iter().map(late).collect::<Result<_, _>>()?,
        };
        Ok(encoded.encode_to_vec())
    }

    /// # Errors
    /// [`Fault::Undecodable`], where [`FiltersCodec::encode`] has not made these bytes, or in another session.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Filters, Fault> {
        let one = |bytes: &Vec<u8>, schema| self.exprs.decode(bytes, schema, self.values);
        let none = Schema::empty();
        let late = |late: &Late| late.values.iter().map(|value| one(value, &none)).collect();
        let encoded = Encoded::decode(bytes).map_err(|error| Fault::Undecodable { words: error.to_string() })?;
        Ok(Filters {
            predicate: encoded.predicate.as_ref().map(|own| one(own, &self.projected)).transpose()?,
            residual: encoded.residual.as_ref().map(|own| one(own, &self.resource)).transpose()?,
            late: encoded.late.iter().map(late).collect::<Result<_, _>>()?,
        })
    }
}
