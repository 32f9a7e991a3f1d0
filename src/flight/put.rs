//! DoPut: rows from the client. So far they are the parameters of a prepared statement.

use std::panic::AssertUnwindSafe;

use arrow::array::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::Command;
use arrow_flight::{FlightData, PutResult};
use futures::FutureExt;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use prost::Message;
use tonic::{Status, Streaming};

use super::Service;
use super::command;
use super::fault::{Fault, Place};
use super::prepared;
use super::status::Answered;
use crate::error::{Error, Result};

/// Does what the first message's descriptor says with the rows of all messages.
pub(super) async fn answer(service: &Service, mut messages: Streaming<FlightData>) -> Result<PutResult> {
    let mut first = messages.message().await.map_err(broken)?.ok_or(Fault::NoData)?;
    let descriptor = first.flight_descriptor.take().ok_or(Fault::NoCommand(Place::Descriptor))?;
    match command::read_descriptor(&descriptor)? {
        Command::CommandPreparedStatementQuery(command) => {
            let row = one_row(stream::iter([Ok(first)]).chain(messages).boxed()).await?;
            let result = prepared::bind(service, &command, row).await?;
            Ok(PutResult { app_metadata: result.encode_to_vec().into() })
        }
        command @ (Command::CommandStatementUpdate(_)
        | Command::CommandPreparedStatementUpdate(_)
        | Command::CommandStatementIngest(_)
        | Command::CommandStatementSubstraitPlan(_)) => Err(Fault::Unimplemented(command::name(&command)).into()),
        command => Err(Fault::Misplaced { command: command::name(&command), place: Place::Descriptor }.into()),
    }
}

/// The only row of all batches; none where there is none.
async fn one_row(messages: BoxStream<'static, Result<FlightData, Status>>) -> Result<Option<RecordBatch>> {
    let mut batches = batches(messages);
    let mut row = None;
    while let Some(batch) = next(&mut batches).await? {
        match (batch.num_rows(), &row) {
            (0, _) => {}
            (1, None) => row = Some(batch),
            _ => return Err(Fault::ManyRows.into()),
        }
    }
    Ok(row)
}

/// A message may hold the descriptor alone, with no Arrow data.
fn batches(messages: BoxStream<'static, Result<FlightData, Status>>) -> FlightRecordBatchStream {
    let holds_data = |message: &FlightData| std::future::ready(!message.data_header.is_empty());
    FlightRecordBatchStream::new_from_flight_data(messages.try_filter(holds_data).map_err(FlightError::from))
}

/// The next batch. arrow-ipc panics on some schemas that nobody wrote, hence the catch.
async fn next(batches: &mut FlightRecordBatchStream) -> Result<Option<RecordBatch>> {
    match AssertUnwindSafe(batches.try_next()).catch_unwind().await {
        Ok(Ok(batch)) => Ok(batch),
        Ok(Err(FlightError::Tonic(status))) => Err(broken(*status)),
        Ok(Err(error)) => Err(Fault::NotArrow(error.to_string()).into()),
        Err(_panic) => Err(Fault::NotArrow("a schema with an unknown type".into()).into()),
    }
}

/// A stream that the client broke off, or one with a message that is too large.
fn broken(status: Status) -> Error {
    Answered::from(status).into()
}
