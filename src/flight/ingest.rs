//! `CommandStatementIngest`: rows of a client become a table of `datasets`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_flight::FlightData;
use arrow_flight::sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption};
use futures::stream::BoxStream;
use tokio::time::timeout;
use tonic::Status;

use super::Service;
use super::do_put::{decode, next_batch};
use super::fault::Fault;
use super::statement;
use crate::engine::{self, DATASETS, IfExists, IfMissing, IngestRequest, PUBLIC, Principal, TEMPORARY, TableName};
use crate::error::Result;

/// Ingests the rows of all messages, and returns their number. The table has all of them, or is as it was.
///
/// Rows are taken as they arrive, so there is no limit on their number here: `ingest.max_memory_bytes` or
/// `ingest.max_disk_bytes` is the limit. The time limit is one for each batch.
pub(super) async fn execute(
    service: &Service,
    principal: &Principal,
    command: CommandStatementIngest,
    messages: BoxStream<'static, Result<FlightData, Status>>,
) -> Result<usize> {
    statement::refuse_transaction(command.transaction_id.as_ref())?;
    let request = request(command)?;
    let since_a_row = Arc::new(AtomicUsize::new(0));
    let mut decoder = decode(messages, Arc::clone(&since_a_row));
    let limit = service.engine.timeout();
    let timed_out = || engine::Fault::Timeout(limit);
    // The decoder knows the schema after the first message with one, which may be followed by no batch.
    let mut next = timeout(limit, next_batch(&mut decoder)).await.map_err(|_| timed_out())??;
    let schema = decoder.schema().cloned().ok_or(Fault::NoData)?;
    let mut ingest = service.engine.begin_ingest(principal, request, &schema)?;
    while let Some(batch) = next.take() {
        since_a_row.store(0, Ordering::Relaxed);
        ingest.write(&batch).await?;
        next = timeout(limit, next_batch(&mut decoder)).await.map_err(|_| timed_out())??;
    }
    let rows = ingest.commit().await?;
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

/// The table that the command names, and what happens to it.
fn request(command: CommandStatementIngest) -> Result<IngestRequest, Fault> {
    if let Some(catalog) = command.catalog.filter(|catalog| !catalog.is_empty() && catalog != DATASETS) {
        return Err(Fault::IngestCatalog(catalog));
    }
    let named = command.schema.filter(|schema| !schema.is_empty());
    let schema = match (named, command.temporary) {
        (Some(schema), true) if schema != TEMPORARY => return Err(Fault::TemporarySchema(schema)),
        (_, true) => TEMPORARY.to_owned(),
        (named, false) => named.unwrap_or_else(|| PUBLIC.to_owned()),
    };
    let (if_missing, if_exists) = modes(command.table_definition_options.unwrap_or_default())?;
    Ok(IngestRequest { name: TableName { schema, table: command.table }, if_exists, if_missing })
}

fn modes(options: TableDefinitionOptions) -> Result<(IfMissing, IfExists), Fault> {
    let unknown = |_| Fault::IngestMode;
    // What is not specified is the mode `create`, which can lose nothing.
    let if_missing = match TableNotExistOption::try_from(options.if_not_exist).map_err(unknown)? {
        TableNotExistOption::Unspecified | TableNotExistOption::Create => IfMissing::Create,
        TableNotExistOption::Fail => IfMissing::Fail,
    };
    let if_exists = match TableExistsOption::try_from(options.if_exists).map_err(unknown)? {
        TableExistsOption::Unspecified | TableExistsOption::Fail => IfExists::Fail,
        TableExistsOption::Append => IfExists::Append,
        TableExistsOption::Replace => IfExists::Replace,
    };
    Ok((if_missing, if_exists))
}
