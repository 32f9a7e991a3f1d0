//! What a list does not say: pages without links or totals, with wrong ones, too short, empty, or repeated. The answer
//! is the whole list, each row once, or an error that names both counts.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use oceanflight::api::Client;
use oceanflight::demo::{self, Limits};
use oceanflight::error::{Error, Kind};
use oceanflight::resource::Resource;
use oceanflight::table::{Account, ResourceTable};

use crate::support::{Asked, IMAGE, Stage, client_options, integers, single};

const LIST: &str = "SELECT id FROM image_actions WHERE image_id = 62137902";
const PAGES: &str = "GET /v2/images/*/actions";

/// A list of so many rows, and these faults of its pages.
async fn stage(rows: usize, faults: &[&str]) -> Stage {
    let stage = Stage::new(&[(IMAGE, rows)]).await;
    faults.iter().for_each(|fault| stage.inject(&format!("{PAGES} {fault}")));
    stage
}

/// All ids, in the list's own order.
fn all(stage: &Stage) -> Vec<i64> {
    stage.actions(IMAGE).iter().map(|action| action["id"].as_i64().unwrap()).collect()
}

/// With these faults instead of those before, the list is whole, each row once; the pages that were asked for.
async fn whole(stage: &Stage, faults: &[&str]) -> Vec<u64> {
    instead(stage, faults);
    let Asked { rows, progress } = stage.ask(LIST).await.unwrap_or_else(|error| panic!("{faults:?}: {error:?}"));
    let (mut read, mut expected) = (integers(&rows, "id"), all(stage));
    read.sort_unstable();
    expected.sort_unstable();
    assert_eq!(read, expected, "{faults:?}");
    assert!(progress.notices().is_empty(), "{faults:?}: {:?}", progress.notices());
    pages(stage)
}

fn instead(stage: &Stage, faults: &[&str]) {
    stage.demo.account().clear_faults();
    stage.demo.account().clear_requests();
    faults.iter().for_each(|fault| stage.inject(&format!("{PAGES} {fault}")));
}

/// The pages that were asked for since the last call, in the order of their numbers.
fn pages(stage: &Stage) -> Vec<u64> {
    let page = |request: &String| request.rsplit_once("page=").map_or(0, |(_, page)| page.parse().unwrap());
    let mut pages: Vec<u64> = stage.requests().iter().map(page).collect();
    pages.sort_unstable();
    pages
}

/// The error of the list with these faults instead of those before.
async fn error(stage: &Stage, faults: &[&str]) -> (Kind, String) {
    instead(stage, faults);
    let error = stage.error(LIST).await;
    (error.kind(), error.report())
}

#[tokio::test]
async fn where_links_are_missing_the_total_tells_of_further_pages() {
    let (long, short, empty) = (stage(650, &[]).await, stage(41, &[]).await, stage(0, &[]).await);
    let faults =
        ["without=links", "set=/links null", "set=/links/pages null", "set=/links {}", "without=/links/pages/next"];

    for fault in faults {
        assert_eq!(whole(&long, &[fault]).await, [1, 2, 3, 4], "{fault}");
        assert_eq!(whole(&short, &[fault]).await, [1], "{fault}");
        assert_eq!(whole(&empty, &[fault]).await, [1], "{fault}");
    }
    for page in 1..=4 {
        let fault = format!("page={page} without=links");
        assert_eq!(whole(&long, &[&fault]).await, [1, 2, 3, 4], "{fault}");
    }
}

#[tokio::test]
async fn where_totals_are_missing_or_wrong_links_tell_of_further_pages() {
    let stage = stage(650, &[]).await;

    for fault in ["without=meta", "set=/meta null", "set=/meta/total 0", "set=/meta/total 200", "set=/meta/total null"]
    {
        assert_eq!(whole(&stage, &[fault]).await, [1, 2, 3, 4], "{fault}");
    }
    for page in 1..=4 {
        for total in ["0", "null", "10", "650"] {
            let fault = format!("page={page} set=/meta/total {total}");
            assert_eq!(whole(&stage, &[&fault]).await, [1, 2, 3, 4], "{fault}");
        }
    }
    assert_eq!(whole(&stage, &["skip=1 without=meta"]).await, [1, 2, 3, 4], "absent on later pages");
}

