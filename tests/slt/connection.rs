//! Where statements run: on a server over Flight SQL, or in DataFusion without a server.

use std::fmt;
use std::future::{Ready, ready};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;
use sqllogictest::{AsyncDB, DBOutput, MakeConnection};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::value::{self, Column};

/// The longest time a statement may take. One that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// Sentences that DataFusion writes for its developers.
const FOR_DEVELOPERS: &[&str] = &["Internal error", "file a bug", "likely caused by a bug", "panicked"];

/// The SQL state of an error that is not a fault of the server. DataFusion has no states, so this one is ours.
pub(super) const REJECTED: &str = "42000";

/// A Flight SQL connection.
pub(super) struct Connection {
    client: FlightSqlServiceClient<Channel>,
    statements: usize,
}

/// A statement that returned no rows.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The server's error.
    Status(Box<Status>),
    /// A result that breaks the protocol.
    Broken(String),
    /// An error of DataFusion without a server.
    DataFusion(Box<DataFusionError>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{:?}: {}", status.code(), status.message()),
            Self::Broken(what) => f.write_str(what),
            Self::DataFusion(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<FlightError> for Refusal {
    fn from(error: FlightError) -> Self {
        Self::Status(Box::new(error.into()))
    }
}

impl From<DataFusionError> for Refusal {
    fn from(error: DataFusionError) -> Self {
        Self::DataFusion(Box::new(error))
    }
}

impl Refusal {
    /// Whether the server is at fault, or its message is one for DataFusion's developers.
    fn is_fault(&self) -> bool {
        match self {
            Self::Status(status) => {
                let message = status.message();
                status.code() == Code::Internal || FOR_DEVELOPERS.iter().any(|words| message.contains(words))
            }
            Self::Broken(_) | Self::DataFusion(_) => true,
        }
    }
}

impl Connection {
    pub(super) fn new(client: FlightSqlServiceClient<Channel>) -> Self {
        Self { client, statements: 0 }
    }

    /// Runs a statement.
    async fn ask(&mut self, sql: &str) -> Result<RecordBatch, Refusal> {
        let info = self.info(sql).await?;
        let told: Schema = info.clone().try_decode_schema().map_err(FlightError::from)?;
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let mut stream = self.client.do_get(ticket).await?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            batches.push(batch);
        }
        let sent = stream.schema().ok_or_else(|| Refusal::Broken("DoGet sends no schema".to_owned()))?;
        same_schema("FlightInfo", &told, "DoGet", sent)?;
        concat_batches(sent, &batches).map_err(|error| Refusal::Broken(format!("batches of several schemas: {error}")))
    }

    /// Every other statement is prepared first, as JDBC does; the rest are not, as in ADBC.
    async fn info(&mut self, sql: &str) -> Result<FlightInfo, Refusal> {
        self.statements += 1;
        if self.statements.is_multiple_of(2) {
            return Ok(self.client.execute(sql.to_owned(), None).await?);
        }
        let mut prepared = self.client.prepare(sql.to_owned(), None).await?;
        let info = prepared.execute().await?;
        let informed: Schema = info.clone().try_decode_schema().map_err(FlightError::from)?;
        same_schema("prepare", prepared.dataset_schema()?, "FlightInfo", &informed)?;
        Ok(info)
    }
}

fn same_schema(one: &str, schema: &Schema, other: &str, other_schema: &Schema) -> Result<(), Refusal> {
    if schema == other_schema {
        return Ok(());
    }
    Err(Refusal::Broken(format!("{one} and {other} have different schemas: {schema:?} and {other_schema:?}")))
}

impl Clone for Connection {
    fn clone(&self) -> Self {
        Self::new(FlightSqlServiceClient::new_from_inner(self.client.inner().clone()))
    }
}

impl MakeConnection for Connection {
    type Conn = Self;
    type MakeFuture = Ready<Result<Self, Refusal>>;

    fn make(&mut self) -> Self::MakeFuture {
        ready(Ok(self.clone()))
    }
}

#[async_trait]
impl AsyncDB for Connection {
    type Error = Refusal;
    type ColumnType = Column;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Column>, Refusal> {
        let result = timeout(LONGEST, self.ask(sql)).await;
        Ok(output(&result.map_err(|_| Refusal::Broken(format!("no result within {LONGEST:?}")))??))
    }

    async fn shutdown(&mut self) {}

    fn error_sql_state(refusal: &Refusal) -> Option<String> {
        (!refusal.is_fault()).then(|| REJECTED.to_owned())
    }
}

fn output(rows: &RecordBatch) -> DBOutput<Column> {
    let types = value::columns(&rows.schema());
    let rows = value::rows(rows);
    if types.is_empty() && rows.is_empty() { DBOutput::StatementComplete(0) } else { DBOutput::Rows { types, rows } }
}

/// DataFusion in this process, in a session with the server's options.
pub(super) struct InProcess(SessionContext);

impl InProcess {
    pub(super) fn new() -> Self {
        let mut config = SessionConfig::new();
        let options = config.options_mut();
        options.execution.time_zone = Some("UTC".to_owned());
        options.sql_parser.map_string_types_to_utf8view = false;
        Self(SessionContext::new_with_config(config))
    }

    pub(super) async fn run(&self, sql: &str) -> Result<DBOutput<Column>, Refusal> {
        let plan = self.0.sql(sql).await?.create_physical_plan().await?;
        let schema = plan.schema();
        let batches = datafusion::physical_plan::collect(plan, self.0.task_ctx()).await?;
        Ok(output(&concat_batches(&schema, &batches).map_err(DataFusionError::from)?))
    }
}
