//! Lists that are read once a query, however often its plan asks for them.
//!
//! The same image may come back in a later chunk of a join, in another partition, or in a second scan of the same
//! table. Such scans read their lists through the query's [`Memo`]: the first one fetches, the others read along,
//! and see the same rows. What is kept counts against the memory of all queries.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::stream::{self, BoxStream, StreamExt};

use super::access::Call;
/// The lists of one query that are kept. Travels in its session.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    lists: Mutex<HashMap<Key, Arc<List>>>,
}

/// What makes two lists the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The table, with its account.
    pub(super) table: Arc<str>,
    pub(super) call: Call,
    pub(super) queries: Vec<Vec<(String, String)>>,
}

type Rows = BoxStream<'static, Result<RecordBatch, DataFusionError>>;

/// A list that several read.
struct List {
    /// Whoever needs more than is there takes it on.
    source: tokio::sync::Mutex<Rows>,
    read: Mutex<Read>,
}

struct Read {
    batches: Vec<RecordBatch>,
    end: Option<Result<(), Arc<DataFusionError>>>,
    memory: MemoryReservation,
}

/// What a reader finds at its place.
enum Found {
    Batch(RecordBatch),
    End(Result<(), Arc<DataFusionError>>),
    NotYet,
}

impl Memo {
    /// The rows of a list, from its beginning. `fetch` is called where nobody has asked for it yet.
    pub(super) fn rows(&self, key: Key, pool: &Arc<dyn MemoryPool>, fetch: impl FnOnce() -> Rows) -> Rows {
        let mut lists = self.lists.lock().expect("nothing panics while it is held");
        let list = lists.entry(key).or_insert_with(|| Arc::new(List::new(fetch(), pool)));
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
}

impl List {
    fn new(source: Rows, pool: &Arc<dyn MemoryPool>) -> Self {
        let memory = MemoryConsumer::new("rows that are kept for a join").register(pool);
        let read = Mutex::new(Read { batches: Vec::new(), end: None, memory });
        Self { source: tokio::sync::Mutex::new(source), read }
    }

    /// The batch at a place, fetched if need be.
    async fn at(&self, at: usize) -> Result<Option<RecordBatch>, DataFusionError> {
        loop {
            if let Some(answer) = self.read().find(at).answer() {
                return answer;
            }
            let mut source = self.source.lock().await;
            if matches!(self.read().find(at), Found::NotYet) {
                let next = source.next().await;
                self.read().add(next);
            }
        }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().expect("nothing panics while it is held")
    }
}

impl Read {
    fn find(&self, at: usize) -> Found {
        match (self.batches.get(at), &self.end) {
            (Some(batch), _) => Found::Batch(batch.clone()),
            (None, Some(end)) => Found::End(end.clone()),
            (None, None) => Found::NotYet,
        }
    }

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

impl Found {
    fn answer(self) -> Option<Result<Option<RecordBatch>, DataFusionError>> {
        match self {
            Self::Batch(batch) => Some(Ok(Some(batch))),
            Self::End(Ok(())) => Some(Ok(None)),
            Self::End(Err(error)) => Some(Err(DataFusionError::Shared(error))),
            Self::NotYet => None,
        }
    }
}

impl fmt::Debug for List {
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
    use crate::resource::Binding;

    fn key() -> Key {
        Key { table: "images".into(), call: Call { method: 0, binding: Binding::default() }, queries: vec![vec![]] }
    }

    fn batch(value: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![value])) as _)]).unwrap()
    }

    fn unbounded() -> Arc<dyn MemoryPool> {
        Arc::new(UnboundedMemoryPool::default())
    }

    #[tokio::test]
    async fn a_list_is_fetched_by_the_first_and_read_along_by_the_others() {
        let (memo, fetched) = (Memo::default(), AtomicUsize::new(0));
        let rows = || {
            memo.rows(key(), &unbounded(), || {
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
    async fn who_stops_half_way_does_not_stop_the_others() {
        let memo = Memo::default();
        let (send, receive) = futures::channel::mpsc::unbounded();
        let mut receive = Some(receive.boxed());
        let mut rows = || memo.rows(key(), &unbounded(), || receive.take().unwrap());
        let (mut one, other) = (rows(), rows());
        assert!(one.next().now_or_never().is_none(), "nothing is there yet");

        drop(one);
        send.unbounded_send(Ok(batch(1))).unwrap();
        drop(send);

        assert_eq!(other.try_collect::<Vec<_>>().await.unwrap(), [batch(1)]);
    }

    #[tokio::test]
    async fn an_error_is_everybodys_and_so_is_a_memory_that_is_full() {
        let memo = Memo::default();
        let failing = || stream::iter([Err(DataFusionError::Execution("broken".into()))]).boxed();
        for _ in 0..2 {
            let error = memo.rows(key(), &unbounded(), failing).try_collect::<Vec<_>>().await.unwrap_err();
            assert!(error.to_string().contains("broken"), "{error}");
        }
        let small: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(8));
        let rows = Memo::default().rows(key(), &small, || stream::iter([Ok(batch(1))]).boxed());

        let error = rows.try_collect::<Vec<_>>().await.unwrap_err();

        assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    }
}