#[tokio::test]
async fn pages_that_tell_nothing_are_asked_for_until_one_is_empty() {
    let nothing = ["without=links", "without=meta"];

    for (rows, pages) in [(650, &[1, 2, 3, 4, 5][..]), (400, &[1, 2, 3]), (5, &[1, 2]), (0, &[1])] {
        assert_eq!(whole(&stage(rows, &[]).await, &nothing).await, pages, "{rows} rows");
    }
    let full = ["set=/links/pages null", "set=/meta/total 0"];
    assert_eq!(whole(&stage(650, &[]).await, &full).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_server_that_gives_smaller_pages_is_read_with_their_size() {
    let stage = stage(330, &[]).await;

    for faults in [&["per-page=50"][..], &["per-page=50", "without=links"], &["per-page=50", "without=meta"]] {
        assert_eq!(whole(&stage, faults).await, (1..=7).collect::<Vec<_>>(), "{faults:?}");
    }
    let nothing = ["per-page=50", "without=links", "without=meta"];
    assert_eq!(whole(&stage, &nothing).await, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_single_page_that_comes_short_or_empty_is_read_again() {
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
async fn several_pages_that_come_short_now_and_then_are_read_again() {
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
    ] {
        let (kind, report) = error(&stage, faults).await;
        assert_eq!(kind, Kind::Aborted, "{faults:?}: {report}");
        assert!(report.contains(expected), "{faults:?}: {report}");
        assert!(report.contains("GET /v2/images/62137902/actions?page=1") && report.contains("\nhint: "), "{report}");
    }
}

#[tokio::test]
async fn a_total_that_is_too_high_is_proved_wrong_once_and_told_each_time() {
    let stage = stage(300, &["set=/meta/total 900"]).await;
    let note =
        "DigitalOcean counts 900 rows in /v2/images/62137902/actions and lists 300: the pages after these are empty";

    for pages_asked in [&[1, 2, 2, 3, 3, 4, 5][..], &[1, 2], &[1, 2]] {
        let Asked { rows, progress } = stage.ask(LIST).await.unwrap();
        assert_eq!(integers(&rows, "id"), all(&stage));
        assert_eq!(progress.notices(), [note]);
        assert_eq!(pages(&stage), pages_asked);
    }
    // Another list of the same table has a finding of its own, and so has this one with other counts.
    stage.inject(&format!("{PAGES} times=2 append=1"));
    stage.rows(LIST).await;
    assert!(pages(&stage).len() > 2);
}

#[tokio::test]
async fn a_list_that_is_empty_but_counted_is_no_row_and_a_note() {
    let stage = stage(0, &["set=/meta/total 3"]).await;

    let Asked { rows, progress } = stage.ask(LIST).await.unwrap();

    assert_eq!((rows.num_rows(), pages(&stage)), (0, vec![1, 1]));
    assert!(progress.notices()[0].contains("counts 3 rows"), "{:?}", progress.notices());
}

#[tokio::test]
async fn later_pages_that_are_empty_once_do_not_cut_a_list() {
    let pages = whole(&stage(650, &[]).await, &["page=3 times=1 short=0", "page=4 times=1 short=0"]).await;

    assert!(pages.len() > 4, "{pages:?}");
}

#[tokio::test]
async fn a_page_that_says_there_is_more_for_ever_is_an_error() {
    let (kind, report) = error(&stage(300, &[]).await, &["set=/meta/total 900000"]).await;
    assert_eq!(kind, Kind::Aborted);
    assert!(report.contains("300 rows were found of 900000; the pages after these are empty"), "{report}");
}

#[tokio::test]
async fn a_next_that_leads_back_or_nowhere_is_an_error() {
    let stage = stage(650, &[]).await;

    for next in ["https://x/?page=1", "https://x/?page=2", "https://x/?page_token=abc", "nonsense"] {
        let (kind, report) = error(&stage, &[&format!("page=2 set=/links/pages/next \"{next}\"")]).await;
        assert_eq!(kind, Kind::DataLoss, "{next}");
        assert!(report.contains("does not lead on"), "{next}: {report}");
    }
    assert_eq!(whole(&stage, &["page=4 set=/links/pages/next \"\""]).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_last_page_that_names_another_one_is_followed_to_an_empty_one() {
    let fault = r#"page=4 set=/links/pages/next "https://x/v2/y?page=5""#;

    assert_eq!(whole(&stage(650, &[]).await, &[fault]).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_id_that_comes_twice_in_a_page_is_an_error_whatever_is_selected() {
    let (kind, report) = error(&stage(650, &[]).await, &["set=/actions/*/id 7"]).await;
    assert_eq!(kind, Kind::DataLoss);
    assert!(report.contains("rows 0 and 1 have the same id, 7: 200 rows have only 1 ids"), "{report}");
    assert!(report.contains("\nhint: "), "{report}");

    let stage = stage(650, &["page=2 set=/actions/3/id 7", "page=2 set=/actions/9/id 7"]).await;
    for sql in ["SELECT count(*)", "SELECT *", "SELECT status"] {
        let error = stage.error(&format!("{sql} FROM image_actions WHERE image_id = 62137902")).await;
        assert_eq!(error.kind(), Kind::DataLoss, "{sql}");
        assert!(error.report().contains("rows 3 and 9 have the same id, 7: 200 rows have only 199 ids"), "{sql}");
    }
}

#[tokio::test]
async fn a_server_that_gives_the_same_page_for_every_number_is_an_error() {
    let stage = stage(800, &[]).await;

    for faults in [
        &["rows-of-page=1"][..],
        &["rows-of-page=1", "without=meta"],
        &["rows-of-page=1", "without=meta", "without=links"],
        &["page=3 rows-of-page=2"],
        &["page=3 rows-of-page=2", "without=meta"],
    ] {
        let (kind, report) = error(&stage, faults).await;
        assert_eq!(kind, Kind::Aborted, "{faults:?}: {report}");
        assert!(report.contains("its pages repeat ids of rows that came before"), "{faults:?}: {report}");
    }
    assert_eq!(whole(&stage, &["page=3 times=1 rows-of-page=2"]).await, [1, 1, 2, 2, 3, 3, 4, 4]);
}

#[tokio::test]
async fn a_page_that_the_total_promises_and_the_api_does_not_know_is_an_error() {
    let stage = stage(300, &[]).await;

    for faults in [&["set=/meta/total 900", "page=3 status=404"][..], &["without=links", "page=2 status=404"]] {
        let (kind, report) = error(&stage, faults).await;
        assert_eq!(kind, Kind::Aborted, "{faults:?}: {report}");
        assert!(report.contains("rows were found of ") && report.contains("answered with 404"), "{report}");
    }
}

/// Links and totals that are missing, or pages that are cut, one time or for good, on any page: faults that contradict
/// each other somewhere. Where all of them agree on a lie, nobody can see it: so the cuts of a list without totals are of
/// pages between the first and the last. A list whose end is cut for good is taken for shorter than its total, and the answer says so.
#[tokio::test]
async fn whatever_pages_leave_out_the_list_is_whole_or_an_error() {
    let stage = stage(650, &[]).await;
    let mut dice = fastrand::Rng::with_seed(7);
    let (mut right, mut noted, mut refused) = (0, 0, 0);

    for trial in 0..100 {
        let faults = random_faults(&mut dice);
        instead(&stage, &faults.iter().map(String::as_str).collect::<Vec<_>>());
        match stage.ask(LIST).await {
            Ok(Asked { rows, progress }) => {
                let read: BTreeSet<i64> = integers(&rows, "id").into_iter().collect();
                assert_eq!(rows.num_rows(), read.len(), "trial {trial}: {faults:?}");
                match &progress.notices()[..] {
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
async fn a_limit_still_stops_where_it_has_its_rows() {
    for faults in [&["set=/meta/total 900"][..], &["without=links"], &["per-page=50"], &["page=2 short=20"]] {
        let stage = stage(650, faults).await;

        let rows = stage.rows(&format!("{LIST} LIMIT 40")).await;

        assert_eq!((rows.num_rows(), pages(&stage)), (40, vec![1]), "{faults:?}");
    }
}

#[tokio::test]
async fn an_aggregate_over_a_list_that_is_cut_is_an_error_and_no_number() {
    let stage = stage(650, &["page=2 short=20"]).await;
    let count = "SELECT count(*) FROM image_actions WHERE image_id = 62137902";

    assert_eq!(stage.error(count).await.kind(), Kind::Aborted);
    stage.demo.account().clear_faults();
    assert_eq!(single(&stage.rows(count).await), 650);
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

#[tokio::test]
async fn a_get_that_answers_another_row_is_an_error() {
    let stage = Stage::new(&[]).await;
    for (fault, sql) in [
        ("GET /v2/images/*/actions/*", "SELECT status FROM image_actions WHERE image_id = 62137902 AND id = 36804636"),
        ("GET /v2/actions/*", "SELECT image_id FROM image_actions WHERE id = 36804636"),
        ("GET /v2/actions/*", "SELECT count(*) FROM actions WHERE id IN (36804636)"),
    ] {
        stage.inject(&format!("{fault} set=/action/id 5"));

        let error = stage.error(sql).await;

        assert_eq!(error.kind(), Kind::DataLoss, "{sql}");
        let report = error.report();
        assert!(report.contains("asked for id 36804636, and the answer has id 5"), "{sql}: {report}");
    }
}

#[tokio::test]
async fn a_key_that_stands_twice_is_an_error() {
    let stage = stage(650, &[]).await;

    for (fault, key) in [
        ("twice=/actions []", "actions"),
        ("twice=/links null", "links"),
        ("twice=/meta {\"total\": 0}", "meta"),
        ("twice=/meta/total 0", "meta.total"),
        ("twice=/links/pages/next null", "links.pages.next"),
        ("twice=/actions/3/id 5", "actions.id"),
        ("page=2 twice=/actions []", "actions"),
    ] {
        let (kind, report) = error(&stage, &[fault]).await;
        assert_eq!(kind, Kind::DataLoss, "{fault}: {report}");
        assert!(report.contains(&format!("the key `{key}` stands twice in the same object")), "{fault}: {report}");
    }
    let unread = whole(&stage, &["twice=/actions/3/status \"new\""]).await;
    assert_eq!(unread, [1, 2, 3, 4], "a field that the query does not read");
}

#[tokio::test]
async fn the_apis_never_is_null_at_any_depth() {
    let stage = Stage::new(&[]).await;
    for never in ["0001-01-01T00:00:00Z", ""] {
        stage.inject(&format!("GET /v2/images/*/actions set=/actions/*/completed_at \"{never}\""));
        let sql = "SELECT count(*) FROM image_actions WHERE image_id = 62137902 AND completed_at IS NULL";
        assert_eq!(single(&stage.rows(sql).await), 366, "`{never}`");

        stage.inject(&format!("GET /v2/droplets set=/droplets/*/next_backup_window {{\"start\": \"{never}\"}}"));
        let sql = "SELECT count(*) FROM droplets WHERE next_backup_window['start'] IS NULL \
             AND next_backup_window IS NOT NULL";
        let droplets = stage.demo.account().count("digitalocean/compute/droplets", None).unwrap();
        assert_eq!(usize::try_from(single(&stage.rows(sql).await)).unwrap(), droplets, "`{never}`");
    }
}

#[tokio::test]
async fn a_time_that_nanoseconds_cannot_hold_is_null_with_a_note() {
    let stage = Stage::new(&[]).await;
    stage.inject("GET /v2/images/*/actions page=2 set=/actions/3/completed_at \"9999-12-31T23:59:59Z\"");

    let sql = "SELECT id, completed_at FROM image_actions WHERE image_id = 62137902";
    let Asked { rows, progress } = stage.ask(sql).await.unwrap();

    assert_eq!(rows.num_rows(), 366);
    let ids = all(&stage);
    let expected = format!(
        "completed_at of digitalocean.compute.image_actions is NULL where nanoseconds cannot hold the time (years 1677 \
         to 2262): 1 rows of /v2/images/62137902/actions?page=2&per_page=200, the first has id {} and \
         `9999-12-31T23:59:59Z`",
        ids[203]
    );
    assert_eq!(progress.notices(), [expected]);
    assert!(stage.ask(LIST).await.unwrap().progress.notices().is_empty(), "nothing is told of what is not read");
}

#[tokio::test]
async fn what_is_counted_wrong_in_a_list_of_another_query_is_not_known_for_this_one() {
    let stage = Stage::new(&[]).await;
    stage.inject("GET /v2/images set=/meta/total 500");

    let all = stage.ask("SELECT id FROM images").await.unwrap();
    let own = stage.ask("SELECT id FROM images WHERE public = false").await.unwrap();

    assert_eq!((all.rows.num_rows(), own.rows.num_rows()), (41, 23));
    assert!(all.progress.notices()[0].contains("counts 500 rows in /v2/images and lists 41"));
    assert!(own.progress.notices()[0].contains("counts 500 rows in /v2/images?private=true and lists 23"));
}

const UNPAGED: &str = r#"
    description = "Images, declared without pages."
    key = ["id"]
    [[columns]]
    name = "id"
    type = "Int64"
    nullable = false
    description = "Its number."
    [methods.images_list]
    description = "Lists them."
    verb = "select"
    get = "/v2/images"
    rows = "images"
"#;

/// Reads a list of so many images by a declaration that knows no pages: its rows or its error, and the requests.
async fn unpaged(rows: usize, faults: &[&str]) -> (Result<Vec<i64>, Kind>, Vec<String>) {
    let totals = vec![format!("images={rows}").parse().unwrap()];
    let demo = demo::Options { limits: Limits::off(), totals, ..demo::Options::default() };
    let stage = Stage::with(demo, |_| {}).await;
    faults.iter().for_each(|fault| stage.inject(&format!("GET /v2/images {fault}")));
    let account = Account::digitalocean(Client::try_new(client_options(&stage.demo.url())).unwrap());
    let resource = Arc::new(Resource::parse("digitalocean/compute/unpaged", UNPAGED).unwrap());
    let session = SessionContext::new();
    session.register_table("unpaged", Arc::new(ResourceTable::new(Arc::new(account), resource, None))).unwrap();
    let batches = session.sql("SELECT id FROM unpaged").await.unwrap().collect().await;
    let ids = batches.map(|batches| batches.iter().flat_map(|batch| integers(batch, "id")).collect::<Vec<_>>());
    let ids = ids.map_err(|error| of_scan(error).kind());
    (ids, stage.requests())
}

fn of_scan(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(error) => *error.downcast::<Error>().unwrap(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_list_that_is_declared_without_pages_is_one_request_where_it_has_none() {
    for faults in [&["per-page=200"][..], &["without=links", "without=meta"], &["without=meta", "set=/links {}"]] {
        let (ids, requests) = unpaged(20, faults).await;
        assert_eq!((ids.unwrap().len(), requests), (20, vec!["GET /v2/images".to_owned()]), "{faults:?}");
    }
}

#[tokio::test]
async fn a_list_that_is_declared_without_pages_and_has_some_is_read_by_them() {
    for faults in [&[][..], &["without=links"], &["without=meta"]] {
        let (ids, requests) = unpaged(450, faults).await;
        let unique: BTreeSet<i64> = ids.unwrap().into_iter().collect();
        assert_eq!(unique.len(), 450, "{faults:?}");
        let pages = [1, 2, 3].map(|page| format!("GET /v2/images?page={page}"));
        assert_eq!(requests[0], "GET /v2/images", "{faults:?}");
        assert_eq!(requests[1..].iter().cloned().collect::<BTreeSet<_>>(), pages.into(), "{faults:?}");
    }
}

#[tokio::test]
async fn a_list_without_pages_whose_total_says_more_is_refused() {
    // Whatever page is asked for, this server gives the first 20 rows.
    let (ids, _) = unpaged(450, &["per-page=20", "rows-of-page=1", "without=links"]).await;

    assert_eq!(ids, Err(Kind::Aborted));
}
