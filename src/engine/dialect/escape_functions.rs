//! Functions in the escape of ODBC and JDBC: `{fn UCASE(name)}`.
//!
//! Tools ask which functions they may write in it, and know them by their names in the X/Open standard. Each becomes an
//! expression of DataFusion, and only in the escape: `{fn LOG(x)}` is the natural logarithm, `log(x)` the decimal one.
//! Other functions in the escape are called as they are.
//!
//! Source of the names and of what they mean: ODBC Programmer's Reference, appendix E, "Scalar Functions".

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Value, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::escape_keywords::{UnknownKeyword, conversion, timestamp_add, timestamp_difference};
use crate::engine::fault::Fault;
use crate::engine::limit_fault::LimitFault;
use crate::sql::visit_mut;

/// The kinds of functions that Flight SQL lists apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapeKind {
    /// Of texts.
    Text,
    /// Of numbers.
    Number,
    /// Of dates and times.
    Time,
    /// Of the session, and of NULL.
    System,
}

/// A function that works in `{fn …}`.
#[derive(Debug)]
pub struct EscapeFunction {
    /// Its name in the X/Open standard.
    pub name: &'static str,
    /// What it is a function of.
    pub kind: EscapeKind,
    /// The number of its arguments.
    arguments: usize,
    becomes: Becomes,
}

