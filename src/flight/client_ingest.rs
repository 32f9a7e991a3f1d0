//! The client's side of an ingest, for `oceanflight load`.

use std::pin::pin;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    CommandStatementIngest, DoPutUpdateResult, ProstMessageExt, TableDefinitionOptions, TableExistsOption,
    TableNotExistOption,
};
use arrow_flight::{FlightData, FlightDescriptor};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use prost::Message;
use tokio::sync::mpsc::{Sender, channel};

use super::client::{Fault, connect, remote_error};
use crate::engine::{IfExists, IfMissing, IngestRequest};
use crate::error::{Error, Result};

/// Sends rows to a server, which makes a table of them. Returns their number.
///
/// # Errors
/// The server's error, with its kind; an error of the rows, which the server learns of: it keeps the table as it was.
pub async fn ingest(
    server: &str,
    request: IngestRequest,
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
) -> Result<u64> {
    let mut service = connect(server).await?;
    let descriptor = FlightDescriptor::new_cmd(command(request).as_any().encode_to_vec());
    let rows = rows.map_err(|error| FlightError::ExternalError(Box::new(error)));
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_flight_descriptor(Some(descriptor))
        .build(rows)
        .map_err(encoding_error)
        .boxed();
    // While it exists, the call's stream of messages does not end: to the server, an end is that of the table.
    let (sender, receiver) = channel(2);
    let received = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let answer = async move {
        let mut answers = service.do_put(received).await.map_err(remote_error)?.into_inner();
        answers.message().await.map_err(remote_error)?.ok_or_else(|| Error::from(Fault::NoResult))
    };
    let mut answer = pin!(answer);
    tokio::select! {
        // The server has refused the rows before it has seen all of them.
        early = &mut answer => return rows_of(&early?.app_metadata),
        sent = send(messages, &sender) => sent?,
    }
    drop(sender);
    rows_of(&answer.await?.app_metadata)
}

async fn send(mut messages: BoxStream<'static, Result<FlightData>>, sender: &Sender<FlightData>) -> Result<()> {
    while let Some(message) = messages.try_next().await? {
        // If nobody receives, the server's answer says why.
        if sender.send(message).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

fn command(IngestRequest { name, if_exists, if_missing }: IngestRequest) -> CommandStatementIngest {
    let if_not_exist = match if_missing {
        IfMissing::Create => TableNotExistOption::Create,
        IfMissing::Fail => TableNotExistOption::Fail,
    };
    let if_exists = match if_exists {
        // An ingest has no mode that keeps the table.
        IfExists::Fail | IfExists::Keep => TableExistsOption::Fail,
        IfExists::Append => TableExistsOption::Append,
        IfExists::Replace => TableExistsOption::Replace,
    };
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: if_not_exist.into(),
            if_exists: if_exists.into(),
        }),
        table: name.table,
        schema: Some(name.schema),
        ..CommandStatementIngest::default()
    }
}

fn rows_of(app_metadata: &[u8]) -> Result<u64> {
    let result = DoPutUpdateResult::decode(app_metadata).map_err(|_| Fault::NoResult)?;
    Ok(u64::try_from(result.record_count).unwrap_or(0))
}

/// The error of the rows, or one of encoding them.
fn encoding_error(error: FlightError) -> Error {
    match error {
        FlightError::ExternalError(inner) => match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => Fault::Response(FlightError::ExternalError(other)).into(),
        },
        other => Fault::Response(other).into(),
    }
}
