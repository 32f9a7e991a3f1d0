//! A server that is killed while it ingests: its tables are the old ones or the new ones, and it starts again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption};
use futures::{TryStreamExt, stream};
use tonic::transport::{Channel, Endpoint};

/// A server in a process of its own, which is killed at the end.
pub(super) struct Process {
    child: Child,
    pub(super) address: String,
    client: FlightSqlServiceClient<Channel>,
}

impl Process {
    pub(super) async fn start(data_dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oceanflight"));
        command.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().split_once("ready on grpc://").map(|(_, at)| at.to_owned()));
        // Somebody has to read the log, or the process stops at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.expect("the server says where it listens");
        let url = format!("http://{address}");
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        Self { child, address, client: FlightSqlServiceClient::new(channel) }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The values of the table, each with its number of rows.
    pub(super) async fn values(&mut self) -> Vec<(i64, i64)> {
        let sql = "SELECT x, count(*) AS n FROM datasets.public.t GROUP BY x";
        let info = self.client.execute(sql.to_owned(), None).await.unwrap();
        let rows = self.client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
        let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        let pairs = |batch: &RecordBatch| {
            let column = |at: usize| batch.column(at).as_primitive::<Int64Type>().values().to_vec();
            column(0).into_iter().zip(column(1)).collect::<Vec<_>>()
        };
        batches.iter().flat_map(pairs).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

const BATCHES: usize = 20;
const BATCH_ROWS: usize = 2_000;

fn batch(value: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![value; BATCH_ROWS])) as _)]).unwrap()
}

fn replace() -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Create.into(),
            if_exists: TableExistsOption::Replace.into(),
        }),
        table: "t".into(),
        ..CommandStatementIngest::default()
    }
}

#[tokio::test]
async fn a_table_is_old_or_new_and_never_half_after_twenty_kills() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(14);
    let mut server = Process::start(directory.path()).await;
    let ingested = server.client.execute_ingest(replace(), stream::iter([Ok(batch(0))])).await;
    assert_eq!(ingested.unwrap(), 2_000);
    let begin = std::time::Instant::now();
    let batches = stream::iter((0..BATCHES).map(|_| Ok(batch(0))));
    server.client.execute_ingest(replace(), batches).await.unwrap();
    let usual = begin.elapsed();
    let mut old = server.values().await;
    for value in 1..=20 {
        let batches = stream::iter((0..BATCHES).map(move |_| Ok(batch(value))));
        let mut client = server.client.clone();
        let ingesting = tokio::spawn(async move { client.execute_ingest(replace(), batches).await.is_ok() });
        // Any moment will do, and some are while the file and the list are flushed, at the end.
        tokio::time::sleep(usual.mul_f64(random.f64() * 1.2)).await;
        server.kill();
        let was_told = ingesting.await.unwrap();

        server = Process::start(directory.path()).await;
        let found = server.values().await;
        let new = vec![(value, (BATCHES * BATCH_ROWS) as i64)];
        assert!(found == old && !was_told || found == new, "{value}: {found:?} is neither {old:?} nor {new:?}");
        let files = std::fs::read_dir(directory.path().join("tables")).unwrap().count();
        assert_eq!(files, 1, "{value}: what the ingest has left is removed");
        old = found;
    }
}
