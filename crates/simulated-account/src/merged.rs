//! A list as the API returns it: usually one list; with `also` in the fixture several, the newest row first.
//!
//! The rows of a page are found by counting ids, and no other row is rendered, so pages of a list of a million rows are
//! as fast as those of a short one.

use std::cmp::Reverse;
use std::ops::Range;

use serde_json::Value;

use crate::rows::{Rows, Templates};

/// One list, with its table's key and templates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListPart<'a> {
    pub(crate) rows: &'a Rows,
    pub(crate) key: &'a str,
    pub(crate) templates: Option<&'a Templates>,
}

/// Several lists as one, in descending order of their ids; a single list in its own order.
///
/// Each of several lists is in that order, and their ids are distinct positive numbers.
#[derive(Debug)]
pub(crate) struct MergedList<'a>(Vec<ListPart<'a>>);

impl ListPart<'_> {
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

impl<'a> MergedList<'a> {
    pub(crate) fn of(parts: Vec<ListPart<'a>>) -> Self {
        Self(parts)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|part| part.rows.len()).sum()
    }

    /// The rows of a range, as the API returns them.
    pub(crate) fn range(&self, range: Range<usize>) -> Vec<Value> {
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

    /// The id of the row at this index: the smallest id that at most `index` ids are above; 0 past the end.
    fn id_at(&self, index: usize) -> i64 {
        let (mut low, mut high) = (0, i64::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.above(middle) <= index {
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
    pub(crate) fn find(&self, id: &str) -> Option<Value> {
        self.0.iter().find_map(|part| {
            let index = part.rows.find(part.key, id, part.templates)?;
            part.range(index..index + 1).pop()
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
        let rows = Rows::of(vec![json!({"id": 3}), json!({"id": "x"}), json!({"id": 7})], None, 0);

        let one = MergedList::of(vec![ListPart { rows: &rows, key: "id", templates: None }]);

        assert_eq!(one.range(1..3), [json!({"id": "x"}), json!({"id": 7})]);
        assert_eq!(one.find("7"), Some(json!({"id": 7})));
    }

    #[test]
    fn several_lists_are_one_the_newest_first_on_every_page() {
        let (late, early) = (templates(900_000), templates(800_123));
        let written = Rows::of([910_000, 650_000, 5].map(|id| json!({ "id": id })).into(), None, 0);
        let one = Rows::of(Vec::new(), None, 0).with_run(0, 300, &late);
        let other = Rows::of(Vec::new(), None, 4).with_run(0, 200, &early);
        let merged = MergedList::of(vec![
            ListPart { rows: &written, key: "id", templates: None },
            ListPart { rows: &one, key: "id", templates: Some(&late) },
            ListPart { rows: &other, key: "id", templates: Some(&early) },
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
        let long = Rows::of(Vec::new(), None, 0).with_run(0, 1_000_000, &late);
        let short = Rows::of(Vec::new(), None, 0).with_run(0, 10, &early);
        let merged = MergedList::of(vec![
            ListPart { rows: &long, key: "id", templates: Some(&late) },
            ListPart { rows: &short, key: "id", templates: Some(&early) },
        ]);

        assert_eq!(merged.range(99_100..99_300).len(), 200);
        assert_eq!(merged.range(999_900..1_000_200).len(), 110);
        assert!(merged.range(1_000_010..1_000_200).is_empty());
    }
}
