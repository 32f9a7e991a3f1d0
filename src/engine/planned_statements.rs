//! A cache of planned statements.
//!
//! A driver sends the same statement three or four times before its first row: it prepares it, binds a row, gets a
//! ticket, and runs it. The handles between these calls contain the text, so that any replica can serve them. The
//! replica that has planned the text finds its plan here.
//!
//! ```text
//!     text, client   ──► PlannedStatement { plan }        before analysis; parameters are functions, "$n"()
//!                          │ bind values
//!                          ▼
//!                        optimized plan                   kept in the statement if it is the same for all calls
//!                          │
//!                          ▼
//!                        physical plan                    never kept here; `ticket_plans` keeps one for its DoGet
//! ```
//!
//! The cached plan is the one before analysis: its parameters are still functions (`parameters`), so it is valid for
//! all values, and the analyzer's rules that depend on literals see the bound ones.
//!
//! Do not change without thinking: a plan is found by text, identity, and what belongs to the session. Whatever else the plan
//! depends on (a catalog that only some clients see) belongs in [`StatementKey`]; a plan that depends on the
//! time must not be [`PlanValidity::Always`].

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once, OnceLock, Weak};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, TableFactor, Visitor};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::sleep;

use super::fault::to_datafusion;
use super::function_guards::check_query;
use super::plan_threads::{self, DroppedOnPlanThread};
use super::table_changes::PlannedChange;
use super::{PreparedStatement, Principal, parameters};
use crate::query::{Identity, Query, ResultTypes, SessionOptions, SessionScope};
use crate::sql;

/// The memory limit of the cache.
const MAX_BYTES: u64 = 64 << 20;

/// How long a statement is kept that is not used. Planning it again takes milliseconds, and a server that nobody uses should
/// need no memory.
const MAX_IDLE: Duration = Duration::from_secs(120);

/// How often statements are dropped that were not used. The cache does that by itself only while it is used.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(30);

/// A rough size of a plan node or an expression, without the values of literals.
const BYTES_PER_NODE: usize = 512;

/// The maximum ratio of the optimized plan's size to the plan's size. A larger optimized plan is not kept: the
/// optimizer evaluates constants, and turns `repeat('a', 10000000)` into a text of 10 MB.
const MAX_GROWTH: usize = 2;

/// An optimized plan up to this size is kept whatever the size of the plan.
const SMALL_PLAN_BYTES: usize = 16 << 10;

/// A planned statement, valid for all values of its parameters.
pub(super) struct PlannedStatement {
    pub(super) plan: DroppedOnPlanThread<LogicalPlan>,
    /// The optimized plan, if it is kept: see [`PlannedStatement::optimized`].
    optimized: OnceLock<DroppedOnPlanThread<LogicalPlan>>,
    /// The description of the statement that clients receive.
    pub(super) prepared: PreparedStatement,
    /// The types that the statement gives to its parameters.
    pub(super) parameters: SchemaRef,
    /// Whether running it sends a POST.
    pub(super) writes: bool,
    /// The table that it makes or removes.
    pub(super) change: Option<PlannedChange>,
    /// How long the plan, and the plans made from it, are valid.
    pub(super) validity: PlanValidity,
    /// The plan's size, roughly.
    bytes: usize,
}

/// How long a plan is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlanValidity {
    /// The plan and its optimized plan are valid for all calls.
    Always,
    /// The plan is valid for all calls, its optimized plan for one: the optimizer replaces `now()` by a literal.
    UntilOptimized,
    /// The plan is valid for one call: it writes, or DataFusion evaluated the arguments of a table function while
    /// planning, as in `generate_series(now(), …)`.
    Once,
}

