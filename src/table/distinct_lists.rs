//! Concatenates lists. A row that is in several of them is returned once.

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use futures::stream::{self, BoxStream, StreamExt};

use super::seen_ids::Ids;
use crate::error::Result;

type ListRows = BoxStream<'static, Result<RecordBatch>>;

/// The rows of the lists one after another, without rows whose id was in an earlier list. The first pages are fetched
/// in parallel. `id` is the index of the id column.
pub(super) fn distinct(lists: Vec<ListRows>, id: usize) -> ListRows {
    let parallel = lists.len();
    let with_first_page = lists.into_iter().map(|mut list| async move {
        let first_page = list.next().await;
        stream::iter(first_page).chain(list)
    });
    let mut sent = Ids::default();
    let new_rows = move |batch: Result<RecordBatch>| {
        let batch = batch?;
        let is_new = sent.add(batch.column(id));
        Ok(filter_record_batch(&batch, &is_new).expect("the mask is as long as the batch"))
    };
    stream::iter(with_first_page).buffered(parallel).flatten().map(new_rows).boxed()
}
