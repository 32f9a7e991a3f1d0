//! How long a list is, by what its pages tell. Pure.
//!
//! A page tells three things: how many rows it has, whether there is a `next`, and the list's length (`meta.total`).
//! Any of them may be missing or wrong, so none of them alone ends a list:
//!
//! - A list ends where `next` is absent *and* the total is reached. While the total says more, the next page is asked
//!   for by its number. Where there is no total that can be right, a page without `links`, or one that is full, may not
//!   be the last: the next one is asked for, until one is empty.
//! - The size of a page is the largest number of rows that a page had. The server may have made it smaller than what
//!   was asked for. A page with fewer rows that is not the last is read again; one that stays short is a *hole*.
//! - A list is *short* where its pages have fewer rows than its total. The proof that it has no more is: every page after
//!   its last rows, up to the total, and at least one, is empty; the first of them is still empty when it is asked for
//!   again; and the last page with rows has the same rows when it is read again. No request of these can be left out:
//!   pages are empty or cut now and then, and rows move up where others are removed.
//! - Where more than [`MOST_PROOF`] pages would have to be empty, nothing is proved: the list is refused as soon as its
//!   first empty page is still empty when it is asked for again.
//! - A list whose pages are smaller than was asked for is not accepted as short: each may have been cut alike. So its
//!   proof is not begun either.
//!
//! A total that its own page contradicts, because more rows stand up to there, is no total. Neither is that of a
//! page after the last rows, where one before it has a total: some servers count the rows of the page there, and rows that
//! come or go behind all others move none. What has moved is seen on the last page with rows.

use super::PER_PAGE;
use super::page::Decoded;

/// No more empty pages than this are asked for to prove that a list is short. It is a fifth of what the API allows in a
/// minute, for a total that is 10,000 rows too high; and it is spent once in ten minutes, because the finding is kept.
pub const MOST_PROOF: u64 = 50;
/// So many empty pages that still name a `next` are followed where no total says that there are more rows: with the
/// pages that are empty now and then, there may be rows behind them.
const MOST_PROMISED: u64 = 3;
/// A page that is shorter than the others is read this often at most.
const MOST_READS: u32 = 3;
/// More pages than this that are too short are not read again one by one.
const MOST_HOLES: usize = 16;

/// A list that has fewer rows than its total says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortBy {
    /// Its rows.
    pub rows: u64,
    /// What the total says.
    pub total: u64,
}

/// A page with fewer rows than others, although it is not the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Its number, from 1.
    pub page: u64,
    /// Its rows.
    pub rows: u64,
    /// The rows of a full page.
    pub size: u64,
}

/// The empty pages that would prove a list short, where these are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFar {
    /// The first page without rows.
    pub page: u64,
    /// How many pages there are from this one up to the total.
    pub pages: u64,
}

/// What the pages of one reading tell of the length of their list.
#[derive(Debug, Default)]
pub struct Extent {
    /// By their numbers.
    pages: Vec<PageFacts>,
    /// What was found when the list was read before: it is short, and that was proved or cannot be.
    known: Option<ShortBy>,
    /// The rows of all pages, of the largest, and the largest total that can be right, of pages with rows and of others:
    /// a list may have thousands of pages, and each of them asks for these.
    rows: u64,
    size: u64,
    total: Option<u64>,
    total_of_empty: Option<u64>,
}

#[derive(Debug)]
struct PageFacts {
    rows: u64,
    total: Option<u64>,
    next: bool,
    links: bool,
    reads: u32,
    /// Whether it had more rows before.
    was_longer: bool,
}

impl Extent {
    /// Of a list that was found to be short when it was read before.
    pub(super) fn new(known: Option<ShortBy>) -> Self {
        Self { known, ..Self::default() }
    }

