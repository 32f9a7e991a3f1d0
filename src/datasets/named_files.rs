//! The errors of reading a file name it.
//!
//! DataFusion's readers say what is wrong in a line or a page, and not in which file. So the last rule of the physical
//! optimizer puts [`NamedFiles`] around the source of each scan. It has to be the last: other rules look for the source
//! itself.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::stream::{BoxStream, StreamExt};
use object_store::ObjectStore;

use super::fault::Fault;
use super::listing;

/// The rule that lets the errors of scans name files.
#[derive(Debug)]
pub(crate) struct NameFiles;

impl PhysicalOptimizerRule for NameFiles {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let scan = node
                .downcast_ref::<DataSourceExec>()
                .and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
            let Some(scan) = scan else { return Ok(Transformed::no(node)) };
            Ok(Transformed::yes(named(scan, true)))
        })
        .data()
    }

    fn name(&self) -> &str {
        "NameFiles"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A scan that is not split among cores, if it is one of files.
pub(super) fn unsplit(scan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let files =
        scan.downcast_ref::<DataSourceExec>().and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    files.map_or_else(|| Arc::clone(&scan), |files| named(files, false))
}

fn named(scan: &FileScanConfig, may_split: bool) -> Arc<dyn ExecutionPlan> {
    let mut named = scan.clone();
    named.file_source = Arc::new(NamedFiles { inner: Arc::clone(scan.file_source()), may_split });
    DataSourceExec::from_data_source(named)
}

/// A source whose errors name the file.
struct NamedFiles {
    inner: Arc<dyn FileSource>,
    /// Whether several cores may read a file.
    may_split: bool,
}

impl FileSource for NamedFiles {
    /// Not called: `create_morselizer` is there.
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.inner.create_file_opener(object_store, base_config, partition)
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let store = base_config.object_store_url.as_str().to_owned();
        let inner = self.inner.create_morselizer(object_store, base_config, partition)?;
        Ok(Box::new(NamedMorselizer { inner, store }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { inner: self.inner.with_batch_size(batch_size), may_split: self.may_split })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.may_split && self.inner.supports_repartitioning()
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

#[derive(Debug)]
struct NamedMorselizer {
    inner: Box<dyn Morselizer>,
    /// The URL of the store.
    store: String,
}

impl Morselizer for NamedMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let name: Arc<str> = listing::shown_in(&self.store, &file.object_meta.location).into();
        let inner = self.inner.plan_file(file).map_err(|error| Fault::of_file(&name, error))?;
        Ok(Box::new(NamedPlanner { inner, file: name }))
    }
}

#[derive(Debug)]
struct NamedPlanner {
    inner: Box<dyn MorselPlanner>,
    file: Arc<str>,
}

impl MorselPlanner for NamedPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { inner, file } = *self;
        let Some(mut plan) = inner.plan().map_err(|error| Fault::of_file(&file, error))? else { return Ok(None) };
        let morsels = plan.take_morsels().into_iter().map(|inner| {
            let file = Arc::clone(&file);
            Box::new(NamedMorsel { inner, file }) as Box<dyn Morsel>
        });
        let planner = |inner: Box<dyn MorselPlanner>, file: &Arc<str>| -> Box<dyn MorselPlanner> {
            Box::new(NamedPlanner { inner, file: Arc::clone(file) })
        };
        let planners = plan.take_ready_planners().into_iter().map(|inner| planner(inner, &file));
        let mut named = MorselPlan::new().with_morsels(morsels.collect()).with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            named.set_pending_planner(async move {
                let inner = pending.await.map_err(|error| Fault::of_file(&file, error))?;
                Ok(planner(inner, &file))
            });
        }
        Ok(Some(named))
    }
}

#[derive(Debug)]
struct NamedMorsel {
    inner: Box<dyn Morsel>,
    file: Arc<str>,
}

impl Morsel for NamedMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Self { inner, file } = *self;
        inner.into_stream().map(move |batch| batch.map_err(|error| Fault::of_file(&file, error))).boxed()
    }
}
