//! Bare table names, and accounts as catalogs.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::TaskContext;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};
use oceanflight::api::{Budgets, Client, rate_limit};
use oceanflight::engine::{self, Account, Engine, Principal};
use oceanflight::error::Kind;
use oceanflight::resource::Registry;
use oceanflight::secret::Secret;
use oceanflight::table::{Accounts, ResourceTable, Run};
use simulated_account::{self as demo, Limits, Running};

use crate::support::{Stage, a_query, ask, client_options, integers, json, single};

#[tokio::test]
async fn a_bare_name_is_looked_up_in_the_other_services() {
    let stage = Stage::new(&[]).await;
    let all = single(&stage.rows("SELECT count(*) FROM digitalocean.account.actions").await);

    for sql in [
        "SELECT count(*) FROM actions",
        "SELECT count(*) FROM Actions",
        "SELECT count(*) FROM account.actions",
        "SELECT count(actions.id) FROM actions",
        "SELECT count(*) FROM (SELECT * FROM actions) a",
        "WITH own AS (SELECT * FROM actions) SELECT count(*) FROM own",
        "WITH actions AS (SELECT * FROM actions) SELECT count(*) FROM actions",
        "WITH a AS (SELECT count(*) AS n FROM actions), actions AS (SELECT 7 AS id) SELECT n FROM a",
        "SELECT (SELECT count(*) FROM actions)",
    ] {
        assert_eq!(single(&stage.rows(sql).await), all, "{sql}");
    }
}

#[tokio::test]
async fn a_schema_that_the_default_catalog_does_not_have_is_looked_up_in_the_others() {
    let stage = Stage::new(&[]).await;
    let all = single(&stage.rows("SELECT count(*) FROM oceanflight.meta.columns").await);

    for sql in [
        "SELECT count(*) FROM meta.columns",
        "SELECT count(*) FROM Meta.Columns AS c",
        "SELECT count(meta.columns.name) FROM meta.columns",
        "SELECT count(columns.name) FROM meta.columns",
        "WITH columns AS (SELECT 1) SELECT count(*) FROM meta.columns",
    ] {
        assert_eq!(single(&stage.rows(sql).await), all, "{sql}");
    }
    let described = stage.rows("DESCRIBE meta.columns").await;
    assert_eq!(described, stage.rows("DESCRIBE oceanflight.meta.columns").await);
    let error = stage.error("SELECT zzqq FROM meta.columns a JOIN meta.columns b USING (name)").await.report();
    assert_eq!(error.matches("resource").count(), 1, "a column of both tables is listed once: {error}");
    let error = stage.error("SELECT * FROM meta.column").await.report();
    assert!(error.contains("did you mean `meta.columns`?"), "{error}");
    let error = stage.error("SELECT * FROM digitalocean.meta.columns").await.report();
    assert!(error.contains("did you mean `oceanflight.meta.columns`?"), "and not information_schema: {error}");
}

