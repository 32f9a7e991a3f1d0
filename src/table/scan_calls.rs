//! Turns the keys of a running scan into calls of API methods, as the keys become known.
//!
//! ```text
//! KeySource::Known   calls from the query's text ─────────────────────────────────────────────┐
//! KeySource::Bound   keys of each provider: a chunk of a join (`ChunkKeys`), runtime values   │
//!                      └─► `both`: keys that all providers have ─┐                            │
//! KeySource::Parent  rows of the parent's scan                   │                            │
//!                      └─► `distinct_keys` ──────────────────────┴─► `passing`: the scan's ───┴─► request ledger,
//!                                                                    filter on key columns        calls
//!                                                                      └─► `request_choice::calls`
//! ```
//!
//! Do not change without thinking:
//! - calls are added to the ledger before their first request is sent: the error of a query with too many requests
//!   contains the number that it is known to need;
//! - a key must come out once, or its rows are returned twice.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use super::chunk_keys::ChunkKeys;
use super::fault::to_datafusion;
use super::key_source::{KeyProvider, KeySource};
use super::query_list_cache::QueryListCache;
use super::request_choice::{self, MethodCall};
use super::resolved_scan::ResolvedScan;
use super::run::Run;
use super::scan_stream::Calls;
use super::{ResourceScan, key_cast};
use crate::query::{Ledger, Query};
use crate::resource::{Binding, Value};

/// The calls of one execution of a scan, as they become known.
pub(super) fn calls(scan: &ResourceScan, run: &Run, context: &Arc<TaskContext>) -> Result<Calls> {
    let (keys, resolved) = (scan.keys(), scan.resolved.clone());
    let (query, cache) = (Arc::clone(&run.query), Arc::clone(&run.cache));
    Ok(match keys {
        KeySource::Known(calls) => expected(calls.clone(), &resolved, &query).boxed(),
        KeySource::Wanted(_) => return internal_err!("a scan ran before the source of its keys was decided"),
        KeySource::Bound(_) => {
            let context = Arc::clone(context);
            // Lazily, when the stream is polled: a scalar subquery has its value by then.
            let calls = async move {
                let calls = bound_calls(&resolved, &cache, &context)?;
                Ok::<_, DataFusionError>(expected(calls, &resolved, &query))
            };
            stream::once(calls).try_flatten().boxed()
        }
        KeySource::Parent { columns } => {
            let columns = columns.iter().map(|name| (name.clone(), data_type(&resolved, name))).collect();
            let keys = distinct_keys(scan.parent()?.execute(0, Arc::clone(context))?, columns);
            let calls = keys.and_then(move |keys| {
                let calls = calls_for(&resolved, &cache, keys);
                std::future::ready(calls.map(|calls| expected(calls, &resolved, &query)))
            });
            calls.try_flatten().boxed()
        }
    })
}

/// A stream of the calls. They are added to the query's request ledger at once, or one by one as they are taken if the
/// scan may stop early.
fn expected(
    calls: Vec<MethodCall>,
    resolved: &ResolvedScan,
    query: &Arc<Query>,
) -> impl Stream<Item = Result<MethodCall>> + Send + use<> {
    let one_by_one = resolved.spec.may_end_early();
    if !one_by_one {
        calls.iter().for_each(|call| resolved.expect(call, &query.ledger));
    }
    let (resolved, query) = (resolved.clone(), Arc::clone(query));
    stream::iter(calls).map(move |call| {
        if one_by_one {
            resolved.expect(&call, &query.ledger);
        }
        Ok(call)
    })
}

/// The calls for the keys that all of the scan's providers have.
fn bound_calls(resolved: &ResolvedScan, cache: &QueryListCache, context: &TaskContext) -> Result<Vec<MethodCall>> {
    let mut keys = vec![Binding::default()];
    for (provider, expressions) in resolved.spec.keys().providers().iter().zip(&resolved.filters.late) {
        keys = both(&keys, &keys_of(provider, expressions, resolved, context)?);
    }
    calls_for(resolved, cache, keys)
}

