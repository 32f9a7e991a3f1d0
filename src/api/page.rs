//! Reads a list page by page. The first page has the list's length; the others are then fetched in parallel and
//! returned in the list's order. [`Extent`] decides where the list ends and which pages are read again.
//!
//! ```text
//! Pages::next ◄── (in order) ── channel of page tasks ◄── scheduler task ◄── ReadAhead: one slot per page
//!      │                                                             ▲
//!      ├── page 1, then `Extent::known_pages`: schedule(2..=n) ──────┘
//!      └── after the pages in order: `Extent::next_out_of_order`, one page at a time
//! ```
//!
//! Each request runs in its own task, so its response is read to the end and its permit is released even while the
//! client does not poll for rows. [`ReadAhead`] bounds the number of pages in flight.
//!
//! Do not change without thinking: slots are taken in the order of the pages, and a page's slot is released when
//! [`Pages::next`] returns the page. So the page that `next` waits for always gets a slot.

use std::ops::RangeInclusive;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::list_extent::{Extent, ShortBy};
use super::read_ahead::PageSlot;
use super::{Body, Client, Fault, ReadAhead, Request, RequestScope};
use crate::error::Error;
use crate::query::ListId;

/// A decoded page.
#[derive(Debug)]
pub struct Decoded<T> {
    /// Its rows.
    pub rows: T,
    /// The number of rows.
    pub count: usize,
    /// The list's length according to this page.
    pub total: Option<u64>,
    /// The link to the next page.
    pub next: Option<String>,
    /// Whether the page has links at all. Only then does the absence of `next` mean that this is the last page.
    pub has_links: bool,
}

impl<T> Decoded<T> {
    /// Whether the list continues after this page, according to its link or its total. For lists that are read with a
    /// single request.
    pub fn has_more(&self) -> bool {
        self.next.is_some() || self.total.is_some_and(|total| total > self.count as u64)
    }
}

/// Decodes a body into rows. Runs in the page's task.
pub type Decode<T> = dyn Fn(&Body, &Request) -> Result<Decoded<T>, Error> + Send + Sync;

/// Everything that fetching any page of a list needs.
pub struct Fetch<T> {
    /// The connection.
    pub client: Client,
    /// The query and the scan that the pages are fetched for.
    pub scope: RequestScope,
    /// The list that the pages belong to.
    pub list: ListId,
    /// Whether the plan will read the whole list: no LIMIT above is known to stop it early.
    pub reads_all: bool,
    /// Bounds how far the scan reads ahead.
    pub ahead: Arc<ReadAhead>,
    /// Decodes a body.
    pub decode: Box<Decode<T>>,
}

impl<T> std::fmt::Debug for Fetch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch").field("client", &self.client).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Fetch<T> {
    /// Fetches a single object, or a list without pages, in its own task.
    ///
    /// # Errors
    /// The request's [`Fault`], or the error of `decode`.
    pub async fn fetch_one(self: Arc<Self>, request: Request) -> Result<Decoded<T>, Error> {
        let slot = self.ahead.room().await;
        let (decoded, _slot) = join(spawn(async move { self.page(request, slot).await })).await?;
        Ok(decoded)
    }

    async fn page(&self, request: Request, mut slot: PageSlot) -> Result<(Decoded<T>, PageSlot), Error> {
        let body = self.client.get(&request, &self.scope).await?;
        slot.fill(body.bytes().len())?;
        self.scope.count(|counts| &counts.pages, 1);
        let decoded = (self.decode)(&body, &request)?;
        Ok((decoded, slot))
    }
}

/// A page that [`Pages::next`] returns.
#[derive(Debug)]
pub struct ReadPage<T> {
    /// Its rows and what it says about the list.
    pub decoded: Decoded<T>,
    /// Whether it was requested out of order: it may have been returned before.
    pub out_of_order: bool,
}

/// Reads a list once, page by page. Dropping it aborts its requests.
#[derive(Debug)]
pub struct Pages<T> {
    fetch: Arc<Fetch<T>>,
    request: Request,
    /// The row count of the nearest LIMIT above. Pages beyond it are not fetched ahead.
    rows_wanted: u64,
    extent: Extent,
    /// The number of the last page that was given to the scheduler.
    scheduled: u64,
    ended: bool,
    /// Takes a slot for each scheduled page, in order, and starts its task. Replaced when more pages are scheduled.
    scheduler: Option<AbortOnDropHandle<()>>,
    /// The tasks of scheduled pages, in order.
    page_tasks: UnboundedReceiver<PageTask<T>>,
    page_task_sender: UnboundedSender<PageTask<T>>,
}

