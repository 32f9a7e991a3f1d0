//! Errors of SQL text.

use super::depth::MAX_OPERATORS;
use super::size::{MAX_CHAIN, MAX_COLUMNS, MAX_EXPRESSIONS, MAX_GROUPING_SETS, MAX_ITEMS, MAX_TABLES, MAX_WINDOWS};
use crate::error::{Failure, Kind};

/// Text that is not one SQL statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not parse; the parser's message.
    #[error("the SQL does not parse: {0}")]
    Syntax(String),
    /// It does not parse at a parameter; the parser's message.
    #[error("the SQL does not parse: {0}")]
    AtParameter(String),
    /// Nothing but white space and comments.
    #[error("there is no SQL statement in the text")]
    Empty,
    /// More operators than can be planned.
    #[error("the statement has more than {MAX_OPERATORS} operators")]
    TooLong,
    /// More tables than can be planned.
    #[error("the statement reads more than {MAX_TABLES} tables")]
    ManyTables,
    /// More columns in SELECT lists than can be planned.
    #[error("the statement has more than {MAX_COLUMNS} columns in SELECT lists, GROUP BYs and ORDER BYs")]
    ManyColumns,
    /// More expressions than can be planned.
    #[error("the statement has more than {MAX_EXPRESSIONS} values and other expressions")]
    ManyExpressions,
    /// A longer chain of operators than can be planned.
    #[error("a chain of operators, such as `a + b + c`, has more than {MAX_CHAIN} of them")]
    LongChain,
    /// More windows than can be planned.
    #[error("the statement has more than {MAX_WINDOWS} different windows")]
    ManyWindows,
    /// More arguments or items than can be planned.
    #[error("a function or a list has more than {MAX_ITEMS} arguments or items")]
    ManyItems,
    /// More grouping sets than can be planned.
    #[error("the GROUP BY has more than {MAX_GROUPING_SETS} grouping sets")]
    ManyGroupingSets,
    /// Several statements in one text.
    #[error("the text has {0} statements; only one can be run at a time")]
    Several(usize),
    /// `?` and `$1` in one statement.
    #[error("the statement mixes `?` with `$1`")]
    MixedParameters,
    /// A parameter that is neither `?` nor `$1`, `$2`, …
    #[error("`{0}` is not a parameter")]
    Parameter(String),
    /// An argument of an EXEC that is a name instead of a value.
    #[error("{0} is a name; an argument must be a value")]
    Name(String),
    /// An argument of an EXEC that is a query.
    #[error("an argument must be a value, not a query")]
    Query,
    /// An argument of a CALL without a name.
    #[error("the argument {0} has no name")]
    Positional(String),
    /// An unknown hint in an EXEC.
    #[error("EXEC has no hint `{0}`")]
    Hint(String),
    /// CREATE TABLE with clauses that have no meaning here.
    #[error("CREATE TABLE takes a name and a query, and no other clauses")]
    CreateTable,
    /// DROP TABLE with clauses that have no meaning here.
    #[error("DROP TABLE takes one name")]
    DropTable,
    /// EXPLAIN ANALYZE of an EXEC, which would run it.
    #[error("EXPLAIN ANALYZE would run the EXEC")]
    Analyze,
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax(_) | Self::Empty => None,
            Self::AtParameter(_) => Some(
                "a parameter can only be a value: write names, types and units in the statement, such as \
                 `extract(year FROM now())`"
                    .into(),
            ),
            Self::TooLong => Some("write `x IN (…)` instead of `x = … OR x = …`; an IN list can be much longer".into()),
            Self::ManyTables => {
                Some("a name of a WITH counts as all its tables, each time that it is used: use it less often".into())
            }
            Self::ManyWindows => {
                Some("compute them in several statements, or use the same OVER (…) for several functions".into())
            }
            Self::ManyColumns => Some(
                "list the columns that you need; a name of a WITH counts as all its columns, each time that it is used"
                    .into(),
            ),
            Self::ManyExpressions => {
                Some("send the values in several statements, or bind them: a query runs once for each bound row".into())
            }
            Self::LongChain => {
                Some("compute parts of it in a subquery, or aggregate rows: `sum(x)`, `string_agg(x, '')`".into())
            }
            Self::ManyItems => Some("use VALUES, or an IN list; both can be longer".into()),
            Self::ManyGroupingSets => {
                Some("list the GROUPING SETS that you need: a CUBE of n columns has 2 to the power of n".into())
            }
            Self::Several(_) => Some("send them one after another".into()),
            Self::MixedParameters | Self::Parameter(_) => {
                Some("write parameters either as `?` or as `$1`, `$2`, …".into())
            }
            Self::Name(name) => Some(format!("write '{}' in single quotes", name.trim_matches('"'))),
            Self::Query => Some("run the query first, and bind its result as a parameter".into()),
            Self::Positional(_) => Some("write `name => value`; DESCRIBE METHOD shows the names".into()),
            Self::CreateTable => Some("write `CREATE TABLE datasets.public.x AS SELECT …`".into()),
            Self::DropTable => Some("write `DROP TABLE datasets.public.x`".into()),
            Self::Hint(_) => Some("the hints are AWAIT and SHOWRESULTS".into()),
            Self::Analyze => Some("EXPLAIN alone shows the request, and sends nothing".into()),
        }
    }
}
