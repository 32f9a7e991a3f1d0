//! Every declared table with every shape of query, over gRPC: the rows are those of `SELECT *`, projected, sorted,
//! limited or counted, and prepare, FlightInfo and DoGet have the same schema.
//!
//! A new table is tested as soon as it has a declaration and a fixture.

use arrow::datatypes::DataType;
use oceanflight::resource::{ColumnSource, Registry, Resource, ResponseShape};
use serde_json::Value as Json;

use crate::support::wire::Wire;
use crate::support::{Stage, json};

/// Parameter values for which the simulated account has rows.
const SAMPLES: &[(&str, &str)] = &[("image_id", "62137902"), ("droplet_id", "512340007")];

/// Returns a condition such as `image_id = 62137902` for a table with parameters, else `true`.
fn pins(resource: &Resource) -> String {
    let list = resource.methods.iter().find(|method| matches!(method.response, ResponseShape::Rows { .. }));
    let terms = list.iter().flat_map(|method| method.path.parameters()).map(|parameter| {
        let sample = SAMPLES.iter().find(|(name, _)| *name == parameter);
        let (_, value) = sample.unwrap_or_else(|| panic!("{resource}: SAMPLES lacks a value of {parameter}"));
        format!("{parameter} = {value}")
    });
    let terms: Vec<_> = terms.collect();
    if terms.is_empty() { "true".into() } else { terms.join(" AND ") }
}

/// Returns a text column, and one of its values, for a filter.
fn text_value(resource: &Resource, rows: &[Json]) -> (String, String) {
    let texts = resource
        .columns
        .iter()
        .filter(|column| column.data_type == DataType::Utf8 && column.source == ColumnSource::Field);
    let found = texts.flat_map(|column| rows.iter().map(|row| (column.name.clone(), &row[&column.name])));
    let mut present = found.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
    present.find(|(_, value)| !value.is_empty() && !value.contains('\'')).unwrap()
}

/// Returns a value as a SQL literal.
fn literal(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'"))
}

fn column(rows: &[Json], name: &str) -> Vec<Json> {
    rows.iter().map(|row| row[name].clone()).collect()
}

#[tokio::test]
async fn every_table_supports_every_shape_of_query() {
    // One image has actions that complete while the test runs.
    let mut wire = Wire::of(Stage::new(&[("62137950", 6)]).await).await;
    for resource in Registry::built_in().iter() {
        Shapes::of(&mut wire, resource).await.check(&mut wire).await;
    }
}

/// A table with all its rows, and the parts of its queries.
struct Shapes<'a> {
    resource: &'a Resource,
    pins: String,
    all: Vec<Json>,
}

impl<'a> Shapes<'a> {
    async fn of(wire: &mut Wire, resource: &'a Resource) -> Self {
        let pins = pins(resource);
        let all = json(&wire.rows(&format!("SELECT * FROM {resource} WHERE {pins}")).await);
        assert!(all.len() > 10, "{resource}: a fixture with {} rows shows little", all.len());
        Self { resource, pins, all }
    }

    async fn check(&self, wire: &mut Wire) {
        self.counts(wire).await;
        self.one_column_each(wire).await;
        self.columns_reversed(wire).await;
        self.limits(wire).await;
        self.pinned_to_a_row(wire).await;
        self.filtered(wire).await;
        self.ordered(wire).await;
        self.nothing(wire).await;
    }

    fn from(&self) -> String {
        format!("FROM {} WHERE {}", self.resource, self.pins)
    }

    async fn ask(&self, wire: &mut Wire, select: &str, rest: &str) -> Vec<Json> {
        json(&wire.rows(&format!("SELECT {select} {} {rest}", self.from())).await)
    }

    async fn counts(&self, wire: &mut Wire) {
        let counted = self.ask(wire, "count(*) AS n", "").await;
        assert_eq!(counted[0]["n"], self.all.len(), "{}", self.resource);
    }

    async fn one_column_each(&self, wire: &mut Wire) {
        for name in self.resource.columns.iter().map(|column| &column.name) {
            let rows = self.ask(wire, name, "").await;
            assert_eq!(column(&rows, name), column(&self.all, name), "{}.{name}", self.resource);
        }
    }

    async fn columns_reversed(&self, wire: &mut Wire) {
        let names: Vec<_> = self.resource.columns.iter().rev().map(|column| column.name.as_str()).collect();
        assert_eq!(self.ask(wire, &names.join(", "), "").await, self.all, "{}", self.resource);
    }

    async fn limits(&self, wire: &mut Wire) {
        for limit in [0, 1, 7] {
            let rows = self.ask(wire, "*", &format!("LIMIT {limit}")).await;
            assert_eq!(rows.len(), limit, "{}", self.resource);
            assert!(rows.iter().all(|row| self.all.contains(row)), "{}", self.resource);
        }
        let skipped = self.ask(wire, "*", "OFFSET 3").await;
        assert_eq!(skipped.len(), self.all.len() - 3, "{}", self.resource);
    }

    async fn pinned_to_a_row(&self, wire: &mut Wire) {
        let (id, last) = (self.resource.row_id(), self.all.last().unwrap());
        let one = format!("AND {id} = {}", literal(&last[id]));
        assert_eq!(self.ask(wire, "*", &one).await, std::slice::from_ref(last), "{}", self.resource);
        let none = self.ask(wire, "*", &format!("{one} AND {} IS NULL", id)).await;
        assert!(none.is_empty(), "{}", self.resource);
    }

    async fn filtered(&self, wire: &mut Wire) {
        let (name, value) = text_value(self.resource, &self.all);
        let expected: Vec<_> = self.all.iter().filter(|row| row[&name] == value.as_str()).cloned().collect();
        let filter = format!("AND {name} = '{value}'");

        assert_eq!(self.ask(wire, "*", &filter).await, expected, "{}: {filter}", self.resource);
        let counted = self.ask(wire, "count(*) AS n", &filter).await;
        assert_eq!(counted[0]["n"], expected.len(), "{}: {filter}", self.resource);
        let limited = self.ask(wire, "*", &format!("{filter} LIMIT 1")).await;
        assert_eq!(limited.len(), expected.len().min(1), "{}: {filter} LIMIT 1", self.resource);
        let id = self.resource.row_id();
        let pinned = self.ask(wire, "*", &format!("{filter} AND {id} = {}", literal(&expected[0][id]))).await;
        assert_eq!(pinned, expected[..1], "{}: pinned and filtered", self.resource);
    }

    async fn ordered(&self, wire: &mut Wire) {
        let id = self.resource.row_id();
        let mut expected = self.all.clone();
        expected.sort_by_key(|row| (row[id].as_i64(), row[id].as_str().map(str::to_owned)));
        let rows = self.ask(wire, "*", &format!("ORDER BY {id} LIMIT 5")).await;
        assert_eq!(rows, expected[..5.min(expected.len())], "{}", self.resource);
    }

    async fn nothing(&self, wire: &mut Wire) {
        let rows = wire.rows(&format!("SELECT * {} AND false", self.from())).await;
        assert_eq!((rows.num_rows(), rows.num_columns()), (0, self.resource.columns.len()), "{}", self.resource);
    }
}

#[tokio::test]
async fn planning_sends_no_request() {
    let mut wire = Wire::start().await;
    for resource in Registry::built_in().iter() {
        let sql = format!("SELECT * FROM {resource} WHERE {}", pins(resource));
        let mut prepared = wire.client.prepare(sql.clone(), None).await.unwrap();
        prepared.execute().await.unwrap();
        wire.client.execute(sql, None).await.unwrap();
    }

    assert!(wire.stage.requests().is_empty());
}
