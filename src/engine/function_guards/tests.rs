//! Tests of the guarded functions, in a session with DataFusion's functions alone.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::ExprSchemable;
use datafusion::prelude::SessionContext;

use super::*;
use crate::engine::fault::from_datafusion;
use crate::engine::limit_fault::LimitFault;
use crate::engine::spawned_tasks::follow_tasks;
use crate::error::{Error, Kind};
use crate::query::{Principal, Queries, Query, StopReason};

const MOST: u64 = 1_000;

/// Functions whose result is at most as large as their largest argument, or has a fixed size, and whose work is
/// proportional to the size of their arguments.
const HARMLESS: &[&[&str]] = &[
    NUMBERS_AND_TIMES,
    // Facts of one value or of the session: a number, a truth value, a short text.
    &["array_dims", "array_distance", "array_has", "array_length", "array_ndims", "array_position", "ascii"],
    &["arrow_field", "arrow_metadata", "arrow_typeof", "bit_length", "cardinality", "character_length", "chr"],
    &["contains", "cosine_distance", "digest", "empty", "ends_with", "file_row_index", "find_in_set"],
    &["inner_product", "input_file_name", "md5", "octet_length", "sha224", "sha256", "sha384"],
    &["sha512", "starts_with", "to_hex", "union_tag", "uuid", "version"],
    // A part of an argument, or one of the arguments.
    &["array_any_value", "array_compact", "array_element", "array_max", "array_min", "array_pop_back"],
    &["array_pop_front", "array_remove", "array_remove_all", "array_remove_n", "array_slice", "coalesce"],
    &["get_field", "greatest", "least", "left"],
    &["map_extract", "map_keys", "map_values", "nullif", "nvl", "nvl2", "right", "split_part", "substr"],
    &["substr_index", "union_extract"],
    // The same items in another order or form. `upper` makes up to three characters of one, but not again of these.
    &["array_positions", "array_reverse", "array_sort", "arrow_cast", "arrow_try_cast", "cast_to_type", "decode"],
    &["flatten", "initcap", "lower", "map_entries", "reverse", "try_cast_to_type", "upper", "with_metadata"],
];

const NUMBERS_AND_TIMES: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "array_add",
    "array_avg",
    "array_normalize",
    "array_product",
    "array_scale",
    "array_subtract",
    "array_sum",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "current_date",
    "current_time",
    "date_bin",
    "date_part",
    "date_trunc",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "from_unixtime",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "make_date",
    "make_time",
    "nanvl",
    "now",
    "pi",
    "power",
    "radians",
    "random",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "to_date",
    "to_local_time",
    "to_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    "trunc",
];

fn plain() -> SessionContext {
    SessionContext::new_with_state(SessionStateBuilder::new().with_default_features().build())
}

fn guarded() -> SessionContext {
    follow_tasks();
    let mut state = SessionStateBuilder::new().with_default_features().build();
    guard(&mut state).unwrap();
    SessionContext::new_with_state(state)
}

/// The rows of a statement of a query whose values have at most `max_value_bytes` bytes.
async fn rows_within(max_value_bytes: u64, sql: &str) -> Result<Vec<RecordBatch>> {
    let limits = Limits { max_value_bytes, ..Limits::default() };
    let query = Arc::new(Queries::default()).begin(Principal::local(), sql, limits).unwrap();
    Arc::clone(&query).scope(rows(&guarded(), sql)).await
}

async fn rows(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    context.sql(sql).await?.collect().await
}

/// The error of a statement, as clients see it.
async fn error(sql: &str) -> Error {
    match rows_within(MOST, sql).await {
        Ok(_) => panic!("{sql} is not refused"),
        Err(error) => from_datafusion(error),
    }
}

/// The value that DataFusion's own functions make.
async fn value(sql: &str) -> String {
    text_of(sql, rows(&plain(), sql).await)
}

/// The value that the guarded functions make, for a query with the limit [`MOST`].
async fn guarded_value(sql: &str) -> String {
    text_of(sql, rows_within(MOST, sql).await)
}

fn text_of(sql: &str, rows: Result<Vec<RecordBatch>>) -> String {
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    array_value_to_string(rows[0].column(0), 0).unwrap()
}

