//! How an image's action begins and completes, the only code about one table: a POST begins it, it completes after some
//! time, and its completion changes the image.
//!
//! A row of a fixture that is `in-progress` with a `completed_at` in the future has null there until that time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::response::ApiResponse;
use crate::rows::{id_text, time};
use crate::tables::Tables;

/// A row that will complete.
#[derive(Debug)]
pub(crate) struct PendingRow {
    table: usize,
    parent: String,
    id: String,
    due: Instant,
    completion: Completion,
}

/// How completion changes the image.
#[derive(Debug)]
enum Completion {
    Nothing,
    AddRegion(String),
    BecomeSnapshot,
}

impl PendingRow {
    /// A row whose completion changes nothing else.
    pub(crate) fn row(table: usize, parent: &str, id: &str, due: Instant) -> Self {
        Self { table, parent: parent.to_owned(), id: id.to_owned(), due, completion: Completion::Nothing }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    pub(crate) fn is_in(&self, table: usize, parent: &str) -> bool {
        self.table == table && self.parent == parent
    }
}

/// Removes the time of completion from a row that is in progress, and returns the time until then.
pub(crate) fn take_completion_time(row: &mut Value, now: DateTime<Utc>) -> Option<Duration> {
    if row["status"] != "in-progress" {
        return None;
    }
    let due = DateTime::parse_from_rfc3339(row["completed_at"].as_str()?).ok()?;
    row["completed_at"] = Value::Null;
    Some((due.to_utc() - now).to_std().unwrap_or_default())
}

/// Completes the row and changes the image.
pub(crate) fn complete(tables: &mut Tables, entry: &PendingRow) {
    let completed_at = time(tables.clock.at(entry.due));
    if let Some(row) = tables.row_mut(entry.table, Some(&entry.parent), &entry.id) {
        row["status"] = json!("completed");
        row["completed_at"] = completed_at;
    }
    let Some(images) = tables.parent_of(entry.table) else { return };
    let Some(image) = tables.row_mut(images, None, &entry.parent) else { return };
    match &entry.completion {
        Completion::Nothing => {}
        Completion::BecomeSnapshot => image["type"] = json!("snapshot"),
        Completion::AddRegion(slug) => {
            if let Some(regions) = image["regions"].as_array_mut()
                && !regions.iter().any(|region| region == slug)
            {
                regions.push(json!(slug));
            }
        }
    }
}

/// Executes the POST: returns the new row, or the API's error.
pub(crate) fn begin(
    tables: &mut Tables,
    table: usize,
    image_id: &str,
    request: &[u8],
    settle: Duration,
) -> Result<Value, ApiResponse> {
    let images = tables.parent_of(table).ok_or_else(ApiResponse::not_found)?;
    let image = tables.get(images, None, Some(image_id));
    // `get` finds an image by its slug too, but this path has ids only.
    let image = image.filter(|image| id_text(&image["id"]) == image_id).ok_or_else(ApiResponse::not_found)?;
    let request: Value = serde_json::from_slice(request).map_err(|_| ApiResponse::refusal(400))?;
    let action = new_action(tables, table, &image, &request)?;

    let id = tables.next_id();
    let row = json!({
        "id": id,
        "status": "in-progress",
        "type": request["type"],
        "started_at": time(tables.clock.now()),
        "completed_at": null,
        "resource_id": image["id"],
        "resource_type": "image",
        "region_slug": action.region["slug"],
        "region": action.region,
    });
    let due = Tables::due_in(settle);
    tables.insert_first(table, image_id, row.clone());
    tables
        .pending
        .push(PendingRow { completion: action.completion, ..PendingRow::row(table, image_id, &id.to_string(), due) });
    Ok(row)
}

struct NewAction {
    region: Value,
    completion: Completion,
}

fn new_action(tables: &Tables, table: usize, image: &Value, request: &Value) -> Result<NewAction, ApiResponse> {
    let regions = tables.all[table].fixture.post.as_ref().and_then(|post| tables.find(&post.regions));
    let region = |slug: &str| tables.get(regions?, None, Some(slug));
    let is_backup = image["type"] == "backup";
    match request["type"].as_str() {
        Some("convert") if !is_backup => Err(ApiResponse::unprocessable("Only backups can be converted to snapshots")),
        Some("convert") => {
            let home = image["regions"][0].as_str().and_then(region);
            Ok(NewAction { region: home.unwrap_or(Value::Null), completion: Completion::BecomeSnapshot })
        }
        Some("transfer") if is_backup => {
            Err(ApiResponse::unprocessable("Backups can not be transfered to other regions"))
        }
        Some("transfer") => {
            let slug = request["region"].as_str().unwrap_or("");
            if slug.is_empty() {
                return Err(ApiResponse::unprocessable("Region can't be blank"));
            }
            let region = region(slug).ok_or_else(|| ApiResponse::unprocessable("Region is invalid"))?;
            let has = image["regions"].as_array().is_some_and(|list| list.iter().any(|own| own == slug));
            if has {
                return Err(ApiResponse::unprocessable("Image is already in that region"));
            }
            Ok(NewAction { region, completion: Completion::AddRegion(slug.to_owned()) })
        }
        _ => Err(ApiResponse::error(404, "not_found", "The specified action type is not available.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::tables::Clock;

    const LIVE: &str = "62137950";

    fn tables() -> Tables {
        Tables::new(fixture::load().unwrap(), &[], Clock::start()).unwrap()
    }

    fn live(tables: &Tables, id: &str) -> Value {
        let actions = tables.find("digitalocean/compute/image_actions").unwrap();
        tables.get(actions, Some(LIVE), Some(id)).unwrap()
    }

    #[test]
    fn a_row_of_a_fixture_completes_at_its_time() {
        let mut tables = tables();
        let start = Instant::now();

        tables.advance(start + Duration::from_secs(10));
        let before = live(&tables, "3169590102");
        tables.advance(start + Duration::from_secs(30));
        let after = live(&tables, "3169590102");

        assert_eq!((before["status"].as_str(), before["completed_at"].as_str()), (Some("in-progress"), None));
        assert_eq!(after["status"], "completed");
        assert!(after["completed_at"].as_str() > after["started_at"].as_str());
        assert_eq!(live(&tables, "3169590103")["status"], "in-progress");
    }

    #[test]
    fn a_row_without_an_end_stays_in_progress() {
        let mut tables = tables();

        tables.advance(Instant::now() + Duration::from_secs(1_000_000));

        assert_eq!(live(&tables, "3169590105")["status"], "in-progress");
    }

    #[test]
    fn only_a_row_in_progress_with_an_end_completes_later() {
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        let mut coming = json!({"status": "in-progress", "completed_at": "2026-01-01T00:00:20Z"});
        let mut done = json!({"status": "errored", "completed_at": "2026-01-01T00:00:20Z"});
        let mut endless = json!({"status": "in-progress", "completed_at": null});

        assert_eq!(take_completion_time(&mut coming, now), Some(Duration::from_secs(20)));
        assert_eq!(coming["completed_at"], Value::Null);
        assert_eq!((take_completion_time(&mut done, now), take_completion_time(&mut endless, now)), (None, None));
        assert!(done["completed_at"].is_string());
    }
}