/// The keys of one provider. `expressions` are those of a runtime key.
fn keys_of(
    provider: &KeyProvider,
    expressions: &[Arc<dyn PhysicalExpr>],
    resolved: &ResolvedScan,
    context: &TaskContext,
) -> Result<Vec<Binding>> {
    match provider {
        KeyProvider::Join { number, from } => match ChunkKeys::of_columns(context, *number, from) {
            Some(keys) => Ok(keys.to_vec()),
            None => internal_err!("a scan whose keys come from a join ran without the join"),
        },
        KeyProvider::Late { column } => {
            let wanted = data_type(resolved, column);
            let mut values = BTreeSet::new();
            for expression in expressions {
                let value = expression.evaluate(&one_row()?)?.into_array(1)?;
                values.extend(key_cast::of(&value, &wanted)?.into_iter().flatten());
            }
            Ok(values.into_iter().map(|value| Binding::default().with(column, value)).collect())
        }
    }
}

/// The calls for these keys, except keys that the scan's own filter drops. A list that is cached for the query is
/// preferred to single rows of it.
fn calls_for(resolved: &ResolvedScan, cache: &QueryListCache, keys: Vec<Binding>) -> Result<Vec<MethodCall>> {
    let keys = passing(resolved, keys)?;
    let is_cached = |call: &MethodCall| resolved.spec.hints().kept && cache.has(&resolved.key(call));
    request_choice::calls(&resolved.resource, resolved.spec.pins(), &keys, is_cached).map_err(to_datafusion)
}

/// The natural join of two sets of keys: every combination that agrees in the columns that both have. All bindings of a
/// set have the same columns.
fn both(left: &[Binding], right: &[Binding]) -> Vec<Binding> {
    let Some((first, other)) = left.first().zip(right.first()) else { return Vec::new() };
    let shared: Vec<&str> = first.iter().map(|(column, _)| column).filter(|name| other.get(name).is_some()).collect();
    let shared_values =
        |binding: &Binding| -> Vec<Value> { shared.iter().filter_map(|name| binding.get(name).cloned()).collect() };
    let mut right_by_shared: HashMap<Vec<Value>, Vec<&Binding>> = HashMap::new();
    for binding in right {
        right_by_shared.entry(shared_values(binding)).or_default().push(binding);
    }
    let mut combined = Vec::new();
    for left in left {
        for right in right_by_shared.get(&shared_values(left)).into_iter().flatten() {
            combined.push(right.iter().fold(left.clone(), |all, (name, value)| all.with_default(name, value)));
        }
    }
    combined
}

/// The keys in the rows of the parent, batch by batch, without the keys of earlier batches: their rows would be
/// returned twice.
fn distinct_keys(
    rows: impl Stream<Item = Result<RecordBatch>>,
    columns: Vec<(String, DataType)>,
) -> impl Stream<Item = Result<Vec<Binding>>> {
    let mut seen = HashSet::new();
    rows.map(move |rows| {
        let rows = rows?;
        let columns = columns.iter().zip(rows.columns()).map(|((name, wanted), keys)| (name.as_str(), keys, wanted));
        let bindings = key_cast::bindings(rows.num_rows(), columns)?;
        Ok(bindings.into_iter().flatten().filter(|binding| seen.insert(binding.clone())).collect())
    })
}

/// Adds the lists of these keys to the ledger, before any of them is requested.
pub(super) fn expect_lists<'a>(
    resolved: &ResolvedScan,
    keys: impl Iterator<Item = &'a Binding>,
    ledger: &Ledger,
) -> Result<()> {
    let distinct: BTreeSet<&Binding> = keys.collect();
    let keys = passing(resolved, distinct.into_iter().cloned().collect())?;
    let calls =
        request_choice::calls(&resolved.resource, resolved.spec.pins(), &keys, |_| false).map_err(to_datafusion)?;
    calls.iter().for_each(|call| ledger.expect_list(resolved.list(call)));
    Ok(())
}

