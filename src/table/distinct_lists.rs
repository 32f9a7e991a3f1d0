//! Concatenates lists, without the rows that are in more than one of them.

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use futures::stream::{self, BoxStream, StreamExt};

use super::seen_ids::Ids;
use crate::error::Result;

type ListRows = BoxStream<'static, Result<RecordBatch>>;

/// The rows of the lists one after another, without rows whose id was in an earlier list. The first pages are fetched
/// in parallel. `id` is the index of the id column.
pub(super) fn unique(lists: Vec<ListRows>, id: usize) -> ListRows {
    let side_by_side = lists.len();
    let begun = lists.into_iter().map(|mut list| async move {
        let first = list.next().await;
        stream::iter(first).chain(list)
    });
    let mut sent = Ids::default();
    let rows = stream::iter(begun).buffered(side_by_side).flatten();
    let unsent = move |batch: Result<RecordBatch>| {
        let batch = batch?;
        let new = sent.add(batch.column(id));
        Ok(filter_record_batch(&batch, &new).expect("the mask is as long as the batch"))
    };
    rows.map(unsent).boxed()
}
