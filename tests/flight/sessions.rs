//! The options of sessions: set by an action or by headers, found by cookie, token or connection.

use std::collections::HashMap;

use arrow::datatypes::{FieldRef, TimeUnit};
use arrow_flight::HandshakeRequest;
use oceanflight::server;
use tokio::sync::oneshot;
use tonic::Request;

use super::*;

/// The messages of the specification, written by hand: the server's own are generated from its files.
#[derive(Clone, PartialEq, prost::Message)]
struct OptionValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(sfixed64, optional, tag = "3")]
    number: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Options {
    #[prost(map = "string, message", tag = "1")]
    options: HashMap<String, OptionValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OptionError {
    #[prost(int32, tag = "1")]
    value: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OptionErrors {
    #[prost(map = "string, message", tag = "1")]
    errors: HashMap<String, OptionError>,
}

const INVALID_NAME: i32 = 1;
const INVALID_VALUE: i32 = 2;

fn value(text: &str) -> OptionValue {
    OptionValue { text: Some(text.to_owned()), number: None }
}

/// A client with headers of its own.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) service: FlightServiceClient<Channel>,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    pub(super) async fn connect(address: &str) -> Self {
        Self { service: Running::at(address.to_owned()).await.client, headers: Vec::new() }
    }

    fn of(server: &Running) -> Self {
        Self { service: server.client.clone(), headers: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        request
    }

    /// The result of an action, and the cookie that the server sets.
    pub(super) async fn act(&self, name: &str, body: Vec<u8>) -> Result<(Bytes, Option<String>), Status> {
        let action = Action { r#type: name.to_owned(), body: body.into() };
        let response = self.service.clone().do_action(self.request(action)).await?;
        let cookie = response.metadata().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
        let results: Vec<arrow_flight::Result> = response.into_inner().try_collect().await?;
        Ok((results[0].body.clone(), cookie))
    }

    /// Sets options, and returns the errors and the cookie.
    async fn set(&self, options: &[(&str, OptionValue)]) -> (HashMap<String, i32>, String) {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let (body, cookie) = self.act("SetSessionOptions", Options { options }.encode_to_vec()).await.unwrap();
        let errors = OptionErrors::decode(body).unwrap().errors;
        (errors.into_iter().map(|(name, error)| (name, error.value)).collect(), cookie.unwrap())
    }

    async fn options(&self) -> HashMap<String, OptionValue> {
        let (body, _) = self.act("GetSessionOptions", Vec::new()).await.unwrap();
        Options::decode(body).unwrap().options
    }

    async fn catalog(&self) -> String {
        self.options().await["catalog"].text.clone().unwrap()
    }

    pub(super) async fn info(&self, command: &impl ProstMessageExt) -> Result<FlightInfo, Status> {
        Ok(self.service.clone().get_flight_info(self.request(descriptor(command))).await?.into_inner())
    }

    pub(super) async fn ask(&self, command: &impl ProstMessageExt) -> Result<RecordBatch, Status> {
        let ticket = self.info(command).await?.endpoint[0].ticket.clone().unwrap();
        let messages: Vec<FlightData> =
            self.service.clone().do_get(self.request(ticket)).await?.into_inner().try_collect().await?;
        let schema: SchemaRef = Arc::new(Schema::try_from(&messages[0]).unwrap());
        let batches = FlightRecordBatchStream::new_from_flight_data(stream::iter(messages.into_iter().map(Ok)));
        Ok(concat_batches(&schema, &batches.try_collect::<Vec<_>>().await.unwrap()).unwrap())
    }
}

/// A statement that works only in the session of [`META`].
const RESOURCES: &str = "SELECT resource FROM resources WHERE resource = 'images'";
const META: [(&str, &str); 2] = [("catalog", "oceanflight"), ("schema", "meta")];

async fn set_meta(client: &Client) -> String {
    let (errors, cookie) = client.set(&META.map(|(name, text)| (name, value(text)))).await;
    assert!(errors.is_empty(), "{errors:?}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_option_that_is_not_set_has_the_servers_value() {
    let options = Client::of(&start().await).options().await;

    assert_eq!(options["catalog"], value("digitalocean"));
    assert_eq!(options["schema"], value("compute"));
    assert_eq!(options["query_timeout"], value("5m"));
    assert_eq!(options["max_requests"].number, Some(1_000));
    assert_eq!(options["timestamps"], value("with_zone"));
    assert_eq!((&options["nested"], &options["intervals"]), (&value("arrow"), &value("arrow")));
    assert_eq!(options["table_types"], value("TABLE"));
}

#[tokio::test]
async fn a_wrong_option_is_named_and_the_others_are_set() {
    let client = Client::of(&start().await);

    let (errors, cookie) = client
        .set(&[
            ("schema", value("meta")),
            ("catalog", value("nowhere")),
            ("timestamps", value("sideways")),
            ("query_timeout", value("0s")),
            ("max_requests", OptionValue { text: None, number: Some(-1) }),
            ("colour", value("blue")),
        ])
        .await;

    let expected = [
        ("catalog", INVALID_VALUE),
        ("timestamps", INVALID_VALUE),
        ("query_timeout", INVALID_VALUE),
        ("max_requests", INVALID_VALUE),
        ("colour", INVALID_NAME),
    ];
    assert_eq!(errors, expected.map(|(name, error)| (name.to_owned(), error)).into());
    let options = client.with("cookie", &cookie).options().await;
    assert_eq!((&options["schema"], &options["catalog"]), (&value("meta"), &value("digitalocean")));
}

#[tokio::test]
async fn a_catalog_and_a_schema_complete_the_names_of_tables() {
    let client = Client::of(&start().await);
    assert_eq!(client.ask(&statement(RESOURCES)).await.unwrap_err().code(), Code::InvalidArgument);
    let cookie = set_meta(&client).await;

    let in_session = client.with("cookie", &format!("other=1; {cookie}"));

    assert_eq!(texts(&in_session.ask(&statement(RESOURCES)).await.unwrap(), 0), ["images"]);
    let current = in_session.ask(&statement("SELECT current_catalog || '.' || current_schema() AS x")).await.unwrap();
    assert_eq!(texts(&current, 0), ["oceanflight.meta"]);
    let shown = in_session.ask(&statement("SHOW RESOURCES IN compute LIKE 'images'")).await.unwrap();
    assert_eq!(texts(&shown, 0), ["images"], "the only service of this name");
    let unknown = in_session.ask(&statement("SELECT * FROM resource")).await.unwrap_err();
    assert!(unknown.message().contains("resources"), "{unknown}");
}

#[tokio::test]
async fn a_ticket_has_the_session_that_it_was_planned_in() {
    let server = start().await;
    let client = Client::of(&server);
    let in_session = client.clone().with("cookie", &set_meta(&client).await);

    let info = in_session.info(&statement(RESOURCES)).await.unwrap();

    assert_eq!(texts(&server.rows(&info).await.unwrap(), 0), ["images"], "outside of the session");
    let request = ActionCreatePreparedStatementRequest { query: RESOURCES.to_owned(), transaction_id: None };
    let (body, _) = in_session.act("CreatePreparedStatement", request.as_any().encode_to_vec()).await.unwrap();
    let made: ActionCreatePreparedStatementResult = Any::decode(body).unwrap().unpack().unwrap().unwrap();
    let rows = server.ask(&prepared(&made.prepared_statement_handle)).await.unwrap();
    assert_eq!(texts(&rows, 0), ["images"]);
}

#[tokio::test]
async fn an_option_may_be_a_header_and_what_is_set_comes_first() {
    let client = Client::of(&start().await).with("schema", "meta").with("catalog", "oceanflight");
    assert_eq!(texts(&client.ask(&statement(RESOURCES)).await.unwrap(), 0), ["images"]);

    let (_, cookie) = client.set(&[("catalog", value("digitalocean"))]).await;
    assert_eq!(client.clone().with("cookie", &cookie).catalog().await, "digitalocean");

    let wrong = client.with("catalog", "nowhere").ask(&statement("SELECT 1")).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(readable(&wrong).contains("`nowhere` is no value of the session's option `catalog`"), "{wrong}");
}

#[tokio::test]
async fn timestamps_are_sent_without_a_zone_if_the_session_wants_it() {
    let client = Client::of(&start().await);
    let instant = statement("SELECT arrow_cast('2026-06-01T12:00:00Z', 'Timestamp(Nanosecond, Some(\"UTC\"))') AS t");
    let nanoseconds =
        |rows: &RecordBatch| rows.column(0).as_primitive::<arrow::datatypes::TimestampNanosecondType>().value(0);

    let with_zone = client.ask(&instant).await.unwrap();
    let without = client.with("timestamps", "without_zone").ask(&instant).await.unwrap();

    assert_eq!(with_zone.schema().field(0).data_type(), &DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
    assert_eq!(without.schema().field(0).data_type(), &DataType::Timestamp(TimeUnit::Nanosecond, None));
    assert_eq!(nanoseconds(&with_zone), nanoseconds(&without));
}

#[tokio::test]
async fn nested_values_and_intervals_are_sent_as_text_if_the_session_wants_it() {
    const SQL: &str = "SELECT x, CAST(i AS TEXT) AS text, i, CAST(d AS TEXT) AS text_d, d, n FROM (VALUES \
        ([1, NULL], INTERVAL '14 months 3 days', arrow_cast(90, 'Duration(Second)'), named_struct('a', ['b'])), \
        (NULL, NULL, NULL, NULL)) AS t (x, i, d, n)";
    let client = Client::of(&start().await).with("nested", "json").with("intervals", "text");

    let rows = client.ask(&statement(SQL)).await.unwrap();

    assert!(rows.schema().fields().iter().all(|field| *field.data_type() == DataType::Utf8), "{}", rows.schema());
    assert_eq!([0, 5].map(|column| texts(&rows, column)), [[r"[1,null]"], [r#"{"a":["b"]}"#]]);
    assert_eq!((texts(&rows, 1), texts(&rows, 3)), (texts(&rows, 2), texts(&rows, 4)));
    assert!(rows.columns().iter().all(|column| column.null_count() == 1), "NULL stays NULL");
}

#[tokio::test]
async fn nested_values_that_json_does_not_have_are_sent_or_refused() {
    let client = Client::of(&start().await).with("nested", "json");
    let json = async |sql: &str| texts(&client.ask(&statement(sql)).await.unwrap(), 0);

    assert_eq!(json("SELECT [CAST('NaN' AS DOUBLE), NULL, 1.5]").await, [r#"["NaN",null,1.5]"#]);
    assert_eq!(json("SELECT map([1], ['a'])").await, [r#"{"1":"a"}"#]);

    // The name of the field is written a million times.
    let long = format!("SELECT array_repeat(named_struct('{}', 1), 1000000)", "n".repeat(900));
    let refused = client.ask(&statement(&long)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(readable(&refused).starts_with("nested=json would make a value of"), "{refused}");
    let wide = format!("SELECT named_struct('{}', value) FROM generate_series(1, 50000)", "n".repeat(900));
    assert_eq!(json(&wide).await.len(), 50_000);
}

#[tokio::test]
async fn the_types_of_tables_are_spelled_as_the_session_wants_it() {
    let client = Client::of(&start().await);
    for (spelling, expected) in [("TABLE", "TABLE VIEW"), ("BASE TABLE", "BASE TABLE VIEW"), ("table", "table view")] {
        let client = client.clone().with("table_types", spelling);
        let of_types = |types: &[&str]| CommandGetTables {
            table_types: types.iter().map(|&kind| kind.to_owned()).collect(),
            ..Default::default()
        };

        let types = client.ask(&CommandGetTableTypes {}).await.unwrap();
        let listed = client.ask(&of_types(&["Base Table", "nothing"])).await.unwrap();
        let views = client.ask(&of_types(&["view"])).await.unwrap();

        assert_eq!(texts(&types, 0).join(" "), expected);
        assert!(listed.num_rows() > 0 && texts(&listed, 3).iter().all(|kind| kind == spelling), "{spelling}");
        assert!(views.num_rows() > 0 && texts(&views, 3).iter().all(|kind| expected.ends_with(kind)), "{spelling}");
    }
}

#[tokio::test]
async fn a_column_of_a_result_names_its_table_if_it_has_one() {
    let client = Client::of(&start().await);
    for (sql, expected) in [
        ("SELECT id, name AS label, id + 1, 'x' FROM images", "images images - -"),
        ("SELECT a.id, i.id, i.name FROM images i JOIN snapshots a ON a.name = i.name", "snapshots images images"),
        ("WITH t AS (SELECT id AS x FROM images) SELECT x FROM t WHERE x > 1 ORDER BY x LIMIT 1", "images"),
        ("SELECT status, count(*) FROM images GROUP BY status", "images -"),
        ("SELECT status, count(*) FROM images GROUP BY ROLLUP (status)", "- -"),
        ("SELECT DISTINCT status FROM images", "images"),
        ("SELECT DISTINCT ON (status) status, id FROM images ORDER BY status, id", "images images"),
        ("SELECT id, row_number() OVER (ORDER BY id) FROM images", "images -"),
        ("SELECT id FROM images WHERE id IN (SELECT image_id FROM image_actions)", "images"),
        ("SELECT id, unnest(regions) FROM images", "images -"),
        ("SELECT id FROM images UNION ALL SELECT id FROM images", "-"),
        ("SELECT table_name FROM information_schema.tables", "tables"),
        ("SELECT value FROM generate_series(1, 2)", "-"),
        ("EXPLAIN SELECT id FROM images", "- -"),
    ] {
        let described = client.info(&statement(sql)).await.unwrap().try_decode_schema().unwrap();

        let table = |field: &FieldRef| match field.metadata()["ARROW:FLIGHT:SQL:TABLE_NAME"].as_str() {
            "" => "-".to_owned(),
            table => table.to_owned(),
        };
        let tables: Vec<_> = described.fields().iter().map(table).collect();
        assert_eq!(tables.join(" "), expected, "{sql}");
    }
}

#[tokio::test]
async fn a_time_limit_of_the_session_ends_its_queries() {
    let client = Client::of(&start().await).with("query_timeout", "100ms");

    let ended = client.ask(&statement(ENDLESS)).await.unwrap_err();

    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended}");
}

#[tokio::test]
async fn only_a_catalog_that_the_client_set_filters_its_metadata() {
    let client = Client::of(&start().await);
    let catalogs = async |client: &Client, command: &CommandGetTables| {
        let mut names = texts(&client.ask(command).await.unwrap(), 0);
        names.dedup();
        names
    };
    let (all, other) =
        (CommandGetTables::default(), CommandGetTables { catalog: Some("digitalocean".into()), ..Default::default() });
    let in_session = client.clone().with("catalog", "oceanflight");

    assert_eq!(catalogs(&client, &all).await, ["digitalocean", "oceanflight"]);
    assert_eq!(catalogs(&in_session, &all).await, ["oceanflight"]);
    assert_eq!(catalogs(&in_session, &other).await, ["digitalocean"], "the command names it");
    let listed = texts(&in_session.ask(&CommandGetCatalogs {}).await.unwrap(), 0);
    assert_eq!(listed, ["datasets", "digitalocean", "oceanflight"]);
    let schemas = in_session.ask(&CommandGetDbSchemas::default()).await.unwrap();
    assert!(texts(&schemas, 0).iter().all(|catalog| catalog == "oceanflight"));
}

#[tokio::test]
async fn a_client_without_cookies_has_a_session_by_its_connection_or_by_the_token_of_its_handshake() {
    let unreachable = "http://127.0.0.1:9/".parse().unwrap();
    let api = api::Client::try_new(api::Options::new(unreachable, None), &api::Budgets::default()).unwrap();
    let engine = Engine::try_new(api, engine::Options::default()).unwrap();
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let running =
        tokio::spawn(server::run(listener, engine, server::Options::default(), async { drop(stopped.await) }));
    let (one, other) = (Client::connect(&address).await, Client::connect(&address).await);

    set_meta(&one).await;
    assert_eq!((one.catalog().await, other.catalog().await), ("oceanflight".into(), "digitalocean".into()));
    one.act("CloseSession", Vec::new()).await.unwrap();
    assert_eq!(one.catalog().await, "digitalocean");

    let handshake = one.service.clone().handshake(stream::iter([HandshakeRequest::default()])).await.unwrap();
    let token = handshake.metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
    set_meta(&one.clone().with("authorization", &token)).await;
    assert_eq!(other.clone().with("authorization", &token).catalog().await, "oceanflight", "on another connection");
    assert_eq!(one.catalog().await, "digitalocean", "without the token");
    for shared in ["Bearer None", "Bearer anonymous-0"] {
        set_meta(&one.clone().with("authorization", shared)).await;
        assert_eq!(other.clone().with("authorization", shared).catalog().await, "digitalocean", "{shared}");
        assert_eq!(one.catalog().await, "digitalocean", "another client on the same connection");
    }
    let mut codes = Vec::new();
    for number in 0..20 {
        let client = one.clone().with("authorization", &format!("Bearer {number}"));
        codes.push(client.act("SetSessionOptions", Vec::new()).await.map_or_else(|status| status.code(), |_| Code::Ok));
    }
    assert_eq!((codes[0], codes[19]), (Code::Ok, Code::ResourceExhausted), "a connection has few sessions");

    drop((one, other, stop));
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_value_is_short_and_an_empty_one_is_none() {
    let client = Client::of(&start().await);

    let (errors, _) = client.set(&[("schema", value(&"x".repeat(2_000))), ("query_timeout", value(""))]).await;
    assert_eq!(errors, [("schema".to_owned(), INVALID_VALUE)].into());
    let long = client.clone().with("schema", &"x".repeat(2_000)).ask(&statement("SELECT 1")).await.unwrap_err();
    assert_eq!(long.code(), Code::InvalidArgument);
    let empty = client.with("max_requests", "").with("query_timeout", "").with("catalog", "");
    assert_eq!(empty.options().await["max_requests"].number, Some(1_000));
}

#[tokio::test]
async fn a_request_limit_of_the_session_rejects_a_query_before_its_first_request() {
    let client = Client::of(&start().await).with("max_requests", "1");

    let refused = client.ask(&statement("SELECT id FROM image_actions WHERE image_id IN (1, 2, 3)")).await.unwrap_err();

    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(readable(&refused).contains('3'), "{refused}");
    let none = client.with("max_requests", "0");
    let refused = none.ask(&statement("SELECT id FROM image_actions WHERE image_id = 1")).await.unwrap_err();
    assert!(readable(&refused).contains("needs at least 1 request; the limit is"), "{refused}");
}

#[tokio::test]
async fn a_schema_of_another_catalog_completes_names_and_those_of_services_are_still_found() {
    let client = Client::of(&start().await).with("schema", "meta");

    let rows = client.ask(&statement(RESOURCES)).await.unwrap();

    assert_eq!(texts(&rows, 0), ["images"]);
    assert!(client.info(&statement("SELECT id FROM images")).await.is_ok());
}

#[tokio::test]
async fn a_handle_whose_session_this_server_cannot_have_is_refused() {
    let server = start().await;
    // Version 2; the statement; and in field 6 an entry of a map: `catalog` is `nowhere`.
    let entry = b"\x0a\x07catalog\x12\x07nowhere";
    let handle = [&b"\x08\x02\x12\x08SELECT 1\x32"[..], &[entry.len() as u8], entry].concat();
    let ticket = TicketStatementQuery { statement_handle: handle.into() }.as_any().encode_to_vec();

    let refused = server.messages(Ticket::new(ticket)).await.unwrap_err();

    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(readable(&refused).contains("option `catalog`"), "{refused}");
}

#[tokio::test]
async fn the_columns_of_tables_have_the_types_of_results_in_the_session() {
    let client = Client::of(&start().await).with("timestamps", "without_zone");
    let tables = CommandGetTables {
        table_name_filter_pattern: Some("image\\_actions".into()),
        include_schema: true,
        ..Default::default()
    };

    let listed = client.ask(&tables).await.unwrap();

    let schema = decoded(Bytes::copy_from_slice(listed.column(4).as_binary::<i32>().value(0)));
    let started_at = schema.field_with_name("started_at").unwrap();
    assert_eq!(started_at.data_type(), &DataType::Timestamp(TimeUnit::Nanosecond, None));
}

#[tokio::test]
async fn a_cookie_that_this_server_has_not_made_sets_nothing() {
    let client = Client::of(&start().await);
    for cookie in ["arrow_flight_session_id=catalog%3Dnowhere%26colour%3Dblue", "arrow_flight_session_id=%FF%", "x"] {
        assert_eq!(client.clone().with("cookie", cookie).catalog().await, "digitalocean", "{cookie}");
    }
}
