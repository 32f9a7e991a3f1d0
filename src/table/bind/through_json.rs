//! A plan whose scans and bind joins are made anew of what they are as JSON: nothing of theirs but plain data, the
//! expressions and the children of the node gets across.
//!
//! It shows that a spec says all that an execution needs. Nothing is gained by it in one process, so a session has the
//! rule only where its options ask for it.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::BindJoinExec;
use crate::resource::Registry;
use crate::table::ResourceScan;
use crate::table::fault::to_datafusion;
use crate::table::spec::ScanSpec;

/// Puts each scan and each bind join through JSON.
#[derive(Debug)]
pub(crate) struct ThroughJson {
    resources: Arc<Registry>,
}

impl ThroughJson {
    /// The rule, over the declarations that a scan's table is looked up in.
    pub(crate) fn new(resources: Arc<Registry>) -> Self {
        Self { resources }
    }
}

impl PhysicalOptimizerRule for ThroughJson {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let rebuilt = plan.transform_up(|node| {
            if let Some(scan) = node.downcast_ref::<ResourceScan>() {
                let spec: ScanSpec = through_json(scan.reading.spec.as_ref())?;
                let resource = Arc::clone(spec.resource(&self.resources).map_err(to_datafusion)?);
                return Ok(Transformed::yes(Arc::new(scan.rebuilt(spec, resource)?)));
            }
            match node.downcast_ref::<BindJoinExec>() {
                Some(join) => Ok(Transformed::yes(Arc::new(join.rebuilt(through_json(join.spec())?)?))),
                None => Ok(Transformed::no(node)),
            }
        });
        rebuilt.data()
    }

    fn name(&self) -> &str {
        "ThroughJson"
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
    use datafusion::physical_plan::displayable;

    use super::*;
    use crate::resource::Resource;
    use crate::table::Pins;
    use crate::table::access::Call;
    use crate::table::keys::Keys;
    use crate::table::reading::{Filters, Reading};

    const THINGS: &str = r#"
        description = "Things."
        key = ["id"]
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

    fn rebuilt(plan: &Arc<dyn ExecutionPlan>, declaration: &str) -> Result<Arc<dyn ExecutionPlan>> {
        let resources = Registry::try_new([("digitalocean/compute/things", declaration)]).unwrap();
        ThroughJson::new(Arc::new(resources)).optimize(Arc::clone(plan), &ConfigOptions::new())
    }

    #[test]
    fn a_scan_is_made_anew_over_the_declaration_that_it_was_planned_with_and_no_other() {
        let resource = Arc::new(Resource::parse("digitalocean/compute/things", THINGS).unwrap());
        let keys = Keys::Known(vec![Call { method: 0, binding: Default::default() }]);
        let spec = ScanSpec::new(&resource, Pins::none(), vec![0], keys).with_fetch(Some(3));
        let scan = ResourceScan::try_new(Reading::new(spec, resource, Filters::default()), None).unwrap();
        let plan: Arc<dyn ExecutionPlan> = Arc::new(scan);
        let shown = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();

        let same = rebuilt(&plan, THINGS).unwrap();

        assert!(!Arc::ptr_eq(&plan, &same));
        assert_eq!(shown(&same), shown(&plan));
        let error = rebuilt(&plan, &THINGS.replace("things_list", "all_things")).unwrap_err();
        assert!(error.to_string().contains("planned over another declaration"), "{error}");
    }
}
