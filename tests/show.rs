//! SHOW and DESCRIBE, and the tables of `oceanflight.meta` that they query.

use oceanflight::error::Kind;
use oceanflight::resource::Registry;
use serde_json::{Value as Json, json};

use crate::support::{Stage, json as rows_of};

async fn rows(sql: &str) -> Vec<Json> {
    let stage = Stage::new(&[]).await;
    let rows = rows_of(&stage.rows(sql).await);
    assert!(stage.requests().is_empty(), "{sql}");
    rows
}

async fn column(sql: &str, name: &str) -> Vec<String> {
    rows(sql).await.iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn show_lists_providers_services_resources_and_methods() {
    assert_eq!(rows("SHOW PROVIDERS").await, [json!({"name": "digitalocean"})]);
    assert_eq!(column("SHOW SERVICES IN digitalocean", "name").await, ["account", "compute"]);
    assert_eq!(
        column("SHOW RESOURCES IN digitalocean.compute", "name").await,
        ["droplet_actions", "droplets", "image_actions", "images", "regions", "snapshots"]
    );
    assert_eq!(
        rows("SHOW METHODS IN digitalocean.compute.image_actions").await[3],
        json!({
            "MethodName": "image_actions_post",
            "RequiredParams": "image_id, type",
            "SQLVerb": "EXEC",
            "Resource": "digitalocean.compute.image_actions",
        })
    );
    assert_eq!(
        column("SHOW METHODS IN digitalocean.compute.images", "MethodName").await,
        ["convert", "images_get", "images_list", "transfer"]
    );
}

#[tokio::test]
async fn extended_shows_more() {
    assert_eq!(
        rows("SHOW EXTENDED PROVIDERS").await[0],
        json!({"name": "digitalocean", "services": 2, "resources": 7})
    );
    let post = &rows("SHOW EXTENDED METHODS IN image_actions LIKE '%post'").await[0];
    assert_eq!((&post["OptionalParams"], &post["HTTPMethod"]), (&json!("region"), &json!("POST")));
    assert_eq!(post["Path"], "/v2/images/{image_id}/actions");
    assert_eq!(rows("SHOW EXTENDED RESOURCES LIKE 'image_actions'").await[0]["key"], "image_id, id");
    assert_eq!(rows("SHOW EXTENDED SERVICES LIKE 'compute'").await[0]["resources"], 6);
}

#[tokio::test]
async fn lists_are_filtered_by_like_and_where_in_any_spelling() {
    assert_eq!(column("SHOW RESOURCES LIKE 'IMAGE\\_%'", "name").await, ["image_actions"]);
    let execs = "SHOW METHODS WHERE sqlverb = 'EXEC' AND requiredparams LIKE '%region%'";
    assert_eq!(column(execs, "MethodName").await, ["transfer"]);
    let either = "SHOW METHODS IN images LIKE 'images%' WHERE MethodName = 'images_get' OR \"MethodName\" = 'convert'";
    assert_eq!(column(either, "MethodName").await, ["images_get"]);
    assert!(rows(r"SHOW METHODS WHERE MethodName = '\'''").await.is_empty());
}

#[tokio::test]
async fn a_name_may_be_unqualified() {
    let all = column("SHOW METHODS IN digitalocean.compute.images", "MethodName").await;

    for within in ["images", "compute.images", "Digitalocean.Compute.Images"] {
        assert_eq!(column(&format!("SHOW METHODS IN {within}"), "MethodName").await, all, "{within}");
    }
    let registry = Registry::built_in();
    let methods = registry.iter().map(|resource| resource.methods.len()).sum::<usize>() + registry.callables().count();
    assert_eq!(column("SHOW METHODS IN digitalocean", "MethodName").await.len(), methods);
    assert_eq!(column("SHOW METHODS", "MethodName").await.len(), methods);
    assert_eq!(column("SHOW RESOURCES IN compute", "name").await.len(), 6);
    assert_eq!(
        column("SHOW METHODS IN actions", "MethodName").await,
        ["actions_get", "actions_list"],
        "of the account"
    );
}

#[tokio::test]
async fn a_table_is_described_by_its_columns() {
    let described = rows("DESCRIBE digitalocean.compute.image_actions").await;
    let table = Registry::built_in().find("compute", "image_actions").unwrap();

    let names: Vec<_> = described.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>());
    let id = json!({
        "name": "id", "type": "Int64", "nullable": false, "description": table.columns[0].description,
    });
    assert_eq!(described[0], id);
    assert_eq!(described[2]["type"], "Timestamp");
    assert_eq!(rows("DESC image_actions").await, described);
}

#[tokio::test]
async fn extended_shows_required_and_pushed_down_columns() {
    let described = rows("DESCRIBE EXTENDED image_actions").await;
    let of = |name: &str| described.iter().find(|row| row["name"] == name).unwrap();

    assert_eq!(of("image_id")["required"], false);
    assert_eq!(of("image_id")["pushed_down_to"], json!(["image_actions_get", "image_actions_list"]));
    assert_eq!((&of("action_id")["required"], &of("id")["required"]), (&json!(false), &json!(false)));
    assert_eq!(of("id")["pushed_down_to"], json!(["actions_get", "image_actions_get"]));
    assert_eq!(of("status")["pushed_down_to"], json!([]));
    let images = rows("DESCRIBE EXTENDED images").await;
    let tags = images.iter().find(|row| row["name"] == "tags").unwrap();
    assert_eq!(tags["pushed_down_to"], json!(["images_list"]));
}

