//! Encodes the filters of a scan as bytes.
//!
//! The schemas of the expressions come from the scan's spec and its declaration. So a [`ScanSpec`] as JSON, these bytes
//! and the parent's scan are everything that a scan is made of. `expr_codec` lists what cannot be encoded.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
use datafusion::physical_expr::PhysicalExpr;
use prost::Message;

use super::expr_codec::ExprCodec;
use super::fault::Fault;
use super::resolved_scan::Filters;
use super::scan_spec::ScanSpec;
use crate::resource::Resource;

/// Encodes and decodes the filters of one scan.
pub(super) struct FiltersCodec<'a> {
    exprs: &'a ExprCodec,
    /// The scan that the filters belong to.
    scan: ScanOf,
    /// The schema of `predicate`.
    projected: Schema,
    /// The schema of `residual`.
    resource: SchemaRef,
    /// The values of scalar subqueries, which keys may come from.
    values: Option<&'a ScalarSubqueryResults>,
}

/// Identifies the columns that the indexes in the expressions refer to. With another scan they would refer to others.
#[derive(Clone, PartialEq, Message)]
struct ScanOf {
    /// The fingerprint of the table's declaration.
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(uint64, repeated, tag = "2")]
    projection: Vec<u64>,
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
    #[prost(message, optional, tag = "4")]
    scan: Option<ScanOf>,
}

/// The expressions of one provider of keys.
#[derive(Clone, PartialEq, Message)]
struct Late {
    #[prost(bytes = "vec", repeated, tag = "1")]
    values: Vec<Vec<u8>>,
}

impl<'a> FiltersCodec<'a> {
    /// The codec for the filters of the scan with this spec. `values` are the values of scalar subqueries in the plan
    /// around the scan.
    ///
    /// # Errors
    /// The resource does not have the columns of the projection.
    pub(super) fn try_new(
        exprs: &'a ExprCodec,
        spec: &ScanSpec,
        resource: &Resource,
        values: Option<&'a ScalarSubqueryResults>,
    ) -> Result<Self> {
        let projected = resource.planned_schema().project(spec.projection())?;
        let projection = spec.projection().iter().map(|place| *place as u64).collect();
        let scan = ScanOf { fingerprint: resource.fingerprint(), projection };
        Ok(Self { exprs, scan, projected, resource: Arc::clone(resource.planned_schema()), values })
    }

    /// Encodes filters of this scan.
    ///
    /// # Errors
    /// [`Fault::Unencodable`], if one of them cannot be encoded.
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
            scan: Some(self.scan.clone()),
        };
        Ok(encoded.encode_to_vec())
    }

    /// Decodes the bytes of [`FiltersCodec::encode`].
    ///
    /// # Errors
    /// [`Fault::Undecodable`]: other bytes, the bytes of another scan's filters, or a session without a function that
    /// they name.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Filters, Fault> {
        let one = |bytes: &Vec<u8>, schema| self.exprs.decode(bytes, schema, self.values);
        let none = Schema::empty();
        let late = |late: &Late| late.values.iter().map(|value| one(value, &none)).collect();
        let encoded = Encoded::decode(bytes).map_err(|error| Fault::Undecodable { words: error.to_string() })?;
        if encoded.scan.as_ref() != Some(&self.scan) {
            return Err(Fault::Undecodable { words: "they are the filters of another scan".into() });
        }
        Ok(Filters {
            predicate: encoded.predicate.as_ref().map(|own| one(own, &self.projected)).transpose()?,
            residual: encoded.residual.as_ref().map(|own| one(own, &self.resource)).transpose()?,
            late: encoded.late.iter().map(late).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::TaskContext;
    use datafusion::physical_expr::expressions::{Column, IsNotNullExpr};

    use super::*;
    use crate::resource::Registry;
    use crate::table::KeyConstraints;
    use crate::table::key_source::{KeyFallback, KeySource};

    #[test]
    fn the_filters_of_one_scan_are_not_read_as_those_of_another() {
        let resource = Registry::built_in().find("compute", "images").unwrap();
        let exprs = ExprCodec::new(TaskContext::default(), []);
        let scan = |projection| {
            ScanSpec::new(resource, KeyConstraints::none(), projection, KeySource::Wanted(KeyFallback::Nothing))
        };
        let (one, other) = (scan(vec![0, 1]), scan(vec![1, 0]));
        let codec = |spec| FiltersCodec::try_new(&exprs, spec, resource, None).unwrap();
        let column = resource.planned_schema().field(0).name();
        let predicate: Arc<dyn PhysicalExpr> = Arc::new(IsNotNullExpr::new(Arc::new(Column::new(column, 0))));

        let bytes = codec(&one).encode(&Filters { predicate: Some(predicate), ..Filters::default() }).unwrap();

        assert!(codec(&one).decode(&bytes).is_ok());
        assert!(matches!(codec(&other).decode(&bytes), Err(Fault::Undecodable { .. })));
    }
}
