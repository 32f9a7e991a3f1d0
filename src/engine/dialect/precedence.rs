//! `IS DISTINCT FROM`, which the parser reads with the wrong precedence.

use std::collections::VecDeque;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// Corrects the precedence of `IS DISTINCT FROM`.
///
/// The parser reads `a IS DISTINCT FROM b AND c` as `a IS DISTINCT FROM (b AND c)`. So the expression is flattened to
/// its terms and operators in written order, and parsed again: NOT binds most tightly, then AND, XOR and OR.
///
/// ```text
///     parser:   DISTINCT(a, AND(b, c))
///     flatten:  DISTINCT(a, b)  AND  c
///     parse:    AND(DISTINCT(a, b), c)
/// ```
///
/// An AND in parentheses is an `Expr::Nested`, and stays as it is.
pub(super) fn bind_distinct(expr: &mut Expr) {
    if !holds_wrong_distinct(expr) {
        return;
    }
    let mut terms = VecDeque::new();
    flatten(std::mem::replace(expr, Expr::value(Value::Null)), &mut terms);
    *expr = parse_level(&mut terms, 0);
}

/// A part of an expression outside of parentheses.
enum Term {
    Operator(BinaryOperator),
    Not,
    Value(Box<Expr>),
}

fn is_logic(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor)
}

fn holds_wrong_distinct(expr: &Expr) -> bool {
    match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            matches!(right.as_ref(), Expr::BinaryOp { op, .. } if is_logic(op)) || holds_wrong_distinct(right)
        }
        Expr::BinaryOp { left, op, right } if is_logic(op) => holds_wrong_distinct(left) || holds_wrong_distinct(right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => holds_wrong_distinct(expr),
        _ => false,
    }
}

fn flatten(expr: Expr, terms: &mut VecDeque<Term>) {
    match expr {
        Expr::BinaryOp { left, op, right } if is_logic(&op) => {
            flatten(*left, terms);
            terms.push_back(Term::Operator(op));
            flatten(*right, terms);
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            terms.push_back(Term::Not);
            flatten(*expr, terms);
        }
        Expr::IsDistinctFrom(left, right) => {
            flatten_comparison(*right, terms, |right| Expr::IsDistinctFrom(left, right))
        }
        Expr::IsNotDistinctFrom(left, right) => {
            flatten_comparison(*right, terms, |right| Expr::IsNotDistinctFrom(left, right))
        }
        other => terms.push_back(Term::Value(Box::new(other))),
    }
}

/// Flattens a comparison: of the terms of its right side, only the first one is compared; NOTs before it belong to it.
fn flatten_comparison(right: Expr, terms: &mut VecDeque<Term>, compare: impl FnOnce(Box<Expr>) -> Expr) {
    let mut right_terms = VecDeque::new();
    flatten(right, &mut right_terms);
    let mut first = right_terms.pop_front();
    let mut nots = 0;
    while let Some(Term::Not) = first {
        nots += 1;
        first = right_terms.pop_front();
    }
    if let Some(Term::Value(mut value)) = first {
        for _ in 0..nots {
            value = Box::new(Expr::UnaryOp { op: UnaryOperator::Not, expr: value });
        }
        terms.push_back(Term::Value(Box::new(compare(value))));
    }
    terms.extend(right_terms);
}

const LEVELS: [BinaryOperator; 3] = [BinaryOperator::Or, BinaryOperator::Xor, BinaryOperator::And];

fn parse_level(terms: &mut VecDeque<Term>, level: usize) -> Expr {
    let Some(operator) = LEVELS.get(level) else { return parse_not(terms) };
    let mut expr = parse_level(terms, level + 1);
    while matches!(terms.front(), Some(Term::Operator(op)) if op == operator) {
        terms.pop_front();
        let right = Box::new(parse_level(terms, level + 1));
        expr = Expr::BinaryOp { left: Box::new(expr), op: operator.clone(), right };
    }
    expr
}

fn parse_not(terms: &mut VecDeque<Term>) -> Expr {
    match terms.pop_front() {
        Some(Term::Not) => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(parse_not(terms)) },
        Some(Term::Value(value)) => *value,
        // Cannot happen: the parser has put a value between any two operators.
        Some(Term::Operator(_)) | None => Expr::value(Value::Null),
    }
}
