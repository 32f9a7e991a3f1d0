//! A rule for tests that rebuilds scans and bind joins from bytes: specs go through JSON, filters through DataFusion's
//! protobuf form. Apart from these, a new scan only takes its child from the old one, and a new bind join its hash
//! join.
//!
//! So tests show that a spec and its filters hold everything that an execution needs. Within one process the rule has
//! no use: a session has it only with `Options::through_bytes`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::BindJoinExec;
use crate::resource::Registry;
use crate::table::fault::{Fault, to_datafusion};
use crate::table::filters_codec::FiltersCodec;
use crate::table::resolved_scan::{Filters, ResolvedScan};
use crate::table::scan_spec::ScanSpec;
use crate::table::{ExprCodec, ResourceScan};

/// Rebuilds each scan and each bind join from bytes.
#[derive(Debug)]
pub(crate) struct ThroughBytes {
    resources: Arc<Registry>,
    exprs: ExprCodec,
    counts: Arc<FilterCounts>,
}

/// The number of filter expressions that went through bytes. If a filter of a scan cannot be encoded, all filters of
/// that scan are kept as they are, and the reason is counted.
#[derive(Debug, Default)]
pub struct FilterCounts {
    encoded: AtomicUsize,
    refused: Mutex<BTreeMap<String, usize>>,
}

impl FilterCounts {
    /// The number of expressions that went through bytes.
    pub fn encoded(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }

    /// The number of scans whose filters could not be encoded, by reason.
    pub fn refused(&self) -> BTreeMap<String, usize> {
        self.reasons().clone()
    }

