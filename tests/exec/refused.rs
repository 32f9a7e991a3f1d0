//! EXECs that are rejected before anything is sent, and those that the API rejects.

use arrow_flight::sql::CommandStatementUpdate;

use super::*;
use crate::flight::{serve, statement};

async fn refused(stage: &Stage, sql: &str) -> String {
    let error = stage.error(sql).await;
    assert_eq!(error.kind(), Kind::InvalidArgument, "{sql}: {}", error.report());
    error.report()
}

#[tokio::test]
async fn the_example_of_the_specification_lacks_a_type_and_the_error_has_a_statement_that_works() {
    let stage = stage().await;
    let page = "EXEC digitalocean.compute.image_actions.image_actions_post \n@image_id='62138001' --required;";

    let report = refused(&stage, page).await;

    let name = "digitalocean.compute.image_actions.image_actions_post";
    let works = format!("EXEC {name} @image_id='62138001', @type='convert'");
    assert_eq!(report, format!("`{name}` needs `type`\nhint: write {works}"));
    assert!(stage.requests().is_empty());
    stage.rows(&works).await;
    assert_eq!(stage.posts(), 1);
}

#[tokio::test]
async fn mistakes_are_errors_before_anything_is_sent() {
    let stage = stage().await;
    let post = |rest: &str| format!("EXEC image_actions.image_actions_post {rest}");
    let cases = [
        (post("@image_id=1, @type='transfer'"), "needs `region`"),
        (post("@image_id=1, @type='trasfer'"), "must be `convert` or `transfer`"),
        (post("@image_id=1, @type='convert', @region='nyc3'"), "`region` is only valid with `transfer`"),
        (post("@imageid=1, @type='convert'"), "hint: did you mean `image_id`?"),
        (post("@image_id='one', @type='convert'"), "`image_id` must be Int64"),
        (post("@image_id=1.5, @type='convert'"), "`image_id` must be Int64"),
        (post("@image_id=99999999999999999999, @type='convert'"), "`image_id` must be Int64"),
        (post("@image_id=1, @image_id=2, @type='convert'"), "`image_id` is given twice"),
        (post("@image_id=1, @@json='[]'"), "the JSON body is not an object"),
        (post("@image_id=1, @type='convert', @@json='{\"type\": \"transfer\"}'"), "`transfer` in the JSON body"),
        (post("@image_id=1, @@json='{\"image_id\": 1, \"type\": \"convert\"}'"), "must not be in the JSON body"),
        (post("@image_id=1, @type='convert', @@json=5"), "the JSON body is not an object"),
        (post("@image_id=1, @type=convert"), "convert is a name"),
        (post("@image_id=(SELECT max(id) FROM images), @type='convert'"), "must be a value, not a query"),
        (post("@image_id=abs(-1, 2), @type='convert'"), "abs"),
        (post("@image_id=1, @type=1/0"), "division by zero"),
        (post("@image_id=?, @type='convert'"), "takes 1 parameters, and 0 were bound"),
        (post("@image_id=1, @type='convert', @@await='soon'"), "`soon` is not a valid wait time"),
        (post("@image_id=1, @type='convert', @@await='0s'"), "`0s` is not a valid wait time"),
        (post("@image_id=1, @type='convert', @@wait='5s'"), "there is no `@@wait`"),
        ("EXEC images.convert @image_id=1, @type='transfer'".into(), "`type` must be `convert`"),
        ("EXEC images.convrt @image_id=1".into(), "hint: did you mean `digitalocean.compute.images.convert`?"),
        ("EXEC imags.convert @image_id=1".into(), "hint: did you mean `digitalocean.compute.images.convert`?"),
        ("EXEC nothing.like.this.there".into(), "there is no method `nothing.like.this.there`"),
        ("EXEC convert".into(), "there is no method `convert`"),
        ("EXEC images.images_list".into(), "hint: write SELECT * FROM digitalocean.compute.images"),
        ("CALL images.convert(1)".into(), "the argument 1 has no name"),
        (format!("EXPLAIN ANALYZE {TRANSFER}"), "EXPLAIN ANALYZE would run the EXEC"),
        (format!("{TRANSFER}; {TRANSFER}"), "has 2 statements"),
        (post("@image_id=count(1), @type='convert'"), "`count(1)` is not a constant"),
        (format!("EXPLAIN FORMAT TREE {TRANSFER}"), "EXPLAIN of an EXEC supports only VERBOSE"),
        (format!("PREPARE x AS {TRANSFER}"), ""),
        (format!("SELECT * FROM ({TRANSFER})"), ""),
        (format!("WITH x AS ({TRANSFER}) SELECT * FROM x"), ""),
    ];

    for (sql, expected) in cases {
        let report = refused(&stage, &sql).await;
        assert!(report.contains(expected), "{sql}: {report}");
    }
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn a_server_without_writes_rejects_every_step() {
    let (on, off) = (stage().await, Stage::new(&[]).await);
    let (writing, reading) = (serve(on.engine.clone()).await, serve(off.engine.clone()).await);
    let ticket = writing.info(&statement(TRANSFER)).await.unwrap();

    let prepare = reading.prepare(TRANSFER).await.unwrap_err();
    let info = reading.info(&statement(TRANSFER)).await.unwrap_err();
    let get = reading.rows(&ticket).await.unwrap_err();
    let run = off.error(TRANSFER).await;
    let update = CommandStatementUpdate { query: TRANSFER.into(), transaction_id: None };
    let put = reading.put(&update, RecordBatch::new_empty(arrow::datatypes::Schema::empty().into())).await.unwrap_err();

    for refused in [prepare, info, get, put] {
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");
        assert!(refused.message().ends_with("\nhint: start the server with --allow-writes"), "{refused}");
    }
    assert_eq!(run.kind(), Kind::FailedPrecondition);
    assert!(off.rows(&format!("EXPLAIN {TRANSFER}")).await.num_rows() > 0);
    assert_eq!((off.requests(), on.requests()), (vec![], vec![]));
}

#[tokio::test]
async fn a_rejection_of_the_api_is_an_error_with_its_message_and_is_not_retried() {
    let cases = [
        (
            "EXEC images.transfer @image_id=62137902, @region='nyc3'",
            "",
            Kind::InvalidArgument,
            "already in that region",
        ),
        ("EXEC images.transfer @image_id=62138001, @region='sfo3'", "", Kind::InvalidArgument, "Backups can not be"),
        ("EXEC images.convert @image_id=1", "", Kind::NotFound, "404 not_found"),
        (TRANSFER, "POST ** status=401", Kind::Unauthenticated, "401"),
        (TRANSFER, "POST ** status=403", Kind::PermissionDenied, "give it the update scope"),
        (TRANSFER, "POST ** status=409", Kind::Aborted, "DigitalOcean rejected POST"),
        (TRANSFER, "POST ** status=410", Kind::NotFound, "DigitalOcean rejected POST"),
        (TRANSFER, "POST ** html=405", Kind::FailedPrecondition, "DigitalOcean rejected POST"),
        (TRANSFER, "POST ** status=451", Kind::FailedPrecondition, "DigitalOcean rejected POST"),
    ];

    for (sql, fault, kind, expected) in cases {
        let stage = stage().await;
        if !fault.is_empty() {
            stage.inject(fault);
        }
        let error = stage.error(sql).await;
        assert_eq!(error.kind(), kind, "{sql}: {}", error.report());
        assert!(error.report().contains(expected), "{sql}: {}", error.report());
        assert_eq!((stage.posts(), stage.requests().len()), (0, 1), "{sql}");
    }
}

#[tokio::test]
async fn an_exhausted_budget_sends_nothing() {
    let change = |options: &mut oceanflight::api::Options| options.limit.per_minute = 1;
    let query = engine::Options { max_wait: Duration::from_millis(1), ..writes() };
    let stage = Stage::with_query(demo::Options::default(), change, query).await;
    stage.rows("SELECT id FROM images WHERE id = 62137902").await;
    stage.requests();

    let error = stage.error(TRANSFER).await;

    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(stage.requests().is_empty());
}
