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
//! - A list is *short* where its pages have fewer rows than its total. It is proved to be no longer where the last page
//!   with rows was read twice, and every page after it, up to the total and at least one, is empty; the first of these
//!   was asked twice.
//!
//! - A list whose pages are smaller than was asked for is not accepted as short: each may have been cut alike.
//!
//! A total that its own page contradicts, because more rows stand up to there, is no total.

use super::client::PER_PAGE;
use super::page::Decoded;

/// No more empty pages than this are asked for after the last rows.
const MOST_EMPTY: u64 = 50;
/// A page that is shorter than the others is read this often at most.
const MOST_READS: u32 = 3;
/// More pages than this that are too short are not read again one by one.
const MOST_HOLES: usize = 16;

/// A list that has fewer rows than its total says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
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

/// What the pages of one reading tell of the length of their list.
#[derive(Debug, Default)]
pub struct Extent {
    /// By their numbers.
    pages: Vec<Page>,
    /// What was proved when the list was read before.
    known: Option<Short>,
    /// The rows of all pages, of the largest, and the largest total that can be right: a list may have thousands of
    /// pages, and each of them asks for these.
    rows: u64,
    size: u64,
    total: Option<u64>,
}

#[derive(Debug)]
struct Page {
    rows: u64,
    total: Option<u64>,
    next: bool,
    links: bool,
    reads: u32,
}

impl Extent {
    /// Of a list that was `known` to be short when it was read before.
    pub(super) fn new(known: Option<Short>) -> Self {
        Self { known, ..Self::default() }
    }

    /// Takes note of a page: the one after the last, or one that was read before. Of two readings the longer counts.
    pub(super) fn note<T>(&mut self, number: u64, page: &Decoded<T>) {
        let (rows, next, links) = (page.count as u64, page.next.is_some(), page.has_links);
        let read = Page { rows, total: page.total, next, links, reads: 1 };
        let is_new = number > self.asked();
        match self.pages.get_mut(index(number)) {
            Some(before) if before.rows > read.rows => before.reads += 1,
            Some(before) => *before = Page { reads: before.reads + 1, ..read },
            None => self.pages.push(read),
        }
        if is_new && rows <= self.size {
            self.rows += rows;
            self.total = self.total.max(self.total_of(number));
        } else {
            self.rows = self.pages.iter().map(|page| page.rows).sum();
            self.size = self.size.max(rows);
            self.total = (1..=self.asked()).filter_map(|number| self.total_of(number)).max();
        }
    }

