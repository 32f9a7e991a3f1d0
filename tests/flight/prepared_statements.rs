//! Prepared statements: schemas, parameters, binding.

use super::*;

const ADD: &str = "SELECT CAST(? AS BIGINT) + 10 * CAST(? AS BIGINT)";

#[tokio::test]
async fn parameters_are_named_by_number_and_nullable() {
    let server = start().await;

    let prepared = server.prepare("SELECT 1 WHERE 5 > $2 AND 'x' = $1 AND $3 IS NULL").await.unwrap();

    let parameters = decoded(prepared.parameter_schema);
    let expected = [
        Field::new("1", DataType::Utf8, true),
        Field::new("2", DataType::Int64, true),
        Field::new("3", DataType::Utf8, true),
    ];
    assert_eq!(parameters, Schema::new(expected.to_vec()));
}

#[tokio::test]
async fn a_statement_without_parameters_needs_none() {
    let server = start().await;
    let handle = server.handle("SELECT 7").await;

    assert_eq!(server.value(&handle).await, 7);
    assert_eq!(decoded(server.prepare("SELECT 7").await.unwrap().parameter_schema).fields().len(), 0);
}

#[tokio::test]
async fn question_marks_are_bound_by_position() {
    let server = start().await;
    let handle = server.handle(ADD).await;

    let bound = server.bind(&handle, row(vec![number(1), number(2)])).await.unwrap();

    assert_eq!(server.value(&bound).await, 21);
}

#[tokio::test]
async fn numbers_are_bound_by_their_number() {
    let server = start().await;
    let handle = server.handle("SELECT CAST($2 AS BIGINT) + 10 * CAST($1 AS BIGINT)").await;

    let bound = server.bind(&handle, row(vec![number(1), number(2)])).await.unwrap();

    assert_eq!(server.value(&bound).await, 12);
}

#[tokio::test]
async fn the_tenth_parameter_comes_after_the_second() {
    let server = start().await;
    let handle = server.handle("SELECT CAST($10 AS BIGINT) - CAST($2 AS BIGINT), $1, $3, $4, $5, $6, $7, $8, $9").await;

    let bound = server.bind(&handle, row((1..=10).map(number).collect())).await.unwrap();

    assert_eq!(server.value(&bound).await, 8);
}

#[tokio::test]
async fn values_are_cast_to_the_parameters_types() {
    let server = start().await;
    let handle = server.handle(ADD).await;
    let small: ArrayRef = Arc::new(Int32Array::from(vec![2]));

    let bound = server.bind(&handle, row(vec![text("1"), small])).await.unwrap();

    assert_eq!(server.value(&bound).await, 21);
}

#[tokio::test]
async fn a_null_is_bound() {
    let server = start().await;
    let handle = server.handle("SELECT count(*) WHERE CAST($1 AS BIGINT) IS NULL").await;

    let null = server.bind(&handle, row(vec![number(None)])).await.unwrap();
    let seven = server.bind(&handle, row(vec![number(7)])).await.unwrap();

    assert_eq!((server.value(&null).await, server.value(&seven).await), (1, 0));
}

#[tokio::test]
async fn a_statement_can_be_bound_again() {
    let server = start().await;
    let handle = server.handle(ADD).await;

    let first = server.bind(&handle, row(vec![number(1), number(1)])).await.unwrap();
    let second = server.bind(&first, row(vec![number(2), number(2)])).await.unwrap();

    assert_eq!((server.value(&first).await, server.value(&second).await), (11, 22));
}

#[tokio::test]
async fn an_old_handle_runs_with_the_rows_bound_last() {
    let server = start().await;
    let handle = server.handle(ADD).await;

    server.bind(&handle, row(vec![number(1), number(1)])).await.unwrap();
    assert_eq!(server.value(&handle).await, 11);
    server.bind(&handle, row(vec![number(2), number(2)])).await.unwrap();
    assert_eq!(server.value(&handle).await, 22);
}

#[tokio::test]
async fn two_preparations_of_one_text_have_separate_rows() {
    let server = start().await;
    let (one, other) = (server.handle(ADD).await, server.handle(ADD).await);

    server.bind(&one, row(vec![number(1), number(1)])).await.unwrap();
    server.bind(&other, row(vec![number(2), number(2)])).await.unwrap();

    assert_eq!((server.value(&one).await, server.value(&other).await), (11, 22));
}

