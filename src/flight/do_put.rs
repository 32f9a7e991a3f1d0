//! DoPut: runs an EXEC, or binds parameter rows to a prepared statement.
//!
//! ```text
//!   first message       descriptor: which command and handle     may have no Arrow data
//!   other messages      schema, dictionaries, batches ──► FlightRecordBatchStream ──► one RecordBatch
//!
//!   CommandPreparedStatementQuery   binds the rows, returns a new handle
//!   CommandPreparedStatementUpdate  runs the EXEC once for each row, returns how many ran
//!   CommandStatementUpdate          runs an EXEC, CREATE TABLE or DROP TABLE without parameters
//!   CommandStatementIngest          makes a table of the rows (`ingest`)
//! ```
//!
//! Do not change without thinking: the client controls everything that is read here. So the handle is decoded before
//! any row is read, reading has a time limit (`query.timeout`), the rows and the messages without rows are counted
//! while they arrive, and a panic of the decoder is caught.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{Command, DoPutUpdateResult};
use arrow_flight::{FlightData, PutResult};
use futures::FutureExt;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use prost::Message;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::Service;
use super::command;
use super::fault::{Fault, MessagePart};
use super::handle::{MAX_ROWS, PreparedHandle};
use super::ingest;
use super::prepared;
use super::statement;
use super::status;
use super::status::RemoteError;
use crate::engine::{self, Principal};
use crate::error::{Error, Result};

/// Executes the command in the first message's descriptor, with the rows of all messages.
pub(super) async fn execute(
    service: &Service,
    principal: &Principal,
    mut messages: Streaming<FlightData>,
) -> Result<PutResult> {
    let mut first = messages.message().await.map_err(stream_error)?.ok_or(Fault::NoData)?;
    let descriptor = first.flight_descriptor.take().ok_or(Fault::NoCommand(MessagePart::Descriptor))?;
    match command::read_descriptor(&descriptor)? {
        Command::CommandPreparedStatementQuery(command) => {
            let handle = PreparedHandle::decode(&command.prepared_statement_handle)?;
            let rows = rows_in_time(service, stream::iter([Ok(first)]).chain(messages).boxed(), MAX_ROWS).await?;
            let result = prepared::bind(service, principal, handle, rows).await?;
            Ok(PutResult { app_metadata: result.encode_to_vec().into() })
        }
        Command::CommandStatementUpdate(command) => {
            statement::refuse_transaction(command.transaction_id.as_ref())?;
            update_result(service.engine.update(principal, &command.query, None).await?)
        }
        Command::CommandPreparedStatementUpdate(command) => {
            let handle = PreparedHandle::decode(&command.prepared_statement_handle)?;
            let most = service.engine.max_writes();
            let rows = rows_in_time(service, stream::iter([Ok(first)]).chain(messages).boxed(), most).await?;
            update_result(prepared::update(service, principal, handle, rows).await?)
        }
        Command::CommandStatementIngest(command) => {
            let messages = stream::iter([Ok(first)]).chain(messages).boxed();
            update_result(ingest::execute(service, principal, command, messages).await?)
        }
        command @ Command::CommandStatementSubstraitPlan(_) => {
            Err(Fault::Unimplemented(command::name(&command)).into())
        }
        command => Err(Fault::Misplaced { command: command::name(&command), place: MessagePart::Descriptor }.into()),
    }
}

fn update_result(count: usize) -> Result<PutResult> {
    let record_count = i64::try_from(count).unwrap_or(i64::MAX);
    Ok(PutResult { app_metadata: DoPutUpdateResult { record_count }.encode_to_vec().into() })
}

/// Reads the rows of all messages, within a query's time limit.
async fn rows_in_time(
    service: &Service,
    messages: BoxStream<'static, Result<FlightData, Status>>,
    most: usize,
) -> Result<Option<RecordBatch>> {
    let limit = service.engine.timeout();
    timeout(limit, rows(messages, most, service.max_message_bytes))
        .await
        .unwrap_or_else(|_| Err(engine::Fault::Timeout(limit).into()))
}

