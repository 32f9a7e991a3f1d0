//! The API without limits and faults: lists, single rows, and the POST.

use serde_json::json;

use crate::account::Account;
use crate::action;
use crate::fixture::{Fixture, Lifecycle};
use crate::page::Page;
use crate::request::ApiRequest;
use crate::response::ApiResponse;
use crate::route::{Operation, RouteMatch, Target};
use crate::tables::Tables;

/// The API's response to a request.
pub(crate) fn respond(account: &Account, request: &ApiRequest) -> ApiResponse {
    let (method, path) = (&request.method, &request.path);
    match account.paths().find(method, path) {
        RouteMatch::Target(target) => respond_at(account, request, &target).unwrap_or_else(|refusal| refusal),
        RouteMatch::OtherMethods(methods) => ApiResponse::refusal(405).with_header("allow", methods.join(", ")),
        RouteMatch::Unknown => {
            let known = account.paths().list();
            tracing::warn!(method, path, ?known, "unknown path");
            ApiResponse::not_found()
        }
    }
}

fn respond_at(account: &Account, request: &ApiRequest, target: &Target<'_>) -> Result<ApiResponse, ApiResponse> {
    let mut tables = account.tables();
    match target.operation {
        Operation::List => list(&tables, request, target),
        Operation::Get => get(&tables, target),
        Operation::Post => {
            let response = post(account, &mut tables, request, target)?;
            #[cfg(feature = "faults")]
            account.recorder().posted();
            Ok(response)
        }
    }
}

fn list(tables: &Tables, request: &ApiRequest, target: &Target<'_>) -> Result<ApiResponse, ApiResponse> {
    let fixture = &tables.all[target.table].fixture;
    let route = fixture.list.as_ref().ok_or_else(ApiResponse::not_found)?;
    let page = Page::of(&request.query)?;
    check_together(fixture, &request.query)?;
    let filters = tables.filters(target.table, &request.query);
    let found = tables.select(target.table, target.parent, &filters, |total| page.range(total));
    let (rows, total) = found.ok_or_else(ApiResponse::not_found)?;
    let links = page.links(total, &request.url, &request.query);
    let body = json!({ route.rows.as_str(): rows, "links": links, "meta": { "total": total } });
    Ok(ApiResponse::json(200, body))
}

/// Refuses a query with two parameters that cannot be combined.
fn check_together(fixture: &Fixture, query: &[(String, String)]) -> Result<(), ApiResponse> {
    let has = |name: &str| query.iter().any(|(own, _)| own == name);
    match fixture.not_together.iter().find(|[one, other]| has(one) && has(other)) {
        Some([one, other]) => Err(ApiResponse::unprocessable(&format!("{one} can not be combined with {other}"))),
        None => Ok(()),
    }
}

fn get(tables: &Tables, target: &Target<'_>) -> Result<ApiResponse, ApiResponse> {
    let route = tables.all[target.table].fixture.get.as_ref().ok_or_else(ApiResponse::not_found)?;
    let row = tables.get(target.table, target.parent, target.id).ok_or_else(ApiResponse::not_found)?;
    Ok(ApiResponse::json(200, json!({ route.row.as_str(): row })))
}

