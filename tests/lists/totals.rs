//! Wrong totals: the requests that detect them, and the requests of the next query. And the totals of pages after the
//! last rows.

use std::collections::BTreeSet;

use oceanflight::error::Kind;

use super::{LIST, PAGES, all, error, forget_requests, instead, pages, stage, whole};
use crate::support::{Asked, Stage, integers, single};

/// The kind and the report of the list's error, and the requested pages.
async fn refused(stage: &Stage) -> (Kind, String, Vec<u64>) {
    let error = stage.error(LIST).await;
    let asked = pages(stage);
    forget_requests(stage).await;
    (error.kind(), error.report(), asked)
}

/// Asserts that the list is whole, each row once. Returns its notices and the requested pages.
async fn noted(stage: &Stage) -> (Vec<String>, Vec<u64>) {
    let Asked { rows, query } = stage.ask(LIST).await.unwrap_or_else(|error| panic!("{}", error.report()));
    assert_eq!(integers(&rows, "id"), all(stage));
    (query.notices(), pages(stage))
}

#[tokio::test]
async fn a_total_far_above_the_rows_is_an_error_after_three_requests() {
    let stage = stage(5, &["set=/meta/total 1000000"]).await;

    let (kind, report, asked) = refused(&stage).await;

    assert_eq!((kind, asked), (Kind::Aborted, vec![1, 2, 2]));
    let counts = "is incomplete: 5 rows were found of 1000000; page 2 is empty, and there are 4999 pages up to that total: \
                  no more than 50 are checked";
    assert!(report.contains(counts), "{report}");
    assert!(report.contains("\nhint: this is remembered for 10 minutes, "), "{report}");
}

#[tokio::test]
async fn a_rejected_list_is_rejected_again_as_soon_as_its_rows_are_read() {
    let stage = stage(5, &["set=/meta/total 1000000"]).await;
    refused(&stage).await;

    for _ in 0..2 {
        let (kind, report, asked) = refused(&stage).await;
        assert_eq!((kind, asked), (Kind::Aborted, vec![1]));
        assert!(report.contains("5 rows were found of 1000000; page 2 is empty, and there are 4999 pages"), "{report}");
        assert!(report.contains("\nhint: this is remembered for 10 minutes, "), "{report}");
    }
}

#[tokio::test]
async fn a_rejected_list_is_checked_again_when_its_rows_or_its_total_change() {
    let stage = stage(5, &["set=/meta/total 1000000"]).await;
    refused(&stage).await;

    assert_eq!(whole(&stage, &[]).await, [1], "its total is right");
    instead(&stage, &["set=/meta/total 7"]).await;
    assert_eq!(noted(&stage).await.1, [1, 1, 2], "its total is another");
    instead(&stage, &["set=/meta/total 1000000", "times=1 append=1"]).await;
    assert_eq!(refused(&stage).await.2, [1, 2, 2], "its rows are others");
    let one = stage.rows(&format!("{LIST} LIMIT 3")).await;
    assert_eq!((one.num_rows(), pages(&stage)), (3, vec![1]), "a LIMIT needs no end");
}

#[tokio::test]
async fn a_wrong_total_on_the_first_page_costs_at_most_the_pages_read_ahead() {
    let stage = stage(300, &["set=/meta/total 900000"]).await;

    let (kind, report, first) = refused(&stage).await;

    assert_eq!(kind, Kind::Aborted);
    assert!(report.contains("300 rows were found of 900000; page 3 is empty, and there are 4498 pages"), "{report}");
    // 16 pages are requested in parallel, and at most one more for each of the three that were consumed.
    assert!(first.len() <= 1 + 16 + 3 + 1, "{first:?}");
    assert_eq!(refused(&stage).await.2, [1, 2]);
}

#[tokio::test]
async fn after_a_full_last_page_every_query_requests_one_more() {
    for fault in ["set=/meta/total 900000", "set=/meta/total 900"] {
        let stage = stage(200, &[fault]).await;
        let first = stage.ask(LIST).await.is_ok();
        pages(&stage);

        assert_eq!((stage.ask(LIST).await.is_ok(), pages(&stage)), (first, vec![1, 2]), "{fault}");
        // The second page was empty in the query before, and has rows now.
        instead(&stage, &[]).await;
        stage.inject(&format!("{PAGES} page=1 times=1 append=700"));
        let rows = stage.rows(LIST).await;
        assert_eq!(rows.num_rows(), 900, "{fault}");
    }
}