/// Reads the rows of all messages into one batch; none if there is no column. Reading stops as soon as there are more
/// than `most` rows (a batch of nulls is a billion rows in a hundred bytes), more than `most_bytes` bytes, or too many
/// messages in a row without a row.
async fn rows(
    messages: BoxStream<'static, Result<FlightData, Status>>,
    most: usize,
    most_bytes: usize,
) -> Result<Option<RecordBatch>> {
    let since_a_row = Arc::new(AtomicUsize::new(0));
    let messages = within(messages, most_bytes);
    let mut decoder = decode(messages, Arc::clone(&since_a_row));
    let mut batches = Vec::new();
    let mut count = 0;
    while let Some(batch) = next_batch(&mut decoder).await? {
        count += batch.num_rows();
        if count > most {
            return Err(Fault::ManyRows { most }.into());
        }
        // A batch without rows may still own buffers: it is dropped.
        if batch.num_rows() > 0 {
            since_a_row.store(0, Ordering::Relaxed);
            batches.push(batch);
        }
    }
    let Some(schema) = decoder.schema().filter(|schema| !schema.fields().is_empty()) else { return Ok(None) };
    Ok(Some(concat_batches(schema, &batches).map_err(Fault::Encoding)?))
}

/// Ends with an error after `most` bytes of all messages together. Each message is within the limit already.
fn within(
    messages: BoxStream<'static, Result<FlightData, Status>>,
    most: usize,
) -> BoxStream<'static, Result<FlightData, Status>> {
    let mut bytes = 0;
    let counted = messages.map(move |message| {
        let message = message?;
        bytes += message.data_body.len() + message.data_header.len();
        if bytes > most { Err(status::of(&Fault::ManyBytes { most }.into())) } else { Ok(message) }
    });
    counted.boxed()
}

/// The maximum number of messages before each row: a schema, dictionaries, and batches without rows.
const MAX_MESSAGES: usize = 1_000;

/// Decodes messages to batches. A message may have only a descriptor and no Arrow data: such messages are skipped.
/// Messages are counted in `since_a_row`, which [`rows`] resets, because a client could send messages without rows
/// forever. The counter is shared because the decoder returns nothing for such messages.
pub(super) fn decode(
    messages: BoxStream<'static, Result<FlightData, Status>>,
    since_a_row: Arc<AtomicUsize>,
) -> FlightRecordBatchStream {
    let counted = messages.map(move |message| match since_a_row.fetch_add(1, Ordering::Relaxed) {
        MAX_MESSAGES.. => Err(FlightError::ExternalError(Box::new(Fault::ManyMessages { most: MAX_MESSAGES }))),
        _ => message.map_err(FlightError::from),
    });
    let with_data = counted.try_filter(|message| ready(!message.data_header.is_empty()));
    FlightRecordBatchStream::new_from_flight_data(with_data)
}

/// Returns the next batch. arrow-ipc panics on some invalid schemas, so the panic is caught: it must not end the
/// connection's task. The decoder is not used after a panic.
pub(super) async fn next_batch(decoder: &mut FlightRecordBatchStream) -> Result<Option<RecordBatch>> {
    match AssertUnwindSafe(decoder.try_next()).catch_unwind().await {
        Ok(Ok(batch)) => Ok(batch),
        Ok(Err(FlightError::Tonic(status))) => Err(stream_error(*status)),
        Ok(Err(FlightError::ExternalError(error))) => Err(match error.downcast::<Fault>() {
            Ok(fault) => (*fault).into(),
            Err(other) => Fault::NotArrow(other.to_string()).into(),
        }),
        Ok(Err(error)) => Err(Fault::NotArrow(error.to_string()).into()),
        Err(_panic) => Err(Fault::NotArrow("a schema with an unknown type".into()).into()),
    }
}

/// The error of a stream that the client cancelled, or that has a message above the size limit.
fn stream_error(status: Status) -> Error {
    RemoteError::from(status).into()
}
