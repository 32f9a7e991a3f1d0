//! What a plan looks up when it is executed.
//!
//! A plan has names: it may be kept, and executed by another session than the one that planned it. Whatever is live, the
//! accounts' connections and the query's counts, is looked up in one extension of the session's configuration. A session
//! without it is an error: a scan that ran all the same would ignore the query's time and its limit of requests.

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
    /// The query that it is of: its time, what it has sent so far, and what there is to tell.
    pub(super) query: Arc<Query>,
    /// The cached lists of the query. Nothing in the cache may hold the run: the cycle would leak both.
    pub(super) memo: Arc<QueryListCache>,
    /// The accounts that plans may read.
    pub(super) accounts: Arc<Accounts>,
    /// The right to write; none, where it must write nothing.
    pub(super) permission: Option<Permission>,
}

impl Run {
    /// A run that begins now.
    pub fn new(query: Arc<Query>, accounts: Arc<Accounts>, permission: Option<Permission>) -> Self {
        Self { query, memo: Arc::default(), accounts, permission }
    }

    /// The run that a plan is executed for.
    ///
    /// # Errors
    /// [`Fault::NoRun`], where the session was not made for one.
    pub(super) fn of(context: &TaskContext) -> Result<Arc<Self>> {
        context.session_config().get_extension::<Self>().ok_or_else(|| to_datafusion(Fault::NoRun))
    }
}
