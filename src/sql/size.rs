//! Bounds on the plan that a statement makes, counted in its syntax tree before it is planned.
//!
//! A short statement can make a huge plan, and DataFusion cannot be interrupted while it makes one:
//!
//! ```text
//! WITH a AS (SELECT * FROM t x, t y), b AS (SELECT * FROM a x, a y), …   a name is planned wherever it is used: 2ⁿ tables
//! SELECT *, *, *, …                                                      each * is all columns
//! [1, 1, 1, …]                                                           each item is an expression
//! GROUP BY CUBE (a, b, c, …)                                             2ⁿ grouping sets
//! sum(x) OVER (PARTITION BY a), sum(x) OVER (PARTITION BY b), …          each window is an operator
//! ```

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, GroupByExpr, GroupByWithModifier, Ident, ObjectName,
    ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, Visitor, WindowType,
};

use super::{Fault, identifier, statement_of, visit};

/// The maximum number of tables in a plan: tables, functions, derived tables and members of WITH. A name of a WITH counts as
/// all of its own, at each place that uses it. The time to plan joins grows with the third power: 100 take 3 seconds, 150 take
/// 12.
pub const MAX_TABLES: u64 = 100;

/// The maximum number of columns in all SELECT lists, GROUP BYs and ORDER BYs of a plan. The time to plan a SELECT list grows
/// with the square: 2,000 take 2 seconds, 5,000 take 10.
pub(super) const MAX_COLUMNS: u64 = 2_000;

/// The maximum number of expressions of a plan: literals, names, operators, calls. IN lists and VALUES have most of them. 50,000
/// items of an IN list take 3 seconds. A value of VALUES takes twice as long, and counts as two.
pub(super) const MAX_EXPRESSIONS: u64 = 60_000;

/// The maximum number of arithmetic operators in a chain, such as `a + b + c`. The time to plan one grows with the square: 400
/// intervals take 6 seconds, 900 take 30. DataFusion makes the name of each part, and those of all parts in it.
pub(super) const MAX_CHAIN: usize = 400;

/// The number of columns that a `*` is counted as: how many it has is known only when it is planned.
const COLUMNS_OF_A_WILDCARD: u64 = 20;

/// The maximum number of arguments of a function, and of items of a list that the statement spells out. Each is planned as
/// an expression. VALUES and an IN list may be longer.
pub(super) const MAX_ITEMS: usize = 10_000;

/// The maximum number of grouping sets of one GROUP BY.
pub(super) const MAX_GROUPING_SETS: u64 = 1_024;

/// The maximum number of different windows of a plan. Each is an operator with all columns of those below it.
pub(super) const MAX_WINDOWS: u64 = 100;

/// Rejects a statement whose plan would be too large.
///
/// # Errors
/// [`Fault::ManyTables`], [`Fault::ManyColumns`], [`Fault::ManyExpressions`], [`Fault::ManyWindows`],
/// [`Fault::ManyItems`], [`Fault::ManyGroupingSets`], [`Fault::LongChain`].
pub(super) fn check_size(ast: &Ast) -> Result<(), Fault> {
    let Some(statement) = statement_of(ast) else { return Ok(()) };
    match visit(statement, &mut SizeCounter { queries: Vec::new(), chain: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(fault) => Err(fault),
    }
}

/// What a query adds to the plan at each place that uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    tables: u64,
    columns: u64,
    expressions: u64,
    windows: u64,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.tables = self.tables.saturating_add(other.tables);
        self.columns = self.columns.saturating_add(other.columns);
        self.expressions = self.expressions.saturating_add(other.expressions);
        self.windows = self.windows.saturating_add(other.windows);
    }

    fn check(self) -> ControlFlow<Fault> {
        match self {
            Self { tables, .. } if tables > MAX_TABLES => ControlFlow::Break(Fault::ManyTables),
            Self { columns, .. } if columns > MAX_COLUMNS => ControlFlow::Break(Fault::ManyColumns),
            Self { expressions, .. } if expressions > MAX_EXPRESSIONS => ControlFlow::Break(Fault::ManyExpressions),
            Self { windows, .. } if windows > MAX_WINDOWS => ControlFlow::Break(Fault::ManyWindows),
            Self { .. } => ControlFlow::Continue(()),
        }
    }
}