#[tokio::test]
async fn a_short_list_with_small_pages_is_rejected_without_a_proof() {
    let stage = stage(650, &["short=20"]).await;

    let (kind, report, first) = refused(&stage).await;

    assert_eq!(kind, Kind::Aborted);
    assert!(report.contains("80 rows were found of 650; its pages have fewer rows than requested"), "{report}");
    assert!(first.len() <= 2 + 16 + 4 + 1, "{first:?}");
    assert_eq!(refused(&stage).await.2, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_404_for_a_page_after_the_last_rows_is_remembered() {
    let stage = stage(5, &["set=/meta/total 900", "page=2 status=404"]).await;

    for asked in [&[1, 2][..], &[1], &[1]] {
        let (kind, report, pages) = refused(&stage).await;
        assert_eq!((kind, &pages[..]), (Kind::Aborted, asked));
        assert!(report.contains("5 rows were found of 900; the API returns 404 for the next page"), "{report}");
    }
}

#[tokio::test]
async fn a_page_that_stays_short_is_read_again_by_each_query() {
    let stage = stage(650, &["page=2 short=20"]).await;

    for _ in 0..2 {
        assert_eq!(refused(&stage).await.2, [1, 2, 2, 2, 3, 4]);
    }
    assert_eq!(whole(&stage, &["page=2 times=1 short=20"]).await, [1, 2, 2, 3, 4]);
}

#[tokio::test]
async fn an_endless_next_link_of_empty_pages_is_followed_three_times() {
    let next = |page: u32| format!(r#"page={page} set=/links/pages/next "https://x/v2/y?page={}""#, page + 1);
    let faults: Vec<String> = (1..=6).map(next).chain(["without=meta".into()]).collect();
    let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
    let stage = stage(200, &faults).await;

    let (kind, report, asked) = refused(&stage).await;

    assert_eq!((kind, asked), (Kind::Aborted, vec![1, 2, 3, 4]));
    assert!(report.contains("200 rows were found; more pages follow, and all of them are empty"), "{report}");
}

#[tokio::test]
async fn the_total_of_a_page_after_the_last_rows_changes_nothing() {
    for total in ["0", "299", "300", "301", "303", "null", "900000"] {
        let stage = stage(300, &["set=/meta/total 302", &format!("page=3 set=/meta/total {total}")]).await;
        let note = "DigitalOcean counts 302 rows in /v2/images/62137902/actions and lists 300";

        for pages_asked in [&[1, 2, 2, 3][..], &[1, 2]] {
            let (notes, asked) = noted(&stage).await;
            assert_eq!(asked, pages_asked, "{total}");
            assert!(notes.len() == 1 && notes[0].starts_with(note), "{total}: {notes:?}");
        }
    }
}

#[tokio::test]
async fn totals_of_several_empty_pages_change_nothing_either() {
    for total in ["0", "899", "901"] {
        let fault = format!("page=4 set=/meta/total {total}");
        let stage = stage(300, &["set=/meta/total 900", "page=3 set=/meta/total 0", &fault]).await;

        for pages_asked in [&[1, 2, 2, 3, 3, 4, 5][..], &[1, 2]] {
            let (notes, asked) = noted(&stage).await;
            assert_eq!((notes.len(), &asked[..]), (1, pages_asked), "{total}");
        }
    }
}

/// Pages are requested in parallel, so the change may also come before page 2, which then has the new total.
#[tokio::test]
async fn rows_that_move_to_an_earlier_page_are_not_lost() {
    for (change, told) in ["remove=1", "remove=2", "remove=250", "remove-at=0", "remove-last=1", "remove-last=300"]
        .into_iter()
        .flat_map(|change| ["0", "null", "400", "401", "402"].map(|told| (change, told)))
    {
        let stage = stage(401, &[]).await;
        let change = format!("{PAGES} page=3 times=1 {change}");
        stage.inject(&change);
        stage.inject(&format!("{PAGES} page=3 set=/meta/total {told}"));

        let rows = stage.rows(LIST).await;

        let read: BTreeSet<i64> = integers(&rows, "id").into_iter().collect();
        let after: BTreeSet<i64> = all(&stage).into_iter().collect();
        assert_eq!(rows.num_rows(), read.len(), "{change}, {told}: none twice");
        assert!(after.is_subset(&read), "{change}, {told}: none lost");
    }
}

#[tokio::test]
async fn a_list_that_changes_during_the_proof_is_whole() {
    for change in ["add=1", "add=2", "append=1", "remove=1", "remove-last=1", "remove=150"] {
        // The list's own total of 300, and one that is two too high.
        let stage = stage(300, &["page=1 set=/meta/total 302", "page=2 set=/meta/total 302"]).await;
        let before: BTreeSet<i64> = all(&stage).into_iter().collect();
        stage.inject(&format!("{PAGES} page=3 times=1 {change}"));

        let rows = stage.rows(LIST).await;

        let read: BTreeSet<i64> = integers(&rows, "id").into_iter().collect();
        let after: BTreeSet<i64> = all(&stage).into_iter().collect();
        assert_eq!(rows.num_rows(), read.len(), "{change}: none twice");
        assert!(before.intersection(&after).all(|id| read.contains(id)), "{change}: none lost");
    }
}

#[tokio::test]
async fn a_list_with_a_smaller_total_on_a_later_page_is_read_again_once() {
    let stage = stage(366, &[]).await;
    assert_eq!(whole(&stage, &["page=2 times=1 set=/meta/total 365"]).await, [1, 2], "its own rows contradict it");
    assert_eq!(whole(&stage, &["page=1 times=1 set=/meta/total 367"]).await, [1, 1, 2, 2]);

    for faults in [&["set=/meta/total 368", "page=2 set=/meta/total 367"][..], &["page=1 set=/meta/total 368"]] {
        let (kind, report) = error(&stage, faults).await;
        assert_eq!((kind, pages(&stage)), (Kind::Aborted, vec![1, 1, 2, 2]), "{faults:?}");
        let counts = "366 rows were found of 368; its pages disagree on the number of rows";
        assert!(report.contains(counts), "{faults:?}: {report}");
    }
}

#[tokio::test]
async fn a_count_over_a_remembered_rejected_list_is_an_error() {
    let stage = stage(5, &["set=/meta/total 1000000"]).await;
    let count = "SELECT count(*) FROM image_actions WHERE image_id = 62137902";

    for _ in 0..2 {
        assert_eq!(stage.error(count).await.kind(), Kind::Aborted);
    }
    stage.demo.account().clear_faults();
    assert_eq!(single(&stage.rows(count).await), 5);
}
