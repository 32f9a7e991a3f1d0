//! Expressions that were encoded to bytes and decoded return the same values as before, for all functions.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, DurationSecondArray, Float64Array, Int64Array, IntervalMonthDayNanoArray,
    ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType};
use arrow::util::display::array_value_to_string;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::prelude::SessionContext;
use datafusion_proto::physical_plan::from_proto::parse_physical_expr;
use datafusion_proto::physical_plan::to_proto::serialize_physical_expr;
use datafusion_proto::physical_plan::{DefaultPhysicalExtensionCodec, PhysicalExtensionCodec};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::engine::Options;
use crate::engine::fault::from_datafusion;
use crate::engine::session::session;
use crate::resource::Registry;
use crate::table::{Accounts, Fault, Unencodable};

/// The seconds of a year.
const YEAR: i64 = 31_557_600;

/// Rows with at least one value, for each corrected function, for which DataFusion's function or operator is wrong.
fn rows() -> RecordBatch {
    let most = 10_i128.pow(38) - 1;
    let decimals = Decimal128Array::from_iter(and_null([most, 1, -most, 0, 7, most / 3, 2]));
    let decimals = decimals.with_precision_and_scale(38, 0).unwrap();
    let nanoseconds =
        [0, 1, 1_767_225_600_000_000_000, -86_400_000_000_001, i64::MAX, i64::MIN, 951_782_400_000_000_000];
    let times = TimestampNanosecondArray::from_iter(and_null(nanoseconds)).with_timezone("UTC");
    let spans = [0, 1, 70 * YEAR, -80 * YEAR, 86_400, 59, -1];
    let intervals = [(0, 1, 0), (0, 0, 36), (1, 0, 0), (0, 31, 0), (0, 0, 0), (-1, 0, 1), (12, 0, 0)];
    let interval = |(months, days, hours): (i32, i32, i64)| {
        IntervalMonthDayNanoType::make_value(months, days, hours * 3_600_000_000_000)
    };
    let intervals = IntervalMonthDayNanoArray::from_iter(and_null(intervals.map(interval)));
    let texts = ["2026-06-01", "", "ab", "a%b_", "7", "é", "2026-06-01 10:00:00"];
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in and_null([&["a", "b"][..], &[], &["b"], &["a"], &["c"], &["a", "c"], &["d"]]) {
        tags.append_option(row.map(|row| row.iter().map(Some)));
    }
    let columns: [(&str, ArrayRef); 10] = [
        ("i", Arc::new(Int64Array::from_iter(and_null([7, 21, i64::MIN, i64::MAX, 0, 4, -1])))),
        ("j", Arc::new(Int64Array::from_iter(null_and([3, -1, 1, i64::MIN, -2, i64::MAX, 2])))),
        ("f", Arc::new(Float64Array::from_iter(and_null([0.5, f64::NAN, -0.0, f64::INFINITY, -7.0, 1e300, 0.0])))),
        ("b", Arc::new(BooleanArray::from_iter(null_and([true, false, true, false, true, true, false])))),
        ("s", Arc::new(StringArray::from_iter(and_null(texts)))),
        ("d", Arc::new(decimals)),
        ("t", Arc::new(times)),
        ("u", Arc::new(DurationSecondArray::from_iter(and_null(spans)))),
        ("v", Arc::new(intervals)),
        ("tags", Arc::new(tags.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true))).unwrap()
}

fn and_null<T>(values: [T; 7]) -> impl Iterator<Item = Option<T>> {
    values.into_iter().map(Some).chain([None])
}

fn null_and<T>(values: [T; 7]) -> impl Iterator<Item = Option<T>> {
    [None].into_iter().chain(values.into_iter().map(Some))
}

/// Plans and evaluates expressions in a session of the engine.
struct Trial {
    runtime: Runtime,
    session: SessionContext,
    codec: ExprCodec,
    rows: RecordBatch,
}

impl Trial {
    fn start() -> Self {
        let (accounts, resources) = (Accounts::new(Vec::new()), Registry::try_new(Vec::new()).unwrap());
        let (session, _) = session(&Arc::new(accounts), &Arc::new(resources), &Options::default()).unwrap();
        let mut rules = session.state().optimizers().to_vec();
        // This rule would move a part of an expression below the projection that `planned` looks at.
        rules.retain(|rule| rule.name() != "common_sub_expression_eliminate");
        let state = SessionStateBuilder::new_from_existing(session.state()).with_optimizer_rules(rules).build();
        let session = SessionContext::new_with_state(state);
        let codec = codec(&session.state());
        Self { runtime: Builder::new_current_thread().build().unwrap(), session, codec, rows: rows() }
    }

