//! CREATE TABLE … AS and DROP TABLE: tables of `datasets` that a statement makes or removes.
//!
//! The query of a CREATE is planned and runs as any other; its rows go to an ingest in place of the client, which gets one row
//! with their number. If the query fails or is cancelled, the table is as it was.

use std::sync::{Arc, LazyLock};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::TableReference;
use datafusion::execution::SessionState;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::{Fault, Principal};
use crate::datasets::{self, ClientDatasets, IfExists, IfMissing, IngestTarget, TEMPORARY, TableName};
use crate::error::Result;
use crate::query::Peer;
use crate::sql::{CreateTable, DropTable};

/// A change whose table is known.
#[derive(Clone, Debug)]
pub(super) enum PlannedChange {
    /// The query's rows become a table with these columns.
    Create { target: Target, columns: SchemaRef },
    /// The table is removed.
    Drop { name: TableName, if_exists: bool },
}

/// The table that a CREATE makes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    name: TableName,
    if_exists: IfExists,
}

/// The columns of the row that a client gets: the number of rows of the new table, or of tables that were removed.
pub(super) static COUNT: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![Field::new("count", DataType::Int64, false)])));

/// The table that a CREATE makes.
///
/// # Errors
/// [`Fault::NotInDatasets`]
pub(super) fn target(state: &SessionState, create: &CreateTable) -> Result<Target, Fault> {
    let if_exists = match (create.or_replace, create.if_not_exists) {
        (true, true) => return Err(Fault::Invalid("OR REPLACE and IF NOT EXISTS exclude each other".into())),
        (true, false) => IfExists::Replace,
        (false, true) => IfExists::Keep,
        (false, false) => IfExists::Fail,
    };
    let name = match (&create.name[..], create.temporary) {
        ([table], true) => TableName { schema: TEMPORARY.to_owned(), table: table.clone() },
        (parts, _) => table_name(state, parts)?,
    };
    if create.temporary && name.schema != TEMPORARY {
        return Err(Fault::TemporarySchema { name: name.full() });
    }
    Ok(Target { name, if_exists })
}

/// The change that a DROP makes.
///
/// # Errors
/// [`Fault::NotInDatasets`]
pub(super) fn removal(state: &SessionState, drop: &DropTable) -> Result<PlannedChange, Fault> {
    let temporary = |table: &str| TableReference::full(datasets::CATALOG, TEMPORARY, table);
    let is_temporary =
        |table: &str| state.schema_for_ref(temporary(table)).is_ok_and(|schema| schema.table_exist(table));
    let name = match &drop.name[..] {
        [table] if is_temporary(table) => TableName { schema: TEMPORARY.to_owned(), table: table.clone() },
        parts => table_name(state, parts)?,
    };
    Ok(PlannedChange::Drop { name, if_exists: drop.if_exists })
}

/// The table below `datasets` that a name means. A bare name is one of `datasets.public`, unless it means another table in a
/// query.
fn table_name(state: &SessionState, parts: &[String]) -> Result<TableName, Fault> {
    let not_here = |full: String| Err(Fault::NotInDatasets { name: parts.join("."), full });
    let name = |schema: &str, table: &str| TableName { schema: schema.to_owned(), table: table.to_owned() };
    let defaults = &state.config_options().catalog;
    let is_default = defaults.default_catalog == datasets::CATALOG;
    match parts {
        [table] if is_default => Ok(name(&defaults.default_schema, table)),
        [table] => {
            let means_another = state
                .schema_for_ref(TableReference::bare(table.as_str()))
                .is_ok_and(|schema| schema.table_exist(table));
            match means_another {
                true => not_here(name(datasets::PUBLIC, table).full()),
                false => Ok(name(datasets::PUBLIC, table)),
            }
        }
        [schema, table] => match is_default
            || state.schema_for_ref(TableReference::partial(schema.as_str(), table.as_str())).is_err()
        {
            true => Ok(name(schema, table)),
            false => not_here(name(schema, table).full()),
        },
        [catalog, schema, table] if catalog == datasets::CATALOG => Ok(name(schema, table)),
        _ => not_here(name(datasets::PUBLIC, parts.last().map_or("", String::as_str)).full()),
    }
}

/// Who makes a change, for `oceanflight.meta.datasets`.
pub(super) fn author(principal: &Principal) -> String {
    match &principal.peer {
        Peer::Local => "this process".to_owned(),
        Peer::Unknown => principal.identity.to_string(),
        Peer::Remote(address) => format!("{} at {}", principal.identity, address.ip()),
    }
}

impl PlannedChange {
    /// Checks what can be checked before any row is computed.
    ///
    /// # Errors
    /// [`datasets::Fault`]
    pub(super) fn check(&self, datasets: &ClientDatasets) -> Result<()> {
        match self {
            Self::Create { target, columns } => datasets.check_ingest(&target.of(String::new()), columns),
            Self::Drop { name, if_exists } => datasets.check_remove(name, *if_exists),
        }
    }

    /// Makes the change with the rows of its query. The result is one row.
    pub(super) fn run(
        self,
        datasets: ClientDatasets,
        by: String,
        rows: BoxStream<'static, Result<RecordBatch>>,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let change = async move {
            let count = match self {
                Self::Create { target, columns } => create(&datasets, target.of(by), &columns, rows).await?,
                Self::Drop { name, if_exists } => {
                    datasets.check_remove(&name, if_exists)?;
                    u64::from(datasets.remove(&name).await?)
                }
            };
            Ok(count_row(count)?)
        };
        stream::once(change).boxed()
    }
}

impl Target {
    fn of(&self, by: String) -> IngestTarget {
        IngestTarget { name: self.name.clone(), if_exists: self.if_exists, if_missing: IfMissing::Create, by }
    }
}

async fn create(
    datasets: &ClientDatasets,
    target: IngestTarget,
    columns: &SchemaRef,
    mut rows: BoxStream<'static, Result<RecordBatch>>,
) -> Result<u64> {
    if target.if_exists == IfExists::Keep && datasets.has(&target.name) {
        return Ok(0);
    }
    let mut ingest = datasets.begin_ingest(target, columns)?;
    while let Some(batch) = rows.try_next().await? {
        ingest.write(&batch).await?;
    }
    ingest.commit().await
}

fn count_row(count: u64) -> Result<RecordBatch, Fault> {
    let count = Int64Array::from(vec![i64::try_from(count).unwrap_or(i64::MAX)]);
    RecordBatch::try_new(Arc::clone(&COUNT), vec![Arc::new(count)]).map_err(|error| Fault::Internal(error.to_string()))
}