/// Evaluates the conjuncts of the scan's filter that use only key columns, and drops the keys that fail: no request is
/// sent for them.
///
/// The filter is an expression over the scan's projection. So the keys become a batch with that schema: one row per
/// key, and NULL in all columns that are not keys, which these conjuncts do not use. The filter is evaluated again on
/// the rows, so a conjunct that is left out here costs requests, but does not change the result.
fn passing(resolved: &ResolvedScan, keys: Vec<Binding>) -> Result<Vec<Binding>> {
    let (Some(predicate), Some(first)) = (&resolved.filters.predicate, keys.first()) else { return Ok(keys) };
    let (resource, projection) = (&resolved.resource, resolved.spec.projection());
    let name = |at: usize| resource.canonical(&resource.columns[projection[at]].name);
    let uses_only_keys = |conjunct: &&Arc<dyn PhysicalExpr>| {
        let columns = collect_columns(conjunct);
        !columns.is_empty() && columns.iter().all(|column| first.get(name(column.index())).is_some())
    };
    let conjuncts: Vec<_> = split_conjunction(predicate).into_iter().filter(uses_only_keys).collect();
    if conjuncts.is_empty() {
        return Ok(keys);
    }
    let schema = resource.planned_schema().project(projection)?;
    let columns = (0..projection.len()).map(|at| key_array(&keys, name(at), schema.field(at).data_type())).collect();
    let row_count = RecordBatchOptions::new().with_row_count(Some(keys.len()));
    let batch = RecordBatch::try_new_with_options(Arc::new(schema.clone()), columns, &row_count)?;
    let mut passes = vec![true; keys.len()];
    for conjunct in conjuncts {
        let values = conjunct.evaluate(&batch)?.into_array(keys.len())?;
        for (passes, value) in passes.iter_mut().zip(as_boolean_array(&values)?) {
            *passes &= value == Some(true);
        }
    }
    Ok(keys.into_iter().zip(passes).filter_map(|(key, passes)| passes.then_some(key)).collect())
}

/// The values of one column of the keys; NULLs if it is not a key column.
fn key_array(keys: &[Binding], name: &str, data_type: &DataType) -> ArrayRef {
    let values = keys.iter().map(|key| key.get(name));
    match data_type {
        DataType::Int64 => Arc::new(values.map(|value| value.and_then(Value::as_int)).collect::<Int64Array>()),
        DataType::Utf8 => Arc::new(values.map(|value| value.and_then(Value::as_text)).collect::<StringArray>()),
        other => new_null_array(other, keys.len()),
    }
}

/// The type of a key column.
pub(super) fn data_type(resolved: &ResolvedScan, column: &str) -> DataType {
    resolved.resource.column(column).expect("keys are columns of the table").data_type.clone()
}

/// A batch of one row without columns, to evaluate constant expressions.
fn one_row() -> Result<RecordBatch> {
    let row_count = RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &row_count)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(pairs: &[(&str, i64)]) -> Binding {
        pairs.iter().fold(Binding::default(), |binding, (column, value)| binding.with(column, Value::Int(*value)))
    }

    #[test]
    fn keys_of_one_column_are_those_that_both_providers_have() {
        let left = [binding(&[("image_id", 1)]), binding(&[("image_id", 2)])];
        let right = [binding(&[("image_id", 2)]), binding(&[("image_id", 3)])];

        assert_eq!(both(&left, &right), [binding(&[("image_id", 2)])]);
        assert_eq!(both(&left, &[]), []);
    }

    #[test]
    fn keys_of_different_columns_are_combined() {
        let images = [binding(&[("image_id", 1)]), binding(&[("image_id", 2)])];
        let pairs = [binding(&[("id", 7), ("image_id", 2)]), binding(&[("id", 8), ("image_id", 2)])];
        let actions = [binding(&[("id", 8)])];

        assert_eq!(both(&images, &pairs), pairs);
        assert_eq!(both(&pairs, &actions), [binding(&[("id", 8), ("image_id", 2)])]);
        assert_eq!(both(&images, &actions).len(), 2);
        assert_eq!(both(&[Binding::default()], &images), images);
    }

    fn ids(ids: &[i64]) -> RecordBatch {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(ids.to_vec())) as _)]).unwrap()
    }

    #[tokio::test]
    async fn a_key_in_two_batches_of_the_parent_is_returned_once() {
        let rows = stream::iter([Ok(ids(&[1, 2, 2])), Ok(ids(&[2, 3])), Ok(ids(&[1]))]);

        let keys: Vec<_> = distinct_keys(rows, vec![("image_id".into(), DataType::Int64)]).try_collect().await.unwrap();

        let key = |id| binding(&[("image_id", id)]);
        assert_eq!(keys, [vec![key(1), key(2)], vec![key(3)], vec![]]);
    }
}