/// The expression that a function becomes. `$1` is its first argument.
#[derive(Clone, Copy, Debug)]
enum Becomes {
    Expression(&'static str),
    /// The argument with this number is a keyword, which decides about the expression.
    OfKeyword(usize, fn(&str) -> Result<String, UnknownKeyword>),
}

const fn function(kind: EscapeKind, name: &'static str, arguments: usize, becomes: &'static str) -> EscapeFunction {
    EscapeFunction { name, kind, arguments, becomes: Becomes::Expression(becomes) }
}

const fn with_keyword(
    kind: EscapeKind,
    name: &'static str,
    arguments: usize,
    keyword: usize,
    becomes: fn(&str) -> Result<String, UnknownKeyword>,
) -> EscapeFunction {
    EscapeFunction { name, kind, arguments, becomes: Becomes::OfKeyword(keyword, becomes) }
}

/// The functions, by kind and name.
pub const ESCAPE_FUNCTIONS: &[EscapeFunction] = {
    use EscapeKind::{Number, System, Text, Time};
    &[
        function(Text, "ASCII", 1, "ascii($1)"),
        function(Text, "BIT_LENGTH", 1, "bit_length($1)"),
        function(Text, "CHAR", 1, "chr($1)"),
        function(Text, "CHARACTER_LENGTH", 1, "character_length($1)"),
        function(Text, "CHAR_LENGTH", 1, "character_length($1)"),
        // `concat` ignores NULL.
        function(Text, "CONCAT", 2, "($1 || $2)"),
        function(Text, "LCASE", 1, "lower($1)"),
        function(Text, "LEFT", 2, "left($1, $2)"),
        // Without trailing blanks.
        function(Text, "LENGTH", 1, "character_length(rtrim($1))"),
        function(Text, "LOCATE", 2, "strpos($2, $1)"),
        function(
            Text,
            "LOCATE",
            3,
            "CASE WHEN strpos(substr($2, $3), $1) = 0 THEN 0 ELSE strpos(substr($2, $3), $1) + $3 - 1 END",
        ),
        function(Text, "LTRIM", 1, "ltrim($1)"),
        function(Text, "OCTET_LENGTH", 1, "octet_length($1)"),
        function(Text, "REPEAT", 2, "repeat($1, $2)"),
        function(Text, "REPLACE", 3, "replace($1, $2, $3)"),
        function(Text, "RIGHT", 2, "right($1, $2)"),
        function(Text, "RTRIM", 1, "rtrim($1)"),
        function(Text, "SPACE", 1, "repeat(' ', $1)"),
        function(Text, "SUBSTRING", 3, "substr($1, $2, $3)"),
        function(Text, "UCASE", 1, "upper($1)"),
        function(Number, "ABS", 1, "abs($1)"),
        function(Number, "ACOS", 1, "acos($1)"),
        function(Number, "ASIN", 1, "asin($1)"),
        function(Number, "ATAN", 1, "atan($1)"),
        function(Number, "ATAN2", 2, "atan2($1, $2)"),
        function(Number, "CEILING", 1, "ceil($1)"),
        function(Number, "COS", 1, "cos($1)"),
        function(Number, "COT", 1, "cot($1)"),
        function(Number, "DEGREES", 1, "degrees($1)"),
        function(Number, "EXP", 1, "exp($1)"),
        function(Number, "FLOOR", 1, "floor($1)"),
        function(Number, "LOG", 1, "ln($1)"),
        function(Number, "LOG10", 1, "log10($1)"),
        function(Number, "MOD", 2, "($1 % $2)"),
        function(Number, "PI", 0, "pi()"),
        function(Number, "POWER", 2, "power($1, $2)"),
        function(Number, "RADIANS", 1, "radians($1)"),
        function(Number, "RAND", 0, "random()"),
        function(Number, "ROUND", 2, "round($1, $2)"),
        function(Number, "SIGN", 1, "signum($1)"),
        function(Number, "SIN", 1, "sin($1)"),
        function(Number, "SQRT", 1, "sqrt($1)"),
        function(Number, "TAN", 1, "tan($1)"),
        function(Number, "TRUNCATE", 2, "trunc($1, $2)"),
        function(Time, "CURDATE", 0, "current_date()"),
        function(Time, "CURTIME", 0, "current_time()"),
        function(Time, "CURRENT_DATE", 0, "current_date()"),
        function(Time, "CURRENT_TIME", 0, "current_time()"),
        function(Time, "CURRENT_TIMESTAMP", 0, "now()"),
        function(Time, "DAYNAME", 1, "to_char($1, '%A')"),
        function(Time, "DAYOFMONTH", 1, "date_part('day', $1)"),
        // From 1, which is Sunday.
        function(Time, "DAYOFWEEK", 1, "(date_part('dow', $1) + 1)"),
        function(Time, "DAYOFYEAR", 1, "date_part('doy', $1)"),
        function(Time, "HOUR", 1, "date_part('hour', $1)"),
        function(Time, "MINUTE", 1, "date_part('minute', $1)"),
        function(Time, "MONTH", 1, "date_part('month', $1)"),
        function(Time, "MONTHNAME", 1, "to_char($1, '%B')"),
        function(Time, "NOW", 0, "now()"),
        function(Time, "QUARTER", 1, "date_part('quarter', $1)"),
        function(Time, "SECOND", 1, "date_part('second', $1)"),
        with_keyword(Time, "TIMESTAMPADD", 3, 1, timestamp_add),
        with_keyword(Time, "TIMESTAMPDIFF", 3, 1, timestamp_difference),
        function(Time, "WEEK", 1, "date_part('week', $1)"),
        function(Time, "YEAR", 1, "date_part('year', $1)"),
        with_keyword(System, "CONVERT", 2, 2, conversion),
        function(System, "DATABASE", 0, "current_catalog()"),
        function(System, "IFNULL", 2, "coalesce($1, $2)"),
        function(System, "USER", 0, "current_user()"),
    ]
};

/// The maximum number of expressions that the escapes of a statement become. Some have an argument more than once, so
/// that the result grows exponentially if they are nested.
const MAX_EXPRESSIONS: usize = 60_000;

/// Rewrites the functions in the escape to DataFusion's expressions.
#[derive(Default)]
pub(super) struct EscapeTranslator {
    /// The number of expressions that the escapes have become so far.
    expressions: usize,
}

impl VisitorMut for EscapeTranslator {
    type Break = Fault;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        match translate(expr) {
            Ok(true) => self.add(expr),
            Ok(false) => ControlFlow::Continue(()),
            Err(fault) => ControlFlow::Break(fault),
        }
    }
}

impl EscapeTranslator {
    fn add(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        let _ = visit_mut(expr, &mut ExpressionCounter(&mut self.expressions));
        if self.expressions > MAX_EXPRESSIONS {
            return ControlFlow::Break(LimitFault::ManyEscapes { most: MAX_EXPRESSIONS }.into());
        }
        ControlFlow::Continue(())
    }
}

struct ExpressionCounter<'a>(&'a mut usize);

impl VisitorMut for ExpressionCounter<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<()> {
        *self.0 += 1;
        ControlFlow::Continue(())
    }
}

