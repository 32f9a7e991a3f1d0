//! Reads one list completely: every row that was there throughout, and none twice, or an error.
//!
//! ```text
//!             ┌──────────────────────── read again, at most 3 times ◄──┐
//!             ▼                                                        │
//! page 1, 2, … n (`Pages`) ─► rows whose ids are new ─► returned       │ the list changed meanwhile
//!             │                                                        │
//!             └─► no more pages ─► verdict ────────────────────────────┤
//!                                                                      ├─► complete (or proved shorter than its total)
//!                                                                      └─► an error: the pages contradict each other
//! ```
//!
//! The API's pages are numbered. A row that is added while they are read pushes another row onto the next page, which
//! then has it a second time: rows are identified by their ids, and returned once. A row that is removed pulls another
//! row onto a page that was read already, and that row is missed. So a list is read again if a later page has a smaller
//! total, or if more rows are repeated than were added meanwhile. Only rows that were not returned yet are returned.
//!
//! [`Extent`] decides where a list ends, and which pages are requested a second time. The rest is decided here, by ids.
//!
//! Do not change without thinking: two equal readings alone do not prove that a list is complete, because pages can be
//! truncated in the same way twice. They do only if no page is short, no id repeats, and the total is reached
//! (`verdict`). A list with fewer rows than its total is complete only if the pages after it were requested and are
//! empty; then the result has a notice. Every other contradiction is an error. What was found of a list with a wrong
//! total, complete or not, is remembered for the next query (`short_lists`).

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use tracing::warn;

use super::Account;
use super::fault::{Fault, Lack};
use super::seen_ids::Ids;
use super::short_lists::ShortList;
use crate::api::page::{Decoded, Fetch, Pages};
use crate::api::{Extent, Fault as ApiFault, Request, ShortBy};
use crate::error::{Error, Result};

/// Maximum number of readings of a list.
const MAX_READINGS: u32 = 3;
/// After this number of consecutive pages without a new row, the server is taken to ignore the page number.
const MAX_STALE: u32 = 3;

/// Where a list is read from.
#[derive(Clone, Debug)]
pub(super) struct ListSource {
    pub(super) account: Arc<Account>,
    pub(super) fetch: Arc<Fetch<RecordBatch>>,
    pub(super) request: Request,
    /// The number of rows that the scan needs. It only limits how many pages are fetched ahead.
    pub(super) rows_wanted: Option<usize>,
    /// The index of the id column in a batch.
    pub(super) id: usize,
}

/// The rows of one list, page by page.
#[derive(Debug)]
pub(super) struct ListReader {
    source: ListSource,
    state: ListState,
    /// What was found when the list was read for another query.
    known: Option<ShortList>,
    /// The ids of all rows that were returned, in any reading.
    sent: Ids,
    /// The number of readings that have begun.
    readings: u32,
    /// The ids of the current reading, from the second one on. In the first reading they are those in `sent`.
    current: Option<Ids>,
    /// The ids of the reading before.
    previous: Option<Ids>,
    /// The number of consecutive pages without a new id.
    stale: u32,
}

#[derive(Debug)]
enum ListState {
    /// The list is declared to have no pages, and its request is not sent yet.
    Single,
    Paged(Box<Pages<RecordBatch>>),
    Ended,
}

/// The conclusion from a reading of all pages.
enum Verdict {
    Complete,
    /// The list is complete, although its total is larger.
    Short(ShortBy),
    Again,
    /// The list was different in each reading.
    Changing,
    Incomplete(Lack),
}

impl ListReader {
    /// Reads a list that has pages.
    pub(super) fn paged(source: ListSource) -> Self {
        let mut list = Self::single(source);
        list.begin();
        list
    }

    /// Reads a list that is declared to have no pages. If its response says that there are more rows, its pages are
    /// read after all.
    pub(super) fn single(source: ListSource) -> Self {
        let (state, sent) = (ListState::Single, Ids::default());
        Self { source, state, known: None, sent, readings: 1, current: None, previous: None, stale: 0 }
    }

