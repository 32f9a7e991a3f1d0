//! Predicates with a subquery, in a common form.

use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};

use super::correlation::is_correlated;
use super::refused;
use crate::engine::fault::Fault;

/// Whether some row of a subquery satisfies a condition, or none does.
#[derive(Clone, Debug)]
pub(super) enum Predicate {
    /// EXISTS and NOT EXISTS.
    Exists {
        /// The subquery.
        subquery: LogicalPlan,
        /// Whether it is true if there is no row.
        negated: bool,
    },
    /// `x op ANY (…)`: true if the comparison is true for some row; negated: if it is false for all rows.
    Any {
        /// `x`.
        left: Expr,
        /// The comparison.
        op: Operator,
        /// The subquery, of one column.
        subquery: LogicalPlan,
        /// Whether it is negated: NOT IN, ALL.
        negated: bool,
    },
}

impl Predicate {
    /// The predicate, if the expression is one, including the NOTs before it.
    ///
    /// # Errors
    /// [`Fault::Subquery`] for a comparison that has no opposite.
    pub(super) fn of(expr: &Expr) -> Result<Option<Self>> {
        Ok(match expr {
            Expr::Not(inner) => Self::of(inner)?.map(Self::not),
            Expr::Alias(alias) => Self::of(&alias.expr)?,
            Expr::Exists(Exists { subquery, negated }) => {
                Some(Self::Exists { subquery: LogicalPlan::clone(&subquery.subquery), negated: *negated })
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => Some(Self::Any {
                left: Expr::clone(expr),
                op: Operator::Eq,
                subquery: LogicalPlan::clone(&subquery.subquery),
                negated: *negated,
            }),
            Expr::SetComparison(comparison) => Some(Self::of_comparison(comparison)?),
            _ => None,
        })
    }

    /// `x < ALL (…)` is `NOT (x >= ANY (…))`.
    fn of_comparison(SetComparison { expr, subquery, op, quantifier }: &SetComparison) -> Result<Self> {
        let (left, subquery) = (Expr::clone(expr), LogicalPlan::clone(&subquery.subquery));
        if matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom) {
            return Err(refused(Fault::Subquery)); // never NULL, unlike the comparisons that `joins` handles
        }
        match quantifier {
            SetQuantifier::Any => Ok(Self::Any { left, op: *op, subquery, negated: false }),
            SetQuantifier::All => {
                let op = op.negate().ok_or_else(|| refused(Fault::Subquery))?;
                Ok(Self::Any { left, op, subquery, negated: true })
            }
        }
    }

    fn not(self) -> Self {
        match self {
            Self::Exists { subquery, negated } => Self::Exists { subquery, negated: !negated },
            Self::Any { left, op, subquery, negated } => Self::Any { left, op, subquery, negated: !negated },
        }
    }
}

/// Whether an expression contains a subquery that becomes a join here: a predicate, or a correlated scalar subquery.
pub(super) fn needs_join(expr: &Expr) -> Result<bool> {
    expr.exists(|part| match part {
        Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => Ok(true),
        Expr::ScalarSubquery(subquery) => is_correlated(&subquery.subquery),
        _ => Ok(false),
    })
}
