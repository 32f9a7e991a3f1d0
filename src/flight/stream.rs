//! Encodes rows as the messages of DoGet.
//!
//! ```text
//!   batches ──► FlightDataEncoder ──► schema, batch, batch, … ──► notices ──► until an error, or the server stops
//!   (engine)                                                      (one message, if there are any)
//! ```
//!
//! The schema is the first message, also if there are no rows. The encoder's schema may differ from the plan's
//! (dictionaries become their values: JDBC fails on a dictionary column without rows), and clients compare DoGet's
//! schema with the one in FlightInfo. So every response with a schema uses [`wire_schema`].
//!
//! Notices about the rows (such as a list that is shorter than its total) are complete only after the last row. They
//! are sent in the `app_metadata` of one more message, one per line. That message contains a batch without rows,
//! because some clients cannot read a message without a batch. Without notices there is no such message.
//!
//! Do not change without thinking: nothing may follow an error, or a client could take the rows for complete. The
//! stream of an EXEC is not ended when the server stops: the client gets the row or the error, because the POST has
//! been sent.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::{FlightData, IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::ready;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use tokio::sync::watch;
use tonic::Status;

use super::column_metadata::described;
use super::fault::Fault;
use super::status;
use crate::engine::{Query, QueryStream};
use crate::error::{Error, Result};

/// The rows of a DoGet.
pub(super) struct FlightRows {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch>>,
    /// Whether the stream ends by itself when the server stops, with a row or an error: that of an EXEC.
    ends_itself: bool,
    /// The query that may have notices about the rows.
    query: Option<Arc<Query>>,
}

impl From<QueryStream> for FlightRows {
    fn from(stream: QueryStream) -> Self {
        Self {
            schema: described(&stream.schema),
            batches: stream.rows,
            ends_itself: stream.writes,
            query: Some(stream.query),
        }
    }
}

impl From<RecordBatch> for FlightRows {
    fn from(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: stream::iter([Ok(batch)]).boxed(), ends_itself: false, query: None }
    }
}

impl FlightRows {
    /// Returns the messages of DoGet. They end at the first error, and with UNAVAILABLE when the server stops.
    pub(super) fn encode(self, stopping: watch::Receiver<bool>) -> BoxStream<'static, Result<FlightData, Status>> {
        let notices = notices_message(self.query, wire_schema(self.schema.clone()));
        let batches = self.batches.map_err(encoder_error);
        let encoder = FlightDataEncoderBuilder::new().with_schema(self.schema).build(batches);
        let messages = until_error(encoder.map_err(status::of_encoder).chain(notices)).boxed();
        if self.ends_itself { messages } else { until_stopped(messages, stopping) }
    }
}

/// Ends the stream after the first error.
fn until_error<T: Send>(
    messages: impl Stream<Item = Result<T, Status>> + Send,
) -> impl Stream<Item = Result<T, Status>> + Send {
    messages.scan(false, |failed, message| {
        let ended = std::mem::replace(failed, message.is_err());
        ready((!ended).then_some(message))
    })
}

/// The message with the query's notices, if there are any. The future runs after all rows were sent, when they are
/// complete.
fn notices_message(
    query: Option<Arc<Query>>,
    schema: SchemaRef,
) -> impl Stream<Item = Result<FlightData, Status>> + Send {
    let message = async move {
        let notices = query.map(|query| query.notices()).unwrap_or_default();
        if notices.is_empty() {
            return None;
        }
        let message = message_without_rows(schema, notices.join("\n"));
        Some(message.map_err(|error| status::of_encoder(error.into())))
    };
    message.into_stream().filter_map(ready)
}

fn message_without_rows(schema: SchemaRef, app_metadata: String) -> Result<FlightData, ArrowError> {
    let (batch, options) = (RecordBatch::new_empty(schema), IpcWriteOptions::default());
    let (mut tracker, mut context) = (DictionaryTracker::new(false), IpcWriteContext::default());
    let (_, encoded) = IpcDataGenerator::default().encode(&batch, &mut tracker, &options, &mut context)?;
    Ok(FlightData::from(encoded).with_app_metadata(app_metadata))
}