type PageTask<T> = AbortOnDropHandle<Result<(Decoded<T>, PageSlot), Error>>;

impl<T: Send + 'static> Pages<T> {
    /// Nothing is sent before the first call of [`Pages::next`]. `rows_wanted` bounds the pages that are fetched ahead;
    /// `known` is the result of an earlier proof that the list is shorter than its total.
    pub fn new(fetch: Arc<Fetch<T>>, request: Request, rows_wanted: Option<usize>, known: Option<ShortBy>) -> Self {
        let (page_task_sender, page_tasks) = unbounded_channel();
        Self {
            fetch,
            request,
            rows_wanted: rows_wanted.map_or(u64::MAX, |rows| rows as u64),
            extent: Extent::new(known),
            scheduled: 0,
            ended: false,
            scheduler: None,
            page_tasks,
            page_task_sender,
        }
    }

    /// Returns the next page in order, then the pages that are requested again, then `None`.
    ///
    /// Not cancel-safe: after a dropped call the list has ended.
    ///
    /// # Errors
    /// The page's [`Fault`], or the error of `decode`. The list has ended then.
    pub async fn next(&mut self) -> Result<Option<ReadPage<T>>, Error> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        let out_of_order = !self.extent.has_more();
        let (number, decoded) = if out_of_order {
            let Some(number) = self.extent.next_out_of_order() else { return Ok(None) };
            (number, self.fetch_out_of_order(number).await?)
        } else {
            (self.extent.pages_read() + 1, self.fetch_in_order().await?)
        };
        if let Some(next) = &decoded.next {
            self.check_progress(number, next)?;
        }
        self.extent.add(number, &decoded);
        self.schedule_ahead();
        self.ended = false;
        Ok(Some(ReadPage { decoded, out_of_order }))
    }

    /// The length of the list according to the pages so far.
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    async fn fetch_in_order(&mut self) -> Result<Decoded<T>, Error> {
        let read = self.extent.pages_read();
        if read == self.scheduled {
            self.schedule(read + 1..=read + 1);
        }
        let task = self.page_tasks.recv().await.expect("the sender is kept, so the channel stays open");
        let (decoded, _slot) = join(task).await?;
        Ok(decoded)
    }

    /// Fetches a page out of order. Pages that were fetched ahead are dropped first, to release their slots: this page
    /// needs one, and all of them may be taken.
    async fn fetch_out_of_order(&mut self, number: u64) -> Result<Decoded<T>, Error> {
        self.scheduler = None;
        (self.page_task_sender, self.page_tasks) = unbounded_channel();
        self.scheduled = self.extent.pages_read().max(number);
        self.fetch.scope.query.ledger.expect_one_more();
        Arc::clone(&self.fetch).fetch_one(self.request.page(number)).await
    }

    /// Schedules the pages that page 1 announces. Pages beyond them, and pages that a LIMIT may make unnecessary, are
    /// fetched one at a time.
    fn schedule_ahead(&mut self) {
        let read = self.extent.pages_read();
        if read == 1 && self.fetch.reads_all && self.extent.total().is_some() {
            self.report_pages(self.extent.known_pages(u64::MAX));
        }
        let last = self.extent.known_pages(self.rows_wanted);
        if read == self.scheduled && last > read && self.extent.has_more() {
            self.schedule(read + 1..=last);
        }
    }

    /// Reports the number of pages that this list is known to need.
    fn report_pages(&self, pages: u64) {
        self.fetch.scope.query.ledger.expect_requests(self.fetch.list, self.request.part(), pages);
    }

    fn schedule(&mut self, numbers: RangeInclusive<u64>) {
        self.scheduled = *numbers.end();
        self.report_pages(self.scheduled);
        let (fetch, request) = (Arc::clone(&self.fetch), self.request.clone());
        let page_task_sender = self.page_task_sender.clone();
        self.scheduler = Some(spawn(async move {
            for number in numbers {
                let slot = fetch.ahead.room().await;
                let (fetch, request) = (Arc::clone(&fetch), request.page(number));
                let task = spawn(async move { fetch.page(request, slot).await });
                if page_task_sender.send(task).is_err() {
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

/// The `page` parameter of a link. Only the number is used: the link names a host, and the token must not be sent
/// there.
fn page_number(link: &str) -> Option<u64> {
    let (_, query) = link.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "page").and_then(|(_, page)| page.parse().ok())
}

/// Spawns a task whose log lines have the current span.
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(future.in_current_span()))
}

/// Waits for a task. Its panic continues here.
async fn join<T>(task: AbortOnDropHandle<T>) -> T {
    match task.await {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime shuts down, and this future with it.
            Err(_) => std::future::pending().await,
        },
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
