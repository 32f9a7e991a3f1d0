//! Single responses: duplicate ids and keys, a row other than the requested one, times that are NULL.

use oceanflight::error::Kind;

use super::{LIST, all, error, stage, whole};
use crate::support::{Asked, Stage, single};

#[tokio::test]
async fn duplicate_ids_in_a_page_are_an_error_whatever_columns_are_selected() {
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
async fn a_server_that_returns_the_same_page_for_every_number_is_an_error() {
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
async fn a_get_that_returns_another_row_is_an_error() {
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
        assert!(report.contains("the request was for id 36804636, but the response has id 5"), "{sql}: {report}");
    }
}

#[tokio::test]
async fn a_duplicate_key_is_an_error() {
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
        assert!(report.contains(&format!("the key `{key}` occurs twice in the same object")), "{fault}: {report}");
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
async fn an_out_of_range_time_is_null_with_a_notice() {
    let stage = Stage::new(&[]).await;
    stage.inject("GET /v2/images/*/actions page=2 set=/actions/3/completed_at \"9999-12-31T23:59:59Z\"");

    let sql = "SELECT id, completed_at FROM image_actions WHERE image_id = 62137902";
    let Asked { rows, query } = stage.ask(sql).await.unwrap();

    assert_eq!(rows.num_rows(), 366);
    let ids = all(&stage);
    let expected = format!(
        "completed_at of digitalocean.compute.image_actions is NULL in 1 rows of \
         /v2/images/62137902/actions?page=2&per_page=200, because nanoseconds hold only the years 1677 to 2262: the \
         first has id {} and `9999-12-31T23:59:59Z`",
        ids[203]
    );
    assert_eq!(query.notices(), [expected]);
    assert!(stage.ask(LIST).await.unwrap().query.notices().is_empty(), "nothing is told of what is not read");
}
