//! One list, whole: every row that was there throughout, and none twice.
//!
//! What a page tells may be wrong: where the list ends, and which pages are asked for once more, [`Extent`] says. What
//! remains is judged here, by the rows' ids.
//!
//! The API's pages are numbered. A row that is added meanwhile pushes another one onto the next
//! page, where it comes a second time: rows are told apart by their ids, and sent once. A row that is removed
//! pulls another one onto a page that was read already, where it is missed. So a list is read again
//! where a later page tells a smaller total, or where more rows come twice than were added while it was read;
//! rows that were not sent yet are sent.
//!
//! Two readings that are alike prove nothing: pages can be cut short in the same way twice. A list with fewer rows than
//! its total is an answer only where the pages after it were asked for and are empty; then the answer says so. Every other
//! contradiction is an error. What was found of a list with a wrong total, answer or error, is kept for the next query.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use tracing::warn;

use super::Account;
use super::fault::{Fault, Lack};
use super::seen_ids::Ids;
use super::short_lists::ShortList;
use crate::api::page::{Decoded, Fetch, Pages};
use crate::api::{Extent, Fault as Missing, Request, ShortBy};
use crate::error::{Error, Result};

/// How often a list is read before it is given up.
const MOST_READINGS: u32 = 3;
/// So many pages without a new row, one after another, are those of a server that does not look at the page's number.
const MOST_STALE: u32 = 3;

/// What a list is read with.
#[derive(Clone, Debug)]
pub(super) struct ListSource {
    pub(super) account: Arc<Account>,
    pub(super) fetch: Arc<Fetch<RecordBatch>>,
    pub(super) request: Request,
    /// Bounds what is fetched ahead of need, and nothing else.
    pub(super) rows_wanted: Option<usize>,
    /// Where the rows' id stands in a batch.
    pub(super) id: usize,
}

/// The rows of one list, page by page.
#[derive(Debug)]
pub(super) struct ListReader {
    source: ListSource,
    state: ListState,
    /// What was found when it was read for another query.
    known: Option<ShortList>,
    sent: Ids,
    readings: u32,
    /// From the second reading on; the first one's are those in `sent`.
    current: Option<Ids>,
    previous: Option<Ids>,
    stale: u32,
}

#[derive(Debug)]
enum ListState {
    /// The list is declared to be a single answer, which is still to be asked for.
    Single,
    Paged(Box<Pages<RecordBatch>>),
    Ended,
}

/// What a reading that came to its end means.
enum Verdict {
    Complete,
    /// It is complete, although its total says more.
    Short(ShortBy),
    Again,
    /// It was different each time.
    Changing,
    Incomplete(Lack),
}

impl ListReader {
    /// Starts to read a list that has pages.
    pub(super) fn paged(source: ListSource) -> Self {
        let mut list = Self::single(source);
        list.begin();
        list
    }

    /// Starts to read a list that is declared to be a single answer. Should that say that there is more, its pages are
    /// read after all.
    pub(super) fn single(source: ListSource) -> Self {
        let (state, sent) = (ListState::Single, Ids::default());
        Self { source, state, known: None, sent, readings: 1, current: None, previous: None, stale: 0 }
    }

    /// Begins a reading, with what is known of the list by then.
    fn begin(&mut self) {
        let ListSource { account, fetch, request, rows_wanted, .. } = &self.source;
        self.known = account.findings.of(request);
        let short = self.known.map(|known| known.short);
        self.state = ListState::Paged(Box::new(Pages::new(Arc::clone(fetch), request.clone(), *rows_wanted, short)));
    }

    /// Begins a reading from page 1, after requests were sent for the list.
    fn begin_again(&mut self) {
        let ListSource { fetch, request, .. } = &self.source;
        fetch.scope.query.ledger.expect_again(fetch.list, request.part());
        self.begin();
    }

