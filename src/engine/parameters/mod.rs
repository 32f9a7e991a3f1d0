//! The parameters of a statement: which type it gives to each, and the values that are bound to them.
//!
//! DataFusion's own placeholders take a type from the other side of a comparison, and from nothing else: `CAST(? AS
//! BIGINT)`, `coalesce(?, id)` and `round(?, 2)` have none, and some such statements cannot even be planned. So each
//! parameter is planned as a call of a function, `"$1"()` (`parameter_function`). At first its type is Null, which DataFusion's
//! type coercion turns into whatever the place asks for: the casts around the calls tell the types (`parameter_types`). Then the
//! statement is planned once more, with parameters of these types; when it runs, the calls become literals (`bound_values`).
//! A statement without parameters is planned once.
//!
//! What DataFusion reads while it plans is rewritten or refused before all that: `INTERVAL ?` (`parameter_places`, `interval_parameters`,
//! `series_parameters`).
//!
//! Clients are told slightly other types, which their drivers can write ([`told`]).

mod bound_texts;
mod bound_values;
mod interval_parameters;
mod parameter_function;
mod parameter_places;
mod parameter_types;
mod series_parameters;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as Ast;

pub(super) use bound_values::{nulls, plain_values, values};
pub(super) use parameter_function::{bind, number};

use super::fault::{Fault, from_datafusion};
use crate::error::Result;

/// A statement with functions in place of its parameters.
pub(super) struct Parameterized {
    ast: Ast,
    count: usize,
}

/// The types of parameters, and the numbers of those that nothing tells the type of: they are text.
struct Types {
    types: Vec<DataType>,
    untold: BTreeSet<usize>,
}

/// On the field of a parameter that is text because nothing tells its type, and that is more than shown: a number would be
/// compared as text.
const TEXT_ALONE: &str = "text alone";

/// On the field of a parameter that stands in the statement's own CASTs alone, which round.
const CAST_BY_STATEMENT: &str = "cast by the statement";

impl Parameterized {
    /// The statement, of which `count` is the number of parameters.
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

    /// The statement, which reads the same tables as before.
    pub(super) fn ast(&self) -> &Ast {
        &self.ast
    }

    /// The plan, and the types of its parameters: "1", "2", …, all nullable. A parameter whose type nothing tells is
    /// text.
    pub(super) async fn plan(&self, state: &mut SessionState) -> Result<(LogicalPlan, SchemaRef)> {
        let Types { types, untold } = self.types(state).await?;
        let plan = self.plan_with(state, &types).await?;
        let used =
            if untold.is_empty() { BTreeSet::new() } else { parameter_types::used(&plan).map_err(from_datafusion)? };
        let cast = parameter_function::cast_by_statement(&self.ast);
        let field = |(at, data_type): (usize, &DataType)| {
            let number = at + 1;
            let text_alone = (untold.contains(&number) && used.contains(&number)).then_some(TEXT_ALONE);
            let cast = cast.contains(&number).then_some(CAST_BY_STATEMENT);
            let metadata = text_alone.into_iter().chain(cast).map(|key| (key.to_owned(), String::new())).collect();
            Field::new(number.to_string(), data_type.clone(), true).with_metadata(metadata)
        };
        Ok((plan, Arc::new(Schema::new(types.iter().enumerate().map(field).collect::<Vec<_>>()))))
    }

    async fn types(&self, state: &mut SessionState) -> Result<Types> {
        let unknown = vec![DataType::Null; self.count];
        if self.count == 0 {
            return Ok(Types { types: unknown, untold: BTreeSet::new() });
        }
        // `now() - ?` could subtract a time as well as an interval; where it is compared with a time, only the second has
        // a meaning. `sum(?)` and `-?` want a number, of whichever kind.
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

    /// The types that the places of parameters ask for. Where they ask for none, and `guess` has none: text, or a number
    /// where text does not fit.
    async fn types_from(&self, state: &mut SessionState, guess: Vec<DataType>) -> Result<Types> {
        let cast = parameter_function::cast_by_statement(&self.ast);
        let asked =
            parameter_types::asked_for(&self.analysed(state, &guess).await?, &guess, &cast).map_err(from_datafusion)?;
        if !asked.contains(&DataType::Null) {
            return Ok(Types { types: asked, untold: BTreeSet::new() });
        }
        let filled = |with: DataType| -> Vec<DataType> {
            asked.iter().map(|own| if *own == DataType::Null { with.clone() } else { own.clone() }).collect()
        };
        let (texts, numbers) = (filled(DataType::Utf8), filled(DataType::Float64));
        let untold = asked.iter().enumerate().filter(|(_, own)| **own == DataType::Null).map(|(at, _)| at + 1);
        match self.analysed(state, &texts).await {
            Ok(_) => Ok(Types { types: texts, untold: untold.collect() }),
            Err(error) => match self.analysed(state, &numbers).await {
                Ok(_) => Ok(Types { types: numbers, untold: BTreeSet::new() }),
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

/// The parameters as clients are told them. JDBC's driver writes values in the type that it is told, and only some
/// right: times in milliseconds whatever the unit, and intervals not at all, which are text here. What arrives is cast
/// to the parameter's own type.
pub(super) fn told(parameters: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| Field::new(field.name(), told_type(field.data_type()), true);
    Arc::new(Schema::new(parameters.fields().iter().map(field).collect::<Vec<_>>()))
}

fn told_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Interval(_) | DataType::Duration(_) => DataType::Utf8,
        other => other.clone(),
    }
}
