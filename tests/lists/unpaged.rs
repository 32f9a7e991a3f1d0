//! Lists that are declared without pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use oceanflight::api::{Budgets, Client};
use oceanflight::error::{Error, Kind};
use oceanflight::resource::Resource;
use oceanflight::table::{Account, Accounts, ResourceTable, Run};
use simulated_account::{self as demo, Limits};

use crate::support::{Stage, a_query, client_options, integers};

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

/// Reads a list of `rows` images by a declaration without pages. Returns its rows or its error, and the requests.
async fn unpaged(rows: usize, faults: &[&str]) -> (Result<Vec<i64>, Kind>, Vec<String>) {
    let totals = vec![format!("images={rows}").parse().unwrap()];
    let demo = demo::Options { limits: Limits::off(), totals, ..demo::Options::default() };
    let stage = Stage::with(demo, |_| {}).await;
    faults.iter().for_each(|fault| stage.inject(&format!("GET /v2/images {fault}")));
    let account =
        Account::digitalocean(Client::try_new(client_options(&stage.demo.url()), &Budgets::default()).unwrap());
    let resource = Arc::new(Resource::parse("digitalocean/compute/unpaged", UNPAGED).unwrap());
    let run = Run::new(a_query(), Arc::new(Accounts::new(vec![account])), None);
    let session = SessionContext::new_with_config(SessionConfig::new().with_extension(Arc::new(run)));
    session.register_table("unpaged", Arc::new(ResourceTable::new(resource, None))).unwrap();
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
async fn a_list_declared_without_pages_is_one_request_if_it_has_none() {
    for faults in [&["per-page=200"][..], &["without=links", "without=meta"], &["without=meta", "set=/links {}"]] {
        let (ids, requests) = unpaged(20, faults).await;
        assert_eq!((ids.unwrap().len(), requests), (20, vec!["GET /v2/images".to_owned()]), "{faults:?}");
    }
}

#[tokio::test]
async fn a_list_declared_without_pages_is_read_by_pages_if_it_has_some() {
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
async fn a_list_without_pages_and_with_a_larger_total_is_rejected() {
    // This server returns the first 20 rows for every page.
    let (ids, _) = unpaged(450, &["per-page=20", "rows-of-page=1", "without=links"]).await;

    assert_eq!(ids, Err(Kind::Aborted));
}
