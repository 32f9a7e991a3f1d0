//! Every syntax of an EXEC, and what it returns.

use arrow::datatypes::{DataType, Schema};

use super::*;
use crate::flight::{decoded, prepared, row, serve, statement, text};
use oceanflight::engine::Principal;

/// Each of them is a transfer of image 62137902 to sfo3.
const TRANSFERS: &[&str] = &[
    TRANSFER,
    "EXEC digitalocean.compute.image_actions.image_actions_post @image_id='62137902', \
     @@json='{\"type\": \"transfer\", \"region\": \"sfo3\"}'",
    "EXEC digitalocean.compute.image_actions.image_actions_post @image_id='62137902' \
     @@json='{\"type\": \"transfer\", \"region\": \"sfo3\"}'",
    "EXEC digitalocean.compute.image_actions.image_actions_post @image_id=62137902, @type='transfer' \
     @@json='{\"region\": \"sfo3\"}'",
    "-- a transfer\nEXEC /*+ SHOWRESULTS */ digitalocean.compute.image_actions.image_actions_post\n\
     @image_id='62137902', -- required\n@type='transfer',\n@region='sfo3' --required;",
    "exec image_actions.image_actions_post @IMAGE_ID=62137902, @type='transfer', @region=concat('sfo', 3);",
    "EXEC digitalocean.compute.images.transfer @image_id='62137902', @region='sfo3'",
    "EXEC images.transfer @image_id='62137902', @region='sfo3', @type='transfer'",
    "CALL digitalocean.compute.image_actions.image_actions_post(image_id => 62137902, type => 'transfer', \
     region => 'sfo3')",
    "CALL images.transfer(image_id => '62137902', json => '{\"region\": \"sfo3\"}');",
];

#[tokio::test]
async fn every_form_posts_once_and_returns_the_action() {
    for sql in TRANSFERS {
        let stage = stage().await;

        let rows = stage.rows(sql).await;

        let names: Vec<_> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, COLUMNS, "{sql}");
        let action = one(&rows);
        assert_eq!(
            (&action["type"], &action["region_slug"], &action["status"], &action["image_id"]),
            (&"transfer".into(), &"sfo3".into(), &"in-progress".into(), &62_137_902.into()),
            "{sql}"
        );
        assert_eq!(action["action_id"], action["id"], "{sql}");
        let id = action["id"].as_i64().unwrap();
        assert_eq!((stage.posts(), stage.requests()), (1, vec![PATH.to_owned()]), "{sql}");
        assert!(stage.actions(IMAGE).iter().any(|own| own["id"] == id), "{sql}");
    }
}

#[tokio::test]
async fn a_backup_is_converted_by_its_shorter_name() {
    let stage = stage().await;

    let action = one(&stage.rows("EXEC digitalocean.compute.images.convert @image_id='62138001'").await);

    assert_eq!((&action["type"], &action["image_id"]), (&"convert".into(), &62_138_001.into()));
    assert_eq!(stage.posts(), 1);
}

#[tokio::test]
async fn parameters_have_the_declared_types_and_are_bound_by_position() {
    let stage = stage().await;
    let sql = "EXEC images.transfer @region=?, @image_id=?, @@await=?";

    let told = stage.engine.prepare(&Principal::local(), sql).await.unwrap();
    let bound = row(vec![text("sfo3"), text("62137902"), Arc::new(arrow::array::StringArray::new_null(1))]);
    let answer = stage.engine.run(&Principal::local(), sql, Some(&bound)).await.unwrap();
    let rows: Vec<RecordBatch> = futures::TryStreamExt::try_collect(answer.rows).await.unwrap();

    let types: Vec<_> = told.parameters.fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, [DataType::Utf8, DataType::Int64, DataType::Utf8]);
    assert_eq!(one(&rows[0])["region_slug"], "sfo3");
    assert_eq!(stage.posts(), 1);
}

#[tokio::test]
async fn a_null_value_counts_as_omitted() {
    let stage = stage().await;

    stage.rows("EXEC image_actions.image_actions_post @image_id=62138001, @type='convert', @region=NULL").await;

    assert_eq!(stage.posts(), 1);
}

#[tokio::test]
async fn the_schema_is_the_tables_in_prepare_flight_info_get_schema_and_do_get() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;
    let rows = server.info(&statement("SELECT * FROM image_actions WHERE image_id = 1")).await.unwrap();
    let table: Schema = rows.try_decode_schema().unwrap();

    for sql in [TRANSFER, "CALL images.convert(image_id => 62138001, await => '1h')"] {
        let prepare = decoded(server.prepare(sql).await.unwrap().dataset_schema);
        let info = server.info(&statement(sql)).await.unwrap();
        let informed: Schema = info.try_decode_schema().unwrap();

        assert_eq!(informed, table, "{sql}");
        assert_eq!(prepare, informed, "{sql}");
        assert_eq!(server.schema(&statement(sql)).await.unwrap(), informed, "{sql}");
    }
    assert!(stage.requests().is_empty());
    let info = server.info(&statement(TRANSFER)).await.unwrap();
    assert_eq!(*server.rows(&info).await.unwrap().schema(), table);
}

#[tokio::test]
async fn planning_and_explaining_send_nothing() {
    let stage = stage().await;
    let server = serve(stage.engine.clone()).await;

    let handle = server.handle(TRANSFER).await;
    for _ in 0..10 {
        server.info(&statement(TRANSFER)).await.unwrap();
        server.info(&prepared(&handle)).await.unwrap();
        server.schema(&statement(TRANSFER)).await.unwrap();
    }
    for sql in [format!("EXPLAIN {TRANSFER}"), format!("EXPLAIN VERBOSE {TRANSFER}")] {
        let plan = json(&stage.rows(&sql).await);
        let plan = plan.iter().find(|row| row["plan_type"] == "physical_plan").unwrap()["plan"].as_str().unwrap();
        let shown = "request=POST /v2/images/62137902/actions {\"region\":\"sfo3\",\"type\":\"transfer\"}";
        assert!(plan.contains("CallProcedureExec: ") && plan.contains(shown), "{plan}");
    }

    assert_eq!((stage.posts(), stage.requests()), (0, vec![]));
}
