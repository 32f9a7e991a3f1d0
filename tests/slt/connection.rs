//! A Flight SQL connection, as the crate `sqllogictest` asks one.

use std::fmt;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use async_trait::async_trait;
use futures::TryStreamExt;
use sqllogictest::{AsyncDB, DBOutput};
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Channel;

use super::value::{self, Column};

/// No statement of the files takes as long: one that does hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// A connection to the server.
pub(super) struct Connection {
    pub(super) client: FlightSqlServiceClient<Channel>,
}

/// A statement that has no rows.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The server's error: its code, and its message.
    Status(Box<tonic::Status>),
    /// An answer that cannot be right.
    Broken(String),
}

/// What DataFusion says where it is at fault.
const DEVELOPERS: &[&str] = &["Internal error", "file a bug", "likely caused by a bug", "panicked"];

/// What a [`Refusal`] is called where a record expects one: as the state of an error.
pub(super) const REFUSED: &str = "FLAWS";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{:?}: {}", status.code(), status.message()),
            Self::Broken(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<FlightError> for Refusal {
    fn from(error: FlightError) -> Self {
        Self::Status(Box::new(error.into()))
    }
}

impl Refusal {
    /// Whether it blames the server, or has a sentence that is meant for DataFusion's developers.
    fn is_fault(&self) -> bool {
        match self {
            Self::Status(status) => {
                let message = status.message();
                status.code() == Code::Internal || DEVELOPERS.iter().any(|words| message.contains(words))
            }
            Self::Broken(_) => true,
        }
    }
}

impl Connection {
    /// A statement's rows, whose schema is the same in all three places.
    async fn ask(&mut self, sql: &str) -> Result<RecordBatch, Refusal> {
        let info = self.client.execute(sql.to_owned(), None).await?;
        let informed: Schema = info.clone().try_decode_schema().map_err(FlightError::from)?;
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let mut stream = self.client.do_get(ticket).await?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            batches.push(batch);
        }
        let sent = stream.schema().ok_or_else(|| Refusal::Broken("DoGet sends no schema".to_owned()))?;
        if &informed != sent.as_ref() {
            return Err(Refusal::Broken(format!("two schemas: FlightInfo {informed:?}, DoGet {sent:?}")));
        }
        concat_batches(sent, &batches).map_err(|error| Refusal::Broken(format!("rows of several schemas: {error}")))
    }
}

#[async_trait]
impl AsyncDB for Connection {
    type Error = Refusal;
    type ColumnType = Column;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Column>, Refusal> {
        let answer = timeout(LONGEST, self.ask(sql)).await;
        let batch = answer.map_err(|_| Refusal::Broken(format!("no answer within {LONGEST:?}")))??;
        let types = value::columns(&batch.schema());
        let rows = value::rows(&batch);
        let nothing = types.is_empty() && rows.is_empty();
        Ok(if nothing { DBOutput::StatementComplete(0) } else { DBOutput::Rows { types, rows } })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "DataFusion"
    }

    fn error_sql_state(refusal: &Refusal) -> Option<String> {
        (!refusal.is_fault()).then(|| REFUSED.to_owned())
    }
}