    /// Begins a reading, with what is known of the list now.
    fn begin(&mut self) {
        let ListSource { account, fetch, request, rows_wanted, .. } = &self.source;
        self.known = account.short_lists.of(request);
        let short = self.known.map(|known| known.short);
        self.state = ListState::Paged(Box::new(Pages::new(Arc::clone(fetch), request.clone(), *rows_wanted, short)));
    }

    /// Begins another reading from page 1. Its requests are added to the query's ledger.
    fn begin_again(&mut self) {
        let ListSource { fetch, request, .. } = &self.source;
        fetch.scope.query.ledger.expect_reread(fetch.list, request.part());
        self.begin();
    }

    /// The next rows that were not returned yet, or `None` when the list is complete.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let pages = match &mut self.state {
                ListState::Single => return self.single_response().await.map(Some),
                ListState::Ended => return Ok(None),
                ListState::Paged(pages) => pages,
            };
            match pages.next().await {
                Ok(Some(page)) => return self.new_rows(&page.decoded, page.out_of_order).map(Some),
                Ok(None) => self.end_reading()?,
                Err(error) => return Err(self.not_found_as_incomplete(error)),
            }
        }
    }

    async fn single_response(&mut self) -> Result<RecordBatch> {
        self.state = ListState::Ended;
        let decoded = Arc::clone(&self.source.fetch).fetch_one(self.source.request.clone()).await?;
        let rows = self.new_rows(&decoded, true)?;
        if decoded.has_more() {
            let path = self.source.request.at().path;
            warn!(path, rows = decoded.count, total = decoded.total, "a list declared without pages has more of them");
            self.current = Some(Ids::default());
            self.begin_again();
        }
        Ok(rows)
    }

    /// The error for a 404, which is neither an empty list nor an empty page if the list has rows. After the last page
    /// that the API names, the list is incomplete: such a page is requested because the total is larger. In a second
    /// reading the list has changed: the first one has returned rows.
    fn not_found_as_incomplete(&self, error: Error) -> Error {
        match error.downcast_ref::<ApiFault>() {
            Some(fault) if !fault.is_not_found() => error,
            Some(_) if self.extent().is_over() => self.incomplete(Lack::Unknown).into(),
            Some(_) if self.readings > 1 => self.changing().into(),
            Some(_) | None => error,
        }
    }

    /// The rows of a page that were not returned yet. `again` is whether the page was requested out of order, so that
    /// it may well have no new rows.
    fn new_rows(&mut self, page: &Decoded<RecordBatch>, again: bool) -> Result<RecordBatch> {
        let ids = page.rows.column(self.source.id);
        let found_before = self.found();
        if let Some(current) = &mut self.current {
            current.add(ids);
        }
        let is_new = self.sent.add(ids);
        if !again {
            let is_stale = page.count > 0 && self.found() == found_before;
            self.stale = if is_stale { self.stale + 1 } else { 0 };
            if self.stale >= MAX_STALE {
                return Err(self.incomplete(Lack::Repeated).into());
            }
        }
        Ok(filter_record_batch(&page.rows, &is_new).expect("the mask is as long as the batch"))
    }

    /// The number of ids that this reading has found.
    fn found(&self) -> u64 {
        self.current.as_ref().unwrap_or(&self.sent).len() as u64
    }

    /// Ends the list, or begins another reading.
    fn end_reading(&mut self) -> Result<()> {
        match self.verdict() {
            Verdict::Complete => self.state = ListState::Ended,
            Verdict::Short(short) => {
                self.remember_short(short);
                self.state = ListState::Ended;
            }
            Verdict::Again => self.read_again(),
            Verdict::Changing => return Err(self.changing().into()),
            Verdict::Incomplete(lack) => return Err(self.incomplete(lack).into()),
        }
        Ok(())
    }

    /// Decides by the total (the largest that the pages report and do not contradict), the number of rows on the pages,
    /// the number of distinct ids, and the number of repeated rows (rows less ids). The first line that applies counts:
    ///
    /// | the reading | verdict |
    /// |---|---|
    /// | a total or the last page got smaller meanwhile | again |
    /// | ids = total | complete |
    /// | a page that is not the last has fewer rows than others | incomplete |
    /// | empty pages that still name a next page | incomplete |
    /// | more repeated rows than the total grew by, or more ids than rows | again |
    /// | rows < total | see [`Self::short_verdict`] |
    /// | anything else | complete |
    ///
    /// If a list that is read again has the same ids a second time, it does not change, and is incomplete. One
    /// exception: in the first line, if nothing is missing (no page is short, no row repeats, the total is reached), it
    /// is complete.
    fn verdict(&self) -> Verdict {
        let (extent, found) = (self.extent(), self.found());
        let repeated = extent.rows().saturating_sub(found);
        if extent.has_shrunk() {
            // One page may report a wrong total in each reading: reading again would never help.
            let is_whole = extent.hole().is_none() && extent.short().is_none() && repeated == 0;
            if is_whole && self.is_steady() {
                return Verdict::Complete;
            }
            return self.again_unless_steady(Lack::Contradicting);
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
        // With more ids than rows, a page had other rows when it was requested again: rows have moved.
        if repeated > extent.growth() || found > extent.rows() {
            return self.again_unless_steady(Lack::Repeated);
        }
        match extent.short() {
            Some(short) => self.short_verdict(short, repeated),
            None => Verdict::Complete,
        }
    }

    /// The verdict on a list that has fewer rows than its total. If it was found incomplete before, with the same
    /// numbers, it is not proved again. Truncated pages, and more empty pages than may be requested, leave it unproved.
    /// Otherwise [`Extent`] has requested the pages that prove it complete, unless rows have moved meanwhile.
    fn short_verdict(&self, short: ShortBy, repeated: u64) -> Verdict {
        if let Some(ShortList { short: known, lack: Some(lack) }) = self.known
            && known == short
        {
            return Verdict::Incomplete(lack);
        }
        match self.extent().too_far() {
            _ if self.extent().small_size().is_some() => Verdict::Incomplete(Lack::Small),
            Some(far) => Verdict::Incomplete(Lack::Far(far)),
            None if repeated == 0 => Verdict::Short(short),
            None => self.again_unless_steady(Lack::Repeated),
        }
    }

    /// Reads a list again that has changed. If two readings have found the same rows, nothing changes, and the pages
    /// are wrong.
    fn again_unless_steady(&self, lack: Lack) -> Verdict {
        if self.is_steady() {
            Verdict::Incomplete(lack)
        } else if self.readings < MAX_READINGS {
            Verdict::Again
        } else {
            Verdict::Changing
        }
    }

    /// Whether this reading has found the same rows as the one before.
    fn is_steady(&self) -> bool {
        self.current.is_some() && self.current == self.previous
    }

    fn extent(&self) -> &Extent {
        match &self.state {
            ListState::Paged(pages) => pages.extent(),
            ListState::Single | ListState::Ended => unreachable!("only a list with pages has a verdict"),
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

    /// Reports that a list is shorter than its total, and remembers it.
    fn remember_short(&self, short: ShortBy) {
        let ListSource { account, fetch, request, .. } = &self.source;
        let (path, ShortBy { rows, total }) = (request.at().path, short);
        warn!(path, total, rows, "the API counts more rows than it lists");
        fetch.scope.query.add_notice(format!(
            "DigitalOcean counts {total} rows in {path} and lists {rows}: the pages after these are empty"
        ));
        account.short_lists.keep(request, ShortList { short, lack: None });
    }

    fn changing(&self) -> Fault {
        let total = self.extent().total();
        Fault::Changing { at: self.source.request.page(1).at(), readings: self.readings, found: self.found(), total }
    }

    /// The error of an incomplete list. It is remembered if the next query would find the same.
    fn incomplete(&self, lack: Lack) -> Fault {
        let (extent, ListSource { account, request, .. }) = (self.extent(), &self.source);
        if let Some(short) = extent.short()
            && lack.is_lasting()
        {
            account.short_lists.keep(request, ShortList { short, lack: Some(lack) });
        }
        let total = extent.total().or_else(|| (lack == Lack::Repeated).then(|| extent.rows()));
        Fault::Incomplete { at: request.page(1).at(), found: self.found(), total, lack }
    }
}
