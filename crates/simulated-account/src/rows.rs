//! The rows of one list. Written rows are stored; a run of rows made from
//! templates is two numbers, and each of them is rendered when it is asked for.

use std::collections::VecDeque;
use std::ops::Range;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};

/// How a list changes while somebody reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// So many new rows at the front, with ids above all others.
    AddFirst(usize),
    /// So many new rows at the end: older ones where the newest come first.
    AddLast(usize),
    /// So many rows less at the front.
    RemoveFirst(usize),
    /// So many rows less at the end.
    RemoveLast(usize),
    /// The row at this place less, counted from 0.
    RemoveAt(usize),
}

/// Written-out rows that stand for many: cycled, with ids and times stepped.
///
/// Row `k` of a list (0 is the newest) is template `k % n`, with the id
/// `newest_id - 1009 k - lane` and its earliest time at `newest_at - k step`;
/// its other times keep their distance to that. The lane is the parent's place in
/// its own list, so ids differ from parent to parent (of up to 1,009).
#[derive(Debug)]
pub(super) struct Templates {
    patterns: Vec<Pattern>,
    key: String,
    parent_field: Option<String>,
    newest_id: i64,
    newest_at: DateTime<Utc>,
    span: TimeDelta,
}

/// How many parents there can be until ids repeat.
pub(super) const LANES: usize = 1_009;
const STRIDE: i64 = LANES as i64;

#[derive(Debug)]
struct Pattern {
    row: Map<String, Value>,
    /// The fields that hold a time, and how long after the earliest of them.
    times: Vec<(String, TimeDelta)>,
}