    fn reasons(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        // Each count is one number, so it is valid even if another thread has panicked.
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThroughBytes {
    /// The rule looks up the tables of scans in `resources`, and encodes their filters with `exprs`.
    pub(crate) fn new(resources: Arc<Registry>, exprs: ExprCodec, counts: Arc<FilterCounts>) -> Self {
        Self { resources, exprs, counts }
    }

    /// The plan, rebuilt. `values` are the values of scalar subqueries that its expressions may refer to.
    fn rebuilt(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        values: Option<&ScalarSubqueryResults>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // The first child of a ScalarSubqueryExec reads its values. The other children are the subqueries: what these
        // read comes from a ScalarSubqueryExec within them.
        let subqueries = plan.downcast_ref::<ScalarSubqueryExec>();
        let values_of = |child: usize| match subqueries {
            Some(subqueries) => (child == 0).then(|| subqueries.results()),
            None => values,
        };
        let mut children = Vec::new();
        for (at, child) in plan.children().into_iter().enumerate() {
            children.push(self.rebuilt(Arc::clone(child), values_of(at))?);
        }
        let plan = replace_children_if_necessary(Arc::clone(&plan), children)?;
        if let Some(scan) = plan.downcast_ref::<ResourceScan>() {
            return Ok(Arc::new(self.scan(scan, values)?));
        }
        match plan.downcast_ref::<BindJoinExec>() {
            Some(join) => Ok(Arc::new(join.rebuilt(through_json(join.spec())?)?)),
            None => Ok(plan),
        }
    }

    fn scan(&self, scan: &ResourceScan, values: Option<&ScalarSubqueryResults>) -> Result<ResourceScan> {
        let spec: ScanSpec = through_json(scan.resolved.spec.as_ref())?;
        let resource = Arc::clone(spec.resource(&self.resources).map_err(to_datafusion)?);
        let codec = FiltersCodec::try_new(&self.exprs, &spec, &resource, values)?;
        let filters = self.filters(&scan.resolved.filters, &codec)?;
        scan.rebuilt(ResolvedScan::new(spec, resource, filters))
    }

    fn filters(&self, filters: &Filters, codec: &FiltersCodec<'_>) -> Result<Filters> {
        match codec.encode(filters) {
            Ok(bytes) => {
                self.counts.encoded.fetch_add(filters.count(), Ordering::Relaxed);
                codec.decode(&bytes).map_err(to_datafusion)
            }
            Err(Fault::Unencodable { why, .. }) => {
                *self.counts.reasons().entry(why.to_string()).or_default() += 1;
                Ok(filters.clone())
            }
            Err(other) => Err(to_datafusion(other)),
        }
    }
}

impl PhysicalOptimizerRule for ThroughBytes {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        self.rebuilt(plan, None)
    }

    fn name(&self) -> &str {
        "ThroughBytes"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> Result<T> {
    let external = |error| DataFusionError::External(Box::new(error));
    serde_json::to_vec(value).and_then(|json| serde_json::from_slice(&json)).map_err(external)
}

#[cfg(test)]
mod tests {
    use datafusion::execution::TaskContext;
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::PhysicalExpr;
    use datafusion::physical_expr::expressions::{BinaryExpr, Column, UnKnownColumn, lit};
    use datafusion::physical_plan::displayable;

    use super::*;
    use crate::resource::Resource;
    use crate::table::KeyConstraints;
    use crate::table::key_source::KeySource;
    use crate::table::request_choice::MethodCall;

    const THINGS: &str = r#"
        description = "Things."
        key = ["id"]
        [[columns]]
        name = "name"
        type = "Utf8"
        nullable = false
        description = "What it is called."
        [[columns]]
        name = "id"
        type = "Int64"
        nullable = false
        description = "Its number."
        [methods.things_list]
        description = "Lists them."
        verb = "select"
        get = "/v2/things"
        rows = "things"
    "#;

    fn rebuilt(
        plan: &Arc<dyn ExecutionPlan>,
        declaration: &str,
        counts: &Arc<FilterCounts>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let resources = Registry::try_new([("digitalocean/compute/things", declaration)]).unwrap();
        let codec = ExprCodec::new(TaskContext::default(), []);
        let rule = ThroughBytes::new(Arc::new(resources), codec, Arc::clone(counts));
        rule.optimize(Arc::clone(plan), &ConfigOptions::new())
    }

    fn scan(filters: Filters) -> Arc<dyn ExecutionPlan> {
        let resource = Arc::new(Resource::parse("digitalocean/compute/things", THINGS).unwrap());
        let keys = KeySource::Known(vec![MethodCall { method: 0, binding: Default::default() }]);
        let spec = ScanSpec::new(&resource, KeyConstraints::none(), vec![1], keys).with_fetch(Some(3));
        Arc::new(ResourceScan::try_new(ResolvedScan::new(spec, resource, filters), None).unwrap())
    }

    fn shown(plan: &Arc<dyn ExecutionPlan>) -> String {
        displayable(plan.as_ref()).indent(true).to_string()
    }

    fn filters_of(plan: &Arc<dyn ExecutionPlan>) -> &Filters {
        &plan.downcast_ref::<ResourceScan>().unwrap().resolved.filters
    }

    /// `id = 7`, where id is the column at this place.
    fn id_is_7(place: usize) -> Arc<dyn PhysicalExpr> {
        Arc::new(BinaryExpr::new(Arc::new(Column::new("id", place)), Operator::Eq, lit(7_i64)))
    }

    #[test]
    fn a_scan_is_rebuilt_with_the_declaration_that_it_was_planned_with_and_no_other() {
        let (plan, counts) = (scan(Filters::default()), Arc::default());

        let same = rebuilt(&plan, THINGS, &counts).unwrap();

        assert!(!Arc::ptr_eq(&plan, &same));
        assert_eq!(shown(&same), shown(&plan));
        let error = rebuilt(&plan, &THINGS.replace("things_list", "all_things"), &counts).unwrap_err();
        assert!(error.to_string().contains("planned with another declaration"), "{error}");
    }

    #[test]
    fn filters_are_decoded_with_the_schema_of_each() {
        let counts = Arc::<FilterCounts>::default();
        let filters = Filters { predicate: Some(id_is_7(0)), residual: Some(id_is_7(1)), late: Vec::new() };
        let plan = scan(filters.clone());

        let same = rebuilt(&plan, THINGS, &counts).unwrap();

        let decoded = filters_of(&same);
        for (decoded, encoded) in [(&decoded.predicate, &filters.predicate), (&decoded.residual, &filters.residual)] {
            let (decoded, encoded) = (decoded.as_ref().unwrap(), encoded.as_ref().unwrap());
            assert_eq!(decoded, encoded);
            assert!(!Arc::ptr_eq(decoded, encoded));
        }
        assert_eq!(shown(&same), shown(&plan));
        assert_eq!((counts.encoded(), counts.refused().len()), (2, 0));
    }

    #[test]
    fn filters_that_cannot_be_encoded_stay_as_they_are_and_are_counted() {
        let counts = Arc::<FilterCounts>::default();
        let unknown: Arc<dyn PhysicalExpr> = Arc::new(UnKnownColumn::new("id"));
        let filters = Filters { predicate: Some(Arc::clone(&unknown)), residual: Some(id_is_7(1)), late: Vec::new() };

        let same = rebuilt(&scan(filters), THINGS, &counts).unwrap();

        assert!(Arc::ptr_eq(filters_of(&same).predicate.as_ref().unwrap(), &unknown));
        assert_eq!(counts.encoded(), 0);
        assert_eq!(counts.refused().into_values().collect::<Vec<_>>(), [1]);
    }
}
