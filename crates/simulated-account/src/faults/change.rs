//! Rows that are added to a list or removed between two requests.

use chrono::{DateTime, TimeDelta};

use crate::rows::Rows;
use crate::tables::Tables;

/// How a list changes between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// New rows at the front, with ids above all others.
    AddFirst(usize),
    /// New rows at the end: older ones if the newest come first.
    AddLast(usize),
    /// Rows removed from the front.
    RemoveFirst(usize),
    /// Rows removed from the end.
    RemoveLast(usize),
    /// The row at this index removed, counted from 0.
    RemoveAt(usize),
}

impl Tables {
    /// Adds rows to a list or removes them; false if there is no such list.
    pub(crate) fn change(&mut self, table: usize, parent: Option<&str>, change: Change) -> bool {
        if self.list(table, parent).is_none() {
            return false;
        }
        match change {
            Change::AddFirst(count) => (0..count).for_each(|_| self.add(table, parent, true)),
            Change::AddLast(count) => (0..count).for_each(|_| self.add(table, parent, false)),
            Change::RemoveFirst(count) => (0..count).for_each(|_| self.remove(table, parent, |_| Some(0))),
            Change::RemoveLast(count) => {
                (0..count).for_each(|_| self.remove(table, parent, |rows| rows.len().checked_sub(1)));
            }
            Change::RemoveAt(index) => self.remove(table, parent, |_| Some(index)),
        }
        true
    }

    fn remove(&mut self, table: usize, parent: Option<&str>, which: impl FnOnce(&Rows) -> Option<usize>) {
        let Some((rows, _)) = self.list_mut(table, parent) else { return };
        if let Some(index) = which(rows) {
            rows.remove(index);
        }
    }

    fn add(&mut self, table: usize, parent: Option<&str>, first: bool) {
        let fixture = &self.all[table].fixture;
        let (key, newest_first) = (fixture.key.clone(), fixture.newest_first);
        let now = self.clock.now();
        let older = (newest_first && !first).then(|| self.below_all(table, parent, &key)).flatten();
        let id = older.unwrap_or_else(|| self.next_id());
        // A row at the end is older than the last one; its exact time does not matter.
        let at = if older.is_some() { DateTime::UNIX_EPOCH + TimeDelta::days(365 * 50) } else { now };
        let Some((rows, templates)) = self.list_mut(table, parent) else { return };
        match rows.new_row(&key, id, at, templates) {
            Some(row) if first => rows.insert_first(row),
            Some(row) => rows.insert_last(row),
            None => tracing::warn!(table, "there is no template for a new row"),
        }
    }

    fn below_all(&self, table: usize, parent: Option<&str>, key: &str) -> Option<i64> {
        let rows = self.list(table, parent)?;
        let last = rows.len().checked_sub(1)?;
        let row = rows.range(last..last + 1, self.all[table].templates.as_ref()).pop()?;
        row.get(key)?.as_i64().map(|id| id - 1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::fixture;
    use crate::tables::Clock;

    const SNAPSHOTS: &str = r#"{
        "list": {"path": "/v2/snapshots", "rows": "snapshots"},
        "items": [{"id": "6372321"}, {"id": "fbe805e8-866b-11e6-96bf-000f53315a41"}],
        "total": 6,
        "templates": {"newest_id": 5000000, "newest_at": "2026-01-01T00:00:00Z", "span_days": 1, "rows": [
            {"id": "1", "created_at": "2020-01-01T00:00:00Z"},
            {"id": "4f60fc64-85d1-11e6-a004-000f53315871", "created_at": "2020-01-01T00:00:00Z"}
        ]}
    }"#;

    fn rows(tables: &Tables, table: usize) -> Vec<Value> {
        tables.select(table, None, &[], |total| 0..total).unwrap().0
    }

    #[test]
    fn rows_are_added_and_removed_at_their_positions() {
        let mut tables = Tables::new(fixture::read(&[("snapshots", SNAPSHOTS)]).unwrap(), &[], Clock::start()).unwrap();
        let before = rows(&tables, 0);

        for change in [Change::RemoveAt(3), Change::RemoveLast(1), Change::AddFirst(2), Change::AddLast(1)] {
            assert!(tables.change(0, None, change));
        }

        let after = rows(&tables, 0);
        assert_eq!(after[2..5], before[0..3]);
        assert_eq!(after[5], before[4]);
        assert_eq!(after.len(), 7);
    }

    #[test]
    fn a_new_or_changed_row_is_so_in_a_list_that_includes_the_table() {
        let mut tables = Tables::new(fixture::load().unwrap(), &[], Clock::start()).unwrap();
        let find = |name: &str| tables.find(&format!("digitalocean/{name}")).unwrap();
        let (actions, all, image) = (find("compute/image_actions"), find("account/actions"), Some("62137907"));
        let before = rows(&tables, all).len();

        tables.change(actions, image, Change::AddFirst(1));
        let added = tables.get(actions, image, None).unwrap();
        tables.row_mut(actions, image, &added["id"].to_string()).unwrap()["status"] = Value::from("errored");

        let after = rows(&tables, all);
        assert_eq!(after.len(), before + 1);
        assert_eq!((&after[0]["id"], &after[0]["status"]), (&added["id"], &Value::from("errored")));
    }
}
