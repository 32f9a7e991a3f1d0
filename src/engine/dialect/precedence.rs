//! `IS DISTINCT FROM`, which the parser reads with the wrong precedence.

use std::collections::VecDeque;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// The parser reads `a IS DISTINCT FROM b AND c` as `a IS DISTINCT FROM (b AND c)`. So the terms of such an expression
/// are put in a row again, as they were written, and bound anew: NOT, then AND, then XOR, then OR. An AND in brackets
/// stays where it is.
pub(super) fn bind_distinct(expr: &mut Expr) {
    if !holds_wrong_distinct(expr) {
        return;
    }
    let mut terms = VecDeque::new();
    in_a_row(std::mem::replace(expr, Expr::value(Value::Null)), &mut terms);
    *expr = bound(&mut terms, 0);
}

/// A part of an expression outside of brackets.
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

fn in_a_row(expr: Expr, terms: &mut VecDeque<Term>) {
    match expr {
        Expr::BinaryOp { left, op, right } if is_logic(&op) => {
            in_a_row(*left, terms);
            terms.push_back(Term::Operator(op));
            in_a_row(*right, terms);
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            terms.push_back(Term::Not);
            in_a_row(*expr, terms);
        }
        Expr::IsDistinctFrom(left, right) => compared(*right, terms, |right| Expr::IsDistinctFrom(left, right)),
        Expr::IsNotDistinctFrom(left, right) => compared(*right, terms, |right| Expr::IsNotDistinctFrom(left, right)),
        other => terms.push_back(Term::Value(Box::new(other))),
    }
}

/// The first term of the right side is what is compared with.
fn compared(right: Expr, terms: &mut VecDeque<Term>, compare: impl FnOnce(Box<Expr>) -> Expr) {
    let mut right_terms = VecDeque::new();
    in_a_row(right, &mut right_terms);
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

fn bound(terms: &mut VecDeque<Term>, level: usize) -> Expr {
    let Some(own) = LEVELS.get(level) else { return bound_not(terms) };
    let mut expr = bound(terms, level + 1);
    while matches!(terms.front(), Some(Term::Operator(op)) if op == own) {
        terms.pop_front();
        let right = Box::new(bound(terms, level + 1));
        expr = Expr::BinaryOp { left: Box::new(expr), op: own.clone(), right };
    }
    expr
}

fn bound_not(terms: &mut VecDeque<Term>) -> Expr {
    match terms.pop_front() {
        Some(Term::Not) => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(bound_not(terms)) },
        Some(Term::Value(value)) => *value,
        // The parser has put a value between any two operators.
        Some(Term::Operator(_)) | None => Expr::value(Value::Null),
    }
}
