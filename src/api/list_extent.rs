//! Where a list ends, and which pages are read again. No side effects.
//!
//! A page says three things about its list: its number of rows, whether there is a `next` page, and the list's length
//! (`meta.total`). Any of them may be missing or wrong, so none of them alone ends a list:
//!
//! - **The end.** A list ends if `next` is absent *and* the total is reached. If the total is larger, the next page is
//!   requested by its number. Without a plausible total, a page that has no `links` or is full may not be the last: the
//!   next one is requested until a page is empty.
//! - **Holes.** The page size is the largest number of rows in any page; the server may use a smaller one than
//!   requested. A page with fewer rows that is not the last is read again. If it stays short, it is a *hole*.
//! - **Short lists.** A list is *short* if its pages have fewer rows than its total. This must be proved (below), or it
//!   is an error: rows could be missing.
//! - **Too far.** If the proof would need more than [`MAX_PROOF_PAGES`] empty pages, it is not attempted: the list is
//!   rejected as soon as the first empty page was empty twice.
//! - **Small pages.** A short list whose pages are smaller than requested is rejected, because each page may have been
//!   truncated alike. So no proof is attempted.
//!
//! The proof of a list with 2 pages of rows and a total of 5 pages:
//!
//! ```text
//! page     1     2     3     4     5
//! rows   200   100     0     0     0     total 900
//! reads    1     2     2     1     1
//!              │     │     └─────┴─ every page up to the total, and at least one, is empty
//!              │     └─ the first empty page is still empty
//!              └─ the last page with rows has the same rows: none has moved up to it or left
//! ```
//!
//! If the total ends on the last page with rows, one empty page after it is enough, read once.
//!
//! Do not leave out any of these requests: servers return empty or truncated pages now and then, and rows move to
//! earlier pages if others are removed.
//!
//! A total is ignored if its own page contradicts it: the pages up to there have more rows. The total of a page after
//! the last rows is ignored if a page with rows has a total: some servers put the page's row count there, and rows that
//! are added or removed at the end of the list move no others. Rows that have moved are seen on the last page with
//! rows.

use super::PER_PAGE;
use super::page::Decoded;

/// Maximum number of empty pages that are requested to prove that a list is short. They are a fifth of the requests
/// that the API allows in a minute, for a total that is 10,000 rows too high. The result is cached for ten minutes.
pub const MAX_PROOF_PAGES: u64 = 50;
/// Maximum number of consecutive empty pages with a `next` link that are followed beyond the total and the last rows.
/// Servers return an empty page now and then, so there may be rows after one.
const MAX_EMPTY_PAGES_WITH_NEXT: u64 = 3;
/// Maximum number of times that a page with too few rows is read.
const MAX_READS: u32 = 3;
/// With more holes than this, none is read again.
const MAX_HOLES: usize = 16;

/// A list with fewer rows than its total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortBy {
    /// The number of rows.
    pub rows: u64,
    /// The total that the pages report.
    pub total: u64,
}

/// A page with fewer rows than a full one, although it is not the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Its number, from 1.
    pub page: u64,
    /// Its rows.
    pub rows: u64,
    /// The rows of a full page.
    pub size: u64,
}

/// More empty pages than may be requested to prove that a list is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFar {
    /// The first page without rows.
    pub page: u64,
    /// The number of pages from this one up to the total.
    pub pages: u64,
}

/// The length of a list according to the pages that were read so far.
#[derive(Debug, Default)]
pub struct Extent {
    /// Page 1 is at index 0.
    pages: Vec<PageFacts>,
    /// The result of an earlier reading: the list is short, and that was proved or cannot be proved.
    known: Option<ShortBy>,
    // These four are derived from `pages`, and kept because every page needs them and there may be thousands.
    /// The rows of all pages.
    rows: u64,
    /// The rows of the largest page.
    size: u64,
    /// The largest plausible total of the pages up to the last rows.
    total: Option<u64>,
    /// The largest plausible total of the empty pages after the last rows.
    total_of_empty: Option<u64>,
}

#[derive(Debug)]
struct PageFacts {
    rows: u64,
    total: Option<u64>,
    next: bool,
    links: bool,
    reads: u32,
    /// Whether an earlier reading of this page had more rows.
    was_longer: bool,
}

impl Extent {
    /// `known` is the result of an earlier reading of the list that found it to be short.
    pub(super) fn new(known: Option<ShortBy>) -> Self {
        Self { known, ..Self::default() }
    }

