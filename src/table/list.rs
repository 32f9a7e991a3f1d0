//! One list, whole: every row that was there throughout, and none twice.
//!
//! The API's pages are numbered. A row that is added meanwhile pushes another one onto the next
//! page, where it comes a second time: rows are told apart by their ids. A row that is removed
//! pulls another one onto a page that was read already, where it is missed. So the unique ids are
//! held against the length that page 1 told, and where they are fewer (or a later page told a
//! shorter length) the list is read again, and rows that were not sent yet are sent. Two readings
//! with the same ids are the answer, whatever the API counts; a list that is different each time
//! is an error.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use tracing::warn;

use super::fault::Fault;
use super::ids::Ids;
use crate::api::page::{Decoded, Fetch, Pages};
use crate::api::{Fault as Missing, Request};
use crate::error::{Error, Result};

/// How often a list is read before it is given up.
const MOST_READINGS: u32 = 3;

/// The rows of one list, page by page.
#[derive(Debug)]
pub(super) struct List {
    fetch: Arc<Fetch<RecordBatch>>,
    request: Request,
    rows_wanted: Option<usize>,
    /// Where the rows' id stands in a batch.
    id: usize,
    pages: Pages<RecordBatch>,
    sent: Ids,
    readings: u32,
    /// From the second reading on; the first one's are those in `sent`.
    current: Option<Ids>,
    previous: Option<Ids>,
    told: Told,
}

/// The list's length as the pages of one reading tell it.
#[derive(Debug, Default)]
struct Told {
    first: Option<u64>,
    shrank: bool,
}

/// What a reading that came to its end means.
enum Verdict {
    Complete,
    Steady,
    Again,
    Changing,
}

impl List {
    /// Starts to read. `rows_wanted` bounds what is fetched ahead of need, and nothing else.
    pub(super) fn new(fetch: Arc<Fetch<RecordBatch>>, request: Request, rows_wanted: Option<usize>, id: usize) -> Self {
        let pages = Pages::new(Arc::clone(&fetch), request.clone(), rows_wanted);
        let (sent, told) = (Ids::default(), Told::default());
        Self { fetch, request, rows_wanted, id, pages, sent, readings: 1, current: None, previous: None, told }
    }

    /// The next rows that were not sent yet, or `None` when the list is complete.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let page = self.pages.next().await.map_err(|error| self.unless_gone(error))?;
            if let Some(page) = page {
                return self.unsent(&page).map(Some);
            }
            match self.verdict() {
                Verdict::Complete => return Ok(None),
                Verdict::Steady => {
                    self.warn("the API counts more rows than it lists");
                    return Ok(None);
                }
                Verdict::Again => self.read_again(),
                Verdict::Changing => {
                    return Err(Fault::Changing { at: self.request.page(1).at(), readings: self.readings }.into());
                }
            }
        }
    }

    /// A list that is gone when it is read again is no empty list: rows of it were sent.
    fn unless_gone(&self, error: Error) -> Error {
        let gone = error.downcast_ref::<Missing>().is_some_and(Missing::is_not_found);
        if gone && self.readings > 1 {
            return Fault::Changing { at: self.request.page(1).at(), readings: self.readings }.into();
        }
        error
    }

    fn unsent(&mut self, page: &Decoded<RecordBatch>) -> Result<RecordBatch> {
        self.told.note(page.total);
        let ids = page.rows.column(self.id);
        if let Some(current) = &mut self.current {
            current.add(ids);
        }
        let new = self.sent.add(ids);
        Ok(filter_record_batch(&page.rows, &new).expect("the mask is as long as the batch"))
    }

    fn verdict(&self) -> Verdict {
        let found = self.current.as_ref().unwrap_or(&self.sent);
        if !self.told.shrank && self.told.first.is_none_or(|total| found.len() as u64 >= total) {
            return Verdict::Complete;
        }
        match (&self.current, &self.previous) {
            (Some(current), Some(previous)) if current == previous => Verdict::Steady,
            _ if self.readings < MOST_READINGS => Verdict::Again,
            _ => Verdict::Changing,
        }
    }

    fn read_again(&mut self) {
        self.warn("the list changed while it was read, reading it again");
        self.previous = Some(self.current.take().unwrap_or_else(|| self.sent.clone()));
        self.current = Some(Ids::default());
        self.told = Told::default();
        self.readings += 1;
        self.pages = Pages::new(Arc::clone(&self.fetch), self.request.clone(), self.rows_wanted);
    }

    fn warn(&self, what: &str) {
        let (path, found) = (self.request.page(1).at().path, self.current.as_ref().unwrap_or(&self.sent).len());
        warn!(path, readings = self.readings, total = self.told.first, found, "{what}");
    }
}

impl Told {
    fn note(&mut self, total: Option<u64>) {
        match (self.first, total) {
            (Some(first), Some(now)) => self.shrank |= now < first,
            (None, now) => self.first = now,
            (Some(_), None) => {}
        }
    }
}
