//! The table of a dataset: its files as they were when the statement was planned.
//!
//! It replaces DataFusion's `ListingTable`, which leaves out files without a word: an empty one, and one whose folder has
//! not the expected key. Its scan is DataFusion's own, with statistics, pruning of row groups, and files that are split
//! among the cores.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchemaBuilder;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion_datasource::compute_all_files_statistics;
use object_store::ObjectMeta;

use super::named_files::unsplit;

/// The files of a table, and how they are read.
pub(super) struct FileTable {
    /// The columns of the files, and those of the folders after them.
    schema: SchemaRef,
    file_schema: SchemaRef,
    folder_fields: Vec<FieldRef>,
    files: Vec<TableFile>,
    store: ObjectStoreUrl,
    reader: Arc<dyn FileFormat>,
    /// Whether several cores may read a file.
    may_split: bool,
}

/// A file of a table.
#[derive(Clone, Debug)]
pub(super) struct TableFile {
    pub(super) meta: ObjectMeta,
    /// The values of its folders.
    pub(super) folder_values: Vec<ScalarValue>,
    /// What its format knows about its rows.
    pub(super) statistics: Arc<Statistics>,
    /// What has to exist as long as a plan reads the file.
    pub(super) kept: Option<Arc<dyn Any + Send + Sync>>,
}

/// Keeps what a file needs in the plans that read it.
struct Kept(#[expect(dead_code, reason = "it is dropped with the plan")] Arc<dyn Any + Send + Sync>);

impl TableFile {
    fn partitioned(&self) -> PartitionedFile {
        let mut file =
            PartitionedFile::new_from_meta(self.meta.clone()).with_partition_values(self.folder_values.clone());
        if let Some(kept) = &self.kept {
            file.extensions.insert(Kept(Arc::clone(kept)));
        }
        // DataFusion takes the value of a folder for one that is not NULL.
        match self.folder_values.iter().any(ScalarValue::is_null) {
            true => file,
            false => file.with_statistics(Arc::clone(&self.statistics)),
        }
    }
}

impl FileTable {
    pub(super) fn new(
        file_schema: SchemaRef,
        folder_fields: Vec<FieldRef>,
        files: Vec<TableFile>,
        store: ObjectStoreUrl,
        reader: Arc<dyn FileFormat>,
    ) -> Self {
        let fields = file_schema.fields().iter().chain(&folder_fields).map(Arc::clone);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { schema, file_schema, folder_fields, files, store, reader, may_split: true }
    }

    /// Whether several cores may read a file.
    pub(super) fn split(self, may_split: bool) -> Self {
        Self { may_split, ..self }
    }

    /// Whether the filter needs nothing but the names of the folders.
    fn is_about_folders(&self, filter: &Expr) -> bool {
        let is_folder = |name: &str| self.folder_fields.iter().any(|field| field.name() == name);
        !filter.is_volatile() && filter.column_refs().iter().all(|column| is_folder(&column.name))
            // A condition without a column is not one about folders, and a subquery is not evaluated here.
            && !filter.column_refs().is_empty()
            && !filter.contains_outer()
            && !has_subquery(filter)
    }

    /// The files whose folders satisfy the filters.
    fn matching(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<PartitionedFile>> {
        let about_folders = filters.iter().filter(|filter| self.is_about_folders(filter)).cloned();
        let Some(filter) = conjunction(about_folders) else {
            return Ok(self.files.iter().map(TableFile::partitioned).collect());
        };
        let schema = Arc::new(Schema::new(self.folder_fields.clone()));
        let columns = (0..self.folder_fields.len())
            .map(|at| ScalarValue::iter_to_array(self.files.iter().map(|file| file.folder_values[at].clone())))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.files.len()));
        let folders = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(schema)?)?;
        let matches = filter.evaluate(&folders)?.into_array(folders.num_rows())?;
        let matches: &BooleanArray = as_boolean_array(&matches)?;
        let matching = self.files.iter().zip(matches).filter(|(_, matches)| *matches == Some(true));
        Ok(matching.map(|(file, _)| file.partitioned()).collect())
    }
}

fn has_subquery(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    filter
        .exists(|expr| {
            Ok(matches!(expr, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_)))
        })
        .unwrap_or(true)
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.matching(state, filters)?;
        if files.is_empty() {
            let schema = datafusion::common::project_schema(&self.schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let (groups, statistics) = compute_all_files_statistics(groups, Arc::clone(&self.schema), true, false)?;
        let table_schema =
            TableSchemaBuilder::from(&self.file_schema).with_table_partition_cols(self.folder_fields.clone()).build();
        let config = FileScanConfigBuilder::new(self.store.clone(), self.reader.file_source(table_schema))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        let scan = self.reader.create_physical_plan(state, config).await?;
        Ok(if self.may_split { scan } else { unsplit(scan) })
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Inexact: Parquet leaves out row groups, but returns other rows, too.
        let pushdown = |filter: &&Expr| match self.is_about_folders(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(pushdown).collect())
    }
}

impl fmt::Debug for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTable").field("files", &self.files.len()).field("schema", &self.schema).finish()
    }
}
