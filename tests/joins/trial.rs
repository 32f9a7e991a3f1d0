//! Runs a query on the server over gRPC and on the oracle, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use oceanflight::engine::{self, FilterCounts};
use tokio::time::timeout;

use super::oracle::{Oracle, lines};
use super::shapes::{Answer, Asks, Of, Order, Shape};
use crate::support::Stage;
use crate::support::wire::{Refusal, When, Wire};

/// A query that takes longer than this hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// A server, and the oracle with the rows of its account.
pub(super) struct Trial {
    wire: Wire,
    oracle: Oracle,
}

impl Trial {
    /// A server of an account with lists of these lengths.
    pub(super) async fn start(totals: &[(&str, usize)]) -> Self {
        Self::of(Stage::new(totals).await).await
    }

    /// The same server, which rebuilds the scans and joins of plans from bytes.
    pub(super) async fn through_bytes(totals: &[(&str, usize)], filters: &Arc<FilterCounts>) -> Self {
        let options = engine::Options { through_bytes: Some(Arc::clone(filters)), ..engine::Options::default() };
        Self::of(Stage::with_totals(totals, options).await).await
    }

    async fn of(stage: Stage) -> Self {
        let wire = Wire::of(stage).await;
        let oracle = Oracle::of(wire.stage.demo.account());
        Self { wire, oracle }
    }

    /// What is wrong with the rows or the requests of a shape.
    pub(super) async fn check(&mut self, shape: &Shape) -> Result<(), String> {
        self.wire.stage.requests();
        match shape.answer {
            Answer::Bound => self.rows(shape.sql, shape.sql, shape.order).await?,
            Answer::Own => {
                let own = shape.sql.replace("image_actions", "own_image_actions");
                self.rows(shape.sql, &own, shape.order).await?;
            }
            Answer::As(own) => self.rows(shape.sql, own, shape.order).await?,
            Answer::Refused(hint) => self.refusal(shape.sql, When::Planning, hint).await?,
            Answer::Fails(hint) => self.refusal(shape.sql, When::Running, hint).await?,
        }
        self.asked(shape.asks, shape.of).await
    }

    /// What is wrong with the rows of a statement, compared with those of another one on the oracle.
    pub(super) async fn rows(&mut self, sql: &str, wanted: &str, order: Order) -> Result<(), String> {
        let rows = match timeout(LONGEST, self.wire.ask(sql)).await {
            Ok(answer) => answer.map_err(|refusal| refusal.to_string())?,
            Err(_) => return Err(format!("no answer within {LONGEST:?}")),
        };
        let (got, wanted) = (lines(&rows), self.oracle.lines(wanted).await);
        match order {
            Order::Any => same(&got, &wanted),
            Order::Total if got == wanted => Ok(()),
            Order::Total => same(&got, &wanted).and(Err("the rows are in another order".to_owned())),
            Order::SomeOf(all) if got.len() == wanted.len() => within(&got, &self.oracle.lines(all).await),
            Order::SomeOf(_) => Err(format!("{} rows, not {}", got.len(), wanted.len())),
        }
    }

    /// The ids that a statement returns on the oracle.
    pub(super) async fn keys(&self, sql: &str) -> BTreeSet<String> {
        self.oracle.keys(sql).await
    }

    async fn refusal(&mut self, sql: &str, when: When, hint: &str) -> Result<(), String> {
        let refused = match timeout(LONGEST, self.wire.ask(sql)).await {
            Ok(Err(refusal)) => refusal,
            Ok(Ok(rows)) => return Err(format!("{} rows, and no refusal", rows.num_rows())),
            Err(_) => return Err(format!("no answer within {LONGEST:?}")),
        };
        let fits = |refusal: &Refusal| refusal.when == when && refusal.hint().is_some_and(|own| own.contains(hint));
        if fits(&refused) { Ok(()) } else { Err(format!("not {when:?} with a hint at {hint}: {refused}")) }
    }

    /// What is wrong with the requests since the last check.
    pub(super) async fn asked(&self, asks: Asks, of: Of) -> Result<(), String> {
        match asks {
            Asks::Only(wanted) => {
                let mut got = self.requests("/actions");
                got.sort();
                if got == wanted { Ok(()) } else { Err(format!("it asked for {got:?}, not {wanted:?}")) }
            }
            Asks::Each(keys) => {
                let wanted = self.oracle.pages(of, &self.oracle.keys(keys).await);
                let wanted: Vec<_> = wanted.into_iter().collect();
                same(&self.requests(of.prefix()), &wanted).map_err(|problem| format!("its requests: {problem}"))
            }
            Asks::AtMost(keys) => self.asked_at_most(keys, of).await,
        }
    }

    /// As [`Asks::AtMost`], for the ids that a statement returns.
    pub(super) async fn asked_at_most(&self, keys: &str, of: Of) -> Result<(), String> {
        let keys = self.oracle.keys(keys).await;
        let most = self.oracle.pages(of, &keys).len();
        let got = self.requests(of.prefix());
        let parent = |request: &str| -> Option<String> {
            request.strip_prefix(of.prefix())?.split('/').next().map(str::to_owned)
        };
        if let Some(stray) = got.iter().find(|request| parent(request.as_str()).is_none_or(|id| !keys.contains(&id))) {
            return Err(format!("it asked for {stray}, whose id is not among {keys:?}"));
        }
        if got.len() > most || got.iter().collect::<BTreeSet<_>>().len() < got.len() {
            return Err(format!("{} requests for {} ids with {most} pages: {got:?}", got.len(), keys.len()));
        }
        Ok(())
    }

    /// The requests for actions whose path contains this text.
    fn requests(&self, with: &str) -> Vec<String> {
        let requests = self.wire.stage.requests().into_iter();
        requests.filter(|request| request.contains("/actions") && request.contains(with)).collect()
    }
}

/// For each line, its number of occurrences in the first list, less that in the second.
fn surplus<'a>(got: &'a [String], wanted: &'a [String]) -> BTreeMap<&'a str, i64> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    got.iter().for_each(|line| *counts.entry(line.as_str()).or_default() += 1);
    wanted.iter().for_each(|line| *counts.entry(line.as_str()).or_default() -= 1);
    counts
}

/// An error if two lists differ, in any order.
fn same(got: &[String], wanted: &[String]) -> Result<(), String> {
    let surplus = surplus(got, wanted);
    let some = |differs: fn(i64) -> bool| -> Vec<_> {
        surplus.iter().filter(|(_, count)| differs(**count)).map(|(line, _)| *line).take(3).collect()
    };
    let (more, less) = (some(|count| count > 0), some(|count| count < 0));
    if more.is_empty() && less.is_empty() {
        return Ok(());
    }
    Err(format!("{} lines, not {}; too many: {more:?}; missing: {less:?}", got.len(), wanted.len()))
}

/// An error with the lines that are not in `all`.
fn within(got: &[String], all: &[String]) -> Result<(), String> {
    let surplus = surplus(got, all);
    let stray: Vec<_> = surplus.iter().filter(|(_, count)| **count > 0).map(|(line, _)| *line).take(3).collect();
    if stray.is_empty() { Ok(()) } else { Err(format!("not among the rows: {stray:?}")) }
}
