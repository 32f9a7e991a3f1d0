//! `CommandGetXdbcTypeInfo`: the types of results, as ODBC and JDBC describe types. Their names are those of
//! [`sql_type`](super::sql_type).

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{CommandGetXdbcTypeInfo, Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

use super::fault::Fault;
use super::metadata::{Metadata, ServerMetadata, encoding};

static TYPES: LazyLock<Result<XdbcTypeInfoData, String>> = LazyLock::new(|| {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for info in all() {
        types.append(info);
    }
    types.build().map_err(|error| error.to_string())
});

impl Metadata for CommandGetXdbcTypeInfo {
    fn schema(&self) -> SchemaRef {
        XdbcTypeInfoDataBuilder::new().schema()
    }

    fn batch(&self, _server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let types = TYPES.as_ref().map_err(|error| Fault::Encoding(ArrowError::ComputeError(error.clone())))?;
        types.record_batch(self.data_type).map_err(encoding)
    }
}

fn all() -> [XdbcTypeInfo; 17] {
    use XdbcDatetimeSubcode as Subcode;
    [
        base("BOOLEAN", XdbcDataType::XdbcBit, Some(1)),
        exact("TINYINT", XdbcDataType::XdbcTinyint, 3, 0),
        exact("SMALLINT", XdbcDataType::XdbcSmallint, 5, 0),
        exact("INTEGER", XdbcDataType::XdbcInteger, 10, 0),
        exact("BIGINT", XdbcDataType::XdbcBigint, 19, 0),
        with_parameters(exact("DECIMAL", XdbcDataType::XdbcDecimal, 38, 38), &["precision", "scale"]),
        approximate("REAL", XdbcDataType::XdbcReal, 24),
        approximate("DOUBLE", XdbcDataType::XdbcDouble, 53),
        XdbcTypeInfo { case_sensitive: true, ..literal("VARCHAR", XdbcDataType::XdbcVarchar, "'", None) },
        literal("VARBINARY", XdbcDataType::XdbcVarbinary, "X'", None),
        // The subcodes of YEAR and DATE are both 1; prost keeps only the first name of a number.
        moment("DATE", XdbcDataType::XdbcDate, "DATE '", 10, Subcode::XdbcSubcodeYear),
        moment("TIME", XdbcDataType::XdbcTime, "TIME '", 18, Subcode::XdbcSubcodeTime),
        moment("TIMESTAMP", XdbcDataType::XdbcTimestamp, "TIMESTAMP '", 29, Subcode::XdbcSubcodeTimestamp),
        XdbcTypeInfo {
            datetime_subcode: Some(Subcode::XdbcSubcodeDayToSecond),
            ..literal("INTERVAL", XdbcDataType::XdbcInterval, "INTERVAL '", None)
        },
        nested("ARRAY"),
        nested("MAP"),
        nested("STRUCT"),
    ]
}

/// A type with the attributes that all types have.
fn base(name: &str, data_type: XdbcDataType, size: Option<i32>) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        local_type_name: Some(name.to_owned()),
        data_type,
        sql_data_type: data_type,
        column_size: size,
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        ..XdbcTypeInfo::default()
    }
}

/// An exact number with `digits` decimal digits.
fn exact(name: &str, data_type: XdbcDataType, digits: i32, scale: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        unsigned_attribute: Some(false),
        auto_increment: Some(false),
        minimum_scale: Some(0),
        maximum_scale: Some(scale),
        num_prec_radix: Some(10),
        ..base(name, data_type, Some(digits))
    }
}

/// A floating-point number with `bits` bits.
fn approximate(name: &str, data_type: XdbcDataType, bits: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        unsigned_attribute: Some(false),
        auto_increment: Some(false),
        num_prec_radix: Some(2),
        ..base(name, data_type, Some(bits))
    }
}

/// A type whose literals are written in quotes.
fn literal(name: &str, data_type: XdbcDataType, prefix: &str, size: Option<i32>) -> XdbcTypeInfo {
    XdbcTypeInfo {
        literal_prefix: Some(prefix.to_owned()),
        literal_suffix: Some("'".to_owned()),
        ..base(name, data_type, size)
    }
}

/// A date or a time. `size` is its length as text, with nine digits of a second.
fn moment(name: &str, data_type: XdbcDataType, prefix: &str, size: i32, subcode: XdbcDatetimeSubcode) -> XdbcTypeInfo {
    XdbcTypeInfo {
        sql_data_type: XdbcDataType::XdbcDatetime,
        datetime_subcode: Some(subcode),
        ..literal(name, data_type, prefix, Some(size))
    }
}

/// A nested type, which ODBC has no number for.
fn nested(name: &str) -> XdbcTypeInfo {
    XdbcTypeInfo { searchable: Searchable::None, ..base(name, XdbcDataType::XdbcUnknownType, None) }
}

fn with_parameters(info: XdbcTypeInfo, parameters: &[&str]) -> XdbcTypeInfo {
    XdbcTypeInfo { create_params: Some(parameters.iter().copied().map(str::to_owned).collect()), ..info }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Fields, Int32Type, TimeUnit};

    use super::*;
    use crate::flight::sql_type;

    #[test]
    fn a_type_is_found_by_its_number() {
        let bigint = CommandGetXdbcTypeInfo { data_type: Some(XdbcDataType::XdbcBigint as i32) }
            .batch(&ServerMetadata::default())
            .unwrap();

        assert_eq!(bigint.num_rows(), 1);
        assert_eq!(bigint.column(0).as_string::<i32>().value(0), "BIGINT");
    }

    #[test]
    fn types_are_in_the_order_of_their_numbers() {
        let every = CommandGetXdbcTypeInfo { data_type: None }.batch(&ServerMetadata::default()).unwrap();

        let numbers = every.column(1).as_primitive::<Int32Type>().values();
        assert_eq!(numbers.len(), all().len());
        assert!(numbers.is_sorted());
    }

    #[test]
    fn the_types_of_declared_columns_are_described() {
        let named = all().map(|each| each.type_name);
        let columns = [
            DataType::Boolean,
            DataType::Int64,
            DataType::Float64,
            DataType::Utf8,
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            DataType::List(Field::new_list_field(DataType::Utf8, true).into()),
            DataType::Struct(Fields::empty()),
        ];

        for column in columns {
            let name = sql_type::name(&column);
            assert!(named.iter().any(|named| named == name), "{name}");
        }
    }
}
