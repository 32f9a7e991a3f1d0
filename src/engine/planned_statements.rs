//! Statements that were planned not long ago.
//!
//! A driver asks about one statement three or four times before its first row: it prepares it, binds a row, asks for the
//! ticket, and runs it. The handles between these calls hold the text, so that any replica can answer them; the replica
//! that planned the text finds the plan here.
//!
//! What is kept is the plan as it was planned, before analysis: its parameters are still functions (`parameters`), so it
//! serves all values, and the analyzer's rules that look at literals see those of the values.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, TableFactor, Visit, Visitor, visit_expressions};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::plan_threads::DroppedOnPlanThread;
use super::{PreparedStatement, Principal, parameters};
use crate::query::Identity;
use crate::sql;

/// How much memory the plans of recent statements may take.
const MOST_BYTES: u64 = 64 << 20;

/// What a node of a plan and an expression take, roughly, without the values of literals.
const BYTES_OF_A_PART: usize = 512;

/// How much larger than the plan the optimized plan may be that is kept with it. The optimizer computes what is constant:
/// of `repeat('a', 10000000)` it makes a text of 10 MB.
const MOST_GROWTH: usize = 2;

/// A statement that is planned, for whatever is bound to it.
pub(super) struct PlannedStatement {
    pub(super) plan: DroppedOnPlanThread<LogicalPlan>,
    /// The same, optimized: see [`PlannedStatement::optimized`].
    optimized: OnceLock<DroppedOnPlanThread<LogicalPlan>>,
    /// What clients are told of it.
    pub(super) prepared: PreparedStatement,
    /// The types that the statement gives to its parameters.
    pub(super) parameters: SchemaRef,
    /// Whether running it writes.
    pub(super) writes: bool,
    /// How long the plan, and the plans that are made of it, are right.
    pub(super) lasts: Lasts,
    /// What the plan takes.
    bytes: usize,
}

/// For how long a plan is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasts {
    /// For ever.
    Always,
    /// The plan is; what is made of it has the time in it: `now()` is a literal once it is optimized.
    UntilOptimized,
    /// For this call: DataFusion computes the arguments of a table function while it plans,
    /// `generate_series(now(), …)`.
    Once,
}

impl PlannedStatement {
    /// `planned_once`: whether planning has computed what may be another value the next time.
    pub(super) fn new(
        plan: LogicalPlan,
        prepared: PreparedStatement,
        parameters: SchemaRef,
        writes: bool,
        planned_once: bool,
    ) -> Self {
        let Looked { tells_time, bytes } = looked_through(&plan);
        let lasts = match (planned_once || writes, tells_time) {
            (true, _) => Lasts::Once,
            (false, true) => Lasts::UntilOptimized,
            (false, false) => Lasts::Always,
        };
        Self {
            plan: DroppedOnPlanThread::new(plan),
            optimized: OnceLock::new(),
            prepared,
            parameters,
            writes,
            lasts,
            bytes,
        }
    }

    /// Whether its optimized plan is the same for everybody: it takes no values, and has no time in it. EXPLAIN is planned
    /// each time, because it shows how.
    fn may_keep_optimized(&self) -> bool {
        let has_parameters = !self.parameters.fields().is_empty();
        self.lasts == Lasts::Always
            && !has_parameters
            && !matches!(*self.plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_))
    }

    /// Its plan with these values, optimized: by the first who asks, where that is the same for everybody and not large.
    /// Two that ask at once may both do it.
    pub(super) fn optimized(
        &self,
        values: &[ScalarValue],
        optimize: impl FnOnce(&LogicalPlan) -> Result<LogicalPlan>,
    ) -> Result<Cow<'_, LogicalPlan>> {
        if !self.may_keep_optimized() {
            return optimize(&parameters::bind(LogicalPlan::clone(&self.plan), values)?).map(Cow::Owned);
        }
        if let Some(optimized) = self.optimized.get() {
            return Ok(Cow::Borrowed(optimized));
        }
        let optimized = optimize(&self.plan)?;
        if plan_bytes(&optimized) > MOST_GROWTH * self.bytes {
            return Ok(Cow::Owned(optimized));
        }
        Ok(Cow::Borrowed(self.optimized.get_or_init(|| DroppedOnPlanThread::new(optimized))))
    }

    /// What it takes with the optimized plan that may be kept with it.
    fn weight(&self) -> usize {
        if self.may_keep_optimized() { (1 + MOST_GROWTH) * self.bytes } else { self.bytes }
    }
}

