//! The table `oceanflight.meta.datasets`: the tables below `datasets`, and who has made them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use crate::datasets::{Datasets, IngestedTable, Listed, ListedKind};

/// The table. Its rows are those of the moment in which a statement is planned.
#[derive(Debug)]
pub(super) struct DatasetsTable {
    datasets: OpaqueDatasets,
}

struct OpaqueDatasets(Arc<Datasets>);

impl std::fmt::Debug for OpaqueDatasets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("datasets")
    }
}

/// Name, type and description of each column.
fn columns() -> [(&'static str, DataType, &'static str); 8] {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    [
        ("schema", DataType::Utf8, "The schema below `datasets`."),
        ("name", DataType::Utf8, "The table."),
        ("kind", DataType::Utf8, "`files`, `view`, or `table`: one that a client has made."),
        ("source", DataType::Utf8, "The location of the files, or the query of the view."),
        ("rows", DataType::Int64, "The number of rows; NULL unless a client has made the table."),
        ("bytes", DataType::Int64, "The size in memory or on disk; NULL unless a client has made the table."),
        ("changed_by", DataType::Utf8, "The client that has changed it last."),
        ("changed_at", time, "When it was changed last."),
    ]
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let describe = |text: &str| HashMap::from([("description".to_owned(), text.to_owned())]);
    let field = |(name, data_type, about): (&str, DataType, &str)| {
        Field::new(name, data_type, true).with_metadata(describe(about))
    };
    let fields: Vec<Field> = columns().into_iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(
        fields,
        describe("The user's own data: files, views, and tables that clients have made."),
    ))
});

impl DatasetsTable {
    pub(super) fn new(datasets: Arc<Datasets>) -> Self {
        Self { datasets: OpaqueDatasets(datasets) }
    }

    fn rows(&self) -> Result<RecordBatch> {
        let all = self.datasets.0.list();
        let text =
            |of: fn(&Listed) -> Option<String>| Arc::new(all.iter().map(of).collect::<StringArray>()) as ArrayRef;
        let number = |of: fn(&IngestedTable) -> i64| {
            Arc::new(all.iter().map(|listed| ingested(listed).map(of)).collect::<Int64Array>()) as ArrayRef
        };
        let times = all.iter().map(|listed| ingested(listed).and_then(|table| table.changed.at.timestamp_nanos_opt()));
        let columns = vec![
            text(|listed| Some(listed.name.schema.clone())),
            text(|listed| Some(listed.name.table.clone())),
            text(|listed| Some(kind(listed).to_owned())),
            text(source),
            number(|table| i64::try_from(table.rows).unwrap_or(i64::MAX)),
            number(|table| i64::try_from(table.bytes).unwrap_or(i64::MAX)),
            text(|listed| ingested(listed).map(|table| table.changed.by.clone())),
            Arc::new(times.collect::<TimestampNanosecondArray>().with_timezone("UTC")),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
    }
}

fn ingested(listed: &Listed) -> Option<&IngestedTable> {
    match &listed.kind {
        ListedKind::Ingested(table) => Some(table),
        ListedKind::Files(_) | ListedKind::View(_) => None,
    }
}

fn kind(listed: &Listed) -> &'static str {
    match listed.kind {
        ListedKind::Files(_) => "files",
        ListedKind::View(_) => "view",
        ListedKind::Ingested(_) => "table",
    }
}

fn source(listed: &Listed) -> Option<String> {
    match &listed.kind {
        ListedKind::Files(text) | ListedKind::View(text) => Some(text.clone()),
        ListedKind::Ingested(_) => None,
    }
}

#[async_trait]
impl TableProvider for DatasetsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
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
        let rows = MemTable::try_new(Arc::clone(&SCHEMA), vec![vec![self.rows()?]])?;
        rows.scan(state, projection, filters, limit).await
    }
}
