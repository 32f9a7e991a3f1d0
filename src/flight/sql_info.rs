//! `CommandGetSqlInfo`: the server's name, version and capabilities.
//!
//! JDBC requests all ids at once, and casts each value strictly: the limits and the default isolation are int64, bit
//! masks and ordinals int32. ODBC reads the identifiers' cases and the order of NULL as int64, as Arrow's C++ and Java
//! servers send them, although the specification's text calls them int32. An id that JDBC does not know causes a
//! NullPointerException there, and a missing id breaks Tableau: so every id of the specification has a value, and no
//! other id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, IntervalUnit, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetSqlInfo, SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity,
    SqlSupportedGroupBy, SqlSupportedResultSetConcurrency, SqlSupportedResultSetType, SqlSupportedSubqueries,
    SqlSupportedTransaction, SqlSupportedUnions, SqlSupportsConvert, SqlTransactionIsolationLevel, SupportedSqlGrammar,
};
use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

use super::fault::Fault;
use super::map_names;
use super::metadata::{Metadata, ServerMetadata, encoding};
use crate::engine::{ESCAPE_FUNCTIONS, EscapeKind};

/// The version of the Arrow format, not of a library: <https://arrow.apache.org/docs/format/Versioning.html>.
const ARROW_FORMAT: &str = "1.5";

type Infos = LazyLock<Result<SqlInfoData, String>>;

/// What a server does besides queries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Abilities {
    /// It runs EXEC.
    pub(super) writes: bool,
    /// It takes tables from clients.
    pub(super) ingests: bool,
}

static READS: Infos = LazyLock::new(|| infos(Abilities::default()));
static WRITES: Infos = LazyLock::new(|| infos(Abilities { writes: true, ingests: false }));
static INGESTS: Infos = LazyLock::new(|| infos(Abilities { writes: false, ingests: true }));
static WRITES_AND_INGESTS: Infos = LazyLock::new(|| infos(Abilities { writes: true, ingests: true }));

fn infos(abilities: Abilities) -> Result<SqlInfoData, String> {
    let Abilities { writes, ingests } = abilities;
    let mut infos = SqlInfoDataBuilder::new();
    server(&mut infos, abilities);
    language(&mut infos, ingests);
    functions(&mut infos);
    queries(&mut infos);
    names(&mut infos);
    limits(&mut infos);
    transactions(&mut infos);
    results(&mut infos, writes);
    infos.build().map_err(|error| error.to_string())
}

impl Metadata for CommandGetSqlInfo {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn batch(&self, server: &ServerMetadata) -> Result<RecordBatch, Fault> {
        let built = match server.abilities {
            Abilities { writes: false, ingests: false } => &READS,
            Abilities { writes: true, ingests: false } => &WRITES,
            Abilities { writes: false, ingests: true } => &INGESTS,
            Abilities { writes: true, ingests: true } => &WRITES_AND_INGESTS,
        };
        let infos = built.as_ref().map_err(|error| Fault::Encoding(ArrowError::ComputeError(error.clone())))?;
        let ids: BTreeSet<u32> = self.info.iter().copied().filter(|id| is_known(*id)).collect();
        // Without ids, the builder returns all infos.
        let only_unknown_ids = ids.is_empty() && !self.info.is_empty();
        let batch = infos.record_batch(ids).map_err(encoding)?;
        let batch = map_names::of_batch(&batch, Arc::clone(&SCHEMA)).map_err(Fault::Encoding)?;
        Ok(if only_unknown_ids { batch.slice(0, 0) } else { batch })
    }
}

fn is_known(id: u32) -> bool {
    i32::try_from(id).is_ok_and(|id| SqlInfo::try_from(id).is_ok())
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| map_names::of_schema(SqlInfoDataBuilder::schema()));

fn server(infos: &mut SqlInfoDataBuilder, Abilities { writes, ingests }: Abilities) {
    infos.append(SqlInfo::FlightSqlServerName, "oceanflight");
    infos.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    infos.append(SqlInfo::FlightSqlServerArrowVersion, ARROW_FORMAT);
    infos.append(SqlInfo::FlightSqlServerReadOnly, !writes && !ingests);
    infos.append(SqlInfo::FlightSqlServerSql, true);
    infos.append(SqlInfo::FlightSqlServerSubstrait, false);
    // The specification requires "null if Substrait is not supported", but its union has no null.
    infos.append(SqlInfo::FlightSqlServerSubstraitMinVersion, "");
    infos.append(SqlInfo::FlightSqlServerSubstraitMaxVersion, "");
    infos.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    infos.append(SqlInfo::FlightSqlServerCancel, true);
    infos.append(SqlInfo::FlightSqlServerBulkIngestion, ingests);
    infos.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    // Handles never expire.
    infos.append(SqlInfo::FlightSqlServerStatementTimeout, 0_i32);
    infos.append(SqlInfo::FlightSqlServerTransactionTimeout, 0_i32);
}