    /// Takes note of a page: the one after the last, or one that was read before. Of two readings the longer counts; of
    /// two that are as long, the first one's total, which is of the time when the other pages were read.
    pub(super) fn note<T>(&mut self, number: u64, page: &Decoded<T>) {
        let (rows, next, links) = (page.count as u64, page.next.is_some(), page.has_links);
        let read = PageFacts { rows, total: page.total, next, links, reads: 1, was_longer: false };
        let is_new = number > self.asked();
        // Empty pages before it are not behind the last rows any more.
        let is_behind_empty = rows > 0 && self.pages.last().is_some_and(|before| before.rows == 0);
        match self.pages.get_mut(index(number)) {
            Some(before) => before.read_again(read),
            None => self.pages.push(read),
        }
        if is_new && rows <= self.size && !is_behind_empty {
            self.rows += rows;
            self.count_total_of(number);
        } else {
            self.rows = self.pages.iter().map(|page| page.rows).sum();
            self.size = self.size.max(rows);
            (self.total, self.total_of_empty) = (None, None);
            (1..=self.asked()).for_each(|number| self.count_total_of(number));
        }
    }

    fn count_total_of(&mut self, number: u64) {
        let total = self.total_of(number);
        let largest = if self.is_telling(number) { &mut self.total } else { &mut self.total_of_empty };
        *largest = total.max(*largest);
    }

