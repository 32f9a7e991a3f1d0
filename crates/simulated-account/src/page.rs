//! `page` and `per_page` of a request, and the `links` of its response.
//!
//! A number out of range is clamped: page 0 is page 1, 500 rows a page are 200. A value that is not a number is refused
//! with 422, so that a client's mistake is visible.

use std::ops::Range;

use serde_json::{Value, json};

use crate::response::ApiResponse;

const LARGEST: u64 = 200;
const USUAL: u64 = 20;

/// The requested page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    number: u64,
    rows: u64,
}

impl Page {
    pub(crate) fn of(query: &[(String, String)]) -> Result<Self, ApiResponse> {
        Ok(Self { number: number(query, "page", 1)?.max(1), rows: number(query, "per_page", USUAL)?.clamp(1, LARGEST) })
    }

    /// The requested number of rows.
    #[cfg(feature = "faults")]
    pub(crate) fn rows(self) -> u64 {
        self.rows
    }

    /// The rows of this page in a list of `total` rows.
    pub(crate) fn range(self, total: usize) -> Range<usize> {
        let start = (self.number - 1).saturating_mul(self.rows);
        let end = start.saturating_add(self.rows);
        let within = |row: u64| usize::try_from(row).unwrap_or(usize::MAX).min(total);
        within(start)..within(end)
    }

    /// The `links` of a response: `next` and `last` on the first page, `first` and `prev` on the last, none on a single
    /// page.
    pub(crate) fn links(self, total: usize, list: &str, query: &[(String, String)]) -> Value {
        let last = (total as u64).div_ceil(self.rows).max(1);
        let to = |page: u64| link(list, query, page, self.rows);
        let mut pages = serde_json::Map::new();
        if self.number > 1 {
            pages.insert("first".to_owned(), to(1));
            pages.insert("prev".to_owned(), to((self.number - 1).min(last)));
        }
        if self.number < last {
            pages.insert("next".to_owned(), to(self.number + 1));
            pages.insert("last".to_owned(), to(last));
        }
        if pages.is_empty() { json!({}) } else { json!({ "pages": pages }) }
    }
}

fn number(query: &[(String, String)], name: &str, absent: u64) -> Result<u64, ApiResponse> {
    let Some((_, text)) = query.iter().find(|(key, _)| key == name) else {
        return Ok(absent);
    };
    let number: i128 = text.parse().map_err(|_| ApiResponse::unprocessable(&format!("{name} must be a number")))?;
    Ok(u64::try_from(number.max(0)).unwrap_or(u64::MAX))
}

fn link(list: &str, query: &[(String, String)], page: u64, rows: u64) -> Value {
    let mut url = format!("{list}?");
    for (key, value) in query.iter().filter(|(key, _)| key != "page" && key != "per_page") {
        url.push_str(&format!("{}={}&", encoded(key), encoded(value)));
    }
    url.push_str(&format!("page={page}&per_page={rows}"));
    Value::String(url)
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &[(&str, &str)]) -> Page {
        Page::of(&owned(query)).unwrap()
    }

    fn owned(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn names(links: &Value) -> Vec<&str> {
        let pages = links["pages"].as_object();
        pages.map_or_else(Vec::new, |pages| pages.keys().map(String::as_str).collect())
    }

    #[test]
    fn numbers_out_of_range_are_clamped() {
        assert_eq!(page(&[]), Page { number: 1, rows: 20 });
        assert_eq!(page(&[("page", "0"), ("per_page", "0")]), Page { number: 1, rows: 1 });
        assert_eq!(page(&[("page", "-3"), ("per_page", "500")]), Page { number: 1, rows: 200 });
        assert_eq!(page(&[("page", "99999999999999999999")]).range(5), 5..5);
    }

    #[test]
    fn a_value_that_is_not_a_number_is_refused() {
        let refused = Page::of(&owned(&[("per_page", "many")])).unwrap_err();

        assert_eq!(refused.status, 422);
    }

    #[test]
    fn links_are_those_of_the_api() {
        let links = |number, total| {
            let page = Page { number, rows: 2 };
            let links = page.links(total, "http://h/v2/images", &[]);
            names(&links).join(" ")
        };

        assert_eq!(links(1, 2), "");
        assert_eq!(links(1, 0), "");
        assert_eq!(links(1, 5).split(' ').collect::<std::collections::BTreeSet<_>>(), ["last", "next"].into());
        assert_eq!(links(2, 5).split(' ').count(), 4);
        assert_eq!(links(3, 5).split(' ').collect::<std::collections::BTreeSet<_>>(), ["first", "prev"].into());
        assert_eq!(links(9, 5).split(' ').collect::<std::collections::BTreeSet<_>>(), ["first", "prev"].into());
    }

    #[test]
    fn a_link_keeps_the_other_parameters() {
        let query = owned(&[("tag_name", "a b&c"), ("page", "1")]);

        let links = page(&[]).links(21, "http://h/v2/images", &query);

        assert_eq!(links["pages"]["next"], "http://h/v2/images?tag_name=a%20b%26c&page=2&per_page=20");
    }

    #[test]
    fn the_last_page_holds_the_rest() {
        let page = page(&[("page", "2"), ("per_page", "200")]);

        assert_eq!(page.range(366), 200..366);
        assert_eq!(page.range(100), 100..100);
    }
}
