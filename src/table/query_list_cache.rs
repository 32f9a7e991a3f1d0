//! A cache of lists for one query: each list is fetched once, however often the plan reads it.
//!
//! A key may come back in a later chunk of a join, in another partition, or in a second scan of the same table. Such
//! scans read their lists through the query's [`QueryListCache`]. The first reader fetches, the others follow, and all
//! of them see the same rows. The cached rows count against the memory of all queries.
//!
//! ```text
//! reader 1 ─┐               ┌─ batches [0, 1, 2] ─► each reader takes the batch at its own position
//! reader 2 ─┼─► CachedList ─┤
//! reader 3 ─┘               └─ source: polled by the reader that needs batch 3 first; wakes all readers
//! ```
//!
//! Do not change without thinking: a reader may never be polled again, so no reader may hold the source between polls,
//! and a wake-up must reach all readers.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::stream::{self, BoxStream, StreamExt};

use super::fault::{Fault, to_datafusion};
use super::request_choice::MethodCall;

/// The cached lists of one query. It is part of the query's `Run`, in the session's configuration.
#[derive(Debug, Default)]
pub(crate) struct QueryListCache {
    lists: Mutex<HashMap<ListKey, Arc<CachedList>>>,
}

/// Identifies a list within a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ListKey {
    /// The full name of the table, which contains the account.
    pub(super) table: Arc<str>,
    pub(super) call: MethodCall,
    pub(super) query_strings: Vec<Vec<(String, String)>>,
}

type CachedRows = BoxStream<'static, Result<RecordBatch, DataFusionError>>;

/// A list with several readers. The reader that needs the next batch polls the source once and releases the lock. No
/// reader holds the source across polls, because it may never be polled again: a join stops reading one side while it
/// works on the other.
struct CachedList {
    /// For the error after a panic.
    table: Arc<str>,
    read: Mutex<Read>,
    readers: Arc<Readers>,
}

struct Read {
    source: CachedRows,
    batches: Vec<RecordBatch>,
    end: Option<Result<(), Arc<DataFusionError>>>,
    memory: MemoryReservation,
}

/// Wakers of the readers that wait for the next batch. All are woken, since the reader that polled last may be gone.
#[derive(Default)]
struct Readers(Mutex<Vec<Waker>>);

impl QueryListCache {
    /// Whether a list is in the cache, perhaps not complete yet.
    pub(super) fn has(&self, key: &ListKey) -> bool {
        self.lists().contains_key(key)
    }

    /// The rows of a list, from its beginning. `fetch` is called for the first reader only.
    pub(super) fn rows(
        &self,
        key: ListKey,
        pool: &Arc<dyn MemoryPool>,
        fetch: impl FnOnce() -> CachedRows,
    ) -> CachedRows {
        let mut lists = self.lists();
        let table = Arc::clone(&key.table);
        let list = lists.entry(key).or_insert_with(|| Arc::new(CachedList::new(table, fetch(), pool)));
        let reader = (Arc::clone(list), Some(0));
        let rows = stream::unfold(reader, async |(list, at)| {
            let at = at?;
            match list.at(at).await {
                Ok(Some(batch)) => Some((Ok(batch), (list, Some(at + 1)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), (list, None))),
            }
        });
        rows.boxed()
    }

    /// A `fetch` that panics leaves the map unchanged, so a poisoned lock can be used.
    fn lists(&self) -> MutexGuard<'_, HashMap<ListKey, Arc<CachedList>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedList {
    fn new(table: Arc<str>, source: CachedRows, pool: &Arc<dyn MemoryPool>) -> Self {
        let memory = MemoryConsumer::new("rows that are kept for a join").register(pool);
        let read = Mutex::new(Read { source, batches: Vec::new(), end: None, memory });
        Self { table, read, readers: Arc::default() }
    }

    /// The batch at an index, which is fetched if necessary; `None` after the last one.
    async fn at(&self, at: usize) -> Result<Option<RecordBatch>, DataFusionError> {
        poll_fn(|context| self.poll_at(at, context)).await
    }

    fn poll_at(&self, at: usize, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>, DataFusionError>> {
        let mut read = self.read();
        loop {
            match (read.batches.get(at), &read.end) {
                (Some(batch), _) => return Poll::Ready(Ok(Some(batch.clone()))),
                (None, Some(Ok(()))) => return Poll::Ready(Ok(None)),
                (None, Some(Err(error))) => return Poll::Ready(Err(DataFusionError::Shared(Arc::clone(error)))),
                (None, None) => {}
            }
            self.readers.add(context.waker());
            let waker = Waker::from(Arc::clone(&self.readers));
            let polled =
                catch_unwind(AssertUnwindSafe(|| read.source.poll_next_unpin(&mut Context::from_waker(&waker))));
            match polled {
                Ok(next) => read.add(ready!(next)),
                Err(panic) => {
                    // A stream that has panicked must not be polled again. The other readers get an error, and do not
                    // wait endlessly.
                    read.end = Some(Err(Arc::new(to_datafusion(Fault::Panicked { table: self.table.to_string() }))));
                    drop(read);
                    self.readers.wake_by_ref();
                    resume_unwind(panic);
                }
            }
            self.readers.wake_by_ref();
        }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().expect("what panics while it is held is caught")
    }
}

impl Readers {
    fn add(&self, waker: &Waker) {
        let mut waiting = self.0.lock().expect("nothing panics while it is held");
        if !waiting.iter().any(|own| own.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }
}

impl Wake for Readers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = std::mem::take(&mut *self.0.lock().expect("nothing panics while it is held"));
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Read {
    fn add(&mut self, next: Option<Result<RecordBatch, DataFusionError>>) {
        let kept = next.map(|batch| {
            let batch = batch?;
            self.memory.try_grow(batch.get_array_memory_size())?;
            Ok::<_, DataFusionError>(batch)
        });
        match kept {
            Some(Ok(batch)) => self.batches.push(batch),
            Some(Err(error)) => self.end = Some(Err(Arc::new(error))),
            None => self.end = Some(Ok(())),
        }
    }
}

impl fmt::Debug for CachedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("batches", &self.read().batches.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::array::Int64Array;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, UnboundedMemoryPool};
    use futures::{FutureExt, TryStreamExt};