    /// How many pages were asked for.
    pub(super) fn asked(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Whether the page after the last one is to be asked for.
    pub(super) fn has_more(&self) -> bool {
        let Some(last) = self.pages.last() else { return true };
        if self.is_endless() || self.far().is_some() {
            return false;
        }
        if last.next {
            return true;
        }
        match self.total() {
            // What was found before holds for the page after these as well, unless they end with a full one.
            Some(_) if self.is_known() => last.rows >= self.full(),
            Some(total) if total > self.rows() => self.asked() < self.pages_of(total),
            Some(total) if total == self.rows() => false,
            Some(_) | None => last.rows > 0 && (!last.links || last.rows >= self.full()),
        }
    }

    /// Up to which page it is known that there are rows, for a reader that wants no more than `wanted` of them.
    pub(super) fn ahead(&self, wanted: u64) -> u64 {
        let total = self.total().unwrap_or(0);
        let rows = self.known.filter(|known| known.total == total).map_or(total, |known| known.rows);
        match self.pages[..] {
            // It may be that the server's pages are smaller than what was asked for: the second one shows. It also shows
            // whether there is one at all, where links say that there is none.
            [ref first] if first.rows < PER_PAGE as u64 || (first.links && !first.next) => 1,
            _ => self.pages_of(rows.min(wanted)),
        }
    }

    /// The page that is still to be asked for, once or again, when there are no more in their order.
    pub(super) fn missing(&self) -> Option<u64> {
        if self.total() == Some(self.rows()) || self.has_shrunk() || self.is_endless() {
            return None;
        }
        let mut holes = self.holes();
        if holes.clone().count() > MOST_HOLES {
            return None;
        }
        match holes.next() {
            Some(hole) => (self.reads(hole.page) < MOST_READS).then_some(hole.page),
            None => self.unproved().or_else(|| self.promised()),
        }
    }

    /// The page that is missing in the proof that a list is short, or in that it is none.
    fn unproved(&self) -> Option<u64> {
        let short = self.short().filter(|_| !self.is_known())?;
        let (last, counted) = (self.last_with_rows(), self.pages_of(short.total));
        let after = (last + 1..=counted.max(last + 1)).find(|number| self.reads(*number) == 0);
        let again = |number: u64| (self.reads(number) < 2).then_some(number);
        let last_again = || if last > 0 { again(last) } else { None };
        if self.far().is_some() {
            return again(last + 1);
        }
        if last >= counted {
            return last_again().or(after);
        }
        // Rows that have moved up since are on the last page with rows, when it is read after the empty ones.
        after.or_else(|| again(last + 1)).or_else(last_again)
    }

    /// An empty page that the page before it named as its next, where no total says that there is nothing.
    fn promised(&self) -> Option<u64> {
        let last = self.last_with_rows();
        let promised = last > 0 && last < self.asked() && self.page(last).next;
        (promised && self.reads(last + 1) < 2).then_some(last + 1)
    }

    /// The rows of all pages, those included that stand on several.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The largest total that can be right.
    pub fn total(&self) -> Option<u64> {
        self.total.or(self.total_of_empty)
    }

    /// How many rows came while the list was read, as far as that is known. So many may stand on two pages.
    pub fn growth(&self) -> u64 {
        match (self.first_total(), self.total()) {
            (Some(first), Some(total)) if total >= self.rows() => total - first,
            _ => 0,
        }
    }

    /// Whether rows went while it was read: a later page tells a smaller total, or the last one has fewer rows when it is
    /// read again.
    pub fn has_shrunk(&self) -> bool {
        let last = self.last_with_rows();
        let Some(first) = self.first_total() else { return false };
        (last > 0 && self.page(last).was_longer) || self.totals().any(|total| total < first)
    }

    /// The first page that is too short, and not the last.
    pub fn hole(&self) -> Option<Hole> {
        self.holes().next()
    }

    /// Whether the pages have fewer rows than the total.
    pub fn short(&self) -> Option<ShortBy> {
        let (rows, total) = (self.rows(), self.total()?);
        (rows < total).then_some(ShortBy { rows, total })
    }

    /// The rows of a full page, where several pages have fewer than were asked for. The server may have a smaller page
    /// size; or it may have cut each page alike, which shows nowhere but in the total.
    pub fn small_size(&self) -> Option<u64> {
        (self.last_with_rows() > 1 && self.size < PER_PAGE as u64).then_some(self.size)
    }

    /// Whether the last page says that there is no other.
    pub fn is_over(&self) -> bool {
        self.pages.last().is_some_and(|page| !page.next)
    }

    /// Whether there is nothing after the last rows, nor after the total, one empty page after another, and still no end.
    pub fn is_endless(&self) -> bool {
        let counted = self.total().map_or(0, |total| self.pages_of(total)).max(self.last_with_rows());
        let promises = self.pages.last().is_some_and(|page| page.next);
        promises && self.asked() >= counted + MOST_PROMISED
    }

    /// The pages that would have to be empty, if there is an empty one after the last rows, and they are too many.
    pub fn far(&self) -> Option<TooFar> {
        let (short, last) = (self.short()?, self.last_with_rows());
        let most = if self.small_size().is_some() { 1 } else { MOST_PROOF };
        let pages = self.pages_of(short.total).saturating_sub(last);
        (self.asked() > last && pages > most).then_some(TooFar { page: last + 1, pages })
    }

    /// Whether it is as short as it was found to be.
    fn is_known(&self) -> bool {
        self.known.is_some() && self.known == self.short()
    }

    fn holes(&self) -> impl Iterator<Item = Hole> + Clone {
        let (size, last) = (self.size, self.last_with_rows());
        let pages = (1..).zip(&self.pages).filter(move |(number, page)| {
            let is_last = *number > last || (*number == last && !page.next);
            page.rows < size && !is_last
        });
        pages.map(move |(page, own)| Hole { page, rows: own.rows, size })
    }

    /// The first total that can be right: page 1's, as a rule.
    fn first_total(&self) -> Option<u64> {
        self.totals().next()
    }

    /// The totals that can be right, in the order of the pages.
    fn totals(&self) -> impl Iterator<Item = u64> {
        let are_told = self.total.is_some();
        let numbers = (1..=self.asked()).filter(move |number| self.is_telling(*number) || !are_told);
        numbers.filter_map(|number| self.total_of(number))
    }

    /// Whether the total of a page counts before those of others: it is not behind the last rows.
    fn is_telling(&self, number: u64) -> bool {
        number <= self.last_with_rows().max(1)
    }

    /// The total that a page tells, unless it has more rows up to there, or more that follow.
    fn total_of(&self, number: u64) -> Option<u64> {
        let page = self.page(number);
        let total = page.total?;
        let until = (number - 1).saturating_mul(self.size) + page.rows;
        let contradicts = page.rows > 0 && (total < until || (page.next && total == until));
        (!contradicts).then_some(total)
    }

    fn pages_of(&self, rows: u64) -> u64 {
        rows.div_ceil(self.full()).max(1)
    }

    /// The rows of a full page. That of a single page may be as small as it is because there are no more.
    fn full(&self) -> u64 {
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
