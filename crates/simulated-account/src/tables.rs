//! The current rows of every table.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::time::Instant;

use crate::action::{self, PendingRow};
use crate::fixture::{self, Error, Filter, Fixture};
use crate::merged::{ListPart, MergedList};
use crate::options::Total;
use crate::rows::{LANES, Rows, Templates, id_text};

/// Wall-clock time that advances with tokio's, so that a test can pause both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    started_at: DateTime<Utc>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), started_at: Utc::now() }
    }

    pub(crate) fn at(self, instant: Instant) -> DateTime<Utc> {
        self.started_at + TimeDelta::from_std(instant - self.started).unwrap_or_default()
    }

    pub(crate) fn now(self) -> DateTime<Utc> {
        self.at(Instant::now())
    }
}

/// One fixture with its rows.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) fixture: Fixture,
    pub(crate) templates: Option<Templates>,
    /// By the parent's key; a table without parents has one list, under "".
    lists: HashMap<String, Rows>,
    /// The parents that were destroyed and still have rows.
    gone: Vec<String>,
}

/// All tables. Other modules refer to a table by its index in `all`.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) all: Vec<Table>,
    pub(crate) clock: Clock,
    /// The rows in progress.
    pub(crate) pending: Vec<PendingRow>,
    next_id: i64,
}

impl Table {
    fn new(name: String, fixture: Fixture) -> Self {
        let field = fixture.parent.as_ref().and_then(|parent| parent.field.as_deref());
        let templates = fixture.templates.as_ref().map(|made| {
            let span = TimeDelta::days(made.span_days);
            Templates::new(&made.rows, &fixture.key, field, made.newest_id, made.newest_at, span)
        });
        Self { name, templates, fixture, lists: HashMap::new(), gone: Vec::new() }
    }

    fn part<'a>(&'a self, rows: &'a Rows) -> ListPart<'a> {
        ListPart { rows, key: &self.fixture.key, templates: self.templates.as_ref() }
    }

    /// The rows of the fixture in order, with the generated ones inserted at their position.
    fn rows(&self, mut written: Vec<Value>, total: Option<usize>, parent: Option<Value>, lane: usize) -> Rows {
        let key = &self.fixture.key;
        let number = |row: &Value| row.get(key).and_then(Value::as_i64);
        if self.fixture.newest_first {
            written.sort_by_key(|row| std::cmp::Reverse(number(row)));
        }
        let total = total.unwrap_or(written.len());
        written.truncate(total);
        let missing = total - written.len();
        let newest = self.fixture.templates.as_ref().map_or(0, |made| made.newest_id);
        let place = match self.fixture.newest_first {
            true => written.iter().filter(|row| number(row) > Some(newest)).count(),
            false => written.len(),
        };
        let rows = Rows::of(written, parent, lane);
        match &self.templates {
            Some(templates) => rows.with_run(place, missing, templates),
            None => rows,
        }
    }
}

impl Tables {
    pub(crate) fn new(fixtures: BTreeMap<String, Fixture>, totals: &[Total], clock: Clock) -> Result<Self, Error> {
        let all: Vec<_> = fixtures.into_iter().map(|(name, fixture)| Table::new(name, fixture)).collect();
        let mut tables = Self { all, clock, pending: Vec::new(), next_id: 1 };
        tables.check_also()?;
        for table in 0..tables.all.len() {
            tables.fill_items(table);
        }
        for table in 0..tables.all.len() {
            tables.fill_children(table)?;
        }
        for total in totals {
            tables.set_total(total)?;
        }
        Ok(tables)
    }

    /// Whether the tables that `also` names exist.
    fn check_also(&self) -> Result<(), Error> {
        for table in &self.all {
            if let Some(missing) = table.fixture.also.iter().find(|name| self.find(name).is_none()) {
                return Err(Error::Missing { name: table.name.clone(), reference: missing.clone() });
            }
        }
        Ok(())
    }