#[tokio::test]
async fn closing_the_first_handle_does_not_close_the_bound_one() {
    let server = start().await;
    let handle = server.handle(ADD).await;
    let bound = server.bind(&handle, row(vec![number(1), number(1)])).await.unwrap();

    server.close(&handle).await;

    assert_eq!(server.value(&bound).await, 11);
    assert_eq!(server.info(&prepared(&handle)).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_bound_handle_works_at_another_server() {
    let server = start().await;
    let handle = server.handle(ADD).await;
    let bound = server.bind(&handle, row(vec![number(1), number(1)])).await.unwrap();

    assert_eq!(start().await.value(&bound).await, 11);
}

/// flightsql-dbapi binds a union of all types that it knows.
#[tokio::test]
async fn a_dense_union_is_bound_as_its_value() {
    let server = start().await;
    let handle = server.handle(ADD).await;
    let union = |type_id: i8| -> ArrayRef {
        let fields =
            UnionFields::from_fields([Field::new("0", DataType::Int64, true), Field::new("1", DataType::Utf8, true)]);
        let children = vec![number(1), text("2")];
        Arc::new(UnionArray::try_new(fields, vec![type_id].into(), Some(vec![0].into()), children).unwrap())
    };

    server.bind(&handle, row(vec![union(0), union(1)])).await.unwrap();

    assert_eq!(server.value(&handle).await, 21);
}

#[tokio::test]
async fn a_parameter_of_no_known_type_is_text() {
    let server = start().await;
    let handle = server.handle("SELECT ? AS x").await;

    let bound = server.bind(&handle, row(vec![text("seven")])).await.unwrap();

    assert_eq!(texts(&server.ask(&prepared(&bound)).await.unwrap(), 0), ["seven"]);
}

#[tokio::test]
async fn binding_does_not_change_the_schema() {
    let server = start().await;
    for sql in [ADD, "SELECT ? AS x", "SELECT table_name FROM information_schema.tables WHERE table_name = $1"] {
        let made = server.prepare(sql).await.unwrap();
        let schema = decoded(made.dataset_schema);
        let values = decoded(made.parameter_schema).fields().iter().map(|_| text("1")).collect();
        let bound = server.bind(&made.prepared_statement_handle, row(values)).await.unwrap();

        let info = server.info(&prepared(&bound)).await.unwrap();

        assert_eq!(server.schema(&prepared(&bound)).await.unwrap(), schema, "{sql}");
        assert_eq!(*server.rows(&info).await.unwrap().schema(), schema, "{sql}");
        assert_eq!(info.try_decode_schema().unwrap(), schema, "{sql}");
    }
}

#[tokio::test]
async fn an_unbound_statement_has_a_schema_and_does_not_run() {
    let server = start().await;
    let handle = server.handle(ADD).await;

    assert_eq!(server.schema(&prepared(&handle)).await.unwrap().fields().len(), 1);
    let refused = server.info(&prepared(&handle)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(readable(&refused).contains('2'), "{refused}");
}

#[tokio::test]
async fn a_wrong_number_of_values_is_rejected() {
    let server = start().await;
    let handle = server.handle(ADD).await;

    for values in [vec![number(1)], vec![number(1), number(2), number(3)]] {
        let refused = server.bind(&handle, row(values)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(readable(&refused).starts_with("the statement has 2 parameters"), "{refused}");
    }
}

#[tokio::test]
async fn several_rows_return_their_results_in_order() {
    let server = start().await;
    let handle = server.handle("SELECT CAST(? AS BIGINT)").await;
    // Only the plan of the second one has a column that can be NULL.
    let three: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));

    let bound = server.bind(&handle, row(vec![three])).await.unwrap();

    let info = server.info(&prepared(&bound)).await.unwrap();
    let rows = server.rows(&info).await.unwrap();
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None, Some(3)]);
}

#[tokio::test]
async fn rows_are_limited_before_they_use_memory() {
    let server = start().await;
    let handle = server.handle("SELECT CAST(? AS BIGINT)").await;

    // A batch of a billion nulls has a hundred bytes.
    let refused = server.bind(&handle, row(vec![Arc::new(NullArray::new(1_000_000_000))])).await.unwrap_err();

    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(readable(&refused).contains("more than 1000 rows"), "{refused}");
}