/// Whether a table function's arguments call a function: planning computes them.
pub(super) fn computes_while_planned(ast: &Ast) -> bool {
    struct Looking;
    impl Visitor for Looking {
        type Break = ();

        fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
            let calls = |expr: &SqlExpr| match expr {
                SqlExpr::Function(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            };
            match table {
                TableFactor::Table { args: Some(args), .. } => visit_expressions(args, calls),
                TableFactor::Function { args, .. } => visit_expressions(args, calls),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    sql::statement_of(ast).is_some_and(|statement| statement.visit(&mut Looking).is_break())
}

/// What a plan's nodes and expressions tell of it.
struct Looked {
    /// Whether it calls a function that is stable within one query.
    tells_time: bool,
    /// What it takes, roughly.
    bytes: usize,
}

/// What a plan takes of memory, roughly.
pub(super) fn plan_bytes(plan: &LogicalPlan) -> usize {
    looked_through(plan).bytes
}

fn looked_through(plan: &LogicalPlan) -> Looked {
    let (mut is_stable, mut bytes) = (false, BYTES_OF_A_PART);
    let mut look = |expr: &Expr| {
        bytes += BYTES_OF_A_PART;
        if let Expr::Literal(value, _) = expr {
            bytes += value.size();
        }
        // A parameter is planned as such a function, and is a literal in whatever is run.
        if let (Expr::ScalarFunction(function), None) = (expr, parameters::number(expr)) {
            is_stable |= function.func.signature().volatility == Volatility::Stable;
        }
        Ok(TreeNodeRecursion::Continue)
    };
    let looked = plan.apply_with_subqueries(|node| node.apply_expressions(|expr| expr.apply(&mut look)));
    Looked { tells_time: is_stable || looked.is_err(), bytes }
}

/// What a plan depends on. A session's options and the catalogs that somebody sees belong here as soon as two can differ.
#[derive(Clone, PartialEq, Eq, Hash)]
struct StatementKey {
    text: Arc<str>,
    identity: Identity,
}

impl StatementKey {
    fn new(principal: &Principal, text: &str) -> Self {
        Self { text: text.into(), identity: principal.identity.clone() }
    }
}

/// The statements, those that were not asked for the longest time going first.
pub(super) struct Statements {
    recent: Cache<StatementKey, Arc<PlannedStatement>>,
    planned: AtomicU64,
    optimized: AtomicU64,
}

impl Default for Statements {
    fn default() -> Self {
        let bytes = |key: &StatementKey, statement: &Arc<PlannedStatement>| {
            u32::try_from(key.text.len() + statement.weight()).unwrap_or(u32::MAX)
        };
        let recent = Cache::builder().max_capacity(MOST_BYTES).weigher(bytes).eviction_policy(EvictionPolicy::lru());
        Self { recent: recent.build(), planned: AtomicU64::new(0), optimized: AtomicU64::new(0) }
    }
}

impl Statements {
    pub(super) fn get(&self, principal: &Principal, text: &str) -> Option<Arc<PlannedStatement>> {
        self.recent.get(&StatementKey::new(principal, text))
    }

    /// Keeps a statement that was just planned, if the plan is right later on, too. An EXEC is planned each time.
    pub(super) fn keep(&self, principal: &Principal, text: &str, statement: PlannedStatement) -> Arc<PlannedStatement> {
        self.planned.fetch_add(1, Ordering::Relaxed);
        let statement = Arc::new(statement);
        if statement.lasts != Lasts::Once {
            self.recent.insert(StatementKey::new(principal, text), Arc::clone(&statement));
        }
        statement
    }

    /// Counts a plan that was made of a statement.
    pub(super) fn count_optimized(&self) {
        self.optimized.fetch_add(1, Ordering::Relaxed);
    }

    /// What was made so far, rather than found.
    pub(super) fn planned(&self) -> Planned {
        Planned { statements: self.planned.load(Ordering::Relaxed), plans: self.optimized.load(Ordering::Relaxed) }
    }
}

/// How much an engine has planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Statements that became a logical plan.
    pub statements: u64,
    /// Plans with their values, ready to be executed.
    pub plans: u64,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use datafusion::logical_expr::LogicalPlanBuilder;
    use datafusion::prelude::{lit, now};

    use super::*;

    fn planned(plan: LogicalPlan, writes: bool) -> PlannedStatement {
        let empty = Arc::new(Schema::empty());
        let prepared = PreparedStatement { schema: Arc::clone(&empty), parameters: Arc::clone(&empty) };
        PlannedStatement::new(plan, prepared, empty, writes, false)
    }

    fn one() -> LogicalPlan {
        LogicalPlanBuilder::empty(true).project([lit(1)]).unwrap().build().unwrap()
    }

    #[test]
    fn a_statement_is_found_by_its_text_unless_it_writes() {
        let (statements, local) = (Statements::default(), Principal::local());

        statements.keep(&local, "SELECT 1", planned(one(), false));
        statements.keep(&local, "EXEC it", planned(one(), true));

        assert!(statements.get(&local, "SELECT 1").is_some());
        assert!(
            statements.get(&Principal::anonymous(None), "SELECT 1").is_some(),
            "where a call comes from is no matter"
        );
        assert!(statements.get(&local, "SELECT  1").is_none());
        assert!(statements.get(&local, "EXEC it").is_none());
        assert_eq!(statements.planned(), Planned { statements: 2, plans: 0 });
    }

    #[test]
    fn a_statement_is_optimized_once_and_one_that_fails_is_tried_again() {
        let (statement, times) = (planned(one(), false), std::cell::Cell::new(0));
        let optimize = |plan: &LogicalPlan| {
            times.set(times.get() + 1);
            if times.get() == 1 { datafusion::common::plan_err!("not yet") } else { Ok(plan.clone()) }
        };

        assert!(statement.may_keep_optimized());
        assert!(statement.optimized(&[], optimize).is_err());
        assert_eq!(*statement.optimized(&[], optimize).unwrap(), one());
        assert_eq!(*statement.optimized(&[], optimize).unwrap(), one());

        assert_eq!(times.get(), 2);
    }

    #[test]
    fn an_optimized_plan_with_a_large_value_is_not_kept() {
        let (statement, times) = (planned(one(), false), std::cell::Cell::new(0));
        let large = || LogicalPlanBuilder::empty(true).project([lit("a".repeat(1 << 20))]).unwrap().build();
        let optimize = |_: &LogicalPlan| {
            times.set(times.get() + 1);
            large()
        };

        for _ in 0..2 {
            assert_eq!(*statement.optimized(&[], optimize).unwrap(), large().unwrap());
        }

        assert_eq!(times.get(), 2);
        assert!(planned(large().unwrap(), false).bytes > 1 << 20, "of a plan itself it counts");
    }

    #[test]
    fn statements_are_kept_within_their_bytes() {
        let (statements, local) = (Statements::default(), Principal::local());
        let megabyte = "x".repeat(1 << 20);

        for number in 0..100 {
            statements.keep(&local, &format!("{number}{megabyte}"), planned(one(), false));
        }
        statements.recent.run_pending_tasks();

        assert!(statements.recent.weighted_size() <= MOST_BYTES);
        assert!(statements.get(&local, &format!("99{megabyte}")).is_some());
        assert!(statements.get(&local, &format!("0{megabyte}")).is_none());
    }

    #[test]
    fn a_statement_that_tells_the_time_is_known_as_such() {
        let with_now = LogicalPlanBuilder::empty(true).project([now()]).unwrap().build().unwrap();
        let explained = LogicalPlanBuilder::from(one()).explain(false, false).unwrap().build().unwrap();
        assert!(!planned(with_now.clone(), false).may_keep_optimized());
        assert!(!planned(explained, false).may_keep_optimized(), "EXPLAIN shows how it is optimized");

        assert_eq!(planned(with_now, false).lasts, Lasts::UntilOptimized);
        assert_eq!(planned(one(), false).lasts, Lasts::Always);
        let folded = |sql: &str| match sql::parse(sql).unwrap().body {
            sql::StatementBody::Sql(ast) => computes_while_planned(&ast),
            _ => panic!("{sql} is no query"),
        };
        assert!(folded("SELECT * FROM generate_series(1, CAST(date_part('epoch', now()) AS BIGINT))"));
        assert!(folded(
            "WITH t AS (SELECT * FROM range(current_date, current_date, INTERVAL '1 day')) SELECT 1 FROM t"
        ));
        assert!(!folded("SELECT now() FROM generate_series(1, 2 + 3)"));
    }
}