/// Rewrites a function in the escape, and returns whether the expression was one.
///
/// # Errors
/// [`Fault::Dialect`] if it has another number of arguments, or an unknown keyword.
fn translate(expr: &mut Expr) -> Result<bool, Fault> {
    let Expr::Function(call) = expr else { return Ok(false) };
    let named = escape_functions(call);
    let Some(first) = named.first() else { return Ok(false) };
    let found = arguments(call).and_then(|arguments| {
        let function = named.iter().find(|function| function.arguments == arguments.len())?;
        Some((function, arguments))
    });
    let Some((function, arguments)) = found else {
        let counts: Vec<String> = named.iter().map(|function| function.arguments.to_string()).collect();
        return Err(Fault::Dialect {
            written: call.to_string(),
            instead: format!("{} has {} arguments in this escape", first.name, counts.join(" or ")),
        });
    };
    let becomes = match function.becomes {
        Becomes::Expression(becomes) => becomes.to_owned(),
        Becomes::OfKeyword(number, becomes) => {
            let written = arguments[number - 1].to_string();
            let keyword = written.trim_matches(['(', ')']);
            becomes(keyword).map_err(|UnknownKeyword(known)| Fault::Dialect {
                written: call.to_string(),
                instead: format!("argument {number} of {} is one of {}", function.name, known.join(", ")),
            })?
        }
    };
    let parsed = Parser::new(&GenericDialect {}).try_with_sql(&becomes).and_then(|mut sql| sql.parse_expr());
    let mut becomes = parsed.map_err(|error| Fault::Internal(format!("{becomes}: {error}")))?;
    let _ = visit_mut(&mut becomes, &mut ArgumentReplacer { arguments: &arguments });
    *expr = becomes;
    Ok(true)
}

/// The functions with the name of a call in the escape: one for each number of arguments.
fn escape_functions(call: &Function) -> Vec<&'static EscapeFunction> {
    match &call.name.0[..] {
        [ObjectNamePart::Identifier(name)] if call.uses_odbc_syntax => {
            ESCAPE_FUNCTIONS.iter().filter(|function| function.name.eq_ignore_ascii_case(&name.value)).collect()
        }
        _ => Vec::new(),
    }
}

/// The arguments of a plain call: without DISTINCT, names, or a window.
fn arguments(call: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &call.args else { return None };
    let has_clauses = list.duplicate_treatment.is_some()
        || !list.clauses.is_empty()
        || !matches!(call.parameters, FunctionArguments::None)
        || call.filter.is_some()
        || call.null_treatment.is_some()
        || call.over.is_some()
        || !call.within_group.is_empty();
    if has_clauses {
        return None;
    }
    let argument = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(Expr::Nested(Box::new(expr.clone()))),
        _ => None,
    };
    list.args.iter().map(argument).collect()
}

/// Replaces `$1` by the first argument. It does not look into the arguments, which may have parameters of these names.
struct ArgumentReplacer<'a> {
    arguments: &'a [Expr],
}

impl VisitorMut for ArgumentReplacer<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
            && let Some(number) = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())
            && let Some(argument) = self.arguments.get(number.wrapping_sub(1))
        {
            *expr = argument.clone();
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(sql: &str) -> Result<String, Fault> {
        let mut expr = Parser::new(&GenericDialect {}).try_with_sql(sql).unwrap().parse_expr().unwrap();
        translate(&mut expr)?;
        Ok(expr.to_string())
    }

    #[test]
    fn a_function_in_the_escape_becomes_an_expression_with_its_arguments() {
        assert_eq!(translated("{fn UCASE(name)}").unwrap(), "upper((name))");
        assert_eq!(translated("{fn locate('a', b || $2)}").unwrap(), "strpos((b || $2), ('a'))");
        assert_eq!(translated("{fn CURDATE()}").unwrap(), "current_date()");
        assert_eq!(translated("{fn CONCAT(a, b)}").unwrap(), "((a) || (b))");
    }

    #[test]
    fn another_function_in_the_escape_is_called_as_it_is() {
        assert_eq!(translated("{fn date_trunc('day', x)}").unwrap(), "{fn date_trunc('day', x)}");
        assert_eq!(translated("log(x)").unwrap(), "log(x)", "no escape");
    }

    #[test]
    fn another_number_of_arguments_and_clauses_are_refused() {
        for (sql, expected) in [
            ("{fn LOCATE('a')}", "LOCATE has 2 or 3 arguments in this escape"),
            ("{fn LEFT(a, 2)(b, 3)}", "LEFT has 2 arguments in this escape"),
            ("{fn UCASE(DISTINCT a)}", "UCASE has 1 arguments in this escape"),
        ] {
            let fault = translated(sql).unwrap_err();
            assert!(matches!(&fault, Fault::Dialect { instead, .. } if instead == expected), "{sql}: {fault:?}");
        }
    }
}
