//! A list as it is served: mostly the rows of one, and where a fixture says `also`
//! those of other tables among them, the newest first.
//!
//! Which rows are on a page is found by counting ids. No other row is rendered, so a
//! list of a million rows is as quick to page through among others as it is alone.

use std::cmp::Reverse;
use std::ops::Range;

use serde_json::Value;

use super::rows::{Rows, Templates};

/// The rows of one list, and what it takes to read them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) rows: &'a Rows,
    pub(super) key: &'a str,
    pub(super) templates: Option<&'a Templates>,
}

/// Several lists as one, in descending order of their ids; a single one in its own order.
///
/// Where there are several, each has its rows in that order, and their ids are numbers
/// above 0 of which no two are the same.
#[derive(Debug)]
pub(super) struct Merged<'a>(Vec<Part<'a>>);

impl Part<'_> {
    fn range(&self, range: Range<usize>) -> Vec<Value> {
        self.rows.range(range, self.templates)
    }

    fn above(&self, id: i64) -> usize {
        self.rows.above(self.key, id, self.templates)
    }

    fn id(&self, row: &Value) -> Option<i64> {
        row.get(self.key)?.as_i64()
    }
}

impl<'a> Merged<'a> {
    pub(super) fn of(parts: Vec<Part<'a>>) -> Self {
        Self(parts)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|part| part.rows.len()).sum()
    }

    /// The rows of a range, as the API would serve them.
    pub(super) fn range(&self, range: Range<usize>) -> Vec<Value> {
        if let [part] = &self.0[..] {
            return part.range(range);
        }
        let (first, end) = (self.id_at(range.start), self.id_at(range.end));
        let mut rows = Vec::new();
        for part in &self.0 {
            let within = part.range(part.above(first)..part.above(end));
            rows.extend(within.into_iter().map(|row| (part.id(&row), row)));
        }
        rows.sort_by_key(|(id, _)| Reverse(*id));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// The id of the row at this place, which is the smallest that no more than `place`
    /// ids are above; 0 past the end.
    fn id_at(&self, place: usize) -> i64 {
        let (mut low, mut high) = (0, i64::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.above(middle) <= place {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        low
    }

    fn above(&self, id: i64) -> usize {
        self.0.iter().map(|part| part.above(id)).sum()
    }

    /// The row with this key.
    pub(super) fn find(&self, id: &str) -> Option<Value> {
        self.0.iter().find_map(|part| {
            let place = part.rows.find(part.key, id, part.templates)?;
            part.range(place..place + 1).pop()
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use serde_json::json;

    use super::*;

    fn templates(newest_id: i64) -> Templates {
        let rows = [json!({"id": 1, "started_at": "2020-01-01T00:00:00Z"})];
        Templates::new(&rows, "id", None, newest_id, DateTime::UNIX_EPOCH, TimeDelta::days(1))
    }

    fn ids(rows: &[Value]) -> Vec<i64> {
        rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }

    #[test]
    fn a_single_list_keeps_its_order() {
        let rows = Rows::written(vec![json!({"id": 3}), json!({"id": "x"}), json!({"id": 7})], None, 0);

        let one = Merged::of(vec![Part { rows: &rows, key: "id", templates: None }]);

        assert_eq!(one.range(1..3), [json!({"id": "x"}), json!({"id": 7})]);
        assert_eq!(one.find("7"), Some(json!({"id": 7})));
    }

    #[test]
    fn several_lists_are_one_the_newest_first_on_every_page() {
        let (late, early) = (templates(900_000), templates(800_123));
        let written = Rows::written([910_000, 650_000, 5].map(|id| json!({ "id": id })).into(), None, 0);
        let one = Rows::written(Vec::new(), None, 0).with_run(0, 300, &late);
        let other = Rows::written(Vec::new(), None, 4).with_run(0, 200, &early);
        let merged = Merged::of(vec![
            Part { rows: &written, key: "id", templates: None },
            Part { rows: &one, key: "id", templates: Some(&late) },
            Part { rows: &other, key: "id", templates: Some(&early) },
        ]);

        let all = ids(&merged.range(0..merged.len()));

        assert_eq!((all.len(), all[0], all[502]), (503, 910_000, 5));
        assert!(all.is_sorted_by(|one, other| one > other));
        for start in (0..560).step_by(70) {
            let end = start + 70;
            assert_eq!(ids(&merged.range(start..end)), all[start.min(503)..end.min(503)], "{start}");
        }
        for id in all.iter().step_by(11) {
            assert_eq!(merged.find(&id.to_string()).unwrap()["id"], *id);
        }
    }

    #[test]
    fn a_page_among_a_million_rows_is_whole() {
        let (late, early) = (templates(1_500_000_000), templates(1_400_000_123));
        let long = Rows::written(Vec::new(), None, 0).with_run(0, 1_000_000, &late);
        let short = Rows::written(Vec::new(), None, 0).with_run(0, 10, &early);
        let merged = Merged::of(vec![
            Part { rows: &long, key: "id", templates: Some(&late) },
            Part { rows: &short, key: "id", templates: Some(&early) },
        ]);

        assert_eq!(merged.range(99_100..99_300).len(), 200);
        assert_eq!(merged.range(999_900..1_000_200).len(), 110);
        assert!(merged.range(1_000_010..1_000_200).is_empty());
    }
}
