//! Which pages of a list are requested, and what is concluded from them.

use super::*;

/// A page with this number of rows and this total; `links` is `next`, `end` (links without a next) or `mute` (no
/// links).
fn page(rows: usize, total: Option<u64>, links: &str) -> Decoded<()> {
    let next = (links == "next").then(|| "/?page=9".to_owned());
    Decoded { rows: (), count: rows, total, next, has_links: links != "mute" }
}

/// Reads a list with these pages; the last one stands for all that follow. Returns the numbers of the requested pages.
fn read(known: Option<ShortBy>, pages: &[(usize, Option<u64>, &str)]) -> (Vec<u64>, Extent) {
    let (mut extent, mut requested) = (Extent::new(known), Vec::new());
    loop {
        let next = extent.has_more().then(|| extent.pages_read() + 1);
        let Some(number) = next.or_else(|| extent.next_out_of_order()) else { return (requested, extent) };
        let (rows, total, links) = pages[index(number).min(pages.len() - 1)];
        extent.add(number, &page(rows, total, links));
        requested.push(number);
    }
}

fn requested(pages: &[(usize, Option<u64>, &str)]) -> Vec<u64> {
    read(None, pages).0
}

#[test]
fn a_correct_list_is_read_once() {
    assert_eq!(requested(&[(0, Some(0), "end")]), [1]);
    assert_eq!(requested(&[(41, Some(41), "end")]), [1]);
    assert_eq!(requested(&[(41, Some(41), "mute")]), [1]);
    assert_eq!(requested(&[(200, Some(200), "end")]), [1]);
    assert_eq!(requested(&[(200, Some(366), "next"), (166, Some(366), "end")]), [1, 2]);
    assert_eq!(requested(&[(200, None, "next"), (166, None, "end")]), [1, 2]);
    assert_eq!(requested(&[(166, None, "end")]), [1]);
}

#[test]
fn pages_within_the_total_are_requested_by_number() {
    for links in ["end", "mute"] {
        let (requested, extent) =
            read(None, &[(200, Some(450), links), (200, Some(450), links), (50, Some(450), links)]);
        assert_eq!((requested, extent.rows(), extent.short()), (vec![1, 2, 3], 450, None), "{links}");
    }
}

#[test]
fn without_links_and_total_pages_are_requested_until_one_is_empty() {
    assert_eq!(requested(&[(200, None, "mute"), (50, None, "mute"), (0, None, "mute")]), [1, 2, 3]);
    assert_eq!(requested(&[(20, None, "mute"), (0, None, "mute")]), [1, 2]);
    assert_eq!(requested(&[(0, None, "mute")]), [1]);
    assert_eq!(requested(&[(200, None, "end"), (0, None, "end")]), [1, 2], "full");
}

#[test]
fn an_implausible_total_does_not_end_a_list() {
    let (requested, extent) = read(None, &[(200, Some(0), "next"), (200, Some(0), "mute"), (0, Some(0), "mute")]);
    assert_eq!((requested, extent.rows()), (vec![1, 2, 3], 400));
    let (requested, extent) = read(None, &[(200, Some(200), "next"), (50, Some(200), "end")]);
    assert_eq!((requested, extent.rows(), extent.total()), (vec![1, 2], 250, None));
}

#[test]
fn a_server_with_smaller_pages_is_read_with_their_size() {
    let (requested, extent) = read(None, &[(50, Some(130), "next"), (50, Some(130), "next"), (30, Some(130), "end")]);

    assert_eq!((requested, extent.hole(), extent.short()), (vec![1, 2, 3], None, None));
}

#[test]
fn the_page_size_is_known_from_the_second_page() {
    let mut extent = Extent::new(None);
    extent.add(1, &page(50, Some(1_000), "next"));
    assert_eq!(extent.known_pages(u64::MAX), 1);

    extent.add(2, &page(50, Some(1_000), "next"));

    assert_eq!(extent.known_pages(u64::MAX), 20);
    assert_eq!(extent.known_pages(120), 3);
}

