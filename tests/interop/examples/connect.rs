use std::error::Error;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::util::pretty::pretty_format_batches;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use tonic::transport::Channel;

const SQL: &str = "SELECT id, type, started_at FROM image_actions WHERE image_id = ? ORDER BY id LIMIT 3";

/// Three actions of an image, as a table. The address is that of a server: `http://127.0.0.1:50051`.
pub async fn actions(address: String, image: i64) -> Result<String, Box<dyn Error>> {
    let channel = Channel::from_shared(address)?.connect().await?;
    let mut client = FlightSqlServiceClient::new(channel);

    let mut statement = client.prepare(SQL.to_owned(), None).await?;
    let value: ArrayRef = Arc::new(Int64Array::from(vec![image]));
    statement.set_parameters(RecordBatch::try_from_iter([("image", value)])?)?;

    let mut batches = Vec::new();
    for endpoint in statement.execute().await?.endpoint {
        let ticket = endpoint.ticket.ok_or("an endpoint without a ticket")?;
        batches.extend(client.do_get(ticket).await?.try_collect::<Vec<_>>().await?);
    }
    Ok(pretty_format_batches(&batches)?.to_string())
}