    fn fill_items(&mut self, table: usize) {
        if self.all[table].fixture.parent.is_some() {
            return;
        }
        let items = self.enter(table, None, self.all[table].fixture.items.clone());
        let own = &mut self.all[table];
        let rows = own.rows(items, own.fixture.total, None, 0);
        own.lists.insert(String::new(), rows);
    }

    fn fill_children(&mut self, table: usize) -> Result<(), Error> {
        let children = std::mem::take(&mut self.all[table].fixture.children);
        for child in children {
            let of = id_text(&child.of);
            if child.gone {
                self.all[table].gone.push(of.clone());
            }
            let lane = self
                .lane(table, &of)
                .ok_or_else(|| Error::Missing { name: self.all[table].name.clone(), reference: of.clone() })?;
            let written = self.enter(table, Some(&of), child.rows);
            let own = &mut self.all[table];
            let rows = own.rows(written, child.total, Some(child.of), lane);
            own.lists.insert(of, rows);
        }
        Ok(())
    }

    /// Makes the times of a fixture's rows absolute, and registers their ids and the rows in progress.
    fn enter(&mut self, table: usize, parent: Option<&str>, mut rows: Vec<Value>) -> Vec<Value> {
        let fixture = &self.all[table].fixture;
        for row in &mut rows {
            fixture::date(row, self.clock.started_at);
            let id = row.get(&fixture.key).cloned().unwrap_or(Value::Null);
            self.next_id = self.next_id.max(id.as_i64().unwrap_or(0) + 1);
            if let (Some(_), Some(parent)) = (&fixture.post, parent) {
                let due = action::take_completion_time(row, self.clock.started_at);
                let due = due.map(|wait| self.clock.started + wait);
                self.pending.extend(due.map(|due| PendingRow::row(table, parent, &id_text(&id), due)));
            }
        }
        rows
    }

    fn set_total(&mut self, total: &Total) -> Result<(), Error> {
        let Total { list, rows } = total;
        let named = self.all.iter().position(|table| {
            table.fixture.parent.is_none() && (table.name == *list || table.name.rsplit('/').next() == Some(list))
        });
        if let Some(table) = named {
            let own = &mut self.all[table];
            let written = own.lists.remove("").map(|rows| rows.range(0..rows.len(), own.templates.as_ref()));
            let filled = own.rows(written.unwrap_or_default(), Some(*rows), None, 0);
            own.lists.insert(String::new(), filled);
            return Ok(());
        }
        let wrong = || Error::Total { list: list.clone() };
        let grows: Vec<_> = (0..self.all.len()).filter(|table| self.grows(*table)).collect();
        let known = |table: &&usize| self.lane(**table, list).is_some();
        let table = match grows.iter().find(known) {
            Some(table) => *table,
            None => *grows.iter().find(|table| self.create_parent(**table, list)).ok_or_else(wrong)?,
        };
        let lane = self.lane(table, list).ok_or_else(wrong)?;
        let parent = list.parse::<i64>().map_or_else(|_| Value::from(list.as_str()), Value::from);
        self.pending.retain(|pending| !pending.is_in(table, list));
        let own = &mut self.all[table];
        let filled = own.rows(Vec::new(), Some(*rows), Some(parent), lane);
        own.lists.insert(list.clone(), filled);
        Ok(())
    }

    /// Whether the lists of this table can have any length.
    fn grows(&self, table: usize) -> bool {
        let table = &self.all[table];
        table.fixture.parent.is_some() && table.templates.is_some()
    }