#[test]
fn every_function_is_guarded_or_known_to_be_harmless() {
    let state = plain().state();
    let harmless: BTreeSet<&str> = HARMLESS.iter().copied().flatten().copied().collect();
    let names: BTreeSet<&str> = state.scalar_functions().values().map(|function| function.name()).collect();
    let is_known = |name: &str| growth(name).is_some() || steps(name).is_some() || harmless.contains(name);
    let unknown: Vec<_> = names.iter().filter(|name| !is_known(name)).collect();
    let gone: Vec<_> = harmless.difference(&names).collect();

    assert!(unknown.is_empty(), "can a short statement make these return a large value? {unknown:?}");
    assert!(gone.is_empty(), "DataFusion has no functions {gone:?}");
}

/// Calls whose result has about `{n}` bytes, or a few times as many, and whose arguments have about half as many.
const CALLS: &[&str] = &[
    "repeat('x', {n})",
    "repeat('äö', {n} / 4)",
    "lpad('x', {n})",
    "lpad('x', {n}, 'yz')",
    "rpad('x', {n}, 'y')",
    "rpad('x', {n} / 2, 'ä')",
    "replace('aaaaa', 'a', repeat('b', {n} / 5))",
    "replace('aaaa', '', repeat('b', {n} / 5))",
    "regexp_replace('aaaaa', 'a', repeat('b', {n} / 5), 'g')",
    "regexp_replace('AAAAA', 'a', repeat('b', {n} / 5), 'gi')",
    "regexp_replace(repeat('a', {n} / 2 - 10), '(a*)', '\\1\\1')",
    "array_repeat(1, {n} / 8)",
    "array_repeat('four', {n} / 8)",
    "array_repeat(make_array(1, 2, 3, 4), {n} / 32)",
    "array_resize(make_array(1), {n} / 8)",
    "array_resize(make_array(1), {n} / 8, 7)",
    "array_replace_all(make_array('a', 'a', 'a', 'a', 'a'), 'a', repeat('b', {n} / 5))",
    "array_replace_n(make_array('a', 'a', 'a', 'a', 'a'), 'a', repeat('b', {n} / 5), 5)",
    "array_to_string(make_array('a', 'a', 'a', 'a', 'a', 'a'), repeat('b', {n} / 5))",
    "concat(repeat('x', {n} / 2), repeat('y', {n} / 2))",
    "concat_ws(repeat('x', {n} / 2), 'a', 'b', 'c')",
    "make_array(repeat('x', {n} / 2), repeat('x', {n} / 2))",
    "array_concat(range({n} / 16), range({n} / 16))",
    "array_append(make_array(repeat('x', {n} / 2)), repeat('x', {n} / 2))",
    "array_prepend(repeat('x', {n} / 2), make_array(repeat('x', {n} / 2)))",
    "array_union(range({n} / 16), range({n} / 8, {n} / 16 * 3))",
    "arrays_zip(range({n} / 16), range(1))",
    "encode(CAST(repeat('x', {n} / 2) AS BYTEA), 'hex')",
    "translate(repeat('a', {n} / 4), 'a', '😀')",
    "string_to_array(repeat('a,', {n} / 9), ',')",
    "string_to_array(repeat('a', {n} / 9), NULL)",
    "regexp_match(repeat('a', {n} / 4), '((((a*))))')",
    "named_struct('a', repeat('x', {n} / 2), 'b', repeat('x', {n} / 2))",
    "map(make_array(repeat('k', {n} / 2)), make_array(repeat('x', {n} / 2)))",
    "to_char(TIMESTAMP '2020-01-01', repeat('%c', {n} / 24))",
    "array_to_string(make_array(range({n} / 200), range({n} / 200)), repeat('x', 40))",
    "range({n} / 8)",
    "range(1, {n} / 8)",
    "range({n} / 4, 1, -2)",
    "generate_series(1, {n} / 4, 2)",
    "range(DATE '2020-01-01', DATE '2020-01-01' + CAST({n} / 8 AS INT), INTERVAL '1 day')",
    "generate_series(TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-01' + CAST({n} / 8 || ' seconds' AS INTERVAL), INTERVAL '1 second')",
];

fn call_of(call: &str, bytes: u64) -> String {
    call.replace("{n}", &bytes.to_string())
}