#[tokio::test]
async fn a_client_that_sends_messages_without_a_row_is_rejected() {
    let server = start().await;
    let handle = server.handle("SELECT CAST(? AS BIGINT)").await;
    let none = row(vec![Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef]);
    let begin = batches_to_flight_data(&none.schema(), vec![none]).unwrap();
    let [schema, empty] = &begin[..] else { panic!("a schema, and a batch without rows: {begin:?}") };
    let schema = schema.clone().with_descriptor(descriptor(&prepared(&handle)));

    for more in [empty, &FlightData::new()] {
        let more = std::iter::repeat_n(more.clone(), 2_000);
        let messages: Vec<FlightData> = std::iter::once(schema.clone()).chain(more).collect();
        let refused = server.client.clone().do_put(stream::iter(messages)).await.unwrap_err();

        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(readable(&refused), "1000 messages had no row of parameters");
    }
}

#[tokio::test]
async fn a_client_that_stops_sending_has_the_timeout_of_a_query() {
    let handle = start().await.handle("SELECT CAST(? AS BIGINT)").await;
    let unreachable = api::Options::new("http://127.0.0.1:9/".parse().unwrap(), None);
    let client = api::Client::try_new(unreachable, &api::Budgets::default()).unwrap();
    let options = engine::Options { timeout: std::time::Duration::from_millis(50), ..engine::Options::default() };
    let hasty = serve(Engine::try_new(client, options).unwrap()).await;
    let first = FlightData::new().with_descriptor(descriptor(&prepared(&handle)));

    let refused = hasty.client.clone().do_put(stream::iter([first]).chain(stream::pending())).await.unwrap_err();

    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused}");
}

#[tokio::test]
async fn each_row_may_be_in_its_own_message() {
    let server = start().await;
    let handle = server.handle("SELECT CAST(? AS BIGINT)").await;
    let rows = (0..1_000).map(|number| Ok(row(vec![Arc::new(Int64Array::from(vec![number])) as ArrayRef])));
    let encoder = FlightDataEncoderBuilder::new().with_flight_descriptor(Some(descriptor(&prepared(&handle))));
    let messages: Vec<FlightData> = encoder.build(stream::iter(rows)).try_collect().await.unwrap();
    assert!(messages.len() > 1_000, "{}", messages.len());

    assert!(server.client.clone().do_put(stream::iter(messages)).await.is_ok());
}

#[tokio::test]
async fn a_handle_is_checked_before_the_rows() {
    let server = start().await;
    let command = descriptor(&prepared(&Bytes::from_static(b"nonsense")));
    let data = FlightData::new().with_descriptor(command).with_data_header("nonsense");

    let refused = server.client.clone().do_put(stream::iter([data])).await.unwrap_err();

    assert!(readable(&refused).starts_with("the handle is not from this server"), "{refused}");
}

#[tokio::test]
async fn a_put_without_a_row_is_rejected_only_if_there_are_parameters() {
    let server = start().await;
    let (with, without) = (server.handle(ADD).await, server.handle("SELECT 7").await);

    let refused = server.bind(&with, row(vec![number(1), number(2)]).slice(0, 0)).await.unwrap_err();
    let bound = server.bind(&without, RecordBatch::new_empty(Schema::empty().into())).await.unwrap();

    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(server.value(&bound).await, 7);
}

#[tokio::test]
async fn a_value_that_cannot_be_cast_is_rejected() {
    let server = start().await;
    let handle = server.handle("SELECT 1 WHERE 5 > $1").await;
    let bound = server.bind(&handle, row(vec![text("abc")])).await.unwrap();

    let refused = server.info(&prepared(&bound)).await.unwrap_err();

    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(readable(&refused).contains("abc"), "{refused}");
}

#[tokio::test]
async fn arrow_flights_own_client_prepares_binds_runs_and_closes() {
    let server = start().await;
    let mut client = FlightSqlServiceClient::new_from_inner(server.client.clone());
    let mut statement = client.prepare(ADD.into(), None).await.unwrap();

    statement.set_parameters(row(vec![number(3), number(4)])).unwrap();
    let info = statement.execute().await.unwrap();

    let rows = server.rows(&info).await.unwrap();
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), 43);
    statement.close().await.unwrap();
}