/// Returns the schema that the encoder sends for `schema`.
pub(super) fn wire_schema(schema: SchemaRef) -> SchemaRef {
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema.clone()).build(stream::empty());
    encoder.known_schema().unwrap_or(schema)
}

/// Encodes a schema as an encapsulated IPC message, the form of FlightInfo and SchemaResult.
///
/// # Errors
/// [`Fault::Encoding`]: Arrow cannot write it.
pub(super) fn schema_bytes(schema: &SchemaRef) -> Result<Bytes, Fault> {
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &IpcWriteOptions::default()));
    Ok(message.map_err(Fault::Encoding)?.0)
}

/// Wraps our error for the encoder, which passes a status through unchanged.
fn encoder_error(error: Error) -> FlightError {
    FlightError::Tonic(Box::new(status::of(&error)))
}

/// Ends the stream with UNAVAILABLE when the server stops, also while the next message is awaited.
fn until_stopped(
    messages: BoxStream<'static, Result<FlightData, Status>>,
    stopping: watch::Receiver<bool>,
) -> BoxStream<'static, Result<FlightData, Status>> {
    let stopped = Box::pin(stopped(stopping));
    // The state is None after the last item: the stream is not polled again.
    stream::unfold(Some((messages, stopped)), |running| async move {
        let (mut messages, mut stopped) = running?;
        tokio::select! {
            biased;
            () = &mut stopped => Some((Err(Status::unavailable("the server is stopping")), None)),
            message = messages.next() => match message? {
                Ok(message) => Some((Ok(message), Some((messages, stopped)))),
                Err(status) => Some((Err(status), None)),
            },
        }
    })
    .boxed()
}

pub(super) async fn stopped(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // The sender was dropped without a value: this server is never stopped.
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn numbers(count: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(0..count)) as _)]).unwrap()
    }

    fn running() -> watch::Receiver<bool> {
        watch::channel(false).1
    }

    #[tokio::test]
    async fn a_stream_without_rows_has_its_schema() {
        let batches = stream::empty().boxed();
        let frames =
            FlightRows { schema: numbers(0).schema(), batches, ends_itself: false, query: None }.encode(running());

        let frames: Vec<FlightData> = frames.try_collect().await.unwrap();

        assert_eq!(frames.len(), 1);
        assert_eq!(Schema::try_from(&frames[0]).unwrap(), *numbers(0).schema());
    }

    #[tokio::test]
    async fn nothing_follows_an_error() {
        let batches = stream::iter([Ok(numbers(1)), Err(Fault::ManyRows { most: 1 }.into()), Ok(numbers(1))]).boxed();
        let frames =
            FlightRows { schema: numbers(0).schema(), batches, ends_itself: false, query: None }.encode(running());

        let frames: Vec<_> = frames.collect().await;

        assert_eq!(frames.len(), 3);
        assert_eq!(frames[2].as_ref().unwrap_err().code(), tonic::Code::InvalidArgument);
    }

    #[tokio::test]
    async fn a_stream_ends_when_the_server_stops() {
        let (stop, stopping) = watch::channel(false);
        let batches = stream::iter([Ok(numbers(1))]).chain(stream::pending()).boxed();
        let mut frames =
            FlightRows { schema: numbers(0).schema(), batches, ends_itself: false, query: None }.encode(stopping);
        frames.try_next().await.unwrap();
        frames.try_next().await.unwrap();

        stop.send(true).unwrap();

        assert_eq!(frames.try_next().await.unwrap_err().code(), tonic::Code::Unavailable);
        assert!(frames.next().await.is_none());
    }

    #[test]
    fn a_dictionary_is_sent_as_its_values() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let schema = Arc::new(Schema::new(vec![Field::new("d", dictionary, false)]));

        let sent = wire_schema(schema);

        assert_eq!(sent.field(0), &Field::new("d", DataType::Utf8, false));
    }
}