/// A query that is being visited.
struct QuerySize {
    /// The names of its WITH whose queries are not visited yet, the next one last. The visitor enters these queries
    /// before all other parts of the query, in the order of the names.
    unvisited: Vec<String>,
    /// The names of its WITH whose queries were visited.
    names: HashMap<String, Size>,
    /// The windows of the SELECT that is being visited.
    windows: HashSet<WindowType>,
    size: Size,
}

struct SizeCounter {
    /// The queries around the current place, the innermost last.
    queries: Vec<QuerySize>,
    /// The number of arithmetic operators around the current place.
    chain: usize,
}

impl SizeCounter {
    fn add(&mut self, size: Size) -> ControlFlow<Fault> {
        let Some(query) = self.queries.last_mut() else { return size.check() };
        query.size.add(size);
        query.size.check()
    }

    /// Functions over the same window are computed by one operator.
    fn add_window(&mut self, window: &WindowType) -> ControlFlow<Fault> {
        match self.queries.last_mut().is_none_or(|query| query.windows.insert(window.clone())) {
            true => self.add(Size { windows: 1, ..Size::default() }),
            false => ControlFlow::Continue(()),
        }
    }

    /// The size of a table or of a name of a WITH.
    fn size_of(&self, table: &ObjectName) -> Size {
        let known = match &table.0[..] {
            [ObjectNamePart::Identifier(name)] => self.size_of_name(name),
            _ => None,
        };
        known.unwrap_or(Size { tables: 1, ..Size::default() })
    }

    fn size_of_name(&self, name: &Ident) -> Option<Size> {
        let name = identifier(name);
        self.queries.iter().rev().find_map(|query| query.names.get(&name)).copied()
    }
}