#[tokio::test]
async fn a_method_is_described_by_its_parameters() {
    let described = rows("DESCRIBE METHOD digitalocean.compute.image_actions.image_actions_post").await;

    assert_eq!(described.len(), 3);
    assert_eq!((&described[1]["name"], &described[1]["required"]), (&json!("type"), &json!(true)));
    assert_eq!(described[1]["allowed_values"], json!(["convert", "transfer"]));
    assert_eq!(
        (&described[2]["name"], &described[2]["applies_when"]),
        (&json!("region"), &json!("type IN ('transfer')"))
    );
    assert!(described.iter().all(|row| row["http_method"] == "POST" && row["path"] == "/v2/images/{image_id}/actions"));
    assert_eq!(described[0]["location"], "path");
    let extended = rows("DESCRIBE METHOD EXTENDED images.transfer").await;
    assert_eq!((extended.len(), &extended[1]["example"]), (2, &json!("nyc3")));
    assert_eq!(rows("DESCRIBE METHOD images.images_get").await[0]["http_method"], "GET");
    let bare = rows("DESCRIBE METHOD images.images_list").await;
    assert_eq!((bare.len(), &bare[0]["name"], &bare[0]["path"]), (1, &Json::Null, &json!("/v2/images")));
}

#[tokio::test]
async fn other_tables_are_described_too() {
    assert_eq!(rows("DESCRIBE information_schema.tables").await[0]["name"], "table_catalog");
    assert_eq!(rows("DESCRIBE oceanflight.information_schema.tables").await[0]["name"], "table_catalog");
    let described = rows("DESCRIBE oceanflight.meta.methods").await;
    assert!(described.iter().all(|row| row["description"].is_string()), "{described:?}");
}

#[tokio::test]
async fn the_lists_are_tables_to_be_joined_and_filtered() {
    let joined = "SELECT m.method, count(*) AS columns FROM oceanflight.meta.methods m \
                  JOIN oceanflight.meta.columns c USING (provider, service, resource) \
                  JOIN oceanflight.meta.resources r USING (provider, service, resource) \
                  WHERE m.can_await GROUP BY m.method ORDER BY m.method";
    assert_eq!(
        rows(joined).await,
        [
            json!({"method": "convert", "columns": 14}),
            json!({"method": "image_actions_post", "columns": 11}),
            json!({"method": "transfer", "columns": 14}),
        ]
    );
    let returns = "SELECT DISTINCT returns FROM oceanflight.meta.methods WHERE sql_verb = 'EXEC'";
    assert_eq!(rows(returns).await, [json!({"returns": "digitalocean.compute.image_actions"})]);
    let parameters = "SELECT count(*) AS n FROM oceanflight.meta.parameters WHERE array_has(allowed_values, 'convert')";
    assert_eq!(rows(parameters).await, [json!({"n": 1})]);
}

#[tokio::test]
async fn every_declared_method_and_column_is_in_the_lists() {
    let registry = Registry::built_in();
    let methods = registry.iter().map(|resource| resource.methods.len() + resource.procedures.len()).sum::<usize>();
    let columns = registry.iter().map(|resource| resource.columns.len()).sum::<usize>();

    assert_eq!(rows("SELECT * FROM oceanflight.meta.methods").await.len(), methods);
    assert_eq!(rows("SELECT * FROM oceanflight.meta.columns").await.len(), columns);
    assert_eq!(rows("SELECT * FROM oceanflight.meta.resources").await.len(), registry.iter().count());
    for callable in registry.callables() {
        let described = rows(&format!("DESCRIBE METHOD {}", callable.name())).await;
        assert_eq!(described.len(), callable.procedure.parameters.len(), "{}", callable.name());
    }
}

#[tokio::test]
async fn an_unknown_name_is_an_error_with_the_most_similar_name() {
    let stage = Stage::new(&[]).await;
    for (sql, expected) in [
        ("SHOW SERVICES IN digitalocan", "there is no provider `digitalocan`\nhint: did you mean `digitalocean`?"),
        ("SHOW RESOURCES IN digitalocean.comput", "hint: did you mean `digitalocean.compute`?"),
        ("SHOW RESOURCES IN digitalocan", "hint: did you mean `digitalocean`?"),
        ("SHOW METHODS IN imagess", "there is no table `imagess`\nhint: did you mean `images`?"),
        ("SHOW METHODS IN a.b.c.d", "there is no table `a.b.c.d`"),
        ("SHOW PROVIDERS IN x", "SHOW PROVIDERS takes no IN"),
        ("SHOW METHODS WHERE verb = 'x'", "there is no column `verb`\nhint: did you mean `SQLVerb`?"),
        ("DESCRIBE imagess", "there is no table `imagess`\nhint: did you mean `images`?"),
        ("DESCRIBE METHOD images.images_lst", "hint: did you mean `digitalocean.compute.images.images_list`?"),
        ("DESCRIBE METHOD images", "there is no method `images`"),
        ("SHOW METHODS IN images LIKE", "the SQL does not parse"),
    ] {
        let error = stage.error(sql).await;
        assert_eq!(error.kind(), Kind::InvalidArgument, "{sql}");
        assert!(error.report().contains(expected), "{sql}: {}", error.report());
    }
}
