//! Prepared statements: `CreatePreparedStatement`, `CommandPreparedStatementQuery`, `ClosePreparedStatement`.
//!
//! Parameters are bound by position: clients name their columns "0", "param_0", or not at all. The engine casts the
//! values to the parameters' types.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, CommandPreparedStatementQuery, DoPutPreparedStatementResult, ProstMessageExt,
};
use bytes::Bytes;
use prost::Message;

use super::Service;
use super::column_metadata::described;
use super::command::{CommandTicket, QueryCommand};
use super::fault::{Fault, MessagePart};
use super::handle::{PreparedHandle, nonce};
use super::statement;
use super::stream::{self, FlightRows};
use crate::engine::{PreparedStatement, Principal};
use crate::error::Result;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from proto/")]
    include!(concat!(env!("OUT_DIR"), "/arrow.flight.protocol.sql.rs"));
}

/// Plans a statement, and returns its handle with the schemas of its rows and of its parameters: an
/// `ActionCreatePreparedStatementResult`.
///
/// An EXEC is not an update, because it returns rows. CREATE TABLE and DROP TABLE are.
pub(super) async fn create(
    service: &Service,
    principal: &Principal,
    request: ActionCreatePreparedStatementRequest,
) -> Result<Any> {
    statement::refuse_transaction(request.transaction_id.as_ref())?;
    let planned = service.engine.prepare(principal, &request.query).await?;
    let handle = PreparedHandle {
        sql: request.query,
        parameters: None,
        nonce: nonce(),
        session: statement::session_of(principal),
    };
    let result = proto::ActionCreatePreparedStatementResult {
        prepared_statement_handle: handle.encode()?.into(),
        dataset_schema: dataset_schema(&planned)?.into(),
        parameter_schema: stream::schema_bytes(&planned.parameters)?.into(),
        is_update: Some(planned.is_update),
    };
    let type_url = ActionCreatePreparedStatementResult::type_url().to_owned();
    Ok(Any { type_url, value: result.encode_to_vec().into() })
}

/// The schema of the rows. The JDBC driver executes a statement as an update if it is empty.
fn dataset_schema(planned: &PreparedStatement) -> Result<Bytes> {
    match planned.is_update {
        true => Ok(Bytes::new()),
        false => Ok(stream::schema_bytes(&stream::wire_schema(described(&planned.schema)))?),
    }
}

/// Removes the stored rows of the handle's preparation. A handle has no other state on the server.
pub(super) fn close(service: &Service, request: &ActionClosePreparedStatementRequest) -> Result<()> {
    let handle = PreparedHandle::decode(&request.prepared_statement_handle)?;
    service.bound.forget(handle.nonce);
    Ok(())
}

/// Binds rows: returns a new handle that contains them, and stores them for the old handles. Without a row, earlier
/// rows are removed.
pub(super) async fn bind(
    service: &Service,
    principal: &Principal,
    mut handle: PreparedHandle,
    rows: Option<RecordBatch>,
) -> Result<DoPutPreparedStatementResult> {
    let principal = &statement::in_session(service, principal, &handle.session)?;
    let expected = service.engine.prepare(principal, &handle.sql).await?.parameters.fields().len();
    handle.parameters = bindable(rows, expected)?;
    match &handle.parameters {
        Some(rows) => service.bound.remember(handle.nonce, rows.clone()),
        None => service.bound.forget(handle.nonce),
    }
    Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle.encode()?) })
}

#[tonic::async_trait]
impl QueryCommand for CommandPreparedStatementQuery {
    /// Without bound rows, it is the schema that CreatePreparedStatement returned.
    async fn schema(&self, service: &Service, principal: &Principal) -> Result<SchemaRef> {
        let handle = current(service, self)?;
        let principal = &statement::in_session(service, principal, &handle.session)?;
        let schema = match &handle.parameters {
            None => Arc::clone(&service.engine.prepare(principal, &handle.sql).await?.schema),
            bound => service.engine.check(principal, &handle.sql, bound.as_ref()).await?,
        };
        Ok(described(&schema))
    }

    async fn ticket(&self, service: &Service, principal: &Principal) -> Result<CommandTicket> {
        let handle = current(service, self)?;
        let principal = &statement::in_session(service, principal, &handle.session)?;
        statement::checked(service, principal, &handle.sql, handle.parameters).await
    }

    async fn rows(&self, _: &Service, _: &Principal) -> Result<FlightRows> {
        Err(Fault::Misplaced { command: "CommandPreparedStatementQuery".into(), place: MessagePart::Ticket }.into())
    }
}

/// Decodes the command's handle. If it contains no rows, it gets those that are stored under its nonce.
fn current(service: &Service, command: &CommandPreparedStatementQuery) -> Result<PreparedHandle, Fault> {
    let mut handle = PreparedHandle::decode(&command.prepared_statement_handle)?;
    if handle.parameters.is_none() {
        handle.parameters = service.bound.rows(handle.nonce);
    }
    Ok(handle)
}