    /// Adds a page: the one after the last, or one that was read before. Of two readings of a page the one with more
    /// rows counts. If they are equal, the total of the first one counts, because it dates from when the other pages
    /// were read.
    pub(super) fn add<T>(&mut self, number: u64, page: &Decoded<T>) {
        let rows = page.count as u64;
        let read = PageFacts {
            rows,
            total: page.total,
            next: page.next.is_some(),
            links: page.has_links,
            reads: 1,
            was_longer: false,
        };
        let is_new = number > self.pages_read();
        // A page with rows after an empty one: the empty pages are not after the last rows any more, so their totals
        // must be counted again.
        let is_after_empty = rows > 0 && self.pages.last().is_some_and(|before| before.rows == 0);
        match self.pages.get_mut(index(number)) {
            Some(before) => before.read_again(read),
            None => self.pages.push(read),
        }
        if is_new && rows <= self.size && !is_after_empty {
            self.rows += rows;
            self.add_total_of(number);
        } else {
            self.rows = self.pages.iter().map(|page| page.rows).sum();
            self.size = self.size.max(rows);
            (self.total, self.total_of_empty) = (None, None);
            (1..=self.pages_read()).for_each(|number| self.add_total_of(number));
        }
    }

    fn add_total_of(&mut self, number: u64) {
        let total = self.plausible_total_of(number);
        let largest = if self.is_total_preferred(number) { &mut self.total } else { &mut self.total_of_empty };
        *largest = total.max(*largest);
    }