#[test]
fn a_page_that_stays_too_short_is_a_hole() {
    let pages = [(200, Some(650), "next"), (20, Some(650), "next"), (200, Some(650), "next"), (50, Some(650), "end")];

    let (requested, extent) = read(None, &pages);

    assert_eq!(requested, [1, 2, 3, 4, 2, 2]);
    assert_eq!(extent.hole(), Some(Hole { page: 2, rows: 20, size: 200 }));
    assert_eq!(extent.short(), Some(ShortBy { rows: 470, total: 650 }));
}

#[test]
fn a_page_that_is_full_when_it_is_read_again_is_not_a_hole() {
    for (first, then) in [((20, "next"), 200), ((0, "end"), 200)] {
        let mut extent = Extent::new(None);
        extent.add(1, &page(200, Some(650), "next"));
        extent.add(2, &page(first.0, Some(650), first.1));
        extent.add(3, &page(200, Some(650), "next"));
        extent.add(4, &page(50, Some(650), "end"));
        assert_eq!((extent.has_more(), extent.next_out_of_order()), (false, Some(2)));

        extent.add(2, &page(then, Some(650), "next"));

        assert_eq!((extent.next_out_of_order(), extent.hole(), extent.rows()), (None, None, 650));
    }
}

#[test]
fn a_first_page_that_is_shorter_than_the_second_is_read_again() {
    let (requested, extent) = read(None, &[(20, None, "next"), (200, None, "next"), (50, None, "end")]);

    assert_eq!(requested, [1, 2, 3, 1, 1]);
    assert_eq!(extent.hole(), Some(Hole { page: 1, rows: 20, size: 200 }));
}

#[test]
fn a_short_list_is_proved_by_the_last_rows_and_by_the_empty_pages_after_them() {
    let (requested, extent) = read(None, &[(200, Some(302), "next"), (100, Some(302), "end"), (0, Some(302), "end")]);
    assert_eq!(requested, [1, 2, 2, 3]);
    assert_eq!(extent.short(), Some(ShortBy { rows: 300, total: 302 }));

    let (requested, _) = read(None, &[(200, Some(900), "end"), (200, Some(900), "end"), (0, Some(900), "end")]);
    assert_eq!(requested, [1, 2, 3, 4, 5, 3, 2]);

    let (requested, extent) = read(None, &[(0, Some(3), "end"), (0, Some(3), "end")]);
    assert_eq!((requested, extent.rows()), (vec![1, 1], 0));
}

#[test]
fn a_proof_is_not_repeated_while_rows_and_total_stay_the_same() {
    let known = Some(ShortBy { rows: 300, total: 900 });
    let pages = |rows| [(200, Some(900), "next"), (rows, Some(900), "end"), (0, Some(900), "end")];

    assert_eq!(read(known, &pages(100)).0, [1, 2]);
    assert_eq!(read(known, &pages(99)).0, [1, 2, 3, 4, 5, 3, 2]);
    let mut extent = Extent::new(known);
    extent.add(1, &page(200, Some(900), "next"));
    assert_eq!(extent.known_pages(u64::MAX), 2);
}

#[test]
fn a_total_too_far_above_the_rows_is_rejected_after_the_first_empty_page_was_read_twice() {
    let far = |page, pages| Some(TooFar { page, pages });

    let (requested, extent) = read(None, &[(5, Some(1_000_000), "end"), (0, Some(1_000_000), "end")]);
    assert_eq!((requested, extent.too_far()), (vec![1, 2, 2], far(2, 4_999)));

    let (requested, extent) =
        read(None, &[(200, Some(900_000), "next"), (100, Some(900_000), "end"), (0, None, "next")]);
    assert_eq!((requested, extent.too_far()), (vec![1, 2, 3, 3], far(3, 4_498)));

    let (requested, extent) = read(None, &[(0, Some(900_000), "mute")]);
    assert_eq!((requested, extent.too_far()), (vec![1, 1], far(1, 4_500)));
}

