//! The names of a map's fields. The Arrow format calls them `key` and `value`; arrow-flight's `SqlInfoData` calls them
//! `keys` and `values`. JDBC finds them by name, and without them says that no type can be converted.

use std::sync::Arc;

use arrow::array::{ArrayData, RecordBatch, make_array};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;

/// The schema, with the names of the Arrow format.
pub(super) fn of_schema(schema: &Schema) -> SchemaRef {
    let fields: Fields = schema.fields().iter().map(of_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The batch with a schema of [`of_schema`].
///
/// # Errors
/// If Arrow rejects the renamed type. It has the same layout, so Arrow does not.
pub(super) fn of_batch(batch: &RecordBatch, schema: SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| Ok(make_array(with_type(column.to_data(), field.data_type())?)));
    let columns = columns.collect::<Result<_, ArrowError>>()?;
    RecordBatch::try_new(schema, columns)
}

fn of_field(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(of_type(field.data_type())))
}

fn of_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Union(members, mode) => {
            DataType::Union(members.iter().map(|(id, member)| (id, of_field(member))).collect(), *mode)
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else { return data_type.clone() };
            let named = |(field, name): (&FieldRef, &str)| field.as_ref().clone().with_name(name);
            let fields: Fields = fields.iter().zip(["key", "value"]).map(named).collect();
            DataType::Map(Arc::new(entries.as_ref().clone().with_data_type(DataType::Struct(fields))), *sorted)
        }
        _ => data_type.clone(),
    }
}

/// The array as another type of the same layout. An array has the types of its children, and so they change, too.
fn with_type(data: ArrayData, data_type: &DataType) -> Result<ArrayData, ArrowError> {
    let types: Vec<&Field> = match data_type {
        DataType::Union(members, _) => members.iter().map(|(_, member)| member.as_ref()).collect(),
        DataType::Map(entries, _) => vec![entries],
        DataType::Struct(fields) => fields.iter().map(AsRef::as_ref).collect(),
        _ => return Ok(data),
    };
    let children = data.child_data().iter().zip(types);
    let children = children.map(|(child, field)| with_type(child.clone(), field.data_type()));
    let children = children.collect::<Result<_, _>>()?;
    data.into_builder().data_type(data_type.clone()).child_data(children).build()
}