#[tokio::test]
async fn a_call_whose_result_is_too_large_is_refused() {
    // The arguments fit: it is the call itself that is refused.
    let bytes = MOST + MOST / 2;
    for call in CALLS {
        let (function, _) = call.split_once('(').unwrap();
        let constant = format!("SELECT {}", call_of(call, bytes));
        let column = format!("SELECT {} FROM (VALUES ({bytes})) AS v (n)", call.replace("{n}", "n"));
        for sql in [constant, column] {
            let error = error(&sql).await;

            assert_eq!(error.kind(), Kind::ResourceExhausted, "{sql}: {}", error.report());
            assert!(error.report().starts_with(&format!("{function} would make")), "{sql}: {}", error.report());
            assert!(error.report().contains("the limit is 1000"), "{sql}: {}", error.report());
            assert!(error.report().contains("query.max_value_bytes"), "{sql}: {}", error.report());
        }
    }
}

#[tokio::test]
async fn a_call_whose_result_fits_has_the_result_of_datafusion() {
    for call in CALLS {
        let sql = format!("SELECT {}", call_of(call, MOST / 2));

        assert_eq!(guarded_value(&sql).await, value(&sql).await, "{sql}");
    }
}

#[tokio::test]
async fn null_and_negative_arguments_are_those_of_datafusion() {
    for call in [
        "repeat(NULL, 3)",
        "repeat('x', NULL)",
        "repeat('x', -3)",
        "lpad('xyz', -1)",
        "lpad('xyz', 2, NULL)",
        "replace('a', NULL, 'b')",
        "regexp_replace('a', 'a', NULL)",
        "array_repeat(NULL, 2)",
        "array_repeat(1, -2)",
        "range(-5)",
        "range(NULL)",
        "range(5, 1)",
    ] {
        let sql = format!("SELECT CAST({call} AS TEXT)");

        assert_eq!(guarded_value(&sql).await, value(&sql).await, "{sql}");
    }
}

#[tokio::test]
async fn the_values_of_a_batch_are_counted_together() {
    let error = error("SELECT length(repeat('x', value)) FROM generate_series(900, 910)").await;

    assert!(error.report().contains("repeat would make 11 values of together 9955 bytes"), "{}", error.report());
}

#[tokio::test]
async fn a_column_beside_a_constant_does_not_multiply_the_constant() {
    let sql = "SELECT max(length(repeat('x', 900))) FROM generate_series(1, 100)";

    assert_eq!(guarded_value(sql).await, "900");
}

#[tokio::test]
async fn an_invalid_pattern_has_the_error_of_the_function() {
    let error = rows_within(MOST, "SELECT regexp_replace('a', '(', 'b', 'g')").await.unwrap_err();

    assert!(error.to_string().contains("unclosed group"), "{error}");
}

#[tokio::test]
async fn levenshtein_of_long_texts_is_refused() {
    let long = "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))";
    let error = from_datafusion(rows_within(u64::MAX, long).await.unwrap_err());
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(error.report().contains("levenshtein would need 1000000000000 steps"), "{}", error.report());

    let many = "SELECT max(levenshtein(repeat('a', value), repeat('b', 100))) FROM generate_series(99, 100)";
    assert_eq!(guarded_value(many).await, value(many).await);
}

#[tokio::test]
async fn a_function_that_is_called_for_pieces_of_a_batch_returns_the_same() {
    let sets = "SELECT sum(array_length(array_except(range(value), range(value / 2)))) FROM generate_series(1, 1000)";
    let texts = "SELECT sum(strpos(repeat('a', value), repeat('a', value / 2) || 'b')) FROM generate_series(1, 3000)";
    for sql in [sets, texts] {
        let in_pieces = text_of(sql, rows_within(Limits::default().max_value_bytes, sql).await);
        assert_eq!(in_pieces, value(sql).await);
    }
}

#[tokio::test]
async fn texts_that_are_compared_again_and_again_are_refused() {
    let strpos = "SELECT strpos(repeat('a', 1000000), repeat('a', 500000) || 'b')";
    let trim = "SELECT length(btrim(repeat('a', 1000000), repeat('b', 100000) || 'a'))";
    for (call, sql) in [("strpos", strpos), ("btrim", trim)] {
        let error = from_datafusion(rows_within(u64::MAX, sql).await.unwrap_err());
        assert_eq!(error.kind(), Kind::ResourceExhausted);
        assert!(error.report().contains(&format!("{call} would need")), "{}", error.report());
    }
}