    use super::*;
    use crate::error::Error;
    use crate::resource::Binding;

    fn key() -> ListKey {
        ListKey {
            table: "images".into(),
            call: MethodCall { method: 0, binding: Binding::default() },
            query_strings: vec![vec![]],
        }
    }

    fn batch(value: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![value])) as _)]).unwrap()
    }

    fn unbounded() -> Arc<dyn MemoryPool> {
        Arc::new(UnboundedMemoryPool::default())
    }

    #[tokio::test]
    async fn a_list_is_fetched_by_the_first_reader_and_followed_by_the_others() {
        let (cache, fetched) = (QueryListCache::default(), AtomicUsize::new(0));
        let rows = || {
            cache.rows(key(), &unbounded(), || {
                fetched.fetch_add(1, Ordering::Relaxed);
                stream::iter([Ok(batch(1)), Ok(batch(2))]).boxed()
            })
        };
        let mut early = rows();
        let first = early.next().await.unwrap().unwrap();

        let all: Vec<_> = rows().try_collect().await.unwrap();
        let rest: Vec<_> = early.try_collect().await.unwrap();

        assert_eq!((first, &all[..], rest), (batch(1), &[batch(1), batch(2)][..], vec![batch(2)]));
        assert_eq!(fetched.into_inner(), 1);
    }

    #[tokio::test]
    async fn dropping_a_reader_does_not_stop_the_others() {
        let cache = QueryListCache::default();
        let (send, receive) = futures::channel::mpsc::unbounded();
        let mut receive = Some(receive.boxed());
        let mut rows = || cache.rows(key(), &unbounded(), || receive.take().unwrap());
        let (mut one, other) = (rows(), rows());
        assert!(one.next().now_or_never().is_none(), "nothing is there yet");

        drop(one);
        send.unbounded_send(Ok(batch(1))).unwrap();
        drop(send);

        assert_eq!(other.try_collect::<Vec<_>>().await.unwrap(), [batch(1)]);
    }

    #[tokio::test]
    async fn a_waiting_reader_that_is_not_polled_again_does_not_block_the_others() {
        let cache = QueryListCache::default();
        let (send, receive) = futures::channel::mpsc::unbounded();
        let mut receive = Some(receive.boxed());
        let mut rows = || cache.rows(key(), &unbounded(), || receive.take().unwrap());
        let (other, mut idle) = (rows(), rows());
        let reading = tokio::spawn(other.try_collect::<Vec<_>>());
        tokio::task::yield_now().await;
        // The last one that polls is the one that the source would wake.
        assert!(idle.next().now_or_never().is_none());

        send.unbounded_send(Ok(batch(1))).unwrap();
        drop(send);

        assert_eq!(reading.await.unwrap().unwrap(), [batch(1)]);
        drop(idle);
    }

    #[tokio::test]
    async fn an_error_reaches_all_readers_and_full_memory_is_an_error() {
        let cache = QueryListCache::default();
        let failing = || stream::iter([Err(DataFusionError::Execution("broken".into()))]).boxed();
        for _ in 0..2 {
            let error = cache.rows(key(), &unbounded(), failing).try_collect::<Vec<_>>().await.unwrap_err();
            assert!(error.to_string().contains("broken"), "{error}");
        }
        let small: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(8));
        let rows = QueryListCache::default().rows(key(), &small, || stream::iter([Ok(batch(1))]).boxed());

        let error = rows.try_collect::<Vec<_>>().await.unwrap_err();

        assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    }

    #[tokio::test]
    async fn a_panic_of_the_source_is_an_error_for_the_other_readers() {
        let cache = QueryListCache::default();
        let (send, receive) = futures::channel::mpsc::unbounded();
        let mut source = Some(receive.map(|()| panic!("the list's own")).boxed());
        let mut rows = || cache.rows(key(), &unbounded(), || source.take().unwrap());
        let (waiting, first) = (rows(), rows());
        let waiting = tokio::spawn(waiting.try_collect::<Vec<_>>());
        tokio::task::yield_now().await;

        send.unbounded_send(()).unwrap();
        let panicked = AssertUnwindSafe(first.try_collect::<Vec<_>>()).catch_unwind().await;
        let later = rows().try_collect::<Vec<_>>().await;

        assert!(panicked.is_err(), "it is no error of the list's rows");
        for error in [waiting.await.unwrap().unwrap_err(), later.unwrap_err()] {
            let DataFusionError::External(error) = error.find_root() else { panic!("{error}") };
            let fault = error.downcast_ref::<Error>().unwrap().downcast_ref::<Fault>();
            assert_eq!(fault, Some(&Fault::Panicked { table: "images".into() }));
        }
    }

    #[test]
    fn a_panic_before_a_list_begins_leaves_the_others() {
        let cache = QueryListCache::default();
        let begin = || cache.rows(key(), &unbounded(), || panic!("before there is a list")).boxed();

        assert!(catch_unwind(AssertUnwindSafe(begin)).is_err());
        assert!(!cache.has(&key()));
        let rows = cache.rows(key(), &unbounded(), || stream::iter([Ok(batch(1))]).boxed());
        assert_eq!(rows.try_collect::<Vec<_>>().now_or_never().unwrap().unwrap(), [batch(1)]);
    }
}