impl Templates {
    pub(super) fn new(
        rows: &[Value],
        key: &str,
        parent_field: Option<&str>,
        newest_id: i64,
        newest_at: DateTime<Utc>,
        span: TimeDelta,
    ) -> Self {
        Self {
            patterns: rows.iter().filter_map(Value::as_object).map(Pattern::new).collect(),
            key: key.to_owned(),
            parent_field: parent_field.map(str::to_owned),
            newest_id,
            newest_at,
            span,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// A row like template `index`, of this id, begun at this time.
    pub(super) fn row(&self, index: usize, id: i64, at: DateTime<Utc>, parent: Option<&Value>) -> Value {
        let pattern = &self.patterns[index % self.patterns.len()];
        let mut row = pattern.row.clone();
        let like = row.get(&self.key).cloned().unwrap_or(Value::Null);
        row.insert(self.key.clone(), id_like(&like, id));
        for (field, after) in &pattern.times {
            row.insert(field.clone(), time(at + *after));
        }
        if let (Some(field), Some(parent)) = (&self.parent_field, parent)
            && row.get(field).is_some_and(|value| !value.is_null())
        {
            row.insert(field.clone(), parent.clone());
        }
        Value::Object(row)
    }
}

impl Pattern {
    fn new(row: &Map<String, Value>) -> Self {
        let found = row.iter().filter_map(|(field, value)| {
            let at = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
            Some((field.clone(), at.with_timezone(&Utc)))
        });
        let found: Vec<_> = found.collect();
        let earliest = found.iter().map(|(_, at)| *at).min().unwrap_or_default();
        let times = found.into_iter().map(|(field, at)| (field, at - earliest)).collect();
        Self { row: row.clone(), times }
    }
}

/// RFC 3339, `Z`, whole seconds: as the API writes a time.
pub(super) fn time(at: DateTime<Utc>) -> Value {
    Value::String(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A number in the clothes of another id: a number, digits, or a UUID.
fn id_like(like: &Value, id: i64) -> Value {
    match like {
        Value::String(text) if text.len() == 36 => Value::String(format!("00000000-0000-4000-8000-{id:012x}")),
        Value::String(_) => Value::String(id.to_string()),
        _ => Value::from(id),
    }
}

/// A row's id as it stands in a path.
pub(super) fn id_text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// One list: pieces in the order in which the API serves them.
#[derive(Debug)]
pub(super) struct Rows {
    pieces: VecDeque<Piece>,
    parent: Option<Value>,
    lane: i64,
    step: TimeDelta,
    added: usize,
}

#[derive(Debug)]
enum Piece {
    Row(Value),
    Run(Range<usize>),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Row(_) => 1,
            Self::Run(run) => run.len(),
        }
    }
}

impl Rows {
    /// A list without rows.
    pub(super) const fn none() -> Self {
        let pieces = VecDeque::new();
        Self { pieces, parent: None, lane: 0, step: TimeDelta::zero(), added: 0 }
    }

    /// Written rows as they come.
    pub(super) fn written(rows: Vec<Value>, parent: Option<Value>, lane: usize) -> Self {
        let lane = i64::try_from(lane).unwrap_or(0) % STRIDE;
        Self { pieces: rows.into_iter().map(Piece::Row).collect(), parent, lane, ..Self::none() }
    }

    /// Makes `count` rows of the templates, spread evenly over their span, and
    /// puts them after the first `place` rows.
    pub(super) fn with_run(mut self, place: usize, count: usize, templates: &Templates) -> Self {
        if count > 0 && !templates.is_empty() {
            let seconds = templates.span.num_seconds() / i64::try_from(count).unwrap_or(i64::MAX);
            self.step = TimeDelta::seconds(seconds.max(1));
            self.pieces.insert(place.min(self.pieces.len()), Piece::Run(0..count));
        }
        self
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// The rows of a range, as the API would serve them.
    pub(super) fn range(&self, range: Range<usize>, templates: Option<&Templates>) -> Vec<Value> {
        let mut rows = Vec::with_capacity(range.len().min(200));
        let mut start = 0;
        for piece in &self.pieces {
            let end = start + piece.len();
            let (from, to) = (range.start.max(start), range.end.min(end));
            match piece {
                _ if from >= to => {}
                Piece::Row(row) => rows.push(row.clone()),
                Piece::Run(run) => {
                    let made = run.start + (from - start)..run.start + (to - start);
                    rows.extend(made.filter_map(|k| self.made(k, templates)));
                }
            }
            start = end;
        }
        rows
    }

    fn made(&self, k: usize, templates: Option<&Templates>) -> Option<Value> {
        let templates = templates?;
        let steps = i32::try_from(k).unwrap_or(i32::MAX);
        let at = templates.newest_at - self.step * steps;
        Some(templates.row(k, self.id_of(k, templates), at, self.parent.as_ref()))
    }

    fn id_of(&self, k: usize, templates: &Templates) -> i64 {
        templates.newest_id - STRIDE * i64::try_from(k).unwrap_or(0) - self.lane
    }

    /// How many rows have an id above this one.
    pub(super) fn above(&self, key: &str, id: i64, templates: Option<&Templates>) -> usize {
        let made = templates.map_or(0, |templates| self.made_above(id, templates));
        let above = |piece: &Piece| match piece {
            Piece::Row(row) => usize::from(row.get(key).and_then(Value::as_i64) > Some(id)),
            Piece::Run(run) => made.clamp(run.start, run.end) - run.start,
        };
        self.pieces.iter().map(above).sum()
    }

    /// How many rows that are made have an id above this one, in a run without an end.
    fn made_above(&self, id: i64, templates: &Templates) -> usize {
        let over = templates.newest_id.saturating_sub(self.lane).saturating_sub(id);
        let count = u64::try_from(over).unwrap_or(0).div_ceil(STRIDE.unsigned_abs());
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Where the row with this key stands.
    pub(super) fn find(&self, key: &str, text: &str, templates: Option<&Templates>) -> Option<usize> {
        let k = templates.and_then(|templates| self.k_of(text, templates));
        let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
        let is = |id: &Value| match id {
            Value::String(id) => id == text,
            id => number.is_some() && id.as_i64() == number,
        };
        let mut start = 0;
        for piece in &self.pieces {
            match piece {
                Piece::Row(row) if row.get(key).is_some_and(is) => return Some(start),
                Piece::Run(run) => {
                    if let Some(k) = k.filter(|k| run.contains(k)) {
                        return Some(start + k - run.start);
                    }
                }
                Piece::Row(_) => {}
            }
            start += piece.len();
        }
        None
    }

    fn k_of(&self, text: &str, templates: &Templates) -> Option<usize> {
        let id = match text.rsplit_once('-') {
            Some((_, end)) if text.len() == 36 => i64::from_str_radix(end, 16).ok()?,
            _ => text.parse().ok()?,
        };
        let below = templates.newest_id.checked_sub(id)? - self.lane;
        let k = usize::try_from(below / STRIDE).ok().filter(|_| below >= 0 && below % STRIDE == 0)?;
        // `007` is the number 7, but no path that the API knows.
        let own = templates.patterns.get(k % templates.patterns.len())?.row.get(&templates.key)?;
        (id_text(&id_like(own, id)) == text).then_some(k)
    }

    pub(super) fn insert_first(&mut self, row: Value) {
        self.pieces.push_front(Piece::Row(row));
    }

    pub(super) fn insert_last(&mut self, row: Value) {
        self.pieces.push_back(Piece::Row(row));
    }

    pub(super) fn remove(&mut self, index: usize) {
        if let Some(place) = self.alone(index, None) {
            self.pieces.remove(place);
        }
    }

    /// A row to write in; one that was made from a template is stored from now on.
    pub(super) fn row_mut(&mut self, index: usize, templates: Option<&Templates>) -> Option<&mut Value> {
        let row = self.range(index..index.checked_add(1)?, templates).pop();
        let place = self.alone(index, row)?;
        match self.pieces.get_mut(place)? {
            Piece::Row(row) => Some(row),
            Piece::Run(_) => None,
        }
    }

    /// Cuts the run around a row, so that the row is a piece of its own, as `row` if that
    /// is given; the place of that piece.
    fn alone(&mut self, index: usize, row: Option<Value>) -> Option<usize> {
        let mut start = 0;
        let place = self.pieces.iter().position(|piece| {
            start += piece.len();
            index < start
        })?;
        let Piece::Run(run) = &self.pieces[place] else { return Some(place) };
        let k = run.end - (start - index);
        let (before, after) = (run.start..k, k + 1..run.end);
        let own = row.map_or(Piece::Run(k..k + 1), Piece::Row);
        self.pieces[place] = own;
        self.pieces.insert(place + 1, Piece::Run(after));
        self.pieces.insert(place, Piece::Run(before));
        Some(place + 1)
    }

    /// A row to add: the templates in turn, or where there are none a copy of the first.
    pub(super) fn fresh(
        &mut self,
        key: &str,
        id: i64,
        at: DateTime<Utc>,
        templates: Option<&Templates>,
    ) -> Option<Value> {
        let turn = self.added;
        self.added += 1;
        if let Some(templates) = templates.filter(|templates| !templates.is_empty()) {
            return Some(templates.row(turn, id, at, self.parent.as_ref()));
        }
        let mut row = self.range(0..1, None).pop()?;
        let own = row.get_mut(key)?;
        *own = id_like(own, id);
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn templates() -> Templates {
        let rows = [
            json!({"id": 1, "started_at": "2020-01-01T00:00:10Z", "completed_at": "2020-01-01T00:00:40Z", "resource_id": 9}),
            json!({"id": 2, "started_at": "2020-01-01T00:00:10Z", "completed_at": null, "resource_id": null}),
        ];
        let newest = DateTime::parse_from_rfc3339("2026-06-30T00:00:00Z").unwrap().to_utc();
        Templates::new(&rows, "id", Some("resource_id"), 2_000_000, newest, TimeDelta::days(10))
    }

    fn rows(count: usize, templates: &Templates) -> Rows {
        Rows::written(Vec::new(), Some(json!(77)), 3).with_run(0, count, templates)
    }

    fn ids(rows: &Rows, templates: &Templates) -> Vec<i64> {
        let all = rows.range(0..rows.len(), Some(templates));
        all.iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }

    #[test]
    fn templates_are_cycled_with_ids_and_times_stepped() {
        let templates = templates();

        let made = rows(10, &templates).range(1..3, Some(&templates));

        let plain =
            json!({"id": 1_998_988, "started_at": "2026-06-29T00:00:00Z", "completed_at": null, "resource_id": null});
        let whole = json!({"id": 1_997_979, "started_at": "2026-06-28T00:00:00Z", "completed_at": "2026-06-28T00:00:30Z", "resource_id": 77});
        assert_eq!(made, [plain, whole]);
    }

    #[test]
    fn a_million_rows_are_one_piece() {
        let templates = templates();

        let rows = rows(1_000_000, &templates);

        assert_eq!((rows.len(), rows.pieces.len()), (1_000_000, 1));
        assert_eq!(rows.range(999_990..1_000_100, Some(&templates)).len(), 10);
    }

    #[test]
    fn every_row_is_found_by_its_id() {
        let templates = templates();
        let mut rows = rows(20, &templates);
        rows.remove(7);
        rows.insert_first(json!({"id": 5_000_000}));

        for (place, id) in ids(&rows, &templates).iter().enumerate() {
            assert_eq!(rows.find("id", &id.to_string(), Some(&templates)), Some(place));
        }
        for absent in ["1992934", "0", "x", "", "02000000", "-5"] {
            assert_eq!(rows.find("id", absent, Some(&templates)), None, "{absent}");
        }
    }

    #[test]
    fn the_rows_above_an_id_are_counted() {
        let templates = templates();
        let mut rows = rows(20, &templates);
        rows.remove(7);
        rows.insert_first(json!({"id": 5_000_000}));

        for (place, id) in ids(&rows, &templates).into_iter().enumerate() {
            assert_eq!(rows.above("id", id, Some(&templates)), place);
            assert_eq!(rows.above("id", id - 1, Some(&templates)), place + 1);
        }
        assert_eq!(rows.above("id", i64::MAX, Some(&templates)), 0);
        assert_eq!(rows.above("id", 0, Some(&templates)), rows.len());
    }

    #[test]
    fn a_row_in_the_middle_of_a_run_can_go() {
        let templates = templates();
        let mut rows = rows(5, &templates);
        let mut left = ids(&rows, &templates);

        for index in [2, 0, 2] {
            rows.remove(index);
            left.remove(index);
        }
        rows.remove(9);

        assert_eq!(ids(&rows, &templates), left);
    }

    #[test]
    fn a_made_row_can_be_written_in() {
        let templates = templates();
        let mut rows = rows(5, &templates);
        let before = ids(&rows, &templates);

        rows.row_mut(3, Some(&templates)).unwrap()["status"] = json!("errored");

        assert_eq!(rows.range(3..4, Some(&templates))[0]["status"], "errored");
        assert_eq!(ids(&rows, &templates), before);
        assert!(rows.row_mut(5, Some(&templates)).is_none());
    }

    #[test]
    fn an_id_is_made_in_the_shape_of_the_templates() {
        assert_eq!(id_like(&json!("12"), 7), "7");
        assert_eq!(
            id_like(&json!("4e2b1a3c-0000-4000-8000-000000000000"), 255),
            "00000000-0000-4000-8000-0000000000ff"
        );
        assert_eq!(id_like(&json!(1), 7), 7);
    }
}