    /// The number of pages that were read, repeated reads not counted.
    pub(super) fn pages_read(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Whether to request the page after the last one.
    pub(super) fn has_more(&self) -> bool {
        let Some(last) = self.pages.last() else { return true };
        if self.is_endless() || self.too_far().is_some() {
            return false;
        }
        if last.next {
            return true;
        }
        match self.total() {
            // The list is as short as in the earlier reading, which covered the next page too. Unless the last page is
            // full: then a row may have been added after it.
            Some(_) if self.is_known_short() => last.rows >= self.full_page_rows(),
            Some(total) if total > self.rows() => self.pages_read() < self.pages_of(total),
            Some(total) if total == self.rows() => false,
            Some(_) | None => last.rows > 0 && (!last.links || last.rows >= self.full_page_rows()),
        }
    }

    /// The number of the last page that is known to have rows, among the first `wanted` rows of the list.
    pub(super) fn known_pages(&self, wanted: u64) -> u64 {
        let total = self.total().unwrap_or(0);
        let rows = self.known.filter(|known| known.total == total).map_or(total, |known| known.rows);
        match self.pages[..] {
            // The server's pages may be smaller than requested, which only the second page shows. The second page also
            // shows whether it exists, if the links of the first one say that it does not.
            [ref first] if first.rows < PER_PAGE as u64 || (first.links && !first.next) => 1,
            _ => self.pages_of(rows.min(wanted)),
        }
    }

    /// The next page to request after the pages in order: a hole, or a page of the proof.
    pub(super) fn next_out_of_order(&self) -> Option<u64> {
        if self.total() == Some(self.rows()) || self.has_shrunk() || self.is_endless() {
            return None;
        }
        let mut holes = self.holes();
        if holes.clone().count() > MAX_HOLES {
            return None;
        }
        match holes.next() {
            Some(hole) => (self.reads(hole.page) < MAX_READS).then_some(hole.page),
            None => self.next_of_proof().or_else(|| self.announced_but_empty()),
        }
    }

    /// The next page to request for the proof that the list is short (see the drawing at the top of this module);
    /// `None` if the proof is complete, or not needed.
    ///
    /// The order matters. Rows that move to an earlier page while the proof is read end up on the last page with rows,
    /// so that page is read again after the empty ones. But if the total ends on that page, the missing rows belong on
    /// it: then it is read again first.
    fn next_of_proof(&self) -> Option<u64> {
        let short = self.short().filter(|_| !self.is_known_short())?;
        let (last, pages_of_total) = (self.last_with_rows(), self.pages_of(short.total));
        let first_empty = last + 1;
        let unread_empty = (first_empty..=pages_of_total.max(first_empty)).find(|number| self.reads(*number) == 0);
        let needs_second_read = |number: &u64| *number > 0 && self.reads(*number) < 2;
        if self.too_far().is_some() {
            return Some(first_empty).filter(needs_second_read);
        }
        let last_again = Some(last).filter(needs_second_read);
        if last >= pages_of_total {
            return last_again.or(unread_empty);
        }
        unread_empty.or(Some(first_empty).filter(needs_second_read)).or(last_again)
    }

    /// An empty page that the page before it announced as `next`. It is read twice, unless the total confirms the end.
    fn announced_but_empty(&self) -> Option<u64> {
        let last = self.last_with_rows();
        let is_announced = last > 0 && last < self.pages_read() && self.page(last).next;
        (is_announced && self.reads(last + 1) < 2).then_some(last + 1)
    }

    /// The rows of all pages. Rows that are on several pages count several times.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The largest plausible total.
    pub fn total(&self) -> Option<u64> {
        self.total.or(self.total_of_empty)
    }

    /// The number of rows known to have been added while the list was read. At most this many may be on two pages.
    pub fn growth(&self) -> u64 {
        match (self.first_total(), self.total()) {
            (Some(first), Some(total)) if total >= self.rows() => total - first,
            _ => 0,
        }
    }

    /// Whether rows were removed while the list was read: a later page has a smaller total, or the last page has fewer
    /// rows when it is read again.
    pub fn has_shrunk(&self) -> bool {
        let last = self.last_with_rows();
        let Some(first) = self.first_total() else { return false };
        (last > 0 && self.page(last).was_longer) || self.totals().any(|total| total < first)
    }

    /// The first hole.
    pub fn hole(&self) -> Option<Hole> {
        self.holes().next()
    }

    /// The rows and the total, if the pages have fewer rows than the total.
    pub fn short(&self) -> Option<ShortBy> {
        let (rows, total) = (self.rows(), self.total()?);
        (rows < total).then_some(ShortBy { rows, total })
    }

    /// The rows of a full page, if there are several pages and all have fewer rows than requested. The server may have
    /// a smaller page size, or it may have truncated every page alike: only the total shows the difference.
    pub fn small_size(&self) -> Option<u64> {
        (self.last_with_rows() > 1 && self.size < PER_PAGE as u64).then_some(self.size)
    }

    /// Whether the last page has no `next` link.
    pub fn is_over(&self) -> bool {
        self.pages.last().is_some_and(|page| !page.next)
    }

    /// Whether the list has no end: several empty pages after the last rows and after the total still have a `next`
    /// link.
    pub fn is_endless(&self) -> bool {
        let expected = self.total().map_or(0, |total| self.pages_of(total)).max(self.last_with_rows());
        let has_next = self.pages.last().is_some_and(|page| page.next);
        has_next && self.pages_read() >= expected + MAX_EMPTY_PAGES_WITH_NEXT
    }

    /// The pages that the proof would need, if there is an empty page after the last rows and these are too many.
    pub fn too_far(&self) -> Option<TooFar> {
        let (short, last) = (self.short()?, self.last_with_rows());
        let max = if self.small_size().is_some() { 1 } else { MAX_PROOF_PAGES };
        let pages = self.pages_of(short.total).saturating_sub(last);
        (self.pages_read() > last && pages > max).then_some(TooFar { page: last + 1, pages })
    }

    /// Whether the list is exactly as short as in the earlier reading.
    fn is_known_short(&self) -> bool {
        self.known.is_some() && self.known == self.short()
    }

    fn holes(&self) -> impl Iterator<Item = Hole> + Clone {
        let (size, last) = (self.size, self.last_with_rows());
        (1..).zip(&self.pages).filter_map(move |(number, page)| {
            let is_last = number > last || (number == last && !page.next);
            (page.rows < size && !is_last).then_some(Hole { page: number, rows: page.rows, size })
        })
    }

    /// The first plausible total: usually that of page 1.
    fn first_total(&self) -> Option<u64> {
        self.totals().next()
    }

    /// The plausible totals, in the order of the pages.
    fn totals(&self) -> impl Iterator<Item = u64> {
        let has_preferred = self.total.is_some();
        let numbers = (1..=self.pages_read()).filter(move |number| self.is_total_preferred(*number) || !has_preferred);
        numbers.filter_map(|number| self.plausible_total_of(number))
    }

    /// Whether the total of a page is preferred: the page is not after the last rows.
    fn is_total_preferred(&self, number: u64) -> bool {
        number <= self.last_with_rows().max(1)
    }

    /// The total of a page, unless there are more rows up to this page, or a `next` page although it is reached.
    fn plausible_total_of(&self, number: u64) -> Option<u64> {
        let page = self.page(number);
        let total = page.total?;
        let until = (number - 1).saturating_mul(self.size) + page.rows;
        let contradicts = page.rows > 0 && (total < until || (page.next && total == until));
        (!contradicts).then_some(total)
    }

    fn pages_of(&self, rows: u64) -> u64 {
        rows.div_ceil(self.full_page_rows()).max(1)
    }

    /// The rows of a full page. If there is only one page, its size says nothing: it may be small because the list is.
    fn full_page_rows(&self) -> u64 {
        let mut with_rows = self.pages.iter().filter(|page| page.rows > 0);
        let is_single = with_rows.nth(1).is_none();
        if is_single { self.size.max(PER_PAGE as u64) } else { self.size }
    }

    /// The number of the last page with rows; 0 if there is none.
    fn last_with_rows(&self) -> u64 {
        self.pages.iter().rposition(|page| page.rows > 0).map_or(0, |at| at as u64 + 1)
    }

    fn reads(&self, number: u64) -> u32 {
        self.pages.get(index(number)).map_or(0, |page| page.reads)
    }

    fn page(&self, number: u64) -> &PageFacts {
        &self.pages[index(number)]
    }
}

impl PageFacts {
    fn read_again(&mut self, read: Self) {
        let reads = self.reads + 1;
        if read.rows < self.rows {
            self.was_longer = true;
        } else if read.rows == self.rows {
            *self = Self { total: self.total.or(read.total), was_longer: self.was_longer, ..read };
        } else {
            *self = read;
        }
        self.reads = reads;
    }
}

/// Pages are numbered from 1.
fn index(number: u64) -> usize {
    usize::try_from(number - 1).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