#[test]
fn at_most_most_proof_pages_are_requested_for_a_proof() {
    let with = |pages: u64| read(None, &[(200, Some(200 * (1 + pages)), "end"), (0, None, "end")]);

    let (requested, extent) = with(MAX_PROOF_PAGES);
    assert_eq!((requested.len() as u64, extent.too_far()), (1 + MAX_PROOF_PAGES + 2, None));
    let (requested, extent) = with(MAX_PROOF_PAGES + 1);
    assert_eq!((requested, extent.too_far()), (vec![1, 2, 2], Some(TooFar { page: 2, pages: MAX_PROOF_PAGES + 1 })));
}

#[test]
fn a_list_with_small_pages_gets_no_proof() {
    let (requested, extent) = read(None, &[(20, Some(650), "next"), (20, Some(650), "end"), (0, Some(650), "end")]);

    assert_eq!((requested, extent.small_size()), (vec![1, 2, 3, 3], Some(20)));
}

#[test]
fn a_page_that_was_empty_once_does_not_end_a_list_with_a_far_total() {
    let mut extent = Extent::new(None);
    extent.add(1, &page(200, Some(20_000), "next"));
    extent.add(2, &page(0, Some(20_000), "next"));
    assert_eq!((extent.has_more(), extent.next_out_of_order()), (false, Some(2)));

    extent.add(2, &page(200, Some(20_000), "next"));

    assert_eq!((extent.has_more(), extent.too_far()), (true, None));
}

#[test]
fn the_next_links_of_empty_pages_are_followed_three_times() {
    let (requested, extent) = read(None, &[(200, None, "next"), (0, None, "next")]);
    assert_eq!((requested, extent.is_endless()), (vec![1, 2, 3, 4], true));

    let (requested, extent) = read(None, &[(200, Some(302), "next"), (100, Some(302), "end"), (0, Some(302), "next")]);
    assert_eq!((requested, extent.is_endless()), (vec![1, 2, 2, 3, 4, 5], true));
}

#[test]
fn an_earlier_proof_bounds_the_requested_pages() {
    let known = |rows| Some(ShortBy { rows, total: 900_000 });

    assert_eq!(read(known(5), &[(5, Some(900_000), "end")]).0, [1]);
    assert_eq!(read(known(300), &[(200, Some(900_000), "next"), (100, Some(900_000), "end")]).0, [1, 2]);
    // A row may have been added after a full page.
    assert_eq!(read(known(200), &[(200, Some(900_000), "end"), (0, None, "end")]).0, [1, 2]);
}

#[test]
fn the_total_of_an_empty_page_counts_only_if_no_page_with_rows_has_one() {
    for total in [0, 1, 299, 301, 302, 303, 900_000] {
        let pages = [(200, Some(302), "next"), (100, Some(302), "end"), (0, Some(total), "end")];
        let (requested, extent) = read(None, &pages);
        assert_eq!((requested, extent.has_shrunk()), (vec![1, 2, 2, 3], false), "{total}");
        assert_eq!((extent.short(), extent.growth()), (Some(ShortBy { rows: 300, total: 302 }), 0), "{total}");
    }
    let (_, extent) = read(None, &[(200, None, "mute"), (0, Some(900), "mute")]);
    assert_eq!(extent.short(), Some(ShortBy { rows: 200, total: 900 }));
}

#[test]
fn a_last_page_with_fewer_rows_when_it_is_read_again_has_shrunk() {
    let mut extent = Extent::new(None);
    extent.add(1, &page(200, Some(401), "next"));
    extent.add(2, &page(200, Some(401), "next"));
    extent.add(3, &page(0, Some(0), "end"));
    extent.add(3, &page(0, Some(0), "end"));
    assert_eq!((extent.has_shrunk(), extent.next_out_of_order()), (false, Some(2)));

    extent.add(2, &page(151, Some(351), "end"));

    assert_eq!((extent.has_shrunk(), extent.next_out_of_order()), (true, None));
}

#[test]
fn an_empty_page_that_a_next_link_announced_is_read_again() {
    assert_eq!(requested(&[(200, None, "next"), (0, None, "end")]), [1, 2, 2]);
    assert_eq!(requested(&[(200, Some(200), "next"), (0, Some(200), "end")]), [1, 2], "the total agrees");
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