    /// The next rows that were not sent yet, or `None` when the list is complete.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let pages = match &mut self.state {
                ListState::Single => return self.single_answer().await.map(Some),
                ListState::Ended => return Ok(None),
                ListState::Paged(pages) => pages,
            };
            let taken = pages.next().await;
            if let Some(taken) = taken.map_err(|error| self.unless_gone(error))? {
                return self.unsent(&taken.decoded, taken.again).map(Some);
            }
            self.judge()?;
        }
    }

    async fn single_answer(&mut self) -> Result<RecordBatch> {
        self.state = ListState::Ended;
        let decoded = Arc::clone(&self.source.fetch).one(self.source.request.clone()).await?;
        let rows = self.unsent(&decoded, true)?;
        if decoded.is_part() {
            let path = self.source.request.at().path;
            warn!(path, rows = decoded.count, total = decoded.total, "a list declared without pages has more of them");
            self.current = Some(Ids::default());
            self.begin_again();
        }
        Ok(rows)
    }

    /// A list that is gone when it is read again is no empty list: rows of it were sent. And a page that the API does
    /// not know is no empty page, where its other pages say that there are more rows.
    fn unless_gone(&self, error: Error) -> Error {
        match error.downcast_ref::<Missing>() {
            Some(fault) if !fault.is_not_found() => error,
            Some(_) if self.extent().is_over() => self.incomplete(Lack::Unknown).into(),
            Some(_) if self.readings > 1 => self.changing().into(),
            Some(_) | None => error,
        }
    }

    fn unsent(&mut self, page: &Decoded<RecordBatch>, again: bool) -> Result<RecordBatch> {
        let ids = page.rows.column(self.source.id);
        let before = self.found();
        if let Some(current) = &mut self.current {
            current.add(ids);
        }
        let new = self.sent.add(ids);
        if !again {
            let is_stale = page.count > 0 && self.found() == before;
            self.stale = if is_stale { self.stale + 1 } else { 0 };
            if self.stale >= MOST_STALE {
                return Err(self.incomplete(Lack::Repeated).into());
            }
        }
        Ok(filter_record_batch(&page.rows, &new).expect("the mask is as long as the batch"))
    }

    /// How many ids this reading has found.
    fn found(&self) -> u64 {
        self.current.as_ref().unwrap_or(&self.sent).len() as u64
    }

    /// Ends the list, or begins another reading.
    fn judge(&mut self) -> Result<()> {
        match self.verdict() {
            Verdict::Complete => self.state = ListState::Ended,
            Verdict::Short(short) => {
                self.note(short);
                self.state = ListState::Ended;
            }
            Verdict::Again => self.read_again(),
            Verdict::Changing => return Err(self.changing().into()),
            Verdict::Incomplete(lack) => return Err(self.incomplete(lack).into()),
        }
        Ok(())
    }

    fn verdict(&self) -> Verdict {
        let (extent, found) = (self.extent(), self.found());
        let repeated = extent.rows().saturating_sub(found);
        if extent.has_shrunk() {
            // A total may be wrong on one page alone, in each reading.
            let is_whole = extent.hole().is_none() && extent.short().is_none() && repeated == 0;
            return if is_whole && self.is_steady() { Verdict::Complete } else { self.again(Lack::Contradicting) };
        }
        if extent.total() == Some(found) {
            return Verdict::Complete;
        }
        if let Some(hole) = extent.hole() {
            return Verdict::Incomplete(Lack::Hole(hole));
        }
        if extent.is_endless() {
            return Verdict::Incomplete(Lack::Endless);
        }
        // More ids than its pages have rows: a page had others when it was read again, so rows have moved.
        if repeated > extent.growth() || found > extent.rows() {
            return self.again(Lack::Repeated);
        }
        match extent.short() {
            Some(short) => self.of_short(short, repeated),
            None => Verdict::Complete,
        }
    }

    /// What it means that a list has fewer rows than its total.
    fn of_short(&self, short: ShortBy, repeated: u64) -> Verdict {
        if let Some(ShortList { short: known, lack: Some(lack) }) = self.known
            && known == short
        {
            return Verdict::Incomplete(lack);
        }
        match self.extent().far() {
            _ if self.extent().small_size().is_some() => Verdict::Incomplete(Lack::Small),
            Some(far) => Verdict::Incomplete(Lack::Far(far)),
            None if repeated == 0 => Verdict::Short(short),
            None => self.again(Lack::Repeated),
        }
    }

    /// Reads a list again that has changed. A reading that found the same rows as the one before shows that nothing
    /// changes, but that the pages are wrong.
    fn again(&self, otherwise: Lack) -> Verdict {
        match self.is_steady() {
            true => Verdict::Incomplete(otherwise),
            false if self.readings < MOST_READINGS => Verdict::Again,
            false => Verdict::Changing,
        }
    }

    /// Whether this reading has found the same rows as the one before.
    fn is_steady(&self) -> bool {
        self.current.is_some() && self.current == self.previous
    }

    fn extent(&self) -> &Extent {
        match &self.state {
            ListState::Paged(pages) => pages.extent(),
            ListState::Single | ListState::Ended => unreachable!("what is judged has pages"),
        }
    }

    fn read_again(&mut self) {
        let (path, total) = (self.source.request.page(1).at().path, self.extent().total());
        warn!(path, readings = self.readings, total, found = self.found(), "reading a list again that changed");
        self.previous = Some(self.current.take().unwrap_or_else(|| self.sent.clone()));
        self.current = Some(Ids::default());
        self.readings += 1;
        self.stale = 0;
        self.begin_again();
    }

    /// Tells, and keeps, that a list is shorter than its total.
    fn note(&self, short: ShortBy) {
        let ListSource { account, fetch, request, .. } = &self.source;
        let (path, ShortBy { rows, total }) = (request.at().path, short);
        warn!(path, total, rows, "the API counts more rows than it lists");
        fetch.scope.query.notice(format!(
            "DigitalOcean counts {total} rows in {path} and lists {rows}: the pages after these are empty"
        ));
        account.findings.keep(request, ShortList { short, lack: None });
    }

    fn changing(&self) -> Fault {
        let total = self.extent().total();
        Fault::Changing { at: self.source.request.page(1).at(), readings: self.readings, found: self.found(), total }
    }

    /// The error of an incomplete list, which is kept if the next query would find the same.
    fn incomplete(&self, lack: Lack) -> Fault {
        let (extent, ListSource { account, request, .. }) = (self.extent(), &self.source);
        if let Some(short) = extent.short()
            && lack.is_lasting()
        {
            account.findings.keep(request, ShortList { short, lack: Some(lack) });
        }
        let total = extent.total().or_else(|| (lack == Lack::Repeated).then(|| extent.rows()));
        Fault::Incomplete { at: request.page(1).at(), found: self.found(), total, lack }
    }
}
