//! Parameters of a statement: `?` by position, or `$1`, `$2`, ….

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Value, ValueWithSpan, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Fault, statement_of, visit};

/// Replaces each `?` by `$n`, and returns the number of parameters. It works on tokens, so a `?` in a string or a
/// comment is left alone.
///
/// Without this, DataFusion makes a single parameter named `?` of all of them, and fails when it is bound.
pub(super) fn number_parameters(tokens: &mut [TokenWithSpan]) -> Result<usize, Fault> {
    let (mut questions, mut highest) = (0, 0);
    for token in tokens {
        match &mut token.token {
            Token::Placeholder(name) if name == "?" => {
                questions += 1;
                *name = format!("${questions}");
            }
            Token::Placeholder(name) => highest = highest.max(number(name)?),
            _ => {}
        }
    }
    if questions > 0 && highest > 0 { Err(Fault::MixedParameters) } else { Ok(questions.max(highest)) }
}

/// Whether a parameter is in a position for a name, a type or a date part. For some of these the parser backtracks
/// before it reports the error, so the position of the error does not show it.
pub(super) fn has_misplaced_parameter(tokens: &[TokenWithSpan]) -> bool {
    let tokens: Vec<&Token> =
        tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    (1..tokens.len()).any(|at| matches!(tokens[at], Token::Placeholder(_)) && expects_a_name(&tokens[..at]))
}

/// Whether a name, a type or a date part must follow these tokens.
fn expects_a_name(tokens: &[&Token]) -> bool {
    match tokens {
        [.., extract, Token::LParen] if keyword(extract) == Keyword::EXTRACT => true,
        [.., last] => matches!(keyword(last), Keyword::AS | Keyword::FROM | Keyword::JOIN | Keyword::TABLE),
        [] => false,
    }
}

fn keyword(token: &Token) -> Keyword {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

/// Rejects placeholders with other names in the tree. The parser makes the placeholder `:name` of two tokens, so
/// [`number_parameters`] does not see it.
pub(super) fn check_placeholders(ast: &Ast) -> Result<(), Fault> {
    match statement_of(ast).map(|statement| visit(statement, &mut Placeholders)) {
        Some(ControlFlow::Break(fault)) => Err(fault),
        Some(ControlFlow::Continue(())) | None => Ok(()),
    }
}

struct Placeholders;

impl Visitor for Placeholders {
    type Break = Fault;

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Fault> {
        match &value.value {
            Value::Placeholder(name) => match number(name) {
                Ok(_) => ControlFlow::Continue(()),
                Err(fault) => ControlFlow::Break(fault),
            },
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Returns the `n` of `$n`, from 1 to 1,000.
fn number(name: &str) -> Result<usize, Fault> {
    let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
    number.filter(|number| (1..=1_000).contains(number)).ok_or_else(|| Fault::Parameter(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{StatementBody, parse};

    #[test]
    fn question_marks_are_numbered_by_position() {
        let statement = parse("SELECT ?, 'é?', ? -- ?\n, \"a?\", ? /* ? */ FROM t").unwrap();

        let StatementBody::Sql(ast) = statement.body else { panic!("{statement:?}") };
        assert_eq!(ast.to_string(), "SELECT $1, 'é?', $2, \"a?\", $3 FROM t");
        assert_eq!(statement.parameters, 3);
    }

    #[test]
    fn numbered_parameters_are_counted_by_the_highest() {
        assert_eq!(parse("SELECT $2, $1, $2").unwrap().parameters, 2);
        assert_eq!(parse("SELECT $10").unwrap().parameters, 10);
        assert_eq!(parse("SELECT 1").unwrap().parameters, 0);
    }

    #[test]
    fn a_parameter_in_place_of_a_name_a_type_or_a_unit_has_its_own_error() {
        for text in [
            "SELECT EXTRACT(? FROM now())",
            "SELECT CAST(1 AS ?)",
            "SELECT 1 AS ?",
            "SELECT * FROM ?",
            "SELECT 1 FROM t JOIN $1 ON true",
            "SELECT INTERVAL '1' ?",
        ] {
            let fault = parse(text).unwrap_err();
            assert!(matches!(fault, Fault::AtParameter(_)), "{text}: {fault:?}");
            assert!(text.contains('$') || !fault.to_string().contains('$'), "{text}: {fault}");
        }
        assert!(matches!(parse("SELEC 1 + ?").unwrap_err(), Fault::Syntax(_)));
    }
}