impl PlannedStatement {
    /// `valid_for_one_call`: whether planning has evaluated an expression that may have another value in the next call,
    /// so that the plan is valid for this call only.
    pub(super) fn new(
        plan: LogicalPlan,
        prepared: PreparedStatement,
        parameters: SchemaRef,
        writes: bool,
        valid_for_one_call: bool,
    ) -> Self {
        let PlanFacts { depends_on_time, bytes } = plan_facts(&plan);
        let validity = match (valid_for_one_call || writes, depends_on_time) {
            (true, _) => PlanValidity::Once,
            (false, true) => PlanValidity::UntilOptimized,
            (false, false) => PlanValidity::Always,
        };
        Self {
            plan: DroppedOnPlanThread::new(plan),
            optimized: OnceLock::new(),
            prepared,
            parameters,
            writes,
            change: None,
            validity,
            bytes,
        }
    }

    /// The statement as one that changes a table. Its plan is that of the query, if there is one.
    pub(super) fn with_change(self, change: PlannedChange) -> Self {
        Self { change: Some(change), ..self }
    }

    /// How the plan's rows are converted: as the client's session has it, or as usual if they become a table.
    pub(super) fn result_types(&self, query: &Query) -> ResultTypes {
        match &self.change {
            Some(_) => ResultTypes::default(),
            None => query.principal().session.result_types(),
        }
    }

    /// The columns of the plan's rows, in the types of the wire.
    pub(super) fn columns(&self) -> &SchemaRef {
        match &self.change {
            Some(PlannedChange::Create { columns, .. }) => columns,
            Some(PlannedChange::Drop { .. }) | None => &self.prepared.schema,
        }
    }

    /// Whether the optimized plan is the same for all calls: the statement has no parameters and does not depend on the
    /// time. EXPLAIN is optimized each time, because it shows the steps.
    fn may_keep_optimized(&self) -> bool {
        let has_parameters = !self.parameters.fields().is_empty();
        self.validity == PlanValidity::Always
            && !has_parameters
            && !matches!(*self.plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_))
    }

    /// The optimized plan with these values. It is computed by the first call and kept, if it is the same for all calls
    /// and not large. Two concurrent calls may both compute it.
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
        check_query().map_err(to_datafusion)?;
        if plan_bytes(&optimized) > self.max_optimized_bytes() {
            return Ok(Cow::Owned(optimized));
        }
        Ok(Cow::Borrowed(self.optimized.get_or_init(|| DroppedOnPlanThread::new(optimized))))
    }

    /// The size of the statement, including the optimized plan that may be kept in it later.
    fn weight(&self) -> usize {
        if self.may_keep_optimized() { self.bytes + self.max_optimized_bytes() } else { self.bytes }
    }

    /// The maximum size of an optimized plan that is kept. Rewrites such as IN to a join make a small plan several times as
    /// large; only a value that the optimizer has computed makes it much larger.
    fn max_optimized_bytes(&self) -> usize {
        (MAX_GROWTH * self.bytes).max(SMALL_PLAN_BYTES)
    }
}

