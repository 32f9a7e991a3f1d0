//! Intervals with a parameter: `INTERVAL ?`, `INTERVAL ? DAY`, `? * INTERVAL '1 day'`.

use datafusion::sql::sqlparser::ast::{Expr, Interval};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::parameter_places::{has_parameter, is_parameter, refused};
use crate::engine::fault::Fault;

const PLACE: &str = "a part of an INTERVAL";
const INSTEAD: &str = "cast the whole: `now() - CAST(? AS INTERVAL)`, and bind a text such as '5 days'";

/// Replaces `INTERVAL ?` by a cast of the text, and `INTERVAL ? DAY` by a cast of the number and the unit.
pub(super) fn rewrite_interval(expr: &mut Expr) -> Result<(), Fault> {
    let Expr::Interval(interval) = &*expr else { return Ok(()) };
    let (true, true) = (is_parameter(&interval.value), is_plain(interval)) else { return refused(PLACE, INSTEAD) };
    let unit = match &interval.leading_field {
        None => None,
        Some(field) => Some(unit(&field.to_string()).map_or_else(|| refused(PLACE, INSTEAD), Ok)?),
    };
    let value = interval.value.to_string();
    *expr = match unit {
        None => parsed(&format!("CAST({value} AS INTERVAL)")),
        Some(unit) => units(&value, unit),
    };
    Ok(())
}

/// Replaces `INTERVAL '1 day' * ?`, the usual way to write a number of days, by a product with a BIGINT.
pub(super) fn rewrite_product(expr: &mut Expr) -> Result<(), Fault> {
    let Expr::BinaryOp { left, right, .. } = expr else { return Ok(()) };
    let has_parameter_inside =
        |side: &Expr| matches!(side, Expr::Interval(interval) if has_parameter(interval.value.as_ref()));
    if has_parameter_inside(left) || has_parameter_inside(right) {
        return refused(PLACE, INSTEAD);
    }
    match (left.as_mut(), right.as_mut()) {
        (Expr::Interval(_), count) | (count, Expr::Interval(_)) if is_parameter(count) => {
            *count = parsed(&format!("CAST({count} AS BIGINT)"));
            Ok(())
        }
        // A cast would drop the half of `? / 2.0`.
        (Expr::Interval(_), count) | (count, Expr::Interval(_)) if has_parameter(count) => {
            refused("a part of the factor of an INTERVAL", "bind the whole factor: `INTERVAL '1 day' * ?`")
        }
        _ => Ok(()),
    }
}

/// An interval of `value` units. The number is bound as an integer, and NULL stays NULL.
fn units(value: &str, unit: &str) -> Expr {
    parsed(&format!("CAST(CAST(CAST({value} AS BIGINT) AS VARCHAR) || ' {unit}' AS INTERVAL)"))
}

fn parsed(sql: &str) -> Expr {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(sql);
    parser.and_then(|mut parser| parser.parse_expr()).expect("a cast is an expression")
}

fn is_plain(interval: &Interval) -> bool {
    let Interval { leading_precision, last_field, fractional_seconds_precision, .. } = interval;
    leading_precision.is_none() && last_field.is_none() && fractional_seconds_precision.is_none()
}

/// The name of a unit as Arrow reads it, from SQL's singular or plural.
fn unit(word: &str) -> Option<&'static str> {
    const UNITS: [&str; 9] = ["year", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond"];
    let word = word.to_lowercase();
    let singular = word.strip_suffix('s').unwrap_or(&word);
    UNITS.into_iter().find(|unit| *unit == singular)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(sql: &str, rewrite: fn(&mut Expr) -> Result<(), Fault>) -> Option<String> {
        let mut expr = parsed(sql);
        rewrite(&mut expr).ok().map(|()| expr.to_string())
    }

    #[test]
    fn a_parameter_is_the_whole_interval_or_the_number_of_its_units() {
        let cast = |sql: &str| rewritten(sql, rewrite_interval);

        assert_eq!(cast("INTERVAL $1").as_deref(), Some("CAST($1 AS INTERVAL)"));
        let hours = "CAST(CAST(CAST($2 AS BIGINT) AS VARCHAR) || ' hour' AS INTERVAL)";
        assert_eq!(cast("INTERVAL $2 HOURS").as_deref(), Some(hours));
        assert_eq!(cast("INTERVAL '1' DAY").as_deref(), None);
        assert_eq!(cast("INTERVAL $1 DAY TO SECOND"), None);
        assert_eq!(cast("INTERVAL $1 CENTURY"), None);
    }

    #[test]
    fn a_factor_is_a_whole_number() {
        let product = |sql: &str| rewritten(sql, rewrite_product);

        for (sql, expected) in [
            ("INTERVAL '1 week' * $1", "INTERVAL '1 week' * CAST($1 AS BIGINT)"),
            ("$1 * INTERVAL '1' WEEK", "CAST($1 AS BIGINT) * INTERVAL '1' WEEK"),
            ("INTERVAL '1 week 1 day' * ($1)", "INTERVAL '1 week 1 day' * CAST(($1) AS BIGINT)"),
            ("2 * $1", "2 * $1"),
        ] {
            assert_eq!(product(sql).as_deref(), Some(expected), "{sql}");
        }
        for sql in ["INTERVAL $1 * 2", "INTERVAL '1 day' * ($1 / 2.0)", "0.5 * $1 * INTERVAL '1 day'"] {
            assert_eq!(product(sql), None, "{sql}");
        }
    }
}
