//! Parameters of `FROM generate_series(1, ?)`.
//!
//! DataFusion evaluates the arguments of a table function while it plans. The scalar function of the same name returns
//! a list and can have parameters; unnesting the list returns the same rows.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArgumentList, FunctionArguments, Ident, TableAlias, TableAliasColumnDef, TableFactor,
    UnaryOperator, Value,
};

use super::parameter_places::{argument_of, has_parameter, is_parameter, refused};
use crate::engine::fault::Fault;
use crate::sql::identifier;

/// The name of the table function's column.
const COLUMN: &str = "value";

/// Replaces `generate_series(1, ?)` by `unnest(generate_series(1, ?)) AS generate_series(value)`. Only for numbers: for
/// dates, the table function returns timestamps and the list dates.
pub(super) fn rewrite(table: &mut TableFactor) -> Result<(), Fault> {
    let TableFactor::Table { name, alias, args: Some(arguments), with_ordinality, .. } = table else { return Ok(()) };
    if !arguments.args.iter().any(has_parameter) {
        return Ok(());
    }
    let function = name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default();
    let is_series = matches!(function.as_str(), "generate_series" | "range") && name.0.len() == 1 && !*with_ordinality;
    let is_numeric = arguments.args.iter().all(|argument| argument_of(argument).is_some_and(is_number));
    if !is_series || !is_numeric || arguments.settings.is_some() {
        return refused(
            "the argument of a table function",
            "unnest a list: `FROM unnest(generate_series(1, CAST(? AS BIGINT))) AS t(x)`",
        );
    }
    let list = FunctionArgumentList { duplicate_treatment: None, args: arguments.args.clone(), clauses: Vec::new() };
    let series = Expr::Function(Function {
        name: name.clone(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    });
    *table = TableFactor::UNNEST {
        alias: Some(with_column_name(alias.take(), function)),
        array_exprs: vec![series],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
    Ok(())
}

/// Whether an expression is a parameter, or a number literal with or without a sign.
fn is_number(expr: &Expr) -> bool {
    let is_literal = |expr: &Expr| matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(..)));
    match expr {
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_literal(expr),
        other => is_literal(other) || is_parameter(other),
    }
}

/// The alias, with the default column name if it has none.
fn with_column_name(alias: Option<TableAlias>, function: String) -> TableAlias {
    let mut alias = alias.unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(function),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef::from_name(COLUMN));
    }
    alias
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::{SetExpr, Statement};
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn rewritten(table: &str) -> Result<String, Fault> {
        let sql = format!("SELECT * FROM {table}");
        let Statement::Query(query) = Parser::parse_sql(&GenericDialect {}, &sql).unwrap().remove(0) else {
            panic!("{sql}")
        };
        let SetExpr::Select(mut select) = *query.body else { panic!("{sql}") };
        let table = &mut select.from[0].relation;
        rewrite(table).map(|()| table.to_string())
    }

    #[test]
    fn a_series_of_numbers_becomes_an_unnested_list() {
        for (table, expected) in [
            ("generate_series(1, $1)", "UNNEST(generate_series(1, $1)) AS generate_series (value)"),
            ("range($1, -2) AS t", "UNNEST(range($1, -2)) AS t (value)"),
            ("generate_series(1, $1) AS t(x)", "UNNEST(generate_series(1, $1)) AS t (x)"),
            ("generate_series(1, 2)", "generate_series(1, 2)"),
        ] {
            assert_eq!(rewritten(table).unwrap(), expected, "{table}");
        }
    }

    #[test]
    fn a_series_of_times_and_other_functions_are_rejected() {
        for table in ["generate_series(DATE '2020-01-01', $1)", "other($1)", "generate_series(1, $1 + 1)"] {
            assert!(matches!(rewritten(table), Err(Fault::ParameterPlace { .. })), "{table}");
        }
    }
}
