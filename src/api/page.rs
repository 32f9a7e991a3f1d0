//! A list's pages: the first one tells how many there are, the others are fetched side by side,
//! and they come out in the list's order. Where a list ends, and which pages are read again, is for
//! [`Extent`] to say.
//!
//! A page's request runs in a task of its own, and so is read to its end, and gives its permit
//! back, whether or not anybody takes the rows. How many pages are on their way is bounded by
//! [`ReadAhead`].

use std::ops::RangeInclusive;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::list_extent::{Extent, ShortBy};
use super::read_ahead::PageSlot;
use super::{Body, Client, Fault, ReadAhead, Request, RequestScope};
use crate::error::Error;
use crate::query::ListId;

/// What a page turned out to hold.
#[derive(Debug)]
pub struct Decoded<T> {
    /// Its rows.
    pub rows: T,
    /// How many these are.
    pub count: usize,
    /// The list's length as this page tells it.
    pub total: Option<u64>,
    /// The link to the page after it.
    pub next: Option<String>,
    /// Whether it has links at all, and so says that there is no next where it names none.
    pub has_links: bool,
}

impl<T> Decoded<T> {
    /// Whether an answer that was to be all of a list says that there is more of it.
    pub fn is_part(&self) -> bool {
        self.next.is_some() || self.total.is_some_and(|total| total > self.count as u64)
    }
}

/// Turns a body into rows; runs in the page's task.
pub type Decode<T> = dyn Fn(&Body, &Request) -> Result<Decoded<T>, Error> + Send + Sync;

/// What all pages of a scan are fetched with.
pub struct Fetch<T> {
    /// The connection.
    pub client: Client,
    /// For whom they are fetched.
    pub scope: RequestScope,
    /// The list that they are pages of.
    pub list: ListId,
    /// Whether all of it will be read: nobody stops it early, as far as is known.
    pub whole: bool,
    /// How far the scan reads ahead.
    pub ahead: Arc<ReadAhead>,
    /// What becomes of a body.
    pub decode: Box<Decode<T>>,
}

impl<T> std::fmt::Debug for Fetch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch").field("client", &self.client).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Fetch<T> {
    /// Fetches a single object, or an unpaged list, in a task of its own.
    ///
    /// # Errors
    /// The request's [`Fault`], or what `decode` says.
    pub async fn one(self: Arc<Self>, request: Request) -> Result<Decoded<T>, Error> {
        let slot = self.ahead.room().await;
        Task::spawn(async move { self.page(request, slot).await }).join().await.map(|(decoded, _slot)| decoded)
    }

    async fn page(&self, request: Request, mut slot: PageSlot) -> Result<(Decoded<T>, PageSlot), Error> {
        let body = self.client.get(&request, &self.scope).await?;
        slot.fill(body.bytes().len())?;
        self.scope.count(|counts| &counts.pages, 1);
        let decoded = (self.decode)(&body, &request)?;
        Ok((decoded, slot))
    }
}

/// A page, and how it came to be read.
#[derive(Debug)]
pub struct ReadPage<T> {
    /// What it holds.
    pub decoded: Decoded<T>,
    /// Whether it was asked for out of its order, once or again.
    pub again: bool,
}

/// One reading of a list, page by page. Dropping it stops its requests.
#[derive(Debug)]
pub struct Pages<T> {
    fetch: Arc<Fetch<T>>,
    request: Request,
    /// Pages that nobody would want are not fetched ahead.
    rows_wanted: u64,
    extent: Extent,
    scheduled: u64,
    ended: bool,
    /// Asks for room in the pages' order; a new one begins when the last one is done.
    scheduler: Option<Task<()>>,
    coming: UnboundedReceiver<Coming<T>>,
    schedule: UnboundedSender<Coming<T>>,
}

type Coming<T> = Task<Result<(Decoded<T>, PageSlot), Error>>;

