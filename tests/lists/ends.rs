//! Where a list ends: links and totals that are missing or wrong.

use futures::TryStreamExt;
use oceanflight::error::Kind;

use super::{LIST, PAGES, all, error, pages, stage, whole};
use crate::flight;
use crate::support::{Asked, Stage, integers};

#[tokio::test]
async fn without_links_further_pages_are_found_by_the_total() {
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
async fn without_a_plausible_total_further_pages_are_found_by_links() {
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
async fn without_links_and_totals_pages_are_requested_until_one_is_empty() {
    let nothing = ["without=links", "without=meta"];

    for (rows, pages) in [(650, &[1, 2, 3, 4, 5][..]), (400, &[1, 2, 3]), (5, &[1, 2]), (0, &[1])] {
        assert_eq!(whole(&stage(rows, &[]).await, &nothing).await, pages, "{rows} rows");
    }
    let full = ["set=/links/pages null", "set=/meta/total 0"];
    assert_eq!(whole(&stage(650, &[]).await, &full).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_server_with_smaller_pages_is_read_with_their_size() {
    let stage = stage(330, &[]).await;

    for faults in [&["per-page=50"][..], &["per-page=50", "without=links"], &["per-page=50", "without=meta"]] {
        assert_eq!(whole(&stage, faults).await, (1..=7).collect::<Vec<_>>(), "{faults:?}");
    }
    let nothing = ["per-page=50", "without=links", "without=meta"];
    assert_eq!(whole(&stage, &nothing).await, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_total_that_is_too_high_is_proved_wrong_once_and_reported_by_every_query() {
    let stage = stage(300, &["set=/meta/total 900"]).await;
    let note =
        "DigitalOcean counts 900 rows in /v2/images/62137902/actions and lists 300: the pages after these are empty";

    // The last page with rows twice, the first empty page twice, the others up to the total once.
    for pages_asked in [&[1, 2, 2, 3, 3, 4, 5][..], &[1, 2], &[1, 2]] {
        let Asked { rows, query } = stage.ask(LIST).await.unwrap();
        assert_eq!(integers(&rows, "id"), all(&stage));
        assert_eq!(query.notices(), [note]);
        assert_eq!(pages(&stage), pages_asked);
    }
    // The result of the proof is not used for the same list with other counts.
    stage.inject(&format!("{PAGES} times=2 append=1"));
    stage.rows(LIST).await;
    assert!(pages(&stage).len() > 2);
}

#[tokio::test]
async fn a_total_that_is_too_high_on_the_last_page_only_is_proved_wrong() {
    let stage = stage(650, &["page=4 set=/meta/total 700"]).await;

    let Asked { rows, query } = stage.ask(LIST).await.unwrap();

    assert_eq!((rows.num_rows(), pages(&stage)), (650, vec![1, 2, 3, 4, 4, 5]));
    assert!(query.notices()[0].contains("counts 700 rows"), "{:?}", query.notices());
}

#[tokio::test]
async fn an_empty_list_with_a_total_is_no_rows_and_a_notice() {
    let stage = stage(0, &["set=/meta/total 3"]).await;

    let Asked { rows, query } = stage.ask(LIST).await.unwrap();

    assert_eq!((rows.num_rows(), pages(&stage)), (0, vec![1, 1]));
    assert!(query.notices()[0].contains("counts 3 rows"), "{:?}", query.notices());
}

#[tokio::test]
async fn a_next_link_to_an_earlier_page_or_without_a_page_is_an_error() {
    let stage = stage(650, &[]).await;

    for next in ["https://x/?page=1", "https://x/?page=2", "https://x/?page_token=abc", "nonsense"] {
        let (kind, report) = error(&stage, &[&format!("page=2 set=/links/pages/next \"{next}\"")]).await;
        assert_eq!(kind, Kind::DataLoss, "{next}");
        assert!(report.contains("which was read before"), "{next}: {report}");
    }
}

#[tokio::test]
async fn an_empty_next_link_counts_as_absent() {
    let stage = stage(650, &[]).await;

    assert_eq!(whole(&stage, &["page=4 set=/links/pages/next \"\""]).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_next_link_on_the_last_page_is_followed_to_an_empty_page() {
    let fault = r#"page=4 set=/links/pages/next "https://x/v2/y?page=5""#;

    assert_eq!(whole(&stage(650, &[]).await, &[fault]).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_404_for_a_page_within_the_total_is_an_error() {
    let stage = stage(300, &[]).await;

    for faults in [&["set=/meta/total 900", "page=3 status=404"][..], &["without=links", "page=2 status=404"]] {
        let (kind, report) = error(&stage, faults).await;
        assert_eq!(kind, Kind::Aborted, "{faults:?}: {report}");
        assert!(report.contains("rows were found of ") && report.contains("returns 404 for the next page"), "{report}");
    }
}

#[tokio::test]
async fn a_limit_stops_requests_when_it_has_its_rows() {
    for faults in [&["set=/meta/total 900"][..], &["without=links"], &["per-page=50"], &["page=2 short=20"]] {
        let stage = stage(650, faults).await;

        let rows = stage.rows(&format!("{LIST} LIMIT 40")).await;

        assert_eq!((rows.num_rows(), pages(&stage)), (40, vec![1]), "{faults:?}");
    }
}

#[tokio::test]
async fn a_wrong_total_is_remembered_for_one_path_and_query_string_only() {
    let stage = Stage::new(&[]).await;
    stage.inject("GET /v2/images set=/meta/total 500");

    let all = stage.ask("SELECT id FROM images").await.unwrap();
    let own = stage.ask("SELECT id FROM images WHERE public = false").await.unwrap();

    assert_eq!((all.rows.num_rows(), own.rows.num_rows()), (41, 23));
    assert!(all.query.notices()[0].contains("counts 500 rows in /v2/images and lists 41"));
    assert!(own.query.notices()[0].contains("counts 500 rows in /v2/images?private=true and lists 23"));
}

#[tokio::test]
async fn a_notice_is_sent_to_the_client_in_its_own_message_after_the_rows() {
    let stage = stage(300, &["set=/meta/total 302"]).await;
    let server = flight::serve(stage.engine.clone()).await;
    let counts = "DigitalOcean counts 302 rows in /v2/images/62137902/actions and lists 300";

    let info = server.info(&flight::statement(LIST)).await.unwrap();
    let messages = server.messages(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    let (last, before) = messages.split_last().unwrap();
    assert!(std::str::from_utf8(&last.app_metadata).unwrap().starts_with(counts), "{last:?}");
    assert!(before.iter().all(|message| message.app_metadata.is_empty()));
    assert_eq!(server.rows(&info).await.unwrap().num_rows(), 300, "its batch has no rows");

    let remote = oceanflight::flight::client::query(server.address(), LIST, None).await.unwrap();
    let batches: Vec<_> = remote.rows.try_collect().await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 300);
    assert!(remote.notes.get()[0].starts_with(counts));

    stage.demo.account().clear_faults();
    let messages = server.messages(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    assert!(messages.iter().all(|message| message.app_metadata.is_empty()), "nothing to say");
    stage.inject(&format!("{PAGES} page=2 short=0"));
    stage.inject(&format!("{PAGES} page=2 status=401"));
    assert!(server.messages(info.endpoint[0].ticket.clone().unwrap()).await.is_err(), "no note behind an error");
}
