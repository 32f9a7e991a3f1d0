//! Errors of SQL text.

use std::fmt;

use super::depth::MOST_OPERATORS;
use crate::error::{Failure, Kind};

/// Text that is not one SQL statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not parse; the parser's message.
    Syntax(String),
    /// It does not parse at a parameter; the parser's message.
    AtParameter(String),
    /// Nothing but white space and comments.
    Empty,
    /// More operators than can be planned.
    TooLong,
    /// Several statements in one text.
    Several(usize),
    /// `?` and `$1` in one statement.
    MixedParameters,
    /// A parameter that is neither `?` nor `$1`, `$2`, …
    Parameter(String),
    /// An argument of an EXEC that is a name instead of a value.
    Name(String),
    /// An argument of an EXEC that is a query.
    Query,
    /// An argument of a CALL without a name.
    Positional(String),
    /// An unknown hint in an EXEC.
    Hint(String),
    /// EXPLAIN ANALYZE of an EXEC, which would run it.
    Analyze,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) | Self::AtParameter(message) => write!(f, "the SQL does not parse: {message}"),
            Self::Empty => f.write_str("there is no SQL statement in the text"),
            Self::TooLong => write!(f, "the statement has more than {MOST_OPERATORS} operators"),
            Self::Several(count) => write!(f, "the text has {count} statements; only one can be run at a time"),
            Self::MixedParameters => f.write_str("the statement mixes `?` with `$1`"),
            Self::Parameter(name) => write!(f, "`{name}` is no parameter"),
            Self::Name(name) => write!(f, "{name} is a name; an argument must be a value"),
            Self::Query => f.write_str("an argument must be a value, not a query"),
            Self::Positional(value) => write!(f, "the argument {value} has no name"),
            Self::Hint(word) => write!(f, "EXEC has no hint `{word}`"),
            Self::Analyze => f.write_str("EXPLAIN ANALYZE would run the EXEC"),
        }
    }
}

impl std::error::Error for Fault {}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax(_) | Self::Empty => None,
            Self::AtParameter(_) => Some(
                "a parameter stands for a value: write names, types and units in the statement, such as \
                 `extract(year FROM now())`"
                    .into(),
            ),
            Self::TooLong => {
                Some("write `x IN (…)` instead of `x = … OR x = …`; an IN list can have any length".into())
            }
            Self::Several(_) => Some("send them one after another".into()),
            Self::MixedParameters | Self::Parameter(_) => {
                Some("write parameters either as `?` or as `$1`, `$2`, …".into())
            }
            Self::Name(name) => Some(format!("write '{}' in single quotes", name.trim_matches('"'))),
            Self::Query => Some("run the query first, and bind its result as a parameter".into()),
            Self::Positional(_) => Some("write `name => value`; DESCRIBE METHOD shows the names".into()),
            Self::Hint(_) => Some("the hints are AWAIT and SHOWRESULTS".into()),
            Self::Analyze => Some("EXPLAIN alone shows the request, and sends nothing".into()),
        }
    }
}