    /// How many pages were asked for.
    pub(super) fn asked(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Whether the page after the last one is to be asked for.
    pub(super) fn has_more(&self) -> bool {
        let Some(last) = self.pages.last() else { return true };
        if self.is_endless() {
            return false;
        }
        if last.next {
            return true;
        }
        match self.total() {
            Some(_) if self.is_known() => false,
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
            // It may be that the server's pages are smaller than what was asked for: the second one shows.
            [ref first] if first.rows < PER_PAGE as u64 => 1,
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

    /// The page that is missing in the proof that a list is short.
    fn unproved(&self) -> Option<u64> {
        let short = self.short().filter(|_| !self.is_known())?;
        let last = self.last_with_rows();
        let may_have_more = last > 0 && self.page(last).rows < self.full();
        if may_have_more && self.reads(last) < 2 {
            return Some(last);
        }
        let wanted = if last < self.pages_of(short.total) { 2 } else { 1 };
        if self.reads(last + 1) < wanted {
            return Some(last + 1);
        }
        (self.asked() < self.pages_of(short.total)).then_some(self.asked() + 1)
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
        self.total
    }

    /// How many rows came while the list was read, as far as that is known. So many may stand on two pages.
    pub fn growth(&self) -> u64 {
        match (self.first_total(), self.total()) {
            (Some(first), Some(total)) if total >= self.rows() => total - first,
            _ => 0,
        }
    }

    /// Whether rows went while it was read: a later page tells a smaller total.
    pub fn has_shrunk(&self) -> bool {
        let Some(first) = self.first_total() else { return false };
        (1..=self.asked()).filter_map(|number| self.total_of(number)).any(|total| total < first)
    }

    /// The first page that is too short, and not the last.
    pub fn hole(&self) -> Option<Hole> {
        self.holes().next()
    }

    /// Whether the pages have fewer rows than the total.
    pub fn short(&self) -> Option<Short> {
        let (rows, total) = (self.rows(), self.total()?);
        (rows < total).then_some(Short { rows, total })
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

    /// Whether there is nothing after the last rows, one empty page after another, and still no end.
    pub fn is_endless(&self) -> bool {
        self.asked() - self.last_with_rows() >= MOST_EMPTY
    }

    /// Whether it is as short as it was known to be.
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
        (1..=self.asked()).find_map(|number| self.total_of(number))
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

    fn page(&self, number: u64) -> &Page {
        &self.pages[index(number)]
    }
}

/// Pages are numbered from 1.
fn index(number: u64) -> usize {
    usize::try_from(number - 1).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of so many rows, with this total; `next`, `end` (links without one), or `mute` (no links).
    fn page(rows: usize, total: Option<u64>, links: &str) -> Decoded<()> {
        let next = (links == "next").then(|| "/?page=9".to_owned());
        Decoded { rows: (), count: rows, total, next, has_links: links != "mute" }
    }

    /// Reads a list whose pages are these, again and again, the last one for all that follow: the pages that were
    /// asked for, and what they tell.
    fn read(known: Option<Short>, pages: &[(usize, Option<u64>, &str)]) -> (Vec<u64>, Extent) {
        let (mut extent, mut asked) = (Extent::new(known), Vec::new());
        loop {
            let next = extent.has_more().then(|| extent.asked() + 1);
            let Some(number) = next.or_else(|| extent.missing()) else { return (asked, extent) };
            let (rows, total, links) = pages[index(number).min(pages.len() - 1)];
            extent.note(number, &page(rows, total, links));
            asked.push(number);
        }
    }

    fn asked(pages: &[(usize, Option<u64>, &str)]) -> Vec<u64> {
        read(None, pages).0
    }

    #[test]
    fn a_usual_list_is_read_once_and_no_further() {
        assert_eq!(asked(&[(0, Some(0), "end")]), [1]);
        assert_eq!(asked(&[(41, Some(41), "end")]), [1]);
        assert_eq!(asked(&[(41, Some(41), "mute")]), [1]);
        assert_eq!(asked(&[(200, Some(200), "end")]), [1]);
        assert_eq!(asked(&[(200, Some(366), "next"), (166, Some(366), "end")]), [1, 2]);
        assert_eq!(asked(&[(200, None, "next"), (166, None, "end")]), [1, 2]);
        assert_eq!(asked(&[(166, None, "end")]), [1]);
    }

    #[test]
    fn where_the_total_says_more_pages_are_asked_for_by_number() {
        for links in ["end", "mute"] {
            let (asked, extent) =
                read(None, &[(200, Some(450), links), (200, Some(450), links), (50, Some(450), links)]);
            assert_eq!((asked, extent.rows(), extent.short()), (vec![1, 2, 3], 450, None), "{links}");
        }
    }

    #[test]
    fn pages_that_say_nothing_are_asked_for_until_one_is_empty() {
        assert_eq!(asked(&[(200, None, "mute"), (50, None, "mute"), (0, None, "mute")]), [1, 2, 3]);
        assert_eq!(asked(&[(20, None, "mute"), (0, None, "mute")]), [1, 2]);
        assert_eq!(asked(&[(0, None, "mute")]), [1]);
        assert_eq!(asked(&[(200, None, "end"), (0, None, "end")]), [1, 2], "full");
    }

    #[test]
    fn a_total_that_cannot_be_right_ends_nothing() {
        let (asked, extent) = read(None, &[(200, Some(0), "next"), (200, Some(0), "mute"), (0, Some(0), "mute")]);
        assert_eq!((asked, extent.rows()), (vec![1, 2, 3], 400));
        let (asked, extent) = read(None, &[(200, Some(200), "next"), (50, Some(200), "end")]);
        assert_eq!((asked, extent.rows(), extent.total()), (vec![1, 2], 250, None));
    }

    #[test]
    fn a_server_with_smaller_pages_is_read_with_their_size() {
        let (asked, extent) = read(None, &[(50, Some(130), "next"), (50, Some(130), "next"), (30, Some(130), "end")]);

        assert_eq!((asked, extent.hole(), extent.short()), (vec![1, 2, 3], None, None));
    }

    #[test]
    fn the_second_page_tells_how_large_pages_are() {
        let mut extent = Extent::new(None);
        extent.note(1, &page(50, Some(1_000), "next"));
        assert_eq!(extent.ahead(u64::MAX), 1);

        extent.note(2, &page(50, Some(1_000), "next"));

        assert_eq!(extent.ahead(u64::MAX), 20);
        assert_eq!(extent.ahead(120), 3);
    }

    #[test]
    fn a_page_that_is_too_short_is_read_again_and_else_a_hole() {
        let pages =
            [(200, Some(650), "next"), (20, Some(650), "next"), (200, Some(650), "next"), (50, Some(650), "end")];

        let (asked, extent) = read(None, &pages);

        assert_eq!(asked, [1, 2, 3, 4, 2, 2]);
        assert_eq!(extent.hole(), Some(Hole { page: 2, rows: 20, size: 200 }));
        assert_eq!(extent.short(), Some(Short { rows: 470, total: 650 }));
    }

    #[test]
    fn a_page_that_is_whole_when_it_is_read_again_leaves_no_hole() {
        for (first, then) in [((20, "next"), 200), ((0, "end"), 200)] {
            let mut extent = Extent::new(None);
            extent.note(1, &page(200, Some(650), "next"));
            extent.note(2, &page(first.0, Some(650), first.1));
            extent.note(3, &page(200, Some(650), "next"));
            extent.note(4, &page(50, Some(650), "end"));
            assert_eq!((extent.has_more(), extent.missing()), (false, Some(2)));

            extent.note(2, &page(then, Some(650), "next"));

            assert_eq!((extent.missing(), extent.hole(), extent.rows()), (None, None, 650));
        }
    }

    #[test]
    fn a_first_page_that_is_shorter_than_the_second_is_read_again() {
        let (asked, extent) = read(None, &[(20, None, "next"), (200, None, "next"), (50, None, "end")]);

        assert_eq!(asked, [1, 2, 3, 1, 1]);
        assert_eq!(extent.hole(), Some(Hole { page: 1, rows: 20, size: 200 }));
    }

    #[test]
    fn a_short_list_is_proved_by_the_last_rows_and_by_the_empty_pages_after_them() {
        let (asked, extent) = read(None, &[(200, Some(302), "next"), (100, Some(302), "end"), (0, Some(302), "end")]);
        assert_eq!(asked, [1, 2, 2, 3]);
        assert_eq!(extent.short(), Some(Short { rows: 300, total: 302 }));

        let (asked, _) = read(None, &[(200, Some(900), "end"), (200, Some(900), "end"), (0, Some(900), "end")]);
        assert_eq!(asked, [1, 2, 3, 4, 5, 3]);

        let (asked, extent) = read(None, &[(0, Some(3), "end"), (0, Some(3), "end")]);
        assert_eq!((asked, extent.rows()), (vec![1, 1], 0));
    }

    #[test]
    fn what_was_proved_before_is_not_proved_again_while_both_numbers_stay() {
        let known = Some(Short { rows: 300, total: 900 });
        let pages = |rows| [(200, Some(900), "next"), (rows, Some(900), "end"), (0, Some(900), "end")];

        assert_eq!(read(known, &pages(100)).0, [1, 2]);
        assert_eq!(read(known, &pages(99)).0, [1, 2, 3, 4, 5, 2, 3]);
        let mut extent = Extent::new(known);
        extent.note(1, &page(200, Some(900), "next"));
        assert_eq!(extent.ahead(u64::MAX), 2);
    }

    #[test]
    fn a_total_far_beyond_the_rows_is_not_asked_for_without_end() {
        let (asked, extent) = read(None, &[(5, Some(1_000_000), "end"), (0, Some(1_000_000), "end")]);
        assert!(extent.is_endless());
        assert_eq!(asked.len(), 51);

        let (asked, extent) = read(None, &[(200, None, "next"), (0, None, "next")]);
        assert!(extent.is_endless(), "a `next` that never ends");
        assert_eq!(asked.len(), 51);
    }

    #[test]
    fn an_empty_page_that_the_one_before_it_promised_is_read_again() {
        assert_eq!(asked(&[(200, None, "next"), (0, None, "end")]), [1, 2, 2]);
        assert_eq!(asked(&[(200, Some(200), "next"), (0, Some(200), "end")]), [1, 2], "the total agrees");
    }

    #[test]
    fn growth_and_shrinking_are_seen_in_the_totals() {
        let grown = read(None, &[(200, Some(300), "next"), (103, Some(303), "end")]).1;
        assert_eq!((grown.growth(), grown.has_shrunk()), (3, false));

        let shrunk = read(None, &[(200, Some(300), "next"), (98, Some(298), "end")]);
        assert_eq!((shrunk.0, shrunk.1.has_shrunk()), (vec![1, 2], true));

        let late = [(200, None, "next"), (200, Some(503), "next"), (100, Some(500), "end")];
        let late = read(None, &late).1;
        assert_eq!((late.growth(), late.has_shrunk()), (0, true));
    }
}
