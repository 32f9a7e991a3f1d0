//! Functions of the escape with a keyword among their arguments: `{fn TIMESTAMPADD(SQL_TSI_DAY, 1, x)}`.
//!
//! Source of the types: ODBC Programmer's Reference, appendix E, "Explicit Data Type Conversion"; those with TYPE are
//! older drivers' spelling. JDBC writes the types without `SQL_`, and has BOOLEAN.

use crate::engine::timestamp_units::unit_names;

/// A keyword that the function does not have, with those that it has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownKeyword(pub(super) Vec<&'static str>);

/// The types of CONVERT in DataFusion's SQL. A decimal has the precision and scale of `DECIMAL` in a CAST.
const TYPES: [(&str, &str); 26] = [
    ("SQL_BIGINT", "BIGINT"),
    ("SQL_BINARY", "BYTEA"),
    ("SQL_BIT", "BOOLEAN"),
    ("SQL_BOOLEAN", "BOOLEAN"),
    ("SQL_CHAR", "VARCHAR"),
    ("SQL_DATE", "DATE"),
    ("SQL_DECIMAL", "DECIMAL"),
    ("SQL_DOUBLE", "DOUBLE"),
    ("SQL_FLOAT", "DOUBLE"),
    ("SQL_INTEGER", "INT"),
    ("SQL_LONGVARBINARY", "BYTEA"),
    ("SQL_LONGVARCHAR", "VARCHAR"),
    ("SQL_NUMERIC", "DECIMAL"),
    ("SQL_REAL", "REAL"),
    ("SQL_SMALLINT", "SMALLINT"),
    ("SQL_TIME", "TIME"),
    ("SQL_TIMESTAMP", "TIMESTAMP"),
    ("SQL_TINYINT", "TINYINT"),
    ("SQL_TYPE_DATE", "DATE"),
    ("SQL_TYPE_TIME", "TIME"),
    ("SQL_TYPE_TIMESTAMP", "TIMESTAMP"),
    ("SQL_VARBINARY", "BYTEA"),
    ("SQL_VARCHAR", "VARCHAR"),
    ("SQL_WCHAR", "VARCHAR"),
    ("SQL_WLONGVARCHAR", "VARCHAR"),
    ("SQL_WVARCHAR", "VARCHAR"),
];

fn unit(keyword: &str) -> Result<&'static str, UnknownKeyword> {
    let found = unit_names().find(|name| name.eq_ignore_ascii_case(keyword));
    found.ok_or_else(|| UnknownKeyword(unit_names().collect()))
}

/// The expression of `TIMESTAMPADD(unit, $2, $3)`.
///
/// # Errors
/// [`UnknownKeyword`]
pub(super) fn timestamp_add(keyword: &str) -> Result<String, UnknownKeyword> {
    unit(keyword).map(|unit| format!("timestampadd('{unit}', $2, $3)"))
}

/// The expression of `TIMESTAMPDIFF(unit, $2, $3)`.
///
/// # Errors
/// [`UnknownKeyword`]
pub(super) fn timestamp_difference(keyword: &str) -> Result<String, UnknownKeyword> {
    unit(keyword).map(|unit| format!("timestampdiff('{unit}', $2, $3)"))
}

/// The expression of `CONVERT($1, type)`.
///
/// # Errors
/// [`UnknownKeyword`]
pub(super) fn conversion(keyword: &str) -> Result<String, UnknownKeyword> {
    let with_prefix = format!("SQL_{keyword}");
    let is_meant = |name: &str| name.eq_ignore_ascii_case(keyword) || name.eq_ignore_ascii_case(&with_prefix);
    match TYPES.iter().find(|(name, _)| is_meant(name)) {
        Some((_, wanted)) => Ok(format!("CAST($1 AS {wanted})")),
        None => Err(UnknownKeyword(TYPES.iter().map(|(name, _)| *name).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_known_in_any_case_and_another_one_is_told_which_there_are() {
        assert_eq!(timestamp_add("sql_tsi_hour").unwrap(), "timestampadd('SQL_TSI_HOUR', $2, $3)");
        let UnknownKeyword(known) = timestamp_difference("DAY").unwrap_err();
        assert_eq!(known.first(), Some(&"SQL_TSI_FRAC_SECOND"));
    }

    #[test]
    fn a_type_has_its_name_of_odbc_or_of_jdbc() {
        assert_eq!(conversion("SQL_INTEGER").unwrap(), "CAST($1 AS INT)");
        assert_eq!(conversion("varchar").unwrap(), "CAST($1 AS VARCHAR)");
        assert!(conversion("SQL_GUID").is_err());
    }
}
