//! How often a statement is planned, and that a cached plan is not used for another statement.

use oceanflight::engine::Planned;

use super::*;

async fn planned_by() -> (Engine, Running) {
    let unreachable = "http://127.0.0.1:9/".parse().unwrap();
    let client = api::Client::try_new(api::Options::new(unreachable, None), &api::Budgets::default()).unwrap();
    let engine = Engine::try_new(client, engine::Options::default()).unwrap();
    (engine.clone(), serve(engine).await)
}

#[tokio::test]
async fn a_prepared_select_is_planned_once_from_prepare_to_do_get() {
    let (engine, server) = planned_by().await;

    let handle = server.handle("SELECT 1 + 41").await;
    let info = server.info(&prepared(&handle)).await.unwrap();
    let rows = server.rows(&info).await.unwrap();

    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), 42);
    assert_eq!(engine.planned(), Planned { statements: 1, plans: 1 });
    // The plan was used up; the statement is still cached.
    assert_eq!(server.rows(&info).await.unwrap(), rows);
    assert_eq!(engine.planned(), Planned { statements: 1, plans: 2 });
}

#[tokio::test]
async fn a_prepared_select_with_a_bound_row_is_planned_once_too() {
    let (engine, server) = planned_by().await;

    let handle = server.handle("SELECT CAST(? AS BIGINT) + 1").await;
    let bound = server.bind(&handle, row(vec![number(41)])).await.unwrap();

    assert_eq!(server.value(&bound).await, 42);
    assert_eq!(engine.planned(), Planned { statements: 1, plans: 1 });
    let bound = server.bind(&handle, row(vec![number(6)])).await.unwrap();
    assert_eq!(server.value(&bound).await, 7);
    assert_eq!(engine.planned(), Planned { statements: 1, plans: 2 });
}

#[tokio::test]
async fn two_tickets_of_one_statement_have_their_own_rows() {
    let (_, server) = planned_by().await;
    let handle = server.handle("SELECT CAST(? AS BIGINT)").await;
    let first = server.bind(&handle, row(vec![number(1)])).await.unwrap();
    let second = server.bind(&handle, row(vec![number(2)])).await.unwrap();

    let first = server.info(&prepared(&first)).await.unwrap();
    let second = server.info(&prepared(&second)).await.unwrap();

    let value = |rows: RecordBatch| rows.column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(value(server.rows(&second).await.unwrap()), 2);
    assert_eq!(value(server.rows(&first).await.unwrap()), 1);
}

#[tokio::test]
async fn now_is_the_time_of_do_get() {
    let (_, server) = planned_by().await;
    let info = server.info(&statement("SELECT CAST(now() AS BIGINT)")).await.unwrap();
    let value = |rows: RecordBatch| rows.column(0).as_primitive::<Int64Type>().value(0);

    let first = value(server.rows(&info).await.unwrap());
    let second = value(server.rows(&info).await.unwrap());

    assert!(first < second, "{first} {second}");
}

#[tokio::test]
async fn now_in_a_table_function_is_the_time_of_do_get() {
    let (engine, server) = planned_by().await;
    let sql = "SELECT max(value) FROM range(0, CAST(date_part('second', now()) AS BIGINT))";

    let info = server.info(&statement(sql)).await.unwrap();
    server.rows(&info).await.unwrap();
    server.rows(&info).await.unwrap();

    assert_eq!(engine.planned(), Planned { statements: 3, plans: 3 });
}

#[tokio::test]
async fn get_schema_caches_no_plan() {
    let (engine, server) = planned_by().await;

    server.schema(&statement("SELECT 1")).await.unwrap();
    server.ask(&statement("SELECT 1")).await.unwrap();

    assert_eq!(engine.planned(), Planned { statements: 1, plans: 2 });
}

#[tokio::test]
async fn a_rejected_statement_is_rejected_again() {
    let (engine, server) = planned_by().await;

    for _ in 0..2 {
        assert_eq!(
            server.info(&statement("SELECT nothing FROM images")).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }

    assert_eq!(engine.planned(), Planned { statements: 0, plans: 0 });
}

#[tokio::test]
async fn a_plan_with_large_computed_values_is_not_cached_for_do_get() {
    for (text, kept) in [
        ("repeat('a', 100)".to_owned(), true),
        // It is computed when the plan runs, not while it is made.
        ("repeat('a', 2000000)".to_owned(), true),
        ((0..300).map(|at| format!("repeat('a', 8000) AS c{at}")).collect::<Vec<_>>().join(", "), false),
    ] {
        let (engine, server) = planned_by().await;

        let info = server.info(&prepared(&server.handle(&format!("SELECT {text}")).await)).await.unwrap();
        server.rows(&info).await.unwrap();

        assert_eq!(engine.planned(), Planned { statements: 1, plans: if kept { 1 } else { 2 } }, "{text}");
    }
}