fn post(
    account: &Account,
    tables: &mut Tables,
    request: &ApiRequest,
    target: &Target<'_>,
) -> Result<ApiResponse, ApiResponse> {
    let route = tables.all[target.table].fixture.post.as_ref().ok_or_else(ApiResponse::not_found)?;
    let (key, life) = (route.row.clone(), route.life);
    let (parent, settle) = (target.parent.unwrap_or(""), account.options().settle);
    let row = match life {
        Lifecycle::ImageAction => action::begin(tables, target.table, parent, &request.body, settle)?,
    };
    Ok(ApiResponse::json(201, json!({ key: row })))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use crate::client::{ask, get, post, start, start_with};
    use crate::{Options, Total};

    const ACTIONS: &str = "/v2/images/62137902/actions";
    const TABLE: &str = "digitalocean/compute/image_actions";

    fn ids(body: &Value, rows: &str) -> Vec<i64> {
        let rows = body[rows].as_array().expect("a list has rows");
        rows.iter().map(|row| row["id"].as_i64().expect("a row has an id")).collect()
    }

    fn pages(body: &Value) -> Vec<&str> {
        let pages = body["links"]["pages"].as_object();
        let mut names: Vec<_> = pages.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    #[tokio::test]
    async fn the_pages_of_an_image_are_its_rows_newest_first() {
        let demo = start().await;

        let first = get(&demo, &format!("{ACTIONS}?per_page=200")).await.json();
        let second = get(&demo, &format!("{ACTIONS}?page=2&per_page=200")).await.json();

        let mut all = ids(&first, "actions");
        all.extend(ids(&second, "actions"));
        assert_eq!((all.len(), first["meta"]["total"].as_u64()), (366, Some(366)));
        assert!(all.is_sorted_by(|a, b| a > b));
        assert!(all.contains(&36_804_636) && all[0] == 3_169_590_176);
        assert_eq!((pages(&first), pages(&second)), (vec!["last", "next"], vec!["first", "prev"]));
        let truth = demo.account().rows(TABLE, Some("62137902")).unwrap();
        assert_eq!(truth[200..], second["actions"].as_array().unwrap()[..]);
    }

    #[tokio::test]
    async fn links_have_the_requested_host() {
        let demo = start().await;

        let body = get(&demo, &format!("{ACTIONS}?per_page=100&page=2")).await.json();

        let next = "http://demo.test:80/v2/images/62137902/actions?page=3&per_page=100";
        assert_eq!(body["links"]["pages"]["next"], next);
        assert_eq!(pages(&body), ["first", "last", "next", "prev"]);
    }

    #[tokio::test]
    async fn a_page_past_the_end_is_empty() {
        let demo = start().await;

        let body = get(&demo, &format!("{ACTIONS}?per_page=200&page=9")).await.json();

        assert_eq!((ids(&body, "actions").len(), pages(&body)), (0, vec!["first", "prev"]));
        assert_eq!(body["meta"]["total"], 366);
    }

    #[tokio::test]
    async fn an_image_without_actions_is_an_empty_list_and_an_unknown_one_is_not_found() {
        let demo = start().await;

        let empty = get(&demo, "/v2/images/62137903/actions").await;
        let unknown = get(&demo, "/v2/images/1/actions").await;
        let slug = get(&demo, "/v2/images/ubuntu-24-04-x64/actions").await;

        assert_eq!(empty.json(), json!({"actions": [], "links": {}, "meta": {"total": 0}}));
        assert_eq!((unknown.status, slug.status), (404, 404));
        assert_eq!(unknown.json()["id"], "not_found");
        assert_eq!(unknown.json()["request_id"], unknown.header("x-request-id").unwrap());
    }

    #[tokio::test]
    async fn a_single_row_is_below_its_key() {
        let demo = start().await;

        let action = get(&demo, &format!("{ACTIONS}/36804636")).await.json();
        let image = get(&demo, "/v2/images/ubuntu-24-04-x64").await.json();
        let account = get(&demo, "/v2/account").await.json();

        assert_eq!(action["action"]["region"]["slug"], "nyc3");
        assert_eq!(image["image"]["id"], 198_012_311);
        assert_eq!(account["account"]["status"], "active");
        assert_eq!(get(&demo, &format!("{ACTIONS}/1")).await.status, 404);
    }

    #[tokio::test]
    async fn query_parameters_select_images() {
        let demo = start().await;
        let total = async |query: &str| {
            let body = get(&demo, &format!("/v2/images?{query}")).await.json();
            body["meta"]["total"].as_u64().expect("a list has a total")
        };

        assert_eq!(total("").await, 41);
        assert_eq!(total("private=true").await, 23);
        assert_eq!(total("type=distribution").await, 10);
        assert_eq!(total("type=application").await, 8);
        assert_eq!(total("tag_name=golden").await, 6);
        assert_eq!(total("tag_name=k8s%3Aworker").await, 1);
        assert_eq!(total("tag_name=none").await, 0);
    }

    #[tokio::test]
    async fn droplets_with_gpus_are_a_list_of_their_own() {
        let demo = start().await;
        let list = async |query: &str| {
            let body = get(&demo, &format!("/v2/droplets?per_page=200&{query}")).await.json();
            body["droplets"].as_array().expect("a list has rows").clone()
        };
        let has_gpu = |row: &Value| row["gpu_info"].is_object();

        let (usual, named, gpus) = (list("").await, list("type=droplets").await, list("type=gpus").await);

        assert_eq!(usual, named);
        assert!(!usual.iter().any(has_gpu) && gpus.iter().all(has_gpu));
        assert!(usual.len() >= 20 && gpus.len() >= 3);
        let all = demo.account().count("digitalocean/compute/droplets", None);
        assert_eq!(all, Some(usual.len() + gpus.len()));
        let first = get(&demo, &format!("/v2/droplets/{}", gpus[0]["id"])).await.json();
        assert_eq!(first["droplet"], gpus[0]);
    }

    #[tokio::test]
    async fn droplets_are_found_by_name_ignoring_case() {
        let demo = start().await;
        let names = async |query: &str| {
            let body = get(&demo, &format!("/v2/droplets?{query}")).await.json();
            let rows = body["droplets"].as_array().expect("a list has rows");
            let mut names: Vec<_> = rows.iter().map(|row| row["name"].to_string()).collect();
            names.sort();
            names
        };

        let found = names("name=web-1").await;

        assert_eq!(found, [r#""WEB-1""#, r#""Web-1""#, r#""web-1""#]);
        assert_eq!(names("name=WEB-1").await, found);
        assert_eq!(names("name=TRAIN-1&type=gpus").await, [r#""train-1""#]);
        assert!(names("name=web").await.is_empty());
    }

    #[tokio::test]
    async fn a_tag_cannot_be_combined_with_a_name_or_a_type() {
        let demo = start().await;

        assert_eq!(get(&demo, "/v2/droplets?tag_name=web").await.json()["meta"]["total"], 6);
        for other in ["name=web-1", "type=gpus", "type=droplets"] {
            let reply = get(&demo, &format!("/v2/droplets?tag_name=web&{other}")).await;

            assert_eq!((reply.status, reply.json()["id"].as_str()), (422, Some("unprocessable_entity")), "{other}");
        }
    }

    #[tokio::test]
    async fn snapshots_are_of_droplets_or_of_volumes() {
        let demo = start().await;
        let total = async |query: &str| {
            let body = get(&demo, &format!("/v2/snapshots?{query}")).await.json();
            body["meta"]["total"].as_u64().expect("a list has a total")
        };

        assert_eq!(total("").await, 20);
        assert_eq!(total("resource_type=droplet").await, 11);
        assert_eq!(total("resource_type=volume").await, 9);
        let one = get(&demo, "/v2/snapshots/62137902").await.json();
        assert_eq!(one["snapshot"]["resource_type"], "droplet");
    }

    #[tokio::test]
    async fn the_actions_of_a_destroyed_image_can_be_read() {
        let demo = start().await;

        let image = get(&demo, "/v2/images/62130001").await;
        let actions = get(&demo, "/v2/images/62130001/actions").await;
        let begun = post(&demo, "/v2/images/62130001/actions", r#"{"type": "convert"}"#).await;

        assert_eq!((image.status, actions.status, begun.status), (404, 200, 404));
        let ids = ids(&actions.json(), "actions");
        assert_eq!(ids.len(), 5);
        for path in ["/v2/actions", "/v2/images/62130001/actions"] {
            let action = get(&demo, &format!("{path}/{}", ids[0])).await.json();
            assert_eq!(action["action"]["type"], "image_destroy", "{path}");
        }
    }

    #[tokio::test]
    async fn the_actions_of_the_account_are_those_of_all_tables() {
        let demo = start_with(Options { settle: Duration::ZERO, ..Options::default() }).await;
        let before = get(&demo, "/v2/actions?per_page=1").await.json();

        let begun = post(&demo, ACTIONS, r#"{"type": "transfer", "region": "sfo3"}"#).await.json();
        let after = get(&demo, "/v2/actions?per_page=1").await.json();
        let one = get(&demo, &format!("/v2/actions/{}", begun["action"]["id"])).await.json();

        assert_eq!(after["meta"]["total"].as_u64(), before["meta"]["total"].as_u64().map(|total| total + 1));
        assert_eq!(after["actions"][0]["id"], begun["action"]["id"]);
        assert_eq!(one["action"]["status"], "completed");
        assert_eq!(get(&demo, "/v2/actions/36804636").await.json()["action"]["resource_id"], 62_137_902);
        assert_eq!(get(&demo, "/v2/actions/1").await.status, 404);
    }

    #[tokio::test]
    async fn another_method_is_405_with_the_known_methods() {
        let demo = start().await;

        let reply = ask(&demo, "DELETE", ACTIONS, "").await.unwrap();

        assert_eq!((reply.status, reply.header("allow")), (405, Some("get, post")));
    }

    #[tokio::test]
    async fn a_total_is_the_number_of_rows_in_a_list() {
        let totals = ["62137902=0", "62137904=200", "62137906=1000000", "555=201"];
        let totals = totals.iter().map(|text| text.parse().unwrap()).collect();
        let demo = start_with(Options { totals, ..Options::default() }).await;
        let account = demo.account();

        for (image, rows) in [("62137902", 0), ("62137904", 200), ("62137906", 1_000_000), ("555", 201)] {
            assert_eq!(account.count(TABLE, Some(image)), Some(rows), "{image}");
        }
        let last = get(&demo, "/v2/images/62137906/actions?per_page=200&page=5000").await.json();
        assert_eq!((ids(&last, "actions").len(), pages(&last)), (200, vec!["first", "prev"]));
        assert!(ids(&last, "actions").iter().all(|id| *id > 0));
        assert_eq!(get(&demo, "/v2/images/555").await.json()["image"]["public"], false);
    }

    #[tokio::test]
    async fn a_total_is_the_number_of_rows_in_a_table() {
        let totals = vec![Total::new("images", 1_000)];
        let demo = start_with(Options { totals, ..Options::default() }).await;

        let body = get(&demo, "/v2/images?private=true&per_page=1").await.json();

        assert_eq!(body["meta"]["total"], 982);
    }

    #[tokio::test]
    async fn a_posted_action_completes_and_changes_its_image() {
        let demo = start_with(Options { settle: Duration::ZERO, ..Options::default() }).await;

        let begun = post(&demo, ACTIONS, r#"{"type": "transfer", "region": "sfo3"}"#).await;
        let action = &begun.json()["action"];
        let path = format!("{ACTIONS}/{}", action["id"]);
        let after = get(&demo, &path).await.json();
        let image = get(&demo, "/v2/images/62137902").await.json();

        assert_eq!((begun.status, action["status"].as_str()), (201, Some("in-progress")));
        assert_eq!(action["region"]["name"], "San Francisco 3");
        assert_eq!(after["action"]["status"], "completed");
        assert!(after["action"]["completed_at"].is_string());
        assert_eq!(image["image"]["regions"], json!(["nyc3", "fra1", "sfo3"]));
        #[cfg(feature = "faults")]
        assert_eq!(demo.account().posts(), 1);
    }

    #[tokio::test]
    async fn a_posted_action_is_in_progress_until_it_settles() {
        let demo = start().await;

        let begun = post(&demo, "/v2/images/62138001/actions", r#"{"type": "convert"}"#).await.json();
        let list = get(&demo, "/v2/images/62138001/actions").await.json();

        assert_eq!(list["actions"], json!([begun["action"]]));
        assert_eq!(begun["action"]["completed_at"], Value::Null);
        assert!(begun["action"]["id"].as_i64() > Some(3_169_590_176));
        assert_eq!(get(&demo, "/v2/images/62138001").await.json()["image"]["type"], "backup");
    }

    #[tokio::test]
    async fn a_converted_backup_is_a_snapshot() {
        let demo = start_with(Options { settle: Duration::ZERO, ..Options::default() }).await;

        post(&demo, "/v2/images/62138001/actions", r#"{"type": "convert"}"#).await;

        assert_eq!(get(&demo, "/v2/images/62138001").await.json()["image"]["type"], "snapshot");
    }

    #[tokio::test]
    async fn an_invalid_post_is_refused_with_the_errors_of_the_api() {
        let demo = start().await;
        let refused = async |image: &str, body: &str| {
            let reply = post(&demo, &format!("/v2/images/{image}/actions"), body).await;
            let message = reply.json()["message"].as_str().expect("a refusal has a message").to_owned();
            (reply.status, message)
        };

        assert_eq!(refused("62137902", "{}").await, (404, "The specified action type is not available.".to_owned()));
        assert_eq!(refused("62137902", "{").await.0, 400);
        assert_eq!(refused("1", r#"{"type":"convert"}"#).await.0, 404);
        assert_eq!(refused("62137902", r#"{"type":"convert"}"#).await.0, 422);
        assert_eq!(refused("62137902", r#"{"type":"transfer"}"#).await.0, 422);
        assert_eq!(refused("62137902", r#"{"type":"transfer","region":"mars1"}"#).await.0, 422);
        assert_eq!(refused("62137902", r#"{"type":"transfer","region":"nyc3"}"#).await.0, 422);
        let backup = refused("62138001", r#"{"type":"transfer","region":"sfo3"}"#).await;
        assert_eq!(backup, (422, "Backups can not be transfered to other regions".to_owned()));
        #[cfg(feature = "faults")]
        assert_eq!(demo.account().posts(), 0);
    }
}
