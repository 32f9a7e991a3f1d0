//! The rows of one list. The rows of a fixture are stored; a run of rows generated from templates is two numbers, and
//! its rows are rendered on request.

use std::collections::VecDeque;
use std::ops::Range;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};

/// Rows that many others are generated from: they repeat in turn, with descending ids and times.
///
/// Row `k` of a list (0 is the newest) is template `k % n` with the id `newest_id - 1009 k - lane` and its earliest time
/// at `newest_at - k step`; its other times keep their distance to that. The lane is the parent's position in its own
/// list, so up to 1,009 parents have different ids.
#[derive(Debug)]
pub(crate) struct Templates {
    patterns: Vec<Pattern>,
    key: String,
    parent_field: Option<String>,
    newest_id: i64,
    newest_at: DateTime<Utc>,
    span: TimeDelta,
}

/// The number of parents with different ids.
pub(crate) const LANES: usize = 1_009;
const STRIDE: i64 = LANES as i64;

#[derive(Debug)]
struct Pattern {
    row: Map<String, Value>,
    /// The fields that hold a time, and the distance to the earliest of them.
    times: Vec<(String, TimeDelta)>,
}

impl Templates {
    pub(crate) fn new(
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

    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// A row of template `index` with this id, started at this time.
    pub(crate) fn row(&self, index: usize, id: i64, at: DateTime<Utc>, parent: Option<&Value>) -> Value {
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

/// A time as the API writes it: RFC 3339, UTC, whole seconds.
pub(crate) fn time(at: DateTime<Utc>) -> Value {
    Value::String(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// An id with the type of another one: a number, a text of digits, or a UUID.
fn id_like(like: &Value, id: i64) -> Value {
    match like {
        Value::String(text) if text.len() == 36 => Value::String(format!("00000000-0000-4000-8000-{id:012x}")),
        Value::String(_) => Value::String(id.to_string()),
        _ => Value::from(id),
    }
}

/// A row's id as in a path.
pub(crate) fn id_text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// One list: pieces in the order in which the API returns them.
#[derive(Debug)]
pub(crate) struct Rows {
    pieces: VecDeque<Piece>,
    parent: Option<Value>,
    lane: i64,
    step: TimeDelta,
    /// The number of rows that were added by [`Rows::new_row`].
    #[cfg(feature = "faults")]
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
    pub(crate) const fn none() -> Self {
        Self {
            pieces: VecDeque::new(),
            parent: None,
            lane: 0,
            step: TimeDelta::zero(),
            #[cfg(feature = "faults")]
            added: 0,
        }
    }

    /// The rows of a fixture, in this order.
    pub(crate) fn of(rows: Vec<Value>, parent: Option<Value>, lane: usize) -> Self {
        let lane = i64::try_from(lane).unwrap_or(0) % STRIDE;
        Self { pieces: rows.into_iter().map(Piece::Row).collect(), parent, lane, ..Self::none() }
    }

    /// Generates `count` rows from the templates, spread evenly over their span, and inserts them after the first
    /// `index` rows.
    pub(crate) fn with_run(mut self, index: usize, count: usize, templates: &Templates) -> Self {
        if count > 0 && !templates.is_empty() {
            let seconds = templates.span.num_seconds() / i64::try_from(count).unwrap_or(i64::MAX);
            self.step = TimeDelta::seconds(seconds.max(1));
            self.pieces.insert(index.min(self.pieces.len()), Piece::Run(0..count));
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// The rows of a range, as the API returns them.
    pub(crate) fn range(&self, range: Range<usize>, templates: Option<&Templates>) -> Vec<Value> {
        let mut rows = Vec::with_capacity(range.len().min(200));
        let mut start = 0;
        for piece in &self.pieces {
            let end = start + piece.len();
            let (from, to) = (range.start.max(start), range.end.min(end));
            match piece {
                _ if from >= to => {}
                Piece::Row(row) => rows.push(row.clone()),
                Piece::Run(run) => {
                    let generated = run.start + (from - start)..run.start + (to - start);
                    rows.extend(generated.filter_map(|k| self.generated(k, templates)));
                }
            }
            start = end;
        }
        rows
    }

    fn generated(&self, k: usize, templates: Option<&Templates>) -> Option<Value> {
        let templates = templates?;
        let steps = i32::try_from(k).unwrap_or(i32::MAX);
        let at = templates.newest_at - self.step * steps;
        Some(templates.row(k, self.id_of(k, templates), at, self.parent.as_ref()))
    }

    fn id_of(&self, k: usize, templates: &Templates) -> i64 {
        templates.newest_id - STRIDE * i64::try_from(k).unwrap_or(0) - self.lane
    }

    /// The number of rows with an id above this one.
    pub(crate) fn above(&self, key: &str, id: i64, templates: Option<&Templates>) -> usize {
        let generated = templates.map_or(0, |templates| self.generated_above(id, templates));
        let above = |piece: &Piece| match piece {
            Piece::Row(row) => usize::from(row.get(key).and_then(Value::as_i64) > Some(id)),
            Piece::Run(run) => generated.clamp(run.start, run.end) - run.start,
        };
        self.pieces.iter().map(above).sum()
    }

    /// The number of generated rows with an id above this one, in a run without end.
    fn generated_above(&self, id: i64, templates: &Templates) -> usize {
        let over = templates.newest_id.saturating_sub(self.lane).saturating_sub(id);
        let count = u64::try_from(over).unwrap_or(0).div_ceil(STRIDE.unsigned_abs());
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// The index of the row with this key.
    pub(crate) fn find(&self, key: &str, text: &str, templates: Option<&Templates>) -> Option<usize> {
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
        // `007` is the number 7, but the API does not accept it in a path.
        let own = templates.patterns.get(k % templates.patterns.len())?.row.get(&templates.key)?;
        (id_text(&id_like(own, id)) == text).then_some(k)
    }

    pub(crate) fn insert_first(&mut self, row: Value) {
        self.pieces.push_front(Piece::Row(row));
    }

    pub(crate) fn insert_last(&mut self, row: Value) {
        self.pieces.push_back(Piece::Row(row));
    }

    /// A row that the caller may change; if it was generated from a template, it is stored from now on.
    pub(crate) fn row_mut(&mut self, index: usize, templates: Option<&Templates>) -> Option<&mut Value> {
        let row = self.range(index..index.checked_add(1)?, templates).pop();
        let piece = self.split_at(index, row)?;
        match self.pieces.get_mut(piece)? {
            Piece::Row(row) => Some(row),
            Piece::Run(_) => None,
        }
    }

    /// Splits the run around the row at `index`, so that the row is a piece of its own (`row` if that is given), and
    /// returns the index of the piece.
    fn split_at(&mut self, index: usize, row: Option<Value>) -> Option<usize> {
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
}

#[cfg(feature = "faults")]
impl Rows {
    pub(crate) fn remove(&mut self, index: usize) {
        if let Some(piece) = self.split_at(index, None) {
            self.pieces.remove(piece);
        }
    }

    /// A new row: the templates in turn, or without templates a copy of the first row.
    pub(crate) fn new_row(
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
        Rows::of(Vec::new(), Some(json!(77)), 3).with_run(0, count, templates)
    }

    fn ids(rows: &Rows, templates: &Templates) -> Vec<i64> {
        let all = rows.range(0..rows.len(), Some(templates));
        all.iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }

    #[test]
    fn templates_repeat_with_descending_ids_and_times() {
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
        #[cfg(feature = "faults")]
        rows.remove(7);
        rows.insert_first(json!({"id": 5_000_000}));

        for (place, id) in ids(&rows, &templates).iter().enumerate() {
            assert_eq!(rows.find("id", &id.to_string(), Some(&templates)), Some(place));
        }
        #[cfg(feature = "faults")]
        assert_eq!(rows.find("id", "1992934", Some(&templates)), None);
        for absent in ["0", "x", "", "02000000", "-5"] {
            assert_eq!(rows.find("id", absent, Some(&templates)), None, "{absent}");
        }
    }

    #[test]
    fn the_rows_above_an_id_are_counted() {
        let templates = templates();
        let mut rows = rows(20, &templates);
        #[cfg(feature = "faults")]
        rows.remove(7);
        rows.insert_first(json!({"id": 5_000_000}));

        for (place, id) in ids(&rows, &templates).into_iter().enumerate() {
            assert_eq!(rows.above("id", id, Some(&templates)), place);
            assert_eq!(rows.above("id", id - 1, Some(&templates)), place + 1);
        }
        assert_eq!(rows.above("id", i64::MAX, Some(&templates)), 0);
        assert_eq!(rows.above("id", 0, Some(&templates)), rows.len());
    }

    #[cfg(feature = "faults")]
    #[test]
    fn a_row_in_the_middle_of_a_run_can_be_removed() {
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
    fn a_generated_row_can_be_changed() {
        let templates = templates();
        let mut rows = rows(5, &templates);
        let before = ids(&rows, &templates);

        rows.row_mut(3, Some(&templates)).unwrap()["status"] = json!("errored");

        assert_eq!(rows.range(3..4, Some(&templates))[0]["status"], "errored");
        assert_eq!(ids(&rows, &templates), before);
        assert!(rows.row_mut(5, Some(&templates)).is_none());
    }

    #[test]
    fn an_id_has_the_type_of_the_templates_id() {
        assert_eq!(id_like(&json!("12"), 7), "7");
        assert_eq!(
            id_like(&json!("4e2b1a3c-0000-4000-8000-000000000000"), 255),
            "00000000-0000-4000-8000-0000000000ff"
        );
        assert_eq!(id_like(&json!(1), 7), 7);
    }
}
