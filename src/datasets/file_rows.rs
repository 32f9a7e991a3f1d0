//! All rows of files, outside of a query: for `oceanflight load`.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::declaration::Dataset;
use super::fault::Fault;
use super::file_dataset::FileDataset;
use super::named_files::NameFiles;
use crate::error::Result;

/// The columns and rows of a dataset of this machine, file by file.
///
/// # Errors
/// [`Fault`]; errors of later rows are items of the stream.
pub async fn rows_of(dataset: Dataset) -> Result<(SchemaRef, BoxStream<'static, Result<RecordBatch>>)> {
    let runtime = Arc::new(RuntimeEnv::default());
    let location = dataset.location.to_string();
    let session = Arc::new(super::session(&runtime));
    let table = FileDataset::new(dataset, None, Arc::clone(&session)).table().await?;
    let failed = move |error: DataFusionError| Fault::error_of_file(&location, error);
    let scan = table.scan(session.as_ref(), None, &[], None).await.map_err(&failed)?;
    let plan = NameFiles.optimize(scan, &ConfigOptions::default()).map_err(&failed)?;
    let rows = in_order(plan, session.task_ctx()).map_err(failed);
    Ok((table.schema(), rows.boxed()))
}

/// The rows of all partitions, one after another: the files are in the order of their names.
fn in_order(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> BoxStream<'static, std::result::Result<RecordBatch, DataFusionError>> {
    let partitions = 0..plan.output_partitioning().partition_count();
    let rows =
        move |partition| stream::once(std::future::ready(plan.execute(partition, Arc::clone(&context)))).try_flatten();
    stream::iter(partitions).flat_map(rows).boxed()
}
