//! The parameters of a statement: their types, and the values that are bound to them.
//!
//! DataFusion infers the type of a placeholder only from the other side of a comparison: `CAST(? AS BIGINT)`,
//! `coalesce(?, id)` and `round(?, 2)` have none, and some such statements cannot be planned. So each parameter is
//! planned as a call of a function, `"$1"()`, and type coercion finds its type:
//!
//! ```text
//!     1  INTERVAL ?, generate_series(1, ?)    rewritten or rejected: DataFusion evaluates them while it plans
//!     2  ?  ──► "$1"()                        a function of type Null
//!     3  plan and coerce                      coercion adds casts: CAST("$1"() AS Int64); they are the types
//!     4  plan again                           with functions of these types: this plan is cached
//!     5  bind, for each execution             "$1"() ──► literal of that type
//! ```
//!
//! The modules: `parameter_places` with `interval_parameters` and `series_parameters` is step 1, `parameter_function`
//! steps 2 and 5, `parameter_types` step 3, `bound_values` with `bound_texts` the conversion of values for step 5. A
//! statement without parameters is planned once.
//!
//! Do not change without thinking: the types must not depend on the bound values, because clients have received the
//! schema before they bind.
//!
//! Clients receive slightly different types, which their drivers can write ([`client_schema`]).

mod bound_texts;
mod bound_values;
mod interval_parameters;
mod parameter_function;
mod parameter_places;
mod parameter_types;
mod series_parameters;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as Ast;

pub(super) use bound_values::{nulls, plain_values, values};
pub(super) use parameter_function::{bind, number};

use super::fault::{Fault, from_datafusion};
use crate::error::Result;

/// A statement whose parameters are replaced by functions.
pub(super) struct Parameterized {
    ast: Ast,
    count: usize,
}

/// The types of parameters, and the numbers of those whose type the statement does not determine: they are text.
struct Types {
    types: Vec<DataType>,
    untyped: BTreeSet<usize>,
}

/// Metadata of a parameter that is text because the statement does not determine its type, and that is not only
/// selected. Only texts can be bound to it: a number would be compared as text.
const TEXT_ONLY: &str = "text only";

/// Metadata of a parameter that appears only in CASTs of the statement. Such a CAST may round the value.
const CAST_BY_STATEMENT: &str = "cast by the statement";

impl Parameterized {
    /// A statement with `count` parameters.
    ///
    /// # Errors
    /// [`Fault::ParameterPlace`]
    pub(super) fn try_new(mut ast: Ast, count: usize) -> Result<Self, Fault> {
        if count > 0 {
            parameter_places::prepare(&mut ast)?;
            parameter_function::replace_placeholders(&mut ast);
        }
        Ok(Self { ast, count })
    }

    /// The rewritten statement. It reads the same tables.
    pub(super) fn ast(&self) -> &Ast {
        &self.ast
    }

    /// The plan, and the schema of its parameters: "1", "2", …, all nullable.
    pub(super) async fn plan(&self, state: &mut SessionState) -> Result<(LogicalPlan, SchemaRef)> {
        let Types { types, untyped } = self.types(state).await?;
        let plan = self.plan_with(state, &types).await?;
        let used =
            if untyped.is_empty() { BTreeSet::new() } else { parameter_types::used(&plan).map_err(from_datafusion)? };
        let cast = parameter_function::cast_by_statement(&self.ast);
        let mut fields = Vec::with_capacity(types.len());
        for (at, data_type) in types.into_iter().enumerate() {
            let number = at + 1;
            let mut metadata = HashMap::new();
            if untyped.contains(&number) && used.contains(&number) {
                metadata.insert(TEXT_ONLY.to_owned(), String::new());
            }
            if cast.contains(&number) {
                metadata.insert(CAST_BY_STATEMENT.to_owned(), String::new());
            }
            fields.push(Field::new(number.to_string(), data_type, true).with_metadata(metadata));
        }
        Ok((plan, Arc::new(Schema::new(fields))))
    }

    async fn types(&self, state: &mut SessionState) -> Result<Types> {
        let unknown = vec![DataType::Null; self.count];
        if self.count == 0 {
            return Ok(Types { types: unknown, untyped: BTreeSet::new() });
        }
        // Planning with unknown types may fail. `now() - ?` is the difference of two times for DataFusion, and cannot
        // be compared with a time: the second guess makes the parameter an interval. `sum(?)` and `-?` need a number:
        // the third guess makes all parameters numbers.
        let mut intervals = unknown.clone();
        for number in parameter_function::added_to_times(&self.ast) {
            intervals[number - 1] = DataType::Interval(IntervalUnit::MonthDayNano);
        }
        let numbers = vec![DataType::Float64; self.count];
        let mut failure = None;
        for guess in [unknown, intervals, numbers] {
            match self.types_from(state, guess).await {
                Ok(types) => return Ok(types),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.expect("the first guess has failed"))
    }

    /// The types that the parameters' places require. A parameter without one, here and in `guess`, is text, or a
    /// number if the statement cannot be planned with text.
    async fn types_from(&self, state: &mut SessionState, guess: Vec<DataType>) -> Result<Types> {
        let cast = parameter_function::cast_by_statement(&self.ast);
        let required = parameter_types::required_types(&self.analysed(state, &guess).await?, &guess, &cast)
            .map_err(from_datafusion)?;
        if !required.contains(&DataType::Null) {
            return Ok(Types { types: required, untyped: BTreeSet::new() });
        }
        let texts = with_type_for_unknown(&required, &DataType::Utf8);
        let numbers = with_type_for_unknown(&required, &DataType::Float64);
        let untyped = required.iter().enumerate().filter(|(_, known)| **known == DataType::Null).map(|(at, _)| at + 1);
        match self.analysed(state, &texts).await {
            Ok(_) => Ok(Types { types: texts, untyped: untyped.collect() }),
            Err(error) => match self.analysed(state, &numbers).await {
                Ok(_) => Ok(Types { types: numbers, untyped: BTreeSet::new() }),
                Err(_) => Err(error),
            },
        }
    }

    async fn analysed(&self, state: &mut SessionState, types: &[DataType]) -> Result<LogicalPlan> {
        let plan = self.plan_with(state, types).await?;
        let analysed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {});
        analysed.map_err(from_datafusion)
    }

    async fn plan_with(&self, state: &mut SessionState, types: &[DataType]) -> Result<LogicalPlan> {
        parameter_function::register(state, types).map_err(from_datafusion)?;
        state.statement_to_plan(self.ast.clone()).await.map_err(from_datafusion)
    }
}

/// The types, with `data_type` for each that is unknown.
fn with_type_for_unknown(types: &[DataType], data_type: &DataType) -> Vec<DataType> {
    types.iter().map(|known| if *known == DataType::Null { data_type } else { known }).cloned().collect()
}

/// The parameters' schema for clients. JDBC's driver writes values in the types of this schema, and some of them
/// wrongly: times in milliseconds for any unit, and intervals not at all, which are text here. Bound values are cast to
/// the parameter's type.
pub(super) fn client_schema(parameters: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| Field::new(field.name(), client_type(field.data_type()), true);
    Arc::new(Schema::new(parameters.fields().iter().map(field).collect::<Vec<_>>()))
}

fn client_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Interval(_) | DataType::Duration(_) => DataType::Utf8,
        other => other.clone(),
    }
}