impl Visitor for SizeCounter {
    type Break = Fault;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Fault> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let unvisited = tables.rev().map(|table| identifier(&table.alias.name)).collect();
        let ordered = match query.order_by.as_ref().map(|order_by| &order_by.kind) {
            Some(OrderByKind::Expressions(items)) => items.len() as u64,
            Some(OrderByKind::All(_)) | None => 0,
        };
        let members = query.with.as_ref().map_or(0, |with| with.cte_tables.len() as u64);
        let columns = ordered.saturating_add(width_of_values(&query.body));
        let size = Size { tables: members, columns, expressions: number_of_values(&query.body), windows: 0 };
        self.queries.push(QuerySize { unvisited, names: HashMap::new(), windows: HashSet::new(), size });
        size.check()
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Fault> {
        let Some(QuerySize { size, .. }) = self.queries.pop() else { return ControlFlow::Continue(()) };
        let name = self.queries.last_mut().and_then(|parent| parent.unvisited.pop().map(|name| (parent, name)));
        match name {
            Some((parent, name)) => {
                parent.names.insert(name, size);
                ControlFlow::Continue(())
            }
            None => self.add(size),
        }
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Fault> {
        match table {
            TableFactor::Table { name, .. } => self.add(self.size_of(name)),
            TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            // A derived table, a function: an operator of the plan, as a table is.
            _ => self.add(Size { tables: 1, ..Size::default() }),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Fault> {
        let items = match expr {
            Expr::Function(function) => match &function.args {
                FunctionArguments::List(list) => list.args.len(),
                FunctionArguments::None | FunctionArguments::Subquery(_) => 0,
            },
            Expr::Array(array) => array.elem.len(),
            Expr::Tuple(items) | Expr::Struct { values: items, .. } => items.len(),
            _ => 0,
        };
        if items > MAX_ITEMS {
            return ControlFlow::Break(Fault::ManyItems);
        }
        self.chain += usize::from(is_arithmetic(expr));
        if self.chain > MAX_CHAIN {
            return ControlFlow::Break(Fault::LongChain);
        }
        self.add(Size { expressions: 1, ..Size::default() })?;
        match expr {
            Expr::Function(Function { over: Some(window), .. }) => self.add_window(window),
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Fault> {
        self.chain -= usize::from(is_arithmetic(expr));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Fault> {
        // The windows of the other SELECTs of a UNION are other operators.
        if let Some(query) = self.queries.last_mut() {
            query.windows.clear();
        }
        if grouping_sets(&select.group_by) > MAX_GROUPING_SETS {
            return ControlFlow::Break(Fault::ManyGroupingSets);
        }
        let grouped = match &select.group_by {
            GroupByExpr::Expressions(items, _) => items.len() as u64,
            GroupByExpr::All(_) => 0,
        };
        let columns = select.projection.iter().map(|item| match item {
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => COLUMNS_OF_A_WILDCARD,
            _ => 1,
        });
        self.add(Size { columns: grouped.saturating_add(columns.sum()), ..Size::default() })
    }
}

/// The number of columns of VALUES.
fn width_of_values(body: &SetExpr) -> u64 {
    match body {
        SetExpr::Values(values) => values.rows.iter().map(|row| row.len() as u64).max().unwrap_or(0),
        SetExpr::SetOperation { left, right, .. } => width_of_values(left).saturating_add(width_of_values(right)),
        _ => 0,
    }
}

/// The number of values in VALUES.
fn number_of_values(body: &SetExpr) -> u64 {
    match body {
        SetExpr::Values(values) => values.rows.iter().map(|row| row.len() as u64).sum(),
        SetExpr::SetOperation { left, right, .. } => number_of_values(left).saturating_add(number_of_values(right)),
        _ => 0,
    }
}

/// Whether the type of an expression follows from those of its operands. It is computed for each part of a chain again.
fn is_arithmetic(expr: &Expr) -> bool {
    let Expr::BinaryOp { op, .. } = expr else { return false };
    matches!(
        op,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat
    )
}

/// The number of grouping sets: the product over all items of the GROUP BY.
fn grouping_sets(group_by: &GroupByExpr) -> u64 {
    let GroupByExpr::Expressions(items, modifiers) = group_by else { return 1 };
    let of_items = items.iter().map(|item| match item {
        Expr::Cube(sets) => power_of_two(sets.len()),
        Expr::Rollup(sets) => sets.len() as u64 + 1,
        Expr::GroupingSets(sets) => sets.len() as u64,
        _ => 1,
    });
    let of_modifiers = modifiers.iter().map(|modifier| match modifier {
        GroupByWithModifier::Cube => power_of_two(items.len()),
        GroupByWithModifier::Rollup => items.len() as u64 + 1,
        GroupByWithModifier::Totals | GroupByWithModifier::GroupingSets(_) => 1,
    });
    of_items.chain(of_modifiers).fold(1, u64::saturating_mul)
}

fn power_of_two(exponent: usize) -> u64 {
    u32::try_from(exponent).ok().and_then(|exponent| 1_u64.checked_shl(exponent)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    /// The WITH that joins each name twice: `t0` has one table, `t3` has eight.
    fn doubled(times: usize) -> String {
        let first = "t0 AS (SELECT 1 AS x FROM images)".to_owned();
        let others = (1..=times).map(|at| format!("t{at} AS (SELECT 1 AS x FROM t{} a, t{} b)", at - 1, at - 1));
        let names: Vec<String> = [first].into_iter().chain(others).collect();
        format!("WITH {} SELECT x FROM t{times}", names.join(", "))
    }

    fn fault(sql: &str) -> Fault {
        parse(sql).expect_err(sql)
    }

    #[test]
    fn different_windows_are_counted() {
        let windows = |count: u64, modulus: u64| {
            let columns = (0..count).map(|at| format!("sum(x) OVER (PARTITION BY x % {})", at % modulus + 1));
            columns.collect::<Vec<_>>().join(", ")
        };

        assert!(parse(&format!("SELECT {} FROM t", windows(100, 100))).is_ok());
        assert!(parse(&format!("SELECT {} FROM t", windows(1_000, 100))).is_ok(), "they are the same");
        assert_eq!(fault(&format!("SELECT {} FROM t", windows(101, 101))), Fault::ManyWindows);
        let doubled = format!("WITH a AS (SELECT {} FROM t) SELECT * FROM a, a b", windows(51, 51));
        assert_eq!(fault(&doubled), Fault::ManyWindows);
        let union = format!("SELECT {0} FROM t UNION ALL SELECT {0} FROM t", windows(51, 51));
        assert_eq!(fault(&union), Fault::ManyWindows);
    }

    #[test]
    fn a_name_of_a_with_counts_as_its_tables_wherever_it_is_used() {
        assert!(parse(&doubled(6)).is_ok());
        assert_eq!(fault(&doubled(7)), Fault::ManyTables);
        assert_eq!(fault(&doubled(80)), Fault::ManyTables);
        assert_eq!(fault(&format!("EXPLAIN {}", doubled(7))), Fault::ManyTables);
    }

    #[test]
    fn a_doubled_with_that_is_not_used_counts_too() {
        let sql = doubled(20).replace("SELECT x FROM t20", "SELECT 1");
        assert_eq!(fault(&sql), Fault::ManyTables);
    }

    #[test]
    fn a_nested_with_and_a_subquery_of_an_expression_count() {
        let nested = doubled(6);
        assert!(parse(&format!("SELECT 1 WHERE EXISTS ({nested})")).is_ok());
        assert_eq!(fault(&format!("SELECT ({nested}), ({nested})")), Fault::ManyTables);
        assert_eq!(fault(&format!("WITH a AS ({nested}), b AS (SELECT * FROM a, a x) SELECT 1")), Fault::ManyTables);
    }

    #[test]
    fn a_name_is_the_nearest_one() {
        let sql =
            format!("WITH t AS ({}) SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t a, t b, t c)", doubled(6));
        assert!(parse(&sql).is_ok());
    }

    #[test]
    fn a_recursive_name_counts_as_a_table_in_its_own_query() {
        let sql = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT * FROM t";
        assert!(parse(sql).is_ok());
    }

    #[test]
    fn many_comma_joins_are_rejected() {
        let tables = |count: usize| format!("SELECT 1 FROM {}", vec!["images"; count].join(", "));
        assert!(parse(&tables(100)).is_ok());
        assert_eq!(fault(&tables(101)), Fault::ManyTables);
    }

    #[test]
    fn the_columns_of_select_lists_are_counted() {
        let columns = |count: usize| format!("SELECT {}", vec!["1"; count].join(", "));
        assert!(parse(&columns(2_000)).is_ok());
        assert_eq!(fault(&columns(2_001)), Fault::ManyColumns);
        assert_eq!(fault(&format!("SELECT {} FROM images", vec!["*"; 101].join(", "))), Fault::ManyColumns);
        let three = format!("WITH t AS ({}) SELECT 1 FROM t a, t b, t c", columns(1_000));
        assert_eq!(fault(&three), Fault::ManyColumns);
    }

    #[test]
    fn the_operators_of_a_chain_are_counted() {
        for operator in ["+", "-", "*", "/", "%", "||"] {
            let chain = |terms: usize| vec!["x"; terms].join(operator);
            assert!(parse(&format!("SELECT {}", chain(401))).is_ok(), "{operator}");
            assert_eq!(fault(&format!("SELECT {}", chain(402))), Fault::LongChain, "{operator}");
            assert!(parse(&format!("SELECT {0}, {0}", chain(300))).is_ok(), "{operator}: these are two chains");
        }
        assert_eq!(fault(&format!("SELECT now() {}", "+ INTERVAL '1 day' ".repeat(500))), Fault::LongChain);
        assert!(parse(&format!("SELECT 1 WHERE {}", vec!["x = 1"; 450].join(" OR "))).is_ok());
    }

    #[test]
    fn the_grouping_sets_are_multiplied() {
        let group_by = |items: &str| format!("SELECT count(*) FROM images GROUP BY {items}");
        let columns = |count: usize| vec!["id"; count].join(", ");
        assert!(parse(&group_by(&format!("CUBE ({})", columns(10)))).is_ok());
        for items in [
            format!("CUBE ({})", columns(11)),
            format!("CUBE ({})", columns(64)),
            format!("CUBE ({0}), CUBE ({0})", columns(6)),
            format!("ROLLUP ({0}), ROLLUP ({0})", columns(40)),
        ] {
            assert_eq!(fault(&group_by(&items)), Fault::ManyGroupingSets, "{items}");
        }
    }

    #[test]
    fn values_and_in_lists_may_be_long() {
        let values = vec!["(1)"; 20_000].join(", ");
        assert!(parse(&format!("SELECT * FROM (VALUES {values}) AS v")).is_ok());
        let list = vec!["7"; 20_000].join(", ");
        assert!(parse(&format!("SELECT * FROM images WHERE id IN ({list})")).is_ok());
    }

    #[test]
    fn the_expressions_of_values_and_in_lists_are_counted() {
        let list = |count: usize| format!("SELECT id FROM images WHERE id IN ({})", vec!["7"; count].join(", "));
        assert!(parse(&list(50_000)).is_ok());
        assert_eq!(fault(&list(60_000)), Fault::ManyExpressions);
        let values = format!("SELECT * FROM (VALUES {}) AS v", vec!["(1, 2, 3)"; 10_001].join(", "));
        assert_eq!(fault(&values), Fault::ManyExpressions);
        let twice = format!("WITH t AS ({}) SELECT 1 FROM t a, t b", list(40_000));
        assert_eq!(fault(&twice), Fault::ManyExpressions);
    }
}