/// Whether the arguments of a table function call a function. DataFusion evaluates them while it plans.
pub(super) fn computes_while_planned(ast: &Ast) -> bool {
    struct FunctionCalls;
    impl Visitor for FunctionCalls {
        type Break = ();

        fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
            let calls = |expr: &SqlExpr| match expr {
                SqlExpr::Function(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            };
            match table {
                TableFactor::Table { args: Some(args), .. } => sql::visit_expressions(args, calls),
                TableFactor::Function { args, .. } => sql::visit_expressions(args, calls),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    sql::statement_of(ast).is_some_and(|statement| sql::visit(statement, &mut FunctionCalls).is_break())
}

/// Facts about a plan that are found in its nodes and expressions.
struct PlanFacts {
    /// Whether the plan calls a function that is stable within one query only, such as `now()`.
    depends_on_time: bool,
    /// The plan's size, roughly.
    bytes: usize,
}

/// The size of a plan in memory, roughly.
pub(super) fn plan_bytes(plan: &LogicalPlan) -> usize {
    plan_facts(plan).bytes
}

fn plan_facts(plan: &LogicalPlan) -> PlanFacts {
    let (mut is_stable, mut bytes) = (false, BYTES_PER_NODE);
    let mut visit = |expr: &Expr| {
        bytes += BYTES_PER_NODE;
        if let Expr::Literal(value, _) = expr {
            bytes += value.size();
        }
        // A parameter is a stable function, too, but it becomes a literal before the plan runs.
        if let (Expr::ScalarFunction(function), None) = (expr, parameters::number(expr)) {
            is_stable |= function.func.signature().volatility == Volatility::Stable;
        }
        Ok(TreeNodeRecursion::Continue)
    };
    let walked = plan.apply_with_subqueries(|node| node.apply_expressions(|expr| expr.apply(&mut visit)));
    PlanFacts { depends_on_time: is_stable || walked.is_err(), bytes }
}

/// What a plan depends on, for example the tables that a client sees.
#[derive(Clone, PartialEq, Eq, Hash)]
struct StatementKey {
    text: Arc<str>,
    identity: Identity,
    session: SessionOptions,
    /// Its temporary tables.
    scope: Option<SessionScope>,
}

impl StatementKey {
    fn new(principal: &Principal, text: &str) -> Self {
        let Principal { identity, session, scope, .. } = principal;
        Self { text: text.into(), identity: identity.clone(), session: session.of_plans(), scope: scope.clone() }
    }
}

type Recent = Cache<StatementKey, Arc<PlannedStatement>>;

/// The cache. It evicts the least recently used statement first.
pub(super) struct Statements {
    recent: Arc<Recent>,
    /// Spawns the task that drops statements which were not used.
    sweeper: Once,
    planned: AtomicU64,
    optimized: AtomicU64,
}

impl Default for Statements {
    fn default() -> Self {
        Self::new(MAX_IDLE)
    }
}

impl Statements {
    fn new(max_idle: Duration) -> Self {
        let bytes = |key: &StatementKey, statement: &Arc<PlannedStatement>| {
            u32::try_from(key.text.len() + key.session.bytes() + statement.weight()).unwrap_or(u32::MAX)
        };
        let recent = Cache::builder().max_capacity(MAX_BYTES).weigher(bytes).eviction_policy(EvictionPolicy::lru());
        let recent = Arc::new(recent.time_to_idle(max_idle).build());
        Self { recent, sweeper: Once::new(), planned: AtomicU64::new(0), optimized: AtomicU64::new(0) }
    }
}

impl Statements {
    pub(super) fn get(&self, principal: &Principal, text: &str) -> Option<Arc<PlannedStatement>> {
        self.recent.get(&StatementKey::new(principal, text))
    }

    /// Caches a new statement if its plan is valid for later calls. An EXEC is planned each time.
    pub(super) fn keep(&self, principal: &Principal, text: &str, statement: PlannedStatement) -> Arc<PlannedStatement> {
        self.planned.fetch_add(1, Ordering::Relaxed);
        let statement = Arc::new(statement);
        if statement.validity != PlanValidity::Once {
            self.recent.insert(StatementKey::new(principal, text), Arc::clone(&statement));
            // Not earlier: an engine may be made outside of a runtime.
            self.sweeper.call_once(|| drop(tokio::spawn(sweep(Arc::downgrade(&self.recent)))));
        }
        statement
    }

    /// Counts a plan that was made from a statement.
    pub(super) fn count_optimized(&self) {
        self.optimized.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of statements and plans that were made so far, without those that the cache returned.
    pub(super) fn planned(&self) -> Planned {
        Planned { statements: self.planned.load(Ordering::Relaxed), plans: self.optimized.load(Ordering::Relaxed) }
    }
}

/// Drops statements that were not used, as long as there is a cache.
async fn sweep(recent: Weak<Recent>) {
    let mut kept_before = 0;
    loop {
        sleep(BETWEEN_SWEEPS).await;
        let Some(recent) = recent.upgrade() else { return };
        recent.run_pending_tasks();
        // The cache may drop a plan one sweep after it has removed the statement.
        let kept = recent.entry_count();
        if kept > 0 || kept_before > 0 {
            plan_threads::give_memory_back();
        }
        kept_before = kept;
    }
}

/// The numbers of statements and plans that an engine has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The number of statements that were planned to a logical plan.
    pub statements: u64,
    /// The number of plans with bound values, ready to be executed.
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
        let prepared =
            PreparedStatement { schema: Arc::clone(&empty), parameters: Arc::clone(&empty), is_update: false };
        PlannedStatement::new(plan, prepared, empty, writes, false)
    }

    fn one() -> LogicalPlan {
        LogicalPlanBuilder::empty(true).project([lit(1)]).unwrap().build().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_is_found_by_its_text_unless_it_writes() {
        let (statements, local) = (Statements::default(), Principal::local());

        statements.keep(&local, "SELECT 1", planned(one(), false));
        statements.keep(&local, "EXEC it", planned(one(), true));

        assert!(statements.get(&local, "SELECT 1").is_some());
        assert!(
            statements.get(&Principal::anonymous(None), "SELECT 1").is_some(),
            "the address of a client does not matter"
        );
        assert!(statements.get(&local, "SELECT  1").is_none());
        assert!(statements.get(&local, "EXEC it").is_none());
        assert_eq!(statements.planned(), Planned { statements: 2, plans: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_that_is_not_used_is_dropped() {
        let statements = Statements::new(Duration::from_nanos(1));
        statements.keep(&Principal::local(), "SELECT 1", planned(one(), false));

        // The clock of tests goes on as soon as all tasks wait.
        sleep(2 * BETWEEN_SWEEPS).await;

        assert_eq!(statements.recent.entry_count(), 0);
    }

    #[test]
    fn a_statement_is_optimized_once_and_again_after_a_failure() {
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
        assert!(planned(large().unwrap(), false).bytes > 1 << 20, "the size of a plan includes its literals");
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_stays_within_its_memory_limit() {
        let (statements, local) = (Statements::default(), Principal::local());
        let megabyte = "x".repeat(1 << 20);

        for number in 0..100 {
            statements.keep(&local, &format!("{number}{megabyte}"), planned(one(), false));
        }
        statements.recent.run_pending_tasks();

        assert!(statements.recent.weighted_size() <= MAX_BYTES);
        assert!(statements.get(&local, &format!("99{megabyte}")).is_some());
        assert!(statements.get(&local, &format!("0{megabyte}")).is_none());
    }

    #[test]
    fn a_statement_that_depends_on_the_time_is_not_valid_for_all_calls() {
        let with_now = LogicalPlanBuilder::empty(true).project([now()]).unwrap().build().unwrap();
        let explained = LogicalPlanBuilder::from(one()).explain(false, false).unwrap().build().unwrap();
        assert!(!planned(with_now.clone(), false).may_keep_optimized());
        assert!(!planned(explained, false).may_keep_optimized(), "EXPLAIN shows how it is optimized");

        assert_eq!(planned(with_now, false).validity, PlanValidity::UntilOptimized);
        assert_eq!(planned(one(), false).validity, PlanValidity::Always);
        let folded = |sql: &str| match sql::parse(sql).unwrap().body {
            sql::StatementBody::Sql(ast) => computes_while_planned(&ast),
            _ => panic!("{sql} is not a query"),
        };
        assert!(folded("SELECT * FROM generate_series(1, CAST(date_part('epoch', now()) AS BIGINT))"));
        assert!(folded(
            "WITH t AS (SELECT * FROM range(current_date, current_date, INTERVAL '1 day')) SELECT 1 FROM t"
        ));
        assert!(!folded("SELECT now() FROM generate_series(1, 2 + 3)"));
    }
}
