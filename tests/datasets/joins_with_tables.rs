//! Datasets joined to the account's tables.

use serde_json::json;

use super::Files;
use crate::support::{IMAGE, json};

#[tokio::test]
async fn a_dataset_drives_a_bind_join_with_a_request_for_each_of_its_keys() {
    let files = Files::new().dataset("deploys", "deploys.csv");
    files.write("deploys.csv", "image_id\n62137904\n62137904\n62137905\n\n1\n62137905\n");
    let stage = files.stage().await;

    for sql in [
        "SELECT d.image_id, count(a.id) AS n FROM datasets.public.deploys d \
         LEFT JOIN image_actions a ON a.image_id = d.image_id GROUP BY 1 ORDER BY 1",
        "SELECT image_id, count(id) AS n FROM deploys LEFT JOIN image_actions a USING (image_id) GROUP BY 1 ORDER BY 1",
    ] {
        stage.requests();
        let rows = json(&stage.rows(sql).await);
        let ids: Vec<_> = rows.iter().map(|row| row["image_id"].clone()).collect();
        assert_eq!(ids, [json!(1), json!(62137904), json!(62137905)], "{sql}");
        let mut requests = stage.requests();
        requests.sort();
        assert_eq!(requests, [1, 62137904, 62137905].map(|id| format!("GET /v2/images/{id}/actions?page=1")), "{sql}");
    }
}

#[tokio::test]
async fn a_bare_name_is_a_dataset_only_if_no_table_has_it() {
    let files = Files::new().dataset("images", "x.csv").dataset("mine", "x.csv");
    files.write("x.csv", "id\n7\n");
    let stage = files.stage().await;

    assert_ne!(stage.rows("SELECT * FROM images LIMIT 1").await.num_columns(), 1);
    assert_eq!(json(&stage.rows("SELECT * FROM datasets.public.images").await), [json!({"id": 7})]);
    assert_eq!(json(&stage.rows("SELECT * FROM mine").await), [json!({"id": 7})]);
    assert_eq!(json(&stage.rows("WITH mine AS (SELECT 1 AS id) SELECT * FROM mine").await), [json!({"id": 1})]);
}

#[tokio::test]
async fn a_subquery_over_a_dataset_supplies_keys() {
    let files = Files::new().dataset("mine", "x.csv");
    files.write("x.csv", format!("image_id\n{IMAGE}\n"));
    let stage = files.stage().await;

    let rows = stage.rows("SELECT count(*) FROM image_actions WHERE image_id IN (SELECT image_id FROM mine)").await;
    assert_eq!(crate::support::single(&rows), i64::try_from(stage.actions(IMAGE).len()).unwrap());
    assert!(stage.requests().iter().all(|request| request.contains(IMAGE)));
}
