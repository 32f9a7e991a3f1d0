//! The progress line of a query, on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The delay before the line is drawn for the first time, and between updates.
pub(super) const EVERY: Duration = Duration::from_millis(150);

/// The progress line. It is drawn only if standard error is a terminal.
pub(super) struct Line {
    visible: bool,
    /// The line while it is on the screen.
    drawn: Option<ProgressBar>,
}

impl Line {
    pub(super) fn new(visible: bool) -> Self {
        Self { visible, drawn: None }
    }

    pub(super) fn is_visible(&self) -> bool {
        self.visible
    }

    /// Draws the line with this text.
    pub(super) fn draw(&mut self, text: String) {
        let bar = self.drawn.get_or_insert_with(spinner);
        bar.set_message(text);
        bar.tick();
    }

    /// Removes the line from the screen, until it is drawn again.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.drawn.take() {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})").expect("a constant template");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

/// Returns `2 pages, 366 rows`; pages only if they are known.
pub(super) fn text(pages: Option<u64>, rows: u64) -> String {
    let rows = count(rows, "row");
    match pages {
        Some(pages) => format!("{}, {rows}", count(pages, "page")),
        None => rows,
    }
}

/// Returns a number and a noun: `1 row`, `366 rows`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_a_plural() {
        assert_eq!(text(Some(2), 366), "2 pages, 366 rows");
        assert_eq!(text(Some(1), 1), "1 page, 1 row");
        assert_eq!(text(None, 0), "0 rows");
    }
}
