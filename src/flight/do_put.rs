//! DoPut: an EXEC that is carried out, and rows from the client, which are parameters.

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
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use prost::Message;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::Service;
use super::command;
use super::fault::{Fault, MessagePart};
use super::handle::{MOST_ROWS, PreparedHandle};
use super::prepared;
use super::statement;
use super::status::Answered;
use crate::engine::{self, Principal};
use crate::error::{Error, Result};

/// Does what the first message's descriptor says with the rows of all messages.
pub(super) async fn answer(
    service: &Service,
    principal: &Principal,
    mut messages: Streaming<FlightData>,
) -> Result<PutResult> {
    let mut first = messages.message().await.map_err(broken)?.ok_or(Fault::NoData)?;
    let descriptor = first.flight_descriptor.take().ok_or(Fault::NoCommand(MessagePart::Descriptor))?;
    match command::read_descriptor(&descriptor)? {
        Command::CommandPreparedStatementQuery(command) => {
            let handle = PreparedHandle::decode(&command.prepared_statement_handle)?;
            let rows = rows_in_time(service, stream::iter([Ok(first)]).chain(messages).boxed(), MOST_ROWS).await?;
            let result = prepared::bind(service, principal, handle, rows).await?;
            Ok(PutResult { app_metadata: result.encode_to_vec().into() })
        }
        Command::CommandStatementUpdate(command) => {
            statement::refuse_transaction(command.transaction_id.as_ref())?;
            updated(service.engine.update(principal, &command.query, None).await?)
        }
        Command::CommandPreparedStatementUpdate(command) => {
            let handle = PreparedHandle::decode(&command.prepared_statement_handle)?;
            let most = service.engine.max_writes();
            let rows = rows_in_time(service, stream::iter([Ok(first)]).chain(messages).boxed(), most).await?;
            updated(prepared::update(service, principal, handle, rows).await?)
        }
        command @ (Command::CommandStatementIngest(_) | Command::CommandStatementSubstraitPlan(_)) => {
            Err(Fault::Unimplemented(command::name(&command)).into())
        }
        command => Err(Fault::Misplaced { command: command::name(&command), place: MessagePart::Descriptor }.into()),
    }
}

fn updated(count: usize) -> Result<PutResult> {
    let record_count = i64::try_from(count).unwrap_or(i64::MAX);
    Ok(PutResult { app_metadata: DoPutUpdateResult { record_count }.encode_to_vec().into() })
}

/// The rows of all batches, where they come within a query's time.
async fn rows_in_time(
    service: &Service,
    messages: BoxStream<'static, Result<FlightData, Status>>,
    most: usize,
) -> Result<Option<RecordBatch>> {
    let limit = service.engine.timeout();
    timeout(limit, rows(messages, most)).await.unwrap_or_else(|_| Err(engine::Fault::Timeout(limit).into()))
}

/// The rows of all batches, as one; nothing where there is not even a column. Reading ends as soon as there are more than
/// `most` (a batch of nulls is a billion rows in a hundred bytes), or too many messages without a row.
async fn rows(messages: BoxStream<'static, Result<FlightData, Status>>, most: usize) -> Result<Option<RecordBatch>> {
    let since_a_row = Arc::new(AtomicUsize::new(0));
    let mut stream = batches(messages, Arc::clone(&since_a_row));
    let mut batches = Vec::new();
    let mut count = 0;
    while let Some(batch) = next(&mut stream).await? {
        count += batch.num_rows();
        if count > most {
            return Err(Fault::ManyRows { most }.into());
        }
        // One without rows may have buffers all the same.
        if batch.num_rows() > 0 {
            since_a_row.store(0, Ordering::Relaxed);
            batches.push(batch);
        }
    }
    let Some(schema) = stream.schema().filter(|schema| !schema.fields().is_empty()) else { return Ok(None) };
    Ok(Some(concat_batches(schema, &batches).map_err(Fault::Encoding)?))
}

/// How many messages one row may take: a schema, dictionaries, and batches without rows.
const MOST_MESSAGES: usize = 1_000;

/// A message may hold the descriptor alone, with no Arrow data. Each is counted: a client that sends messages without
/// rows would be listened to for ever.
fn batches(
    messages: BoxStream<'static, Result<FlightData, Status>>,
    since_a_row: Arc<AtomicUsize>,
) -> FlightRecordBatchStream {
    let holds_data = |message: &FlightData| std::future::ready(!message.data_header.is_empty());
    let counted = messages.map(move |message| match since_a_row.fetch_add(1, Ordering::Relaxed) {
        MOST_MESSAGES.. => Err(FlightError::ExternalError(Box::new(Fault::ManyMessages { most: MOST_MESSAGES }))),
        _ => message.map_err(FlightError::from),
    });
    FlightRecordBatchStream::new_from_flight_data(counted.try_filter(holds_data))
}

/// The next batch. arrow-ipc panics on some schemas that nobody wrote, hence the catch.
async fn next(batches: &mut FlightRecordBatchStream) -> Result<Option<RecordBatch>> {
    match AssertUnwindSafe(batches.try_next()).catch_unwind().await {
        Ok(Ok(batch)) => Ok(batch),
        Ok(Err(FlightError::Tonic(status))) => Err(broken(*status)),
        Ok(Err(FlightError::ExternalError(error))) => Err(match error.downcast::<Fault>() {
            Ok(fault) => (*fault).into(),
            Err(other) => Fault::NotArrow(other.to_string()).into(),
        }),
        Ok(Err(error)) => Err(Fault::NotArrow(error.to_string()).into()),
        Err(_panic) => Err(Fault::NotArrow("a schema with an unknown type".into()).into()),
    }
}

/// A stream that the client broke off, or one with a message that is too large.
fn broken(status: Status) -> Error {
    Answered::from(status).into()
}