    fn create_parent(&mut self, table: usize, id: &str) -> bool {
        let (Some(parent), Ok(id)) = (self.parent_of(table), id.parse::<i64>()) else { return false };
        let own = &mut self.all[parent];
        let Some(made) = own.fixture.templates.as_ref().filter(|made| made.for_unknown) else { return false };
        let Some(templates) = own.templates.as_ref().filter(|templates| !templates.is_empty()) else { return false };
        let row = templates.row(0, id, made.newest_at, None);
        let Some(rows) = own.lists.get_mut("") else { return false };
        rows.insert_last(row);
        self.next_id = self.next_id.max(id.saturating_add(1));
        true
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|table| table.name == name)
    }

    pub(crate) fn parent_of(&self, table: usize) -> Option<usize> {
        self.find(&self.all[table].fixture.parent.as_ref()?.table)
    }

    /// The lane of the ids that are generated below a parent, which no other parent has; `None` if there is no such parent.
    fn lane(&self, table: usize, parent: &str) -> Option<usize> {
        let there = self.place(self.parent_of(table)?, None, parent);
        // Lanes from the other end, because parents may still be added.
        let gone = || self.all[table].gone.iter().position(|gone| gone == parent);
        there.or_else(|| gone().map(|place| (LANES - 1).saturating_sub(place)))
    }

    /// The rows below a parent, or of a table without parents; `None` if there is no such parent, an empty list if it has
    /// no rows.
    pub(crate) fn list(&self, table: usize, parent: Option<&str>) -> Option<&Rows> {
        const NONE: &Rows = &Rows::none();
        if let Some(parent) = parent {
            self.lane(table, parent)?;
        }
        Some(self.all[table].lists.get(parent.unwrap_or("")).unwrap_or(NONE))
    }

    /// The list to change, which is created if the parent has none yet.
    pub(crate) fn list_mut(&mut self, table: usize, parent: Option<&str>) -> Option<(&mut Rows, Option<&Templates>)> {
        self.list(table, parent)?;
        let lane = parent.and_then(|parent| self.lane(table, parent)).unwrap_or(0);
        let own = &mut self.all[table];
        let rows = own.lists.entry(parent.unwrap_or("").to_owned()).or_insert_with(|| {
            let of = parent.map(|text| text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from));
            Rows::of(Vec::new(), of, lane)
        });
        Some((rows, own.templates.as_ref()))
    }

    fn place(&self, table: usize, parent: Option<&str>, id: &str) -> Option<usize> {
        let own = &self.all[table];
        let rows = own.lists.get(parent.unwrap_or(""))?;
        rows.find(&own.fixture.key, id, own.templates.as_ref())
    }

    /// A list as the API returns it, with the rows of the tables that `also` names.
    fn served(&self, table: usize, parent: Option<&str>) -> Option<MergedList<'_>> {
        let own = &self.all[table];
        let mut parts = vec![own.part(self.list(table, parent)?)];
        for other in own.fixture.also.iter().filter_map(|name| self.find(name)) {
            let other = &self.all[other];
            parts.extend(other.lists.values().map(|rows| other.part(rows)));
        }
        Some(MergedList::of(parts))
    }

    /// The filters of a query, also those that apply without their parameter.
    pub(crate) fn filters<'a>(&'a self, table: usize, query: &'a [(String, String)]) -> Vec<(&'a Filter, &'a str)> {
        let named = |name: &str| query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let filters = self.all[table].fixture.query.iter();
        filters.filter_map(|(name, filter)| Some((filter, named(name).or(filter.default_value())?))).collect()
    }

    /// Of the rows that the filters keep, the range that `pick` returns for their number; and that number.
    pub(crate) fn select(
        &self,
        table: usize,
        parent: Option<&str>,
        filters: &[(&Filter, &str)],
        pick: impl FnOnce(usize) -> Range<usize>,
    ) -> Option<(Vec<Value>, usize)> {
        let served = self.served(table, parent)?;
        if filters.is_empty() {
            let total = served.len();
            return Some((served.range(pick(total)), total));
        }
        let mut kept = served.range(0..served.len());
        kept.retain(|row| filters.iter().all(|(filter, wanted)| filter.keeps(row, wanted)));
        let total = kept.len();
        Some((kept.drain(pick(total)).collect(), total))
    }

    /// One row by its key or by a field of `also_by`; without a key the first.
    pub(crate) fn get(&self, table: usize, parent: Option<&str>, id: Option<&str>) -> Option<Value> {
        let served = self.served(table, parent)?;
        let Some(id) = id else { return served.range(0..1).pop() };
        served.find(id).or_else(|| {
            let also_by = self.all[table].fixture.get.as_ref().map_or(&[][..], |get| &get.also_by);
            let is_it = |row: &Value| also_by.iter().any(|field| row[field.as_str()] == id);
            if also_by.is_empty() { None } else { served.range(0..served.len()).into_iter().find(is_it) }
        })
    }

    pub(crate) fn row_mut(&mut self, table: usize, parent: Option<&str>, id: &str) -> Option<&mut Value> {
        let place = self.place(table, parent, id)?;
        let (rows, templates) = self.list_mut(table, parent)?;
        rows.row_mut(place, templates)
    }

    pub(crate) fn insert_first(&mut self, table: usize, parent: &str, row: Value) {
        if let Some((rows, _)) = self.list_mut(table, Some(parent)) {
            rows.insert_first(row);
        }
    }

    /// An id above all others so far.
    pub(crate) fn next_id(&mut self) -> i64 {
        let templates = self.all.iter().filter_map(|table| table.fixture.templates.as_ref());
        let highest = templates.map(|made| made.newest_id).max().unwrap_or(0);
        let id = self.next_id.max(highest + 1);
        self.next_id = id + 1;
        id
    }

    /// Completes the rows that are due.
    pub(crate) fn advance(&mut self, now: Instant) {
        let (due, pending) = std::mem::take(&mut self.pending).into_iter().partition(|entry| entry.is_due(now));
        self.pending = pending;
        for entry in due {
            action::complete(self, &entry);
        }
    }

    /// The time after `wait` from now.
    pub(crate) fn due_in(wait: Duration) -> Instant {
        Instant::now() + wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that only this test has: a fixture is enough.
    const SNAPSHOTS: &str = r#"{
        "list": {"path": "/v2/snapshots", "rows": "snapshots"},
        "get": {"path": "/v2/snapshots/{id}", "row": "snapshot"},
        "query": {"resource_type": {"equals": "resource_type"}},
        "items": [
            {"id": "6372321", "resource_type": "droplet"},
            {"id": "fbe805e8-866b-11e6-96bf-000f53315a41", "resource_type": "volume"}
        ],
        "total": 6,
        "templates": {"newest_id": 5000000, "newest_at": "2026-01-01T00:00:00Z", "span_days": 1, "rows": [
            {"id": "1", "resource_type": "droplet", "created_at": "2020-01-01T00:00:00Z"},
            {"id": "4f60fc64-85d1-11e6-a004-000f53315871", "resource_type": "volume", "created_at": "2020-01-01T00:00:00Z"}
        ]}
    }"#;

    fn tables(files: &[(&str, &str)], totals: &[&str]) -> Result<Tables, Error> {
        let totals: Vec<Total> = totals.iter().map(|text| text.parse().unwrap()).collect();
        Tables::new(fixture::read(files).unwrap(), &totals, Clock::start())
    }

    fn everything(tables: &Tables, query: &[(String, String)]) -> Vec<Value> {
        tables.select(0, None, &tables.filters(0, query), |total| 0..total).unwrap().0
    }

    const IMAGE_ACTIONS: &str = "digitalocean/compute/image_actions";
    const GONE: &str = "62130001";

    fn account(totals: &[&str]) -> Tables {
        let totals: Vec<Total> = totals.iter().map(|text| text.parse().unwrap()).collect();
        Tables::new(fixture::load().unwrap(), &totals, Clock::start()).unwrap()
    }

    fn named(tables: &Tables, name: &str) -> Vec<Value> {
        tables.select(tables.find(name).unwrap(), None, &[], |total| 0..total).unwrap().0
    }

    #[test]
    fn a_new_table_needs_only_a_fixture() {
        let tables = tables(&[("digitalocean/compute/snapshots", SNAPSHOTS)], &[]).unwrap();

        let all = everything(&tables, &[]);
        let volumes = everything(&tables, &[("resource_type".to_owned(), "volume".to_owned())]);

        assert_eq!((all.len(), volumes.len()), (6, 3));
        assert_eq!(all[2]["id"], "5000000");
        for row in &all {
            assert_eq!(tables.get(0, None, row["id"].as_str()).as_ref(), Some(row));
        }
    }

    #[test]
    fn a_total_is_the_length_of_a_table() {
        for (text, rows) in [("snapshots=0", 0), ("compute/snapshots=1", 1), ("snapshots=500", 500)] {
            let tables = tables(&[("compute/snapshots", SNAPSHOTS)], &[text]).unwrap();

            assert_eq!(everything(&tables, &[]).len(), rows, "{text}");
        }
    }

    #[test]
    fn a_total_for_an_unknown_list_is_named() {
        let error = tables(&[("snapshots", SNAPSHOTS)], &["volumes=3"]).unwrap_err();

        assert_eq!(error.to_string(), "`volumes` is neither a table nor an id such as an image's");
    }

    #[test]
    fn ids_differ_from_image_to_image() {
        let tables = account(&["1=500"]);
        let actions = tables.find(IMAGE_ACTIONS).unwrap();
        let mut seen = std::collections::HashSet::new();

        for (image, rows) in &tables.all[actions].lists {
            for row in tables.select(actions, Some(image), &[], |total| 0..total).unwrap().0 {
                assert!(seen.insert(row["id"].as_i64()), "{image}: {row}");
            }
            assert!(rows.len() > 0, "{image}");
        }
        assert_eq!(seen.len(), 366 + 1 + 3 + 201 + 24 + 6 + 1 + 2 + 4 + 2 + 5 + 500);
    }

    #[test]
    fn a_destroyed_parent_still_has_its_rows() {
        let tables = account(&["62130001=30"]);
        let written = account(&[]);
        let (images, actions) = (tables.find("digitalocean/compute/images"), tables.find(IMAGE_ACTIONS).unwrap());

        assert!(tables.get(images.unwrap(), None, Some(GONE)).is_none());
        assert_eq!(written.select(actions, Some(GONE), &[], |total| 0..total).unwrap().1, 5);
        let (made, total) = tables.select(actions, Some(GONE), &[], |total| 0..total).unwrap();
        assert_eq!((made.len(), total), (30, 30));
        assert_eq!(tables.get(actions, Some(GONE), Some(&made[7]["id"].to_string())).as_ref(), Some(&made[7]));
    }

    #[test]
    fn a_table_has_the_rows_of_other_tables_too() {
        let tables = account(&["62137906=3000", "512340007=2000"]);
        let all = named(&tables, "digitalocean/account/actions");
        let table = tables.find("digitalocean/account/actions").unwrap();

        assert!(all.is_sorted_by(|one, other| one["id"].as_i64() > other["id"].as_i64()));
        let own = tables.all[table].fixture.items.len();
        let parts = ["compute/image_actions", "compute/droplet_actions"].map(|name| {
            let other = &tables.all[tables.find(&format!("digitalocean/{name}")).unwrap()];
            other.lists.values().map(Rows::len).sum::<usize>()
        });
        assert_eq!(all.len(), own + parts[0] + parts[1]);
        for row in all.iter().step_by(97) {
            assert_eq!(tables.get(table, None, Some(&row["id"].to_string())).as_ref(), Some(row));
        }
    }

    #[test]
    fn a_missing_table_in_also_is_named() {
        let error = tables(&[("everything", r#"{"also": ["snapshots"]}"#)], &[]).unwrap_err();

        assert_eq!(error.to_string(), "the fixture `everything` names `snapshots`, which is in no fixture");
    }

    #[test]
    fn a_total_for_an_unknown_id_creates_a_parent_if_the_fixture_allows_it() {
        let tables = account(&["555=3"]);
        let find = |name: &str| tables.find(&format!("digitalocean/compute/{name}")).unwrap();

        assert!(tables.get(find("images"), None, Some("555")).is_some());
        assert!(tables.get(find("droplets"), None, Some("555")).is_none());
    }
}
