//! Pages that are short or empty, once, several times or always; and lists that change by whole pages.

use std::collections::BTreeSet;

use oceanflight::error::Kind;

use super::{LIST, PAGES, all, error, instead, stage, whole};
use crate::support::{Asked, integers, single};

#[tokio::test]
async fn a_single_page_that_is_short_or_empty_once_is_read_again() {
    let stage = stage(650, &[]).await;

    for effect in ["per-page=20", "short=20", "short=0", "short=49"] {
        for page in 1..=4 {
            let fault = format!("page={page} times=1 {effect}");
            let pages = whole(&stage, &[&fault]).await;
            assert_eq!(pages.iter().filter(|own| **own == page).count(), 2, "{fault}: {pages:?}");
        }
    }
}

#[tokio::test]
async fn several_pages_that_are_sometimes_short_are_read_again() {
    let stage = stage(650, &[]).await;

    for faults in [
        &["page=1 times=1 per-page=20", "page=2 times=1 per-page=20"][..],
        &["page=2 times=2 short=0", "page=3 times=1 short=20"],
        &["page=2 times=1 short=20", "page=3 times=1 short=0", "page=4 times=1 short=0"],
        &["page=2 times=1 short=20", "without=meta"],
        &["page=1 times=1 short=20", "without=meta"],
        &["page=4 times=1 short=0", "without=meta"],
    ] {
        whole(&stage, faults).await;
    }
}

#[tokio::test]
async fn a_page_that_stays_short_is_an_error_with_both_counts() {
    let stage = stage(650, &[]).await;
    let hole = "is incomplete: 470 rows were found of 650; page 2 has 20 rows, others have 200, and it is not the last";
    for (faults, expected) in [
        (&["page=2 short=20"][..], hole),
        (&["page=2 short=0"], "450 rows were found of 650; page 2 has 0 rows"),
        (&["page=1 short=20"], "470 rows were found of 650; page 1 has 20 rows"),
        (&["page=2 short=20", "without=meta"], "470 rows were found; page 2 has 20 rows"),
        (&["page=3 short=0", "page=3 without=links"], "450 rows were found of 650; page 3 has 0 rows"),
        (&["short=20"], "80 rows were found of 650; its pages have fewer rows than requested"),
        (&["short=199"], "of 650; its pages have fewer rows than requested"),
    ] {
        let (kind, report) = error(&stage, faults).await;
        assert_eq!(kind, Kind::Aborted, "{faults:?}: {report}");
        assert!(report.contains(expected), "{faults:?}: {report}");
        assert!(report.contains("GET /v2/images/62137902/actions?page=1") && report.contains("\nhint: "), "{report}");
    }
}

#[tokio::test]
async fn later_pages_that_are_empty_once_do_not_cut_a_list() {
    let pages = whole(&stage(650, &[]).await, &["page=3 times=1 short=0", "page=4 times=1 short=0"]).await;

    assert!(pages.len() > 4, "{pages:?}");
}

#[tokio::test]
async fn an_aggregate_over_a_truncated_list_is_an_error() {
    let stage = stage(650, &["page=2 short=20"]).await;
    let count = "SELECT count(*) FROM image_actions WHERE image_id = 62137902";

    assert_eq!(stage.error(count).await.kind(), Kind::Aborted);
    stage.demo.account().clear_faults();
    assert_eq!(single(&stage.rows(count).await), 650);
}

/// Random faults: links or totals that are missing, and truncated pages, once or always. The faults must contradict
/// each other somewhere, or they could not be detected: so a list without totals has only pages between the first and
/// the last truncated. If the end of a list with totals is always truncated, the list is proved to be shorter than its
/// total, which a notice reports.
#[tokio::test]
async fn with_random_faults_the_list_is_whole_or_an_error() {
    let stage = stage(650, &[]).await;
    let mut dice = fastrand::Rng::with_seed(7);
    let (mut right, mut noted, mut refused) = (0, 0, 0);

    for trial in 0..100 {
        let faults = random_faults(&mut dice);
        instead(&stage, &faults.iter().map(String::as_str).collect::<Vec<_>>()).await;
        match stage.ask(LIST).await {
            Ok(Asked { rows, query }) => {
                let read: BTreeSet<i64> = integers(&rows, "id").into_iter().collect();
                assert_eq!(rows.num_rows(), read.len(), "trial {trial}: {faults:?}");
                match &query.notices()[..] {
                    [] => {
                        assert_eq!(read.len(), 650, "trial {trial}: {faults:?}");
                        right += 1;
                    }
                    notices => {
                        let counts = format!("counts 650 rows in /v2/images/62137902/actions and lists {}", read.len());
                        assert!(notices[0].contains(&counts), "trial {trial}: {faults:?}: {notices:?}");
                        noted += 1;
                    }
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Aborted, "trial {trial}: {faults:?}: {}", error.report());
                refused += 1;
            }
        }
    }
    assert!(right > 30 && noted > 2 && refused > 20, "{right} right, {noted} noted, {refused} refused");
}

fn random_faults(dice: &mut fastrand::Rng) -> Vec<String> {
    const LINKS: &[&str] = &["without=links", "set=/links null", "set=/links/pages null", "without=/links/pages/next"];
    const TOTALS: &[&str] = &["without=meta", "set=/meta/total 0", "set=/meta/total 10", "set=/meta null"];
    const CUTS: &[&str] = &["short=0", "short=1", "short=20", "short=199", "per-page=20", "per-page=100"];
    let says_totals = dice.bool();
    let (says, cut) = if says_totals { (LINKS, 1..=4) } else { (TOTALS, 2..=3) };
    let mut faults = Vec::new();
    for _ in 0..dice.u32(0..3) {
        let page = if dice.bool() { String::new() } else { format!("page={} ", dice.u32(1..5)) };
        faults.push(format!("{page}{}", dice.choice(says).unwrap()));
    }
    for _ in 0..dice.u32(0..4) {
        let times = if dice.u32(0..4) == 0 { String::new() } else { format!("times={} ", dice.u32(1..4)) };
        faults.push(format!("page={} {times}{}", dice.u32(cut.clone()), dice.choice(CUTS).unwrap()));
    }
    faults
}

#[tokio::test]
async fn a_list_that_grows_while_it_is_read_loses_nothing_that_was_there() {
    for change in ["add=3", "append=3", "add=250", "append=250"] {
        for page in 1..=4 {
            let stage = stage(650, &[]).await;
            let before: BTreeSet<i64> = all(&stage).into_iter().collect();
            stage.inject(&format!("{PAGES} page={page} times=1 {change}"));

            let read = integers(&stage.rows(LIST).await, "id");

            let unique: BTreeSet<i64> = read.iter().copied().collect();
            assert_eq!(read.len(), unique.len(), "{change} before page {page}: none twice");
            assert!(before.is_subset(&unique), "{change} before page {page}: none lost");
        }
    }
}

#[tokio::test]
async fn lists_that_shrink_by_whole_pages_are_read_again() {
    for change in ["remove=300", "remove-last=300", "remove-last=649", "remove-at=0"] {
        for page in 2..=4 {
            let stage = stage(650, &[]).await;
            stage.inject(&format!("{PAGES} page={page} times=1 {change}"));

            let read: BTreeSet<i64> = integers(&stage.rows(LIST).await, "id").into_iter().collect();

            let after: BTreeSet<i64> = all(&stage).into_iter().collect();
            assert!(after.is_subset(&read), "{change} before page {page}");
        }
    }
}