#[tokio::test]
async fn operators_with_patterns_become_functions_unless_they_are_comparisons() {
    let mut state =
        SessionStateBuilder::new().with_default_features().with_optimizer_rule(Arc::new(GuardPatterns)).build();
    guard(&mut state).unwrap();
    let session = SessionContext::new_with_state(state);
    for (condition, expected) in [
        ("x ~ '^(foo|bar)$'", "x = Utf8(\"foo\") OR"),
        ("x ~ '^a.*b$'", "matches_pattern(x, Utf8(\"^a.*b$\"))"),
        ("x !~~* y", "matches_no_like_in_any_case(x, y)"),
        ("x SIMILAR TO y", "is_similar(x, y)"),
        ("x LIKE 'a%'", "x LIKE Utf8(\"a%\")"),
        ("x LIKE '%a%'", "x LIKE Utf8(\"%a%\")"),
        ("x LIKE 'a%b'", "is_like(x, Utf8(\"a%b\"))"),
        ("x NOT ILIKE 'a_'", "is_not_like_in_any_case(x, Utf8(\"a_\"))"),
        ("x LIKE 'a_' ESCAPE '\\'", "is_like_escaped(x, Utf8(\"a_\"))"),
        ("regexp_like(x, y)", "matches_pattern(x, y)"),
    ] {
        let sql = format!("SELECT {condition} FROM (SELECT column1 AS x, column2 AS y FROM (VALUES ('a', 'b')))");
        let plan = session.sql(&sql).await.unwrap().into_optimized_plan().unwrap().display_indent().to_string();
        assert!(plan.replace("column1", "x").replace("column2", "y").contains(expected), "{condition}: {plan}");
    }
}

#[tokio::test]
async fn a_pattern_that_reads_the_text_again_for_each_match_is_refused() {
    let slow = "SELECT regexp_count(repeat('a', 1000000), '.*[^a-z]|[a-z]')";
    let error = from_datafusion(rows_within(u64::MAX, slow).await.unwrap_err());
    assert_eq!(error.kind(), Kind::ResourceExhausted, "{}", error.report());

    let fast = "SELECT regexp_count(repeat('a ', 12000), '[a-z]+')";
    let query = Arc::new(Queries::default()).begin(Principal::local(), fast, Limits::default()).unwrap();
    let counted = Arc::clone(&query).scope(rows(&guarded(), fast)).await;
    assert_eq!(text_of(fast, counted), "12000");
}

#[tokio::test]
async fn a_function_is_not_called_for_a_query_that_has_ended() {
    let sql = "SELECT repeat('x', value) FROM generate_series(1, 2)";
    let queries = Arc::new(Queries::default());
    let query = queries.begin(Principal::local(), sql, Limits::default()).unwrap();
    query.cancel();

    let error = Arc::clone(&query).scope(rows(&guarded(), sql)).await.unwrap_err();

    assert_eq!(from_datafusion(error).kind(), Kind::Cancelled);
}

/// To plan a long chain of operators takes seconds, in single calls of a rule.
#[tokio::test]
async fn no_expression_of_a_query_that_has_ended_has_a_type() {
    let queries = Arc::new(Queries::default());
    let query = queries.begin(Principal::local(), "", Limits::default()).unwrap();
    let context = guarded();
    let plans =
        ["SELECT repeat('x', 2)", "SELECT array_agg(value) FROM generate_series(1, 2)"].map(|sql| context.sql(sql));
    let mut expressions = Vec::new();
    for plan in plans {
        let plan = plan.await.unwrap().into_unoptimized_plan();
        plan.apply(|node| {
            expressions.extend(node.expressions().into_iter().map(|expr| (expr, node.inputs()[0].schema().clone())));
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
    }
    query.cancel();

    let calls = expressions.iter().filter(|(expr, _)| !matches!(expr, Expr::Column(_)));
    let types: Vec<_> =
        calls.map(|(expr, schema)| Arc::clone(&query).in_scope(|| expr.get_type(schema).is_ok())).collect();

    assert_eq!(types, [false, false]);
}

#[test]
fn a_function_returns_why_its_query_has_ended() {
    let queries = Arc::new(Queries::default());
    let late = Limits { timeout: Duration::ZERO, ..Limits::default() };
    let [late, stopped] =
        [late, Limits::default()].map(|limits| queries.begin(Principal::local(), "SELECT 1", limits).unwrap());
    let error = |query: &Arc<Query>| Arc::clone(query).in_scope(check_query).unwrap_err();

    assert!(matches!(error(&late), Fault::Timeout(Duration::ZERO)));
    stopped.stop(StopReason::NoMemory);
    assert!(matches!(error(&stopped), Fault::Limit(LimitFault::NoMemory)));
}