    /// The planned expression of a text, and the rows with the columns that it reads.
    fn planned(&self, sql: &str) -> (Arc<dyn PhysicalExpr>, RecordBatch) {
        let all = self.session.read_batch(self.rows.clone()).unwrap();
        let value = all.parse_sql_expr(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).alias("value");
        let planning = async { all.select([value])?.create_physical_plan().await };
        let plan = self.runtime.block_on(planning).unwrap_or_else(|error| panic!("{sql}: {error}"));
        // Operators that bound the rows may be above it.
        let mut nodes = std::iter::successors(Some(&plan), |node| node.children().first().copied());
        let projection = nodes.find_map(|node| node.downcast_ref::<ProjectionExec>());
        let projection = projection.unwrap_or_else(|| panic!("{sql}: {plan:?}"));
        let read = projection.input().schema();
        let places = read.fields().iter().map(|field| self.rows.schema().index_of(field.name()).unwrap());
        let rows = self.rows.project(&places.collect::<Vec<_>>()).unwrap();
        (Arc::clone(&projection.expr()[0].expr), rows)
    }

    fn through_bytes(&self, expr: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<Arc<dyn PhysicalExpr>, Fault> {
        let bytes = self.codec.encode(expr, &rows.schema(), None)?;
        self.codec.decode(&bytes, &rows.schema(), None)
    }

    /// The decoded expression if functions are found only by name, as DataFusion does it.
    fn by_name(&self, expr: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<Arc<dyn PhysicalExpr>> {
        let codec = DefaultPhysicalExtensionCodec {};
        let node = serialize_physical_expr(expr, &codec)?;
        parse_physical_expr(&node, &TaskContext::from(&self.session.state()), &rows.schema(), &codec)
    }
}

/// For each row the type and the value, or the error.
fn values(expr: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Vec<Result<(DataType, String), String>> {
    let value = |at: usize| {
        let value = expr.evaluate(&rows.slice(at, 1)).and_then(|value| value.into_array(1));
        let value = value.map_err(|error| from_datafusion(error).report())?;
        let shown = if value.is_null(0) { "NULL".to_owned() } else { array_value_to_string(&value, 0).unwrap() };
        Ok((value.data_type().clone(), shown))
    };
    (0..rows.num_rows()).map(value).collect()
}

/// The functions that an expression calls.
fn called(expr: &Arc<dyn PhysicalExpr>) -> Vec<Arc<ScalarUDF>> {
    let mut found = Vec::new();
    let walked = expr.apply(|part| {
        found.extend(part.downcast_ref::<ScalarFunctionExpr>().map(|call| Arc::new(call.fun().clone())));
        Ok(TreeNodeRecursion::Continue)
    });
    walked.unwrap();
    found
}

/// An expression for each corrected function that calls it.
const CORRECTED: &[(&str, &str)] = &[
    ("abs", "abs(i)"),
    ("gcd", "gcd(i, j)"),
    ("lcm", "lcm(i, j)"),
    ("factorial", "factorial(i)"),
    ("date_part", "date_part('epoch', u)"),
    ("to_timestamp", "to_timestamp(s, '%Y-%m-%d')"),
    ("to_timestamp_seconds", "to_timestamp_seconds(s, '%Y-%m-%d')"),
    ("to_timestamp_millis", "to_timestamp_millis(s, '%Y-%m-%d')"),
    ("to_timestamp_micros", "to_timestamp_micros(s, '%Y-%m-%d')"),
    ("to_timestamp_nanos", "to_timestamp_nanos(s, '%Y-%m-%d')"),
    ("checked_add", "i + j"),
    ("checked_subtract", "i - j"),
    ("checked_multiply", "i * j"),
    ("checked_divide", "i / j"),
    ("checked_remainder", "d % CAST(2.5 AS DECIMAL(38, 10))"),
    ("checked_negate", "-i"),
    ("concatenate", "s || s"),
    ("matches_pattern", "s ~ s"),
    ("matches_pattern_in_any_case", "s ~* s"),
    ("matches_no_pattern", "s !~ s"),
    ("matches_no_pattern_in_any_case", "s !~* s"),
    ("is_similar", "s SIMILAR TO s"),
    ("is_not_similar", "s NOT SIMILAR TO s"),
    ("matches_like", "s ~~ s"),
    ("matches_like_in_any_case", "s ~~* s"),
    ("matches_no_like", "s !~~ s"),
    ("matches_no_like_in_any_case", "s !~~* s"),
    ("is_like", "s LIKE s"),
    ("is_like_in_any_case", "s ILIKE s"),
    ("is_not_like", "s NOT LIKE s"),
    ("is_not_like_in_any_case", "s NOT ILIKE s"),
    ("is_like_escaped", r"s LIKE s ESCAPE '\'"),
    ("is_like_escaped_in_any_case", r"s ILIKE s ESCAPE '\'"),
    ("is_not_like_escaped", r"s NOT LIKE s ESCAPE '\'"),
    ("is_not_like_escaped_in_any_case", r"s NOT ILIKE s ESCAPE '\'"),
    ("interval_length", "v > INTERVAL '1 day'"),
    ("interval_product", "i * v"),
];

#[test]
fn a_corrected_function_survives_encoding_although_its_name_means_another_function() {
    let trial = Trial::start();

    for (name, sql) in CORRECTED {
        let (expr, rows) = trial.planned(sql);
        assert!(called(&expr).iter().any(|function| function.name() == *name), "{sql}: {expr}");

        let decoded = trial.through_bytes(&expr, &rows).unwrap_or_else(|error| panic!("{sql}: {error}"));

        let wanted = values(&expr, &rows);
        assert_eq!(values(&decoded, &rows), wanted, "{sql}");
        if let Ok(other) = trial.by_name(&expr, &rows) {
            assert_ne!(values(&other, &rows), wanted, "{sql}: these rows do not tell the two functions apart");
        }
    }
}

#[test]
fn every_corrected_function_has_a_test_case() {
    let trial = Trial::start();
    let corrected = corrections::scalar_functions(&trial.session.state());

    let named: BTreeSet<_> = corrected.iter().map(|function| function.name()).collect();

    // `nullable` is called only in the select list of a scalar subquery.
    let cases = CORRECTED.iter().map(|(name, _)| *name).chain(["nullable"]);
    assert_eq!(named, cases.collect());
}

#[test]
fn every_function_of_the_session_and_every_corrected_function_can_be_decoded() {
    let trial = Trial::start();
    let state = trial.session.state();
    let corrected = corrections::scalar_functions(&state);

    for function in state.scalar_functions().values().chain(&corrected) {
        let mut bytes = Vec::new();
        trial.codec.try_encode_udf(function, &mut bytes).unwrap();

        let found = trial.codec.try_decode_udf(function.name(), &bytes).unwrap();

        assert_eq!(found, *function, "{}", function.name());
    }
}

#[test]
fn a_function_with_the_name_of_a_session_function_is_rejected() {
    let trial = Trial::start();
    let rows = trial.rows.project(&[0]).unwrap();
    for name in ["abs", "upper", "no_such_function"] {
        let seven =
            Arc::new(|_: &[ColumnarValue]| Ok(ColumnarValue::from(datafusion::common::ScalarValue::from(7_i64))));
        let function = create_udf(name, vec![DataType::Int64], DataType::Int64, Volatility::Immutable, seven);
        let config = Arc::clone(trial.session.state().config_options());
        let argument: Arc<dyn PhysicalExpr> = Arc::new(Column::new("i", 0));
        let call = ScalarFunctionExpr::try_new(Arc::new(function), vec![argument], &rows.schema(), config).unwrap();
        let call: Arc<dyn PhysicalExpr> = Arc::new(call);

        let refused = trial.codec.encode(&call, &rows.schema(), None);

        let why = Unencodable::Function(name.to_owned());
        assert_eq!(refused, Err(Fault::Unencodable { expression: format!("{name}(i@0)"), why }));
    }
}

/// Expressions of every kind that a filter may contain.
const EXPRESSIONS: &[&str] = &[
    "i = 7 OR i IS NULL AND NOT b",
    "i IN (7, NULL, -1, 21)",
    "i NOT IN (7, 4)",
    "i BETWEEN j AND 100",
    "i IS DISTINCT FROM j",
    "i <> 7 AND (j > 0) IS NOT TRUE",
    "f > 0.5",
    "f = 'NaN'::DOUBLE",
    "f IN (CAST('NaN' AS DOUBLE), 0.0, 1e300)",
    "f + CAST(i AS DOUBLE)",
    "CAST(f AS DECIMAL(20, 5))",
    "CAST(s AS BIGINT)",
    "TRY_CAST(s AS BIGINT)",
    "TRY_CAST(s AS TIMESTAMP) > t",
    "CAST(i AS INT)",
    "CAST(d AS TEXT)",
    "d * 2.5",
    "d + d",
    "d IN (7, 2)",
    "i & 5 | j ^ 1",
    "i << 2",
    "s LIKE 'a%'",
    "s NOT LIKE '%b_'",
    "s ILIKE 'A%'",
    "s ~ '^[0-9]+$'",
    "s !~* 'A'",
    "s SIMILAR TO '(a|2)%'",
    "s || '!' = 'ab!'",
    "s IN ('ab', '7', NULL)",
    "upper(s) = 'AB'",
    "length(s) > 2",
    "substr(s, 1, 4) = '2026'",
    "position('b' IN s)",
    "starts_with(s, 'a')",
    "regexp_like(s, 'a.b')",
    "split_part(s, '-', 2)",
    "coalesce(s, 'none')",
    "nullif(i, 7)",
    "greatest(i, j)",
    "CASE WHEN b THEN i WHEN i > 0 THEN j END",
    "CASE i WHEN 7 THEN 'seven' WHEN 4 THEN 'four' ELSE s END",
    "CASE WHEN i = 0 THEN 0 ELSE 100 / i END",
    "t > TIMESTAMP '2026-01-01 00:00:00'",
    "t > to_timestamp('2026-01-01')",
    "date_part('year', t) < 1971",
    "extract(day FROM t) IN (1, 29)",
    "date_trunc('month', t)",
    "CAST(t AS DATE) = DATE '1970-01-01'",
    "date_bin(INTERVAL '1 hour', t)",
    "t - INTERVAL '1 month'",
    "t AT TIME ZONE 'Europe/Berlin'",
    "to_char(t, '%Y-%m')",
    "v = INTERVAL '1 month'",
    "v IN (INTERVAL '30 days', INTERVAL '36 hours')",
    "u > make_array(u)[1]",
    "array_has(tags, 'a')",
    "'a' = ANY(tags)",
    "array_has_any(tags, ['a', 'd'])",
    "tags[1] = 'a'",
    "tags = ['a', 'b']",
    "array_length(tags)",
    "array_to_string(tags, ',')",
    "named_struct('a', i, 'b', s)['b']",
    "concat(s, i)",
    "md5(s)",
    "round(f, 1)",
    "power(i, 2)",
    "nanvl(f, 1.0)",
    "isnan(f)",
    "current_schema() = s",
    "random() >= 0",
];

#[test]
fn a_decoded_expression_returns_the_same_values() {
    let trial = Trial::start();
    let mut refused = Vec::new();

    for sql in EXPRESSIONS {
        let (expr, rows) = trial.planned(sql);
        match trial.through_bytes(&expr, &rows) {
            Ok(decoded) => assert_eq!(values(&decoded, &rows), values(&expr, &rows), "{sql}"),
            Err(error) => refused.push(error.to_string()),
        }
    }

    assert_eq!(refused, [""; 0]);
}

/// The text of a random condition over the rows.
fn conditions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (numbers(), prop_oneof![Just("="), Just("<>"), Just("<"), Just(">="), Just("IS DISTINCT FROM")], numbers())
            .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
        (numbers(), prop::collection::vec(-2_i64..9, 1..4)).prop_map(|(value, list)| format!(
            "({value} IN ({}))",
            list.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
        )),
        (numbers(), Just("IS NULL")).prop_map(|(value, is)| format!("({value} {is})")),
        prop_oneof![Just("b"), Just("s LIKE 'a%'"), Just("s IN ('7', 'ab')"), Just("array_has(tags, 'a')")]
            .prop_map(str::to_owned),
        prop_oneof![Just("v > INTERVAL '1 day'"), Just("t < to_timestamp(s)"), Just("d + 1 > d")]
            .prop_map(|comparison| format!("({comparison})")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone(), prop_oneof![Just("AND"), Just("OR")])
                .prop_map(|(left, right, operator)| format!("({left} {operator} {right})")),
            inner.prop_map(|condition| format!("(NOT {condition})")),
        ]
    })
}

/// The text of a random numeric expression over the rows.
fn numbers() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop_oneof![Just("i"), Just("j"), Just("length(s)"), Just("date_part('year', t)")].prop_map(str::to_owned),
        (-9_i64..30).prop_map(|number| format!("({number})")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (two.clone(), prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%")])
                .prop_map(|((left, right), operator)| format!("({left} {operator} {right})")),
            (inner.clone(), prop_oneof![Just("abs"), Just("factorial"), Just("-")])
                .prop_map(|(value, function)| format!("{function}({value})")),
            (two.clone(), prop_oneof![Just("gcd"), Just("lcm"), Just("coalesce"), Just("nullif")])
                .prop_map(|((left, right), function)| format!("{function}({left}, {right})")),
            two.prop_map(|(left, right)| format!("(CASE WHEN b THEN {left} ELSE {right} END)")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_decoded_random_condition_returns_the_same_values(
        conditions in prop::collection::vec(conditions(), 8),
    ) {
        let trial = Trial::start();
        for sql in conditions {
            let (expr, rows) = trial.planned(&sql);
            let decoded = trial.through_bytes(&expr, &rows).unwrap();
            prop_assert_eq!(values(&decoded, &rows), values(&expr, &rows), "{}", sql);
        }
    }
}
