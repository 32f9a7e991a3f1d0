//! The life of an image's action, the one thing about a table that is code: a POST
//! begins it, time completes it, and its completion changes the image.
//!
//! A written row that is `in-progress` with a `completed_at` that is still to come
//! is served with null until then.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::Answer;
use super::rows::{id_text, time};
use super::tables::Tables;

/// Something in progress.
#[derive(Debug)]
pub(super) struct Pending {
    table: usize,
    parent: String,
    id: String,
    due: Instant,
    then: Then,
}

/// What completion does to the image.
#[derive(Debug)]
enum Then {
    Nothing,
    AddRegion(String),
    BecomeSnapshot,
}

impl Pending {
    /// A row that is completed in time, and changes nothing else.
    pub(super) fn row(table: usize, parent: &str, id: &str, due: Instant) -> Self {
        Self { table, parent: parent.to_owned(), id: id.to_owned(), due, then: Then::Nothing }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    pub(super) fn is_in(&self, table: usize, parent: &str) -> bool {
        self.table == table && self.parent == parent
    }
}

/// Takes the time of completion from a row that is in progress, if it is to come.
pub(super) fn put_off(row: &mut Value, now: DateTime<Utc>) -> Option<Duration> {
    if row["status"] != "in-progress" {
        return None;
    }
    let due = DateTime::parse_from_rfc3339(row["completed_at"].as_str()?).ok()?;
    row["completed_at"] = Value::Null;
    Some((due.to_utc() - now).to_std().unwrap_or_default())
}

/// The row is completed, and the image has what it brings.
pub(super) fn complete(tables: &mut Tables, entry: &Pending) {
    let completed_at = time(tables.clock.at(entry.due));
    if let Some(row) = tables.row_mut(entry.table, Some(&entry.parent), &entry.id) {
        row["status"] = json!("completed");
        row["completed_at"] = completed_at;
    }
    let Some(images) = tables.parent_of(entry.table) else { return };
    let Some(image) = tables.row_mut(images, None, &entry.parent) else { return };
    match &entry.then {
        Then::Nothing => {}
        Then::BecomeSnapshot => image["type"] = json!("snapshot"),
        Then::AddRegion(slug) => {
            if let Some(regions) = image["regions"].as_array_mut()
                && !regions.iter().any(|region| region == slug)
            {
                regions.push(json!(slug));
            }
        }
    }
}

/// Carries out the POST: the new row as it begins, or the API's refusal.
pub(super) fn begin(
    tables: &mut Tables,
    table: usize,
    image_id: &str,
    request: &[u8],
    settle: Duration,
) -> Result<Value, Answer> {
    let images = tables.parent_of(table).ok_or_else(Answer::not_found)?;
    let image = tables.get(images, None, Some(image_id));
    // A slug finds an image too, but not in this path.
    let image = image.filter(|image| id_text(&image["id"]) == image_id).ok_or_else(Answer::not_found)?;
    let request: Value = serde_json::from_slice(request).map_err(|_| Answer::refusal(400))?;
    let wanted = wanted(tables, table, &image, &request)?;

    let id = tables.next_id();
    let row = json!({
        "id": id,
        "status": "in-progress",
        "type": request["type"],
        "started_at": time(tables.clock.now()),
        "completed_at": null,
        "resource_id": image["id"],
        "resource_type": "image",
        "region_slug": wanted.region["slug"],
        "region": wanted.region,
    });
    let due = Tables::due_in(settle);
    tables.insert_first(table, image_id, row.clone());
    tables.pending.push(Pending { then: wanted.then, ..Pending::row(table, image_id, &id.to_string(), due) });
    Ok(row)
}

struct Wanted {
    region: Value,
    then: Then,
}

fn wanted(tables: &Tables, table: usize, image: &Value, request: &Value) -> Result<Wanted, Answer> {
    let regions = tables.all[table].fixture.post.as_ref().and_then(|post| tables.find(&post.regions));
    let region = |slug: &str| tables.get(regions?, None, Some(slug));
    let is_backup = image["type"] == "backup";
    match request["type"].as_str() {
        Some("convert") if !is_backup => Err(Answer::unprocessable("Only backups can be converted to snapshots")),
        Some("convert") => {
            let home = image["regions"][0].as_str().and_then(region);
            Ok(Wanted { region: home.unwrap_or(Value::Null), then: Then::BecomeSnapshot })
        }
        Some("transfer") if is_backup => Err(Answer::unprocessable("Backups can not be transfered to other regions")),
        Some("transfer") => {
            let slug = request["region"].as_str().unwrap_or("");
            if slug.is_empty() {
                return Err(Answer::unprocessable("Region can't be blank"));
            }
            let there = region(slug).ok_or_else(|| Answer::unprocessable("Region is invalid"))?;
            let has = image["regions"].as_array().is_some_and(|list| list.iter().any(|own| own == slug));
            if has {
                return Err(Answer::unprocessable("Image is already in that region"));
            }
            Ok(Wanted { region: there, then: Then::AddRegion(slug.to_owned()) })
        }
        _ => Err(Answer::error(404, "not_found", "The specified action type is not available.")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::tables::Clock;
    use super::*;

    const LIVE: &str = "62137950";

    fn tables() -> Tables {
        Tables::new(fixture::load().unwrap(), &[], Clock::start()).unwrap()
    }

    fn live(tables: &Tables, id: &str) -> Value {
        let actions = tables.find("digitalocean/compute/image_actions").unwrap();
        tables.get(actions, Some(LIVE), Some(id)).unwrap()
    }

    #[test]
    fn a_written_row_in_progress_is_completed_in_time() {
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
    fn only_what_is_to_come_is_put_off() {
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        let mut coming = json!({"status": "in-progress", "completed_at": "2026-01-01T00:00:20Z"});
        let mut done = json!({"status": "errored", "completed_at": "2026-01-01T00:00:20Z"});
        let mut endless = json!({"status": "in-progress", "completed_at": null});

        assert_eq!(put_off(&mut coming, now), Some(Duration::from_secs(20)));
        assert_eq!(coming["completed_at"], Value::Null);
        assert_eq!((put_off(&mut done, now), put_off(&mut endless, now)), (None, None));
        assert!(done["completed_at"].is_string());
    }
}