/// Runs an EXEC once for each row, and returns the number of executions. Without rows, it uses those bound before.
pub(super) async fn update(
    service: &Service,
    principal: &Principal,
    handle: PreparedHandle,
    rows: Option<RecordBatch>,
) -> Result<usize> {
    let principal = &statement::in_session(service, principal, &handle.session)?;
    let rows = match rows {
        Some(rows) => Some(by_position(&rows)?),
        None => handle.parameters.or_else(|| service.bound.rows(handle.nonce)),
    };
    service.engine.update(principal, &handle.sql, rows.as_ref()).await
}

/// Checks the rows for a statement with `expected` parameters, and returns them as they are bound.
fn bindable(rows: Option<RecordBatch>, expected: usize) -> Result<Option<RecordBatch>, Fault> {
    match rows {
        Some(rows) if rows.num_columns() != expected => {
            Err(Fault::ParameterCount { expected, found: rows.num_columns() })
        }
        Some(rows) if expected > 0 && rows.num_rows() > 0 => by_position(&rows).map(Some),
        Some(_) | None if expected > 0 => Err(Fault::NoRow { expected }),
        Some(_) | None => Ok(None),
    }
}

/// Returns the rows with columns named "1", "2", …, and without unions.
fn by_position(rows: &RecordBatch) -> Result<RecordBatch, Fault> {
    let mut fields = Vec::with_capacity(rows.num_columns());
    let mut columns = Vec::with_capacity(rows.num_columns());
    for (at, column) in rows.columns().iter().enumerate() {
        let column = without_union(column)?;
        fields.push(Field::new((at + 1).to_string(), column.data_type().clone(), true));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(Fault::Encoding)
}

/// Converts a union to an array of its values' type, or to text if they have several types. flightsql-dbapi binds every
/// value as a dense union of all types that it knows. Other columns are returned unchanged.
fn without_union(column: &ArrayRef) -> Result<ArrayRef, Fault> {
    if !matches!(column.data_type(), DataType::Union(..)) {
        return Ok(Arc::clone(column));
    }
    if column.is_empty() {
        return Ok(new_empty_array(&DataType::Utf8));
    }
    let mut values: Vec<ArrayRef> = (0..column.len()).map(|row| column.as_union().value(row)).collect();
    let have_one_type = values.windows(2).all(|two| two[0].data_type() == two[1].data_type());
    if !have_one_type {
        for value in &mut values {
            *value = cast(value, &DataType::Utf8).map_err(Fault::Encoding)?;
        }
    }
    let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    concat(&values).map_err(Fault::Encoding)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray, UnionArray};
    use arrow::datatypes::UnionFields;

    use super::*;

    fn columns(columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_from_iter(columns.into_iter().enumerate().map(|(at, column)| (format!("param_{at}"), column)))
            .unwrap()
    }

    fn number(value: i64) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    /// As flightsql-dbapi makes it: a child for every type, one of which holds the value.
    fn union(type_id: i8, offsets: Option<Vec<i32>>) -> ArrayRef {
        let fields =
            UnionFields::from_fields([Field::new("0", DataType::Int64, true), Field::new("1", DataType::Utf8, true)]);
        let children = vec![number(7), Arc::new(StringArray::from(vec!["seven"])) as ArrayRef];
        let offsets = offsets.map(Into::into);
        Arc::new(UnionArray::try_new(fields, vec![type_id].into(), offsets, children).unwrap())
    }

    #[test]
    fn a_union_is_bound_as_its_value() {
        let row = columns(vec![union(0, Some(vec![0])), union(1, Some(vec![0])), union(1, None)]);

        let bound = by_position(&row).unwrap();

        let text: ArrayRef = Arc::new(StringArray::from(vec!["seven"]));
        assert_eq!(bound.columns(), [number(7), text.clone(), text]);
        assert_eq!(bound.schema().field(2), &Field::new("3", DataType::Utf8, true));
    }

    #[test]
    fn the_number_of_values_is_that_of_the_parameters() {
        let row = || Some(columns(vec![number(1)]));

        assert!(matches!(bindable(row(), 1), Ok(Some(_))));
        assert!(matches!(bindable(row(), 2), Err(Fault::ParameterCount { expected: 2, found: 1 })));
        assert!(matches!(bindable(row(), 0), Err(Fault::ParameterCount { expected: 0, found: 1 })));
        assert!(matches!(bindable(None, 1), Err(Fault::NoRow { expected: 1 })));
        assert!(matches!(bindable(None, 0), Ok(None)));
    }

    #[test]
    fn two_preparations_have_different_nonces() {
        assert_ne!(nonce(), nonce());
    }
}
