//! Views: queries with names.

use serde_json::json;

use super::Files;
use crate::support::{integers, json};

#[tokio::test]
async fn a_view_is_a_query_over_everything() {
    let files = Files::new()
        .dataset("mine", "x.csv")
        .view("joined", "SELECT m.image_id, i.name FROM mine m JOIN images i ON i.id = m.image_id")
        .view("of a view", "SELECT name FROM joined");
    files.write("x.csv", "image_id\n62137904\n");
    let stage = files.stage().await;
    stage.engine.check_datasets().await.unwrap();

    let row = [json!({"name": "db-golden"})];
    assert_eq!(json(&stage.rows("SELECT name FROM joined").await), row);
    assert_eq!(json(&stage.rows("SELECT j.name FROM datasets.public.joined AS j WHERE j.image_id > 5").await), row);
    assert_eq!(json(&stage.rows(r#"SELECT * FROM "of a view""#).await), row);
    let types = stage.rows("SELECT table_name, table_type FROM datasets.information_schema.tables WHERE table_catalog = 'datasets' AND table_schema = 'public' ORDER BY 1").await;
    assert_eq!(
        json(&types),
        [
            json!({"table_name": "joined", "table_type": "VIEW"}),
            json!({"table_name": "mine", "table_type": "BASE TABLE"}),
            json!({"table_name": "of a view", "table_type": "VIEW"}),
        ]
    );
}

#[tokio::test]
async fn a_filter_on_a_view_becomes_a_request() {
    let files = Files::new().view("transfers", "SELECT image_id, id FROM image_actions WHERE type = 'transfer'");
    let stage = files.stage().await;

    let rows = stage.rows("SELECT id FROM transfers WHERE image_id = 62137904").await;
    assert_eq!(stage.requests(), ["GET /v2/images/62137904/actions?page=1"]);
    assert!(!integers(&rows, "id").is_empty());
}

#[tokio::test]
async fn the_types_of_a_view_are_those_of_its_rows() {
    let files = Files::new().view("v", "SELECT 1 AS x UNION ALL SELECT 2.5");
    let stage = files.stage().await;

    let types = stage.rows("SELECT data_type FROM datasets.information_schema.columns WHERE table_name = 'v'").await;
    assert_eq!(json(&types), [json!({"data_type": "Float64"})]);
    assert_eq!(json(&stage.rows("SELECT sum(x) AS s FROM v").await), [json!({"s": 3.5})]);
}

#[tokio::test]
async fn a_view_that_is_wrong_is_an_error_that_names_it() {
    let mut errors = String::new();
    for sql in [
        "SELECT * FROM nothing",
        "SELECT nothing FROM regions",
        "SELEC",
        "SELECT ?",
        "EXEC digitalocean.compute.images.transfer @image_id = 1, @region = 'fra1'",
        "DROP TABLE images",
        "SELECT 1; SELECT 2",
        "SHOW TABLES",
    ] {
        let files = Files::new().view("v", sql);
        errors += &format!(
            "{sql}\n  {}\n",
            files.error_at_start("SELECT * FROM datasets.public.v").await.replace('\n', "\n  ")
        );
    }
    insta::assert_snapshot!(errors, @r#"
    SELECT * FROM nothing
      the view `v` can't be read: there is no table `nothing`
      hint: `SHOW TABLES` lists them
    SELECT nothing FROM regions
      the view `v` can't be read: there is no column `nothing`
      hint: there are slug, name, features, available, sizes
    SELEC
      the view `v` can't be read: the SQL does not parse: Expected: an SQL statement, found: SELEC at Line: 1, Column: 1
    SELECT ?
      the view `v` can't be read: its text is not a query
      hint: a view is a SELECT without parameters
    EXEC digitalocean.compute.images.transfer @image_id = 1, @region = 'fra1'
      the view `v` can't be read: its text is not a query
      hint: a view is a SELECT without parameters
    DROP TABLE images
      the view `v` can't be read: its text is not a query
      hint: a view is a SELECT without parameters
    SELECT 1; SELECT 2
      the view `v` can't be read: the text has 2 statements; only one can be run at a time
      hint: send them one after another
    SHOW TABLES
      the view `v` can't be read: its text is not a query
      hint: a view is a SELECT without parameters
    "#);
}

#[tokio::test]
async fn views_in_a_circle_and_too_many_views_are_an_error() {
    let files = Files::new().view("a", "SELECT * FROM b").view("b", "SELECT * FROM a");
    let error = files.report(&files.stage().await.error("SELECT * FROM a").await);
    assert!(
        error.contains("the statement reads more than 200 views, or views that are nested more than 16 deep"),
        "{error}"
    );

    let mut files = Files::new().view("v0", "SELECT 1 AS x");
    for depth in 1..12 {
        let before = depth - 1;
        files = files.view(&format!("v{depth}"), &format!("SELECT l.x FROM v{before} l JOIN v{before} r ON l.x = r.x"));
    }
    let stage = files.stage().await;
    assert_eq!(json(&stage.rows("SELECT * FROM v4").await), [json!({"x": 1})]);
    assert!(files.report(&stage.error("SELECT * FROM v11").await).contains("reads more than 100 tables"));
}