fn language(infos: &mut SqlInfoDataBuilder, ingests: bool) {
    infos.append(SqlInfo::SqlDdlCatalog, false);
    infos.append(SqlInfo::SqlDdlSchema, false);
    infos.append(SqlInfo::SqlDdlTable, ingests);
    // Unquoted names are converted to lower case. Quoted names are used as written; the specification has no value for
    // that.
    infos
        .append(SqlInfo::SqlIdentifierCase, i64::from(SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32));
    infos.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    infos.append(
        SqlInfo::SqlQuotedIdentifierCase,
        i64::from(SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32),
    );
    infos.append(SqlInfo::SqlExtraNameCharacters, "$#@");
    infos.append(SqlInfo::SqlAllTablesAreSelectable, true);
    infos.append(SqlInfo::SqlNullOrdering, i64::from(SqlNullOrdering::SqlNullsSortedHigh as i32));
    infos.append(SqlInfo::SqlKeywords, ALL_KEYWORDS);
    infos.append(SqlInfo::SqlSearchStringEscape, "\\");
    infos.append(SqlInfo::SqlSupportsColumnAliasing, true);
    infos.append(SqlInfo::SqlNullPlusNullIsNull, true);
    infos.append(SqlInfo::SqlSupportsConvert, conversions());
    infos.append(SqlInfo::SqlSupportsNonNullableColumns, true);
    let grammar = [SupportedSqlGrammar::SqlMinimumGrammar as i32, SupportedSqlGrammar::SqlCoreGrammar as i32];
    infos.append(SqlInfo::SqlSupportedGrammar, mask(&grammar));
    // Entry level, which is bit 0.
    infos.append(SqlInfo::SqlAnsi92SupportedLevel, mask(&[0]));
    infos.append(SqlInfo::SqlSupportsIntegrityEnhancementFacility, false);
}

/// The functions that work in `{fn …}`, by their names in the X/Open standard: JDBC defines the lists so, and ODBC looks for
/// these names. `information_schema.routines` lists all functions.
fn functions(infos: &mut SqlInfoDataBuilder) {
    let of = |kind| -> Vec<&str> {
        let mut names: Vec<&str> =
            ESCAPE_FUNCTIONS.iter().filter(|function| function.kind == kind).map(|function| function.name).collect();
        names.dedup();
        names
    };
    infos.append(SqlInfo::SqlNumericFunctions, &of(EscapeKind::Number)[..]);
    infos.append(SqlInfo::SqlStringFunctions, &of(EscapeKind::Text)[..]);
    infos.append(SqlInfo::SqlDatetimeFunctions, &of(EscapeKind::Time)[..]);
    infos.append(SqlInfo::SqlSystemFunctions, &of(EscapeKind::System)[..]);
}

fn queries(infos: &mut SqlInfoDataBuilder) {
    infos.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    // Whether correlation names must differ from the tables' names.
    infos.append(SqlInfo::SqlSupportsDifferentTableCorrelationNames, false);
    infos.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    infos.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    let group_by =
        [SqlSupportedGroupBy::SqlGroupByUnrelated as i32, SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32];
    infos.append(SqlInfo::SqlSupportedGroupBy, mask(&group_by));
    infos.append(SqlInfo::SqlSupportsLikeEscapeClause, false);
    // A bit mask, although the specification's text calls it an ordinal: JDBC and ODBC read bits.
    let outer_joins =
        [SqlOuterJoinsSupportLevel::SqlLimitedOuterJoins as i32, SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32];
    infos.append(SqlInfo::SqlOuterJoinsSupportLevel, mask(&outer_joins));
    let subqueries = [
        SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
        SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
        SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
    ];
    infos.append(SqlInfo::SqlSupportedSubqueries, mask(&subqueries));
    infos.append(SqlInfo::SqlCorrelatedSubqueriesSupported, true);
    let unions = [SqlSupportedUnions::SqlUnion as i32, SqlSupportedUnions::SqlUnionAll as i32];
    infos.append(SqlInfo::SqlSupportedUnions, mask(&unions));
    infos.append(SqlInfo::SqlSelectForUpdateSupported, false);
    infos.append(SqlInfo::SqlStoredProceduresSupported, false);
    infos.append(SqlInfo::SqlNamedParametersSupported, false);
    infos.append(SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported, false);
    infos.append(SqlInfo::SqlSupportedPositionedCommands, mask(&[]));
}