impl<T: Send + 'static> Pages<T> {
    /// Nothing is sent before the first page is asked for. `rows_wanted` bounds what is fetched ahead of need; `known`
    /// is what was proved of the list's length when it was read before.
    pub fn new(fetch: Arc<Fetch<T>>, request: Request, rows_wanted: Option<usize>, known: Option<ShortBy>) -> Self {
        let (schedule, coming) = unbounded_channel();
        let rows_wanted = rows_wanted.map_or(u64::MAX, |rows| rows as u64);
        let extent = Extent::new(known);
        Self { fetch, request, rows_wanted, extent, scheduled: 0, ended: false, scheduler: None, coming, schedule }
    }

    /// The next page in order, then those that are asked for again, or `None` after the last.
    ///
    /// Not cancel-safe: a list whose `next` was dropped half-way has ended.
    ///
    /// # Errors
    /// The page's [`Fault`], or what `decode` says of it; the list ends there.
    pub async fn next(&mut self) -> Result<Option<ReadPage<T>>, Error> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        let again = !self.extent.has_more();
        let (number, decoded) = if again {
            let Some(number) = self.extent.missing() else { return Ok(None) };
            (number, self.alone(number).await?)
        } else {
            (self.extent.asked() + 1, self.in_order().await?)
        };
        if let Some(next) = &decoded.next {
            self.check_progress(number, next)?;
        }
        self.extent.note(number, &decoded);
        self.schedule_ahead();
        self.ended = false;
        Ok(Some(ReadPage { decoded, again }))
    }

    /// What the pages so far tell of the list's length.
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    async fn in_order(&mut self) -> Result<Decoded<T>, Error> {
        let taken = self.extent.asked();
        if taken == self.scheduled {
            self.schedule(taken + 1..=taken + 1);
        }
        let page = self.coming.recv().await.expect("`schedule` is kept, so the channel stays open");
        page.join().await.map(|(decoded, _slot)| decoded)
    }

    /// Fetches a page out of order. Pages that were fetched ahead are dropped, so that they free their slots.
    async fn alone(&mut self, number: u64) -> Result<Decoded<T>, Error> {
        self.scheduler = None;
        (self.schedule, self.coming) = unbounded_channel();
        self.scheduled = self.extent.asked().max(number);
        self.fetch.scope.query.ledger.expect_one_more();
        Arc::clone(&self.fetch).one(self.request.page(number)).await
    }

    /// Schedules the pages that page 1 announces. Pages beyond them, and pages that a LIMIT may make unnecessary, are
    /// fetched one at a time.
    fn schedule_ahead(&mut self) {
        let taken = self.extent.asked();
        if taken == 1 && self.fetch.whole && self.extent.total().is_some() {
            self.expect(self.extent.ahead(u64::MAX));
        }
        let ahead = self.extent.ahead(self.rows_wanted);
        if taken == self.scheduled && ahead > taken && self.extent.has_more() {
            self.schedule(taken + 1..=ahead);
        }
    }

    /// Says that this reading takes so many pages.
    fn expect(&self, pages: u64) {
        self.fetch.scope.query.ledger.expect(self.fetch.list, self.request.part(), pages);
    }

    fn schedule(&mut self, numbers: RangeInclusive<u64>) {
        self.scheduled = *numbers.end();
        self.expect(self.scheduled);
        let (fetch, request, schedule) = (Arc::clone(&self.fetch), self.request.clone(), self.schedule.clone());
        self.scheduler = Some(Task::spawn(async move {
            for number in numbers {
                let slot = fetch.ahead.room().await;
                let (fetch, request) = (Arc::clone(&fetch), request.page(number));
                let page = Task::spawn(async move { fetch.page(request, slot).await });
                if schedule.send(page).is_err() {
                    return;
                }
            }
        }));
    }

    /// Fails if `next` points to a page that was read before: such a list would never end.
    fn check_progress(&self, number: u64, next: &str) -> Result<(), Fault> {
        if page_number(next).is_some_and(|page| page > number) {
            return Ok(());
        }
        Err(Fault::NoProgress { at: self.request.page(number).at(), next: next.chars().take(200).collect() })
    }
}

/// The `page` of a link. The link names a host, which the token must not follow: only its number is used.
fn page_number(link: &str) -> Option<u64> {
    let (_, query) = link.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "page")
        .and_then(|(_, page)| page.parse().ok())
}

/// A task that ends when nobody waits for it any more. What it logs has the span of whoever starts it.
#[derive(Debug)]
struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    fn spawn(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(future.in_current_span()))
    }

    async fn join(mut self) -> T {
        match (&mut self.0).await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down; so is whoever waits here.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_page_is_read_from_its_link() {
        assert_eq!(page_number("https://api.digitalocean.com/v2/images?page=2&per_page=200"), Some(2));
        assert_eq!(page_number("https://api.digitalocean.com/v2/images?per_page=200&page=17"), Some(17));
        assert_eq!(page_number("https://api.digitalocean.com/v2/images"), None);
        assert_eq!(page_number("/?page=x"), None);
    }
}
