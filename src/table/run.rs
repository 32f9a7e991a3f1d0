//! Everything that a plan looks up when it is executed.
//!
//! A plan names its account and tables, but holds no client: it may be cached, and executed by another session than the
//! one that planned it. Clients, the counts of the query and its cache are in one extension of the session's
//! configuration. A session without it is an error: a scan could otherwise run without the query's deadline and its
//! limit of requests.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::TaskContext;

use super::Accounts;
use super::exec::Permission;
use super::fault::{Fault, to_datafusion};
use super::query_list_cache::QueryListCache;
use crate::query::Query;

/// One run of a query's plans.
#[derive(Debug)]
pub struct Run {
    /// The query that runs, with its deadline, counts and notices.
    pub(super) query: Arc<Query>,
    /// The cached lists of the query. Nothing in the cache may hold the run: the cycle would leak both.
    pub(super) cache: Arc<QueryListCache>,
    /// The accounts that plans may read.
    pub(super) accounts: Arc<Accounts>,
    /// The permission to write; `None` if the run must not write.
    pub(super) permission: Option<Permission>,
}

impl Run {
    /// A run with an empty cache.
    pub fn new(query: Arc<Query>, accounts: Arc<Accounts>, permission: Option<Permission>) -> Self {
        Self { query, cache: Arc::default(), accounts, permission }
    }

    /// The run that a plan is executed for.
    ///
    /// # Errors
    /// [`Fault::NoRun`], if the session has no run.
    pub(super) fn of(context: &TaskContext) -> Result<Arc<Self>> {
        context.session_config().get_extension::<Self>().ok_or_else(|| to_datafusion(Fault::NoRun))
    }
}