fn names(infos: &mut SqlInfoDataBuilder) {
    infos.append(SqlInfo::SqlSchemaTerm, "schema");
    infos.append(SqlInfo::SqlProcedureTerm, "method");
    infos.append(SqlInfo::SqlCatalogTerm, "catalog");
    infos.append(SqlInfo::SqlCatalogAtStart, true);
    // The actions are procedure calls and definitions of indexes and privileges: this server supports none of them.
    infos.append(SqlInfo::SqlSchemasSupportedActions, mask(&[]));
    infos.append(SqlInfo::SqlCatalogsSupportedActions, mask(&[]));
}

/// Limits; 0 means "no limit, or unknown".
fn limits(infos: &mut SqlInfoDataBuilder) {
    const UNLIMITED: [SqlInfo; 20] = [
        SqlInfo::SqlMaxBinaryLiteralLength,
        SqlInfo::SqlMaxCharLiteralLength,
        SqlInfo::SqlMaxColumnNameLength,
        SqlInfo::SqlMaxColumnsInGroupBy,
        SqlInfo::SqlMaxColumnsInIndex,
        SqlInfo::SqlMaxColumnsInOrderBy,
        SqlInfo::SqlMaxColumnsInSelect,
        SqlInfo::SqlMaxColumnsInTable,
        SqlInfo::SqlMaxConnections,
        SqlInfo::SqlMaxCursorNameLength,
        SqlInfo::SqlMaxIndexLength,
        SqlInfo::SqlDbSchemaNameLength,
        SqlInfo::SqlMaxProcedureNameLength,
        SqlInfo::SqlMaxCatalogNameLength,
        SqlInfo::SqlMaxRowSize,
        SqlInfo::SqlMaxStatementLength,
        SqlInfo::SqlMaxStatements,
        SqlInfo::SqlMaxTableNameLength,
        SqlInfo::SqlMaxTablesInSelect,
        SqlInfo::SqlMaxUsernameLength,
    ];
    UNLIMITED.into_iter().for_each(|limit| infos.append(limit, 0_i64));
    infos.append(SqlInfo::SqlMaxRowSizeIncludesBlobs, true);
}

fn transactions(infos: &mut SqlInfoDataBuilder) {
    let none = SqlTransactionIsolationLevel::SqlTransactionNone as i32;
    infos.append(SqlInfo::SqlTransactionsSupported, false);
    // int64, although the specification calls it an int32 ordinal: JDBC casts it to a long.
    infos.append(SqlInfo::SqlDefaultTransactionIsolation, i64::from(none));
    infos.append(SqlInfo::SqlSupportedTransactionsIsolationLevels, mask(&[none]));
    infos.append(SqlInfo::SqlDataDefinitionCausesTransactionCommit, false);
    infos.append(SqlInfo::SqlDataDefinitionsInTransactionsIgnored, false);
    infos.append(SqlInfo::SqlSavepointsSupported, false);
}

fn results(infos: &mut SqlInfoDataBuilder, writes: bool) {
    let forward_only = mask(&[SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32]);
    let read_only = mask(&[SqlSupportedResultSetConcurrency::SqlResultSetConcurrencyReadOnly as i32]);
    infos.append(SqlInfo::SqlSupportedResultSetTypes, forward_only);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified, mask(&[]));
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly, read_only);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive, mask(&[]));
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive, mask(&[]));
    infos.append(SqlInfo::SqlBatchUpdatesSupported, writes);
    infos.append(SqlInfo::SqlLocatorsUpdateCopy, false);
}

/// Returns the int32 with these bits set.
fn mask(bits: &[i32]) -> i32 {
    bits.iter().fold(0, |mask, bit| mask | (1 << bit))
}

/// The types that CAST converts each type to: those that Arrow supports.
fn conversions() -> BTreeMap<i32, Vec<i32>> {
    let types = convertible();
    let targets = |from: &DataType| {
        types.iter().filter(|(_, to)| can_cast_types(from, to)).map(|(id, _)| *id as i32).collect::<Vec<_>>()
    };
    types.iter().map(|(id, from)| (*id as i32, targets(from))).collect()
}