#[tokio::test]
async fn a_name_of_a_with_clause_comes_first() {
    let stage = Stage::new(&[]).await;

    for sql in [
        "WITH actions AS (SELECT 7 AS id) SELECT id FROM actions",
        "WITH a AS (SELECT 7 AS id), actions AS (SELECT id FROM a) SELECT id FROM (SELECT * FROM actions) x",
        "WITH actions AS (SELECT 7 AS id) SELECT id FROM actions WHERE (SELECT 1) = 1 AND id IN (SELECT id FROM actions)",
        "WITH RECURSIVE actions AS (SELECT 7 AS id UNION ALL SELECT id + 1 FROM actions WHERE id < 7) SELECT id FROM actions",
    ] {
        assert_eq!(integers(&stage.rows(sql).await, "id"), [7], "{sql}");
    }
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn the_error_for_an_unknown_name_suggests_the_nearest() {
    let stage = Stage::new(&[]).await;

    let error = stage.error("SELECT * FROM acctions").await.report();
    assert!(error.contains("there is no table `acctions`") && error.contains("did you mean `actions`?"), "{error}");
    let error = stage.error("SELECT * FROM compute.actions").await.report();
    assert!(error.contains("there is no table `compute.actions`"), "{error}");
}

#[tokio::test]
async fn a_statement_that_would_return_wrong_rows_is_rejected_with_an_explanation() {
    let stage = Stage::new(&[]).await;

    for (sql, expected) in [
        ("SELECT count(*) FROM images TABLESAMPLE BERNOULLI(10)", "TABLESAMPLE"),
        (
            "SELECT id FROM images i WHERE (SELECT a.id FROM image_actions a WHERE a.image_id = i.id) = 1",
            "hint: aggregate it",
        ),
        (
            "SELECT i.id FROM images i WHERE i.id IN (SELECT a.image_id FROM image_actions a \
             WHERE a.image_id = i.id ORDER BY a.id LIMIT 1)",
            "row_number()",
        ),
    ] {
        let report = stage.error(sql).await.report();
        assert!(report.contains(expected) && !report.contains("Expr"), "{sql}: {report}");
    }
    let by_another_column = "SELECT count(*) FROM regions WHERE slug NOT IN (SELECT region_slug FROM image_actions \
                             WHERE region_slug IS NOT NULL)";
    assert!(single(&stage.rows(by_another_column).await) > 0, "the rows are from the account's own images");
}

/// An engine over two simulated accounts. The second has an image 7 with three actions.
async fn two_accounts() -> (Engine, Running, Running) {
    let first = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let second = demo::Options { totals: vec!["7=3".parse().unwrap()], ..first.clone() };
    let (first, second) = (Running::start(first).await.unwrap(), Running::start(second).await.unwrap());
    let account = |name: &str, demo: &Running| {
        let client = Client::try_new(client_options(&demo.url()), &Budgets::default()).unwrap();
        Account::digitalocean(client).named(name)
    };
    let accounts = vec![account("digitalocean", &first), account("staging", &second)];
    let options = engine::Options { writes: true, ..engine::Options::default() };
    (Engine::over(accounts, options).unwrap(), first, second)
}

#[tokio::test]
async fn an_account_is_a_catalog_and_there_may_be_several() {
    let (engine, first, second) = two_accounts().await;
    let rows =
        async |sql: &str| ask(&engine, sql).await.unwrap_or_else(|error| panic!("{sql}: {}", error.report())).rows;

    assert_eq!(single(&rows("SELECT count(*) FROM staging.compute.image_actions WHERE image_id = 7").await), 3);
    assert_eq!(single(&rows("SELECT count(*) FROM image_actions WHERE image_id = 7").await), 0);
    let both = "SELECT count(*) FROM staging.compute.images s JOIN digitalocean.compute.images d ON d.id = s.id";
    assert_eq!(single(&rows(both).await), 41);
    let across = "SELECT s.id FROM staging.compute.images s JOIN image_actions a ON a.image_id = s.id WHERE s.id = 7";
    assert_eq!(rows(across).await.num_rows(), 0, "each account is asked for its own");
    let own = "SELECT s.id FROM staging.compute.images s JOIN staging.compute.image_actions a ON a.image_id = s.id \
               WHERE s.id = 7";
    assert_eq!(rows(own).await.num_rows(), 3);
    first.account().clear_requests();
    second.account().clear_requests();
    let unpinned = single(&rows("SELECT count(*) FROM staging.compute.image_actions").await);
    assert!(unpinned > 3);
    assert!(first.account().requests().is_empty(), "the other account's images are none of its business");
}

#[tokio::test]
async fn exec_show_and_describe_know_the_accounts() {
    let (engine, first, second) = two_accounts().await;
    let rows = async |sql: &str| {
        json(&ask(&engine, sql).await.unwrap_or_else(|error| panic!("{sql}: {}", error.report())).rows)
    };

    rows("EXEC staging.compute.images.transfer @image_id = 7, @region = 'fra1'").await;
    assert_eq!((first.account().posts(), second.account().posts()), (0, 1));
    let shown = rows("SHOW METHODS IN staging.compute.images").await;
    assert_eq!(shown.len(), 4);
    assert_eq!(shown[0]["Resource"], "staging.compute.images");
    assert_eq!(rows("SHOW RESOURCES IN staging.account").await[0]["id"], "staging.account.actions");
    assert_eq!(rows("DESCRIBE staging.compute.images").await, rows("DESCRIBE images").await);
    assert_eq!(rows("SHOW PROVIDERS").await.len(), 1, "two accounts of one provider");
    let tables = engine.tables(&Principal::local()).await.unwrap();
    let staging = tables.iter().find(|table| table.full_name() == "staging.compute.images").unwrap();
    assert!(staging.description.is_some());
}

#[tokio::test]
async fn accounts_with_one_token_share_its_budget_and_another_token_has_its_own() {
    let demo = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let demo = Running::start(demo).await.unwrap();
    let budgets = Budgets::default();
    let account = |name: &str, token: &str| {
        let mut options = client_options(&demo.url());
        options.token = Some(Secret::new(token));
        options.limit =
            rate_limit::Options { per_minute: 3, minute: Duration::from_secs(3_600), ..rate_limit::Options::default() };
        Account::digitalocean(Client::try_new(options, &budgets).unwrap()).named(name)
    };
    let accounts = vec![account("first", "one"), account("second", "one"), account("third", "other")];
    let engine = Engine::over(accounts, engine::Options::default()).unwrap();
    let one_request = async |account: &str| {
        ask(&engine, &format!("SELECT id FROM {account}.compute.images WHERE id = 7"))
            .await
            .map_err(|error| error.kind())
    };

    for account in ["first", "second", "first", "third", "third", "third"] {
        one_request(account).await.unwrap();
    }
    for account in ["first", "second", "third"] {
        assert_eq!(one_request(account).await.unwrap_err(), Kind::ResourceExhausted, "{account}");
    }

    assert_eq!(demo.account().requests().len(), 6);
}

/// A session to execute plans in, with an account of this name.
fn session_of(name: &str, demo: &Running) -> Arc<TaskContext> {
    let account =
        Account::digitalocean(Client::try_new(client_options(&demo.url()), &Budgets::default()).unwrap()).named(name);
    let run = Run::new(a_query(), Arc::new(Accounts::new(vec![account])), None);
    let config = SessionConfig::new().with_extension(Arc::new(run));
    SessionContext::new_with_config(config).task_ctx()
}

#[tokio::test]
async fn a_plan_uses_the_account_of_its_name_in_the_session_that_executes_it() {
    let without = demo::Options { limits: Limits::off(), ..demo::Options::default() };
    let with_image = demo::Options { totals: vec!["7=3".parse().unwrap()], ..without.clone() };
    let (first, second) = (Running::start(without).await.unwrap(), Running::start(with_image).await.unwrap());
    let images = Registry::built_in().find("compute", "images").unwrap();
    let session = SessionContext::new();
    session.register_table("images", Arc::new(ResourceTable::new(Arc::clone(images), None))).unwrap();
    let plan = session.sql("SELECT id FROM images WHERE id = 7").await.unwrap().create_physical_plan().await.unwrap();
    let rows = async |session| {
        let batches = collect(Arc::clone(&plan), session).await?;
        Ok::<_, datafusion::error::DataFusionError>(
            batches.iter().flat_map(|rows| integers(rows, "id")).collect::<Vec<_>>(),
        )
    };

    assert_eq!(rows(session_of("digitalocean", &first)).await.unwrap(), Vec::<i64>::new());
    assert_eq!(rows(session_of("digitalocean", &second)).await.unwrap(), [7]);
    let error = rows(session_of("staging", &second)).await.unwrap_err().to_string();
    assert!(error.contains("`digitalocean`, which this session does not have"), "{error}");
    assert_eq!((first.account().requests().len(), second.account().requests().len()), (1, 1));
}
