//! Rows on their way to the client.
//!
//! The schema goes first, so also when no row follows. What the encoder sends may
//! differ from what it is given (dictionaries become their values: JDBC fails on a
//! dictionary column without rows), and clients compare DoGet's schema with the one
//! they were told. So everything that tells a schema tells [`on_the_wire`].
//!
//! What is to be said about rows (a list that is shorter than its total) is known when they have all been sent. It
//! comes in the `app_metadata` of one more message, a line each; its batch has no rows, because there are clients that
//! cannot read a message without any. Where there is nothing to say there is no such message.

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
use futures::stream::{self, BoxStream, Stream, StreamExt};
use tokio::sync::watch;
use tonic::Status;

use super::fault::Fault;
use super::status;
use crate::engine::{Query, QueryStream};
use crate::error::{Error, Result};

/// An answer to DoGet.
pub(super) struct FlightRows {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch>>,
    /// An EXEC's stream ends by itself when the server stops, with the row or the error that it has by then.
    ends_itself: bool,
    /// Where there may be something to say about the rows.
    query: Option<Arc<Query>>,
}

impl From<QueryStream> for FlightRows {
    fn from(answer: QueryStream) -> Self {
        Self { schema: answer.schema, batches: answer.rows, ends_itself: answer.writes, query: Some(answer.query) }
    }
}

impl From<RecordBatch> for FlightRows {
    fn from(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: stream::iter([Ok(batch)]).boxed(), ends_itself: false, query: None }
    }
}

impl FlightRows {
    /// The messages of DoGet. They end at the first error, and with UNAVAILABLE when the server stops.
    pub(super) fn encode(self, stopping: watch::Receiver<bool>) -> BoxStream<'static, Result<FlightData, Status>> {
        let batches = self.batches.map(|batch| batch.map_err(carried));
        let schema = on_the_wire(self.schema.clone());
        let frames = FlightDataEncoderBuilder::new().with_schema(self.schema).build(batches);
        let frames = frames.map(|frame| frame.map_err(status::of_encoder));
        let frames = until_error(frames.chain(last_words(self.query, schema))).boxed();
        if self.ends_itself { frames } else { until_stopped(frames, stopping) }
    }
}

/// Nothing follows an error.
fn until_error<T: Send>(
    frames: impl Stream<Item = Result<T, Status>> + Send,
) -> impl Stream<Item = Result<T, Status>> + Send {
    frames.scan(false, |failed, frame| {
        let ended = std::mem::replace(failed, frame.is_err());
        ready((!ended).then_some(frame))
    })
}

/// The message that says what is to be said, if anything is; made when all rows are sent.
fn last_words(query: Option<Arc<Query>>, schema: SchemaRef) -> impl Stream<Item = Result<FlightData, Status>> + Send {
    let words = async move {
        let notices = query.map(|query| query.notices()).unwrap_or_default();
        let message = (!notices.is_empty()).then(|| message_without_rows(schema, notices.join("\n")));
        stream::iter(message.map(|message| message.map_err(|error| status::of_encoder(error.into()))))
    };
    words.into_stream().flatten()
}

fn message_without_rows(schema: SchemaRef, app_metadata: String) -> Result<FlightData, ArrowError> {
    let (batch, options) = (RecordBatch::new_empty(schema), IpcWriteOptions::default());
    let (mut tracker, mut context) = (DictionaryTracker::new(false), IpcWriteContext::default());
    let (_, encoded) = IpcDataGenerator::default().encode(&batch, &mut tracker, &options, &mut context)?;
    Ok(FlightData::from(encoded).with_app_metadata(app_metadata))
}

/// The schema that a client gets to see of `schema`.
pub(super) fn on_the_wire(schema: SchemaRef) -> SchemaRef {
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema.clone()).build(stream::empty());
    encoder.known_schema().unwrap_or(schema)
}

/// A schema as an encapsulated IPC message, as FlightInfo and its like carry it.
///
/// # Errors
/// [`Fault::Encoding`]: Arrow cannot write it.
pub(super) fn schema_bytes(schema: &SchemaRef) -> Result<Bytes, Fault> {
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &IpcWriteOptions::default()));
    Ok(message.map_err(Fault::Encoding)?.0)
}

/// Our error through the encoder, which passes a status on untouched.
fn carried(error: Error) -> FlightError {
    FlightError::Tonic(Box::new(status::of(&error)))
}

fn until_stopped(
    frames: BoxStream<'static, Result<FlightData, Status>>,
    stopping: watch::Receiver<bool>,
) -> BoxStream<'static, Result<FlightData, Status>> {
    let stopped = Box::pin(stopped(stopping));
    stream::unfold(Some((frames, stopped)), |running| async move {
        let (mut frames, mut stopped) = running?;
        tokio::select! {
            biased;
            () = &mut stopped => Some((Err(Status::unavailable("the server is stopping")), None)),
            frame = frames.next() => match frame? {
                Ok(frame) => Some((Ok(frame), Some((frames, stopped)))),
                Err(status) => Some((Err(status), None)),
            },
        }
    })
    .boxed()
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Its sender is gone without a word: nobody can stop this server.
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};
    use futures::TryStreamExt;

    use super::*;

    fn numbers(count: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(0..count)) as _)]).unwrap()
    }

    fn running() -> watch::Receiver<bool> {
        watch::channel(false).1
    }

    #[tokio::test]
    async fn an_empty_answer_still_has_its_schema() {
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
    fn a_dictionary_is_told_as_its_values() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let schema = Arc::new(Schema::new(vec![Field::new("d", dictionary, false)]));

        let told = on_the_wire(schema);

        assert_eq!(told.field(0), &Field::new("d", DataType::Utf8, false));
    }
}