fn convertible() -> [(SqlSupportsConvert, DataType); 20] {
    [
        (SqlSupportsConvert::SqlConvertBigint, DataType::Int64),
        (SqlSupportsConvert::SqlConvertBinary, DataType::Binary),
        (SqlSupportsConvert::SqlConvertBit, DataType::Boolean),
        (SqlSupportsConvert::SqlConvertChar, DataType::Utf8),
        (SqlSupportsConvert::SqlConvertDate, DataType::Date32),
        (SqlSupportsConvert::SqlConvertDecimal, DataType::Decimal128(38, 10)),
        (SqlSupportsConvert::SqlConvertFloat, DataType::Float64),
        (SqlSupportsConvert::SqlConvertInteger, DataType::Int32),
        (SqlSupportsConvert::SqlConvertIntervalDayTime, DataType::Interval(IntervalUnit::DayTime)),
        (SqlSupportsConvert::SqlConvertIntervalYearMonth, DataType::Interval(IntervalUnit::YearMonth)),
        (SqlSupportsConvert::SqlConvertLongvarbinary, DataType::LargeBinary),
        (SqlSupportsConvert::SqlConvertLongvarchar, DataType::LargeUtf8),
        (SqlSupportsConvert::SqlConvertNumeric, DataType::Decimal128(38, 10)),
        (SqlSupportsConvert::SqlConvertReal, DataType::Float32),
        (SqlSupportsConvert::SqlConvertSmallint, DataType::Int16),
        (SqlSupportsConvert::SqlConvertTime, DataType::Time64(TimeUnit::Nanosecond)),
        (SqlSupportsConvert::SqlConvertTimestamp, DataType::Timestamp(TimeUnit::Nanosecond, None)),
        (SqlSupportsConvert::SqlConvertTinyint, DataType::Int8),
        (SqlSupportsConvert::SqlConvertVarbinary, DataType::Binary),
        (SqlSupportsConvert::SqlConvertVarchar, DataType::Utf8),
    ]
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::UInt32Type;

    use super::*;

    /// The id and the union's type id of every row.
    fn type_ids(info: Vec<u32>) -> BTreeMap<u32, i8> {
        let batch = CommandGetSqlInfo { info }.batch(&ServerMetadata::default()).unwrap();
        let values = batch.column(1).as_union();
        let ids = batch.column(0).as_primitive::<UInt32Type>().values();
        ids.iter().enumerate().map(|(row, id)| (*id, values.type_id(row))).collect()
    }

    #[test]
    fn every_id_of_the_specification_has_a_value_and_no_other() {
        let specified: Vec<u32> = (0..10_000).filter(|id| is_known(*id)).collect();

        let returned: Vec<u32> = type_ids(vec![]).into_keys().collect();

        assert_eq!(returned, specified);
        assert_eq!(returned.len(), 91);
    }

    #[test]
    fn values_have_the_types_that_jdbc_casts_them_to() {
        const STRING: i8 = 0;
        const BOOL: i8 = 1;
        const INT64: i8 = 2;
        const INT32: i8 = 3;
        const STRINGS: i8 = 4;
        const MAP: i8 = 5;

        for (id, found) in type_ids(vec![]) {
            let expected = match id {
                0..=2 | 6 | 7 | 504 | 513 | 514 | 529..=531 => STRING,
                8 | 100 | 101 | 522 | 525 | 526 | 528 | 533..=535 | 538 | 540 | 564 | 567..=571 => INT32,
                503 | 505 | 507 | 541..=555 | 557..=562 => INT64,
                508..=512 => STRINGS,
                517 => MAP,
                _ => BOOL,
            };
            assert_eq!(found, expected, "{id}");
        }
    }

    #[test]
    fn only_requested_ids_are_returned() {
        assert_eq!(type_ids(vec![8, 0, 8, 77_777]).into_keys().collect::<Vec<_>>(), [0, 8]);
        assert!(type_ids(vec![77_777]).is_empty());
    }

    #[test]
    fn functions_are_listed_by_kind() {
        let batch = CommandGetSqlInfo { info: vec![SqlInfo::SqlNumericFunctions as u32] }
            .batch(&ServerMetadata::default())
            .unwrap();
        let names = batch.column(1).as_union().value(0);
        let names = names.as_list::<i32>().value(0);
        let names: Vec<_> = names.as_string::<i32>().iter().flatten().collect();

        assert!(names.contains(&"ABS"), "{names:?}");
        assert!(!names.contains(&"LCASE"), "{names:?}");
    }

    #[test]
    fn the_schema_is_that_of_the_batch() {
        let command = CommandGetSqlInfo::default();

        assert_eq!(command.batch(&ServerMetadata::default()).unwrap().schema(), command.schema());
    }
}
