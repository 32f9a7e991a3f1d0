//! All rows of the simulated account in memory, queried with DataFusion alone: the rows that a join must return.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Float64Type;
use arrow::json::ReaderBuilder;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::MemorySchemaProvider;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use oceanflight::resource::{ColumnSource, Registry, Resource};
use serde_json::Value as Json;
use simulated_account::Account;

use super::shapes::Of;

/// A deleted image: it is not in any list, but its actions can be read.
const DESTROYED: i64 = 62_130_001;
/// The tables that need no parameter.
const TABLES: &[(&str, &str)] = &[
    ("compute", "images"),
    ("compute", "regions"),
    ("compute", "droplets"),
    ("compute", "snapshots"),
    ("account", "actions"),
];
/// The number of rows of a page.
const PER_PAGE: usize = 200;

/// The rows of an account, and the results of queries over them.
pub(super) struct Oracle {
    context: SessionContext,
    account: Account,
}

impl Oracle {
    /// The rows as the account has them now.
    pub(super) fn of(account: &Account) -> Self {
        let oracle = Self { context: SessionContext::new_with_config(config()), account: account.clone() };
        let catalog = oracle.context.catalog("digitalocean").unwrap();
        catalog.register_schema("account", Arc::new(MemorySchemaProvider::new())).unwrap();
        for (schema, table) in TABLES {
            oracle.add(schema, table, table, oracle.listed(schema, table));
        }
        oracle.add_actions();
        oracle
    }

    /// The actions of all images that can be read, those of the account's own, and those of all droplets.
    fn add_actions(&self) {
        let images = self.listed("compute", "images");
        let own = |image: &&Json| image["public"] == false;
        let all: Vec<_> = images.iter().map(|image| image["id"].clone()).chain([DESTROYED.into()]).collect();
        let own: Vec<_> = images.iter().filter(own).map(|image| image["id"].clone()).collect();
        let droplets: Vec<_> = self.listed("compute", "droplets").iter().map(|droplet| droplet["id"].clone()).collect();
        self.add("compute", "image_actions", "image_actions", self.below(Of::Images, &all));
        self.add("compute", "image_actions", "own_image_actions", self.below(Of::Images, &own));
        self.add("compute", "droplet_actions", "droplet_actions", self.below(Of::Droplets, &droplets));
    }

    /// Registers rows of a declared table under a name.
    fn add(&self, schema: &str, table: &str, name: &str, rows: Vec<Json>) {
        let resource = Registry::built_in().find(schema, table).unwrap_or_else(|| panic!("there is no table {table}"));
        let batch = decoded(resource, rows);
        let rows = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
        self.context.register_table(format!("digitalocean.{schema}.{name}"), Arc::new(rows)).unwrap();
    }

    fn listed(&self, schema: &str, table: &str) -> Vec<Json> {
        let name = format!("digitalocean/{schema}/{table}");
        self.account.rows(&name, None).unwrap_or_else(|| panic!("there is no fixture {name}"))
    }

    /// The actions below these parents, each with its parent's id.
    fn below(&self, of: Of, parents: &[Json]) -> Vec<Json> {
        let actions = parents.iter().flat_map(|parent| {
            let rows = self.account.rows(of.table(), Some(&parent.to_string()));
            let mut rows = rows.unwrap_or_else(|| panic!("{} cannot be read below {parent}", of.table()));
            rows.iter_mut().for_each(|row| row[of.parameter()] = parent.clone());
            rows
        });
        actions.collect()
    }

    /// The rows that a statement returns, as text.
    pub(super) async fn lines(&self, sql: &str) -> Vec<String> {
        let rows = self.context.sql(sql).await.unwrap_or_else(|error| panic!("the oracle on {sql}: {error}"));
        let batches = rows.collect().await.unwrap_or_else(|error| panic!("the oracle on {sql}: {error}"));
        batches.iter().flat_map(lines).collect()
    }

    /// The ids that a statement returns in its only column, without NULL.
    pub(super) async fn keys(&self, sql: &str) -> BTreeSet<String> {
        self.lines(sql).await.into_iter().filter(|key| key != NULL).collect()
    }

    /// The requests for every page of these parents' actions.
    pub(super) fn pages(&self, of: Of, keys: &BTreeSet<String>) -> BTreeSet<String> {
        let pages = keys.iter().flat_map(|key| {
            let rows = self.account.count(of.table(), Some(key)).unwrap_or(0);
            let pages = rows.div_ceil(PER_PAGE).max(1);
            (1..=pages).map(move |page| format!("{}{key}/actions?page={page}", of.prefix()))
        });
        pages.collect()
    }
}

/// A session that is configured like the server's.
fn config() -> SessionConfig {
    let mut config = SessionConfig::new().with_default_catalog_and_schema("digitalocean", "compute");
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.optimizer.enable_round_robin_repartition = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    config
}

/// The API's objects as rows of a table.
fn decoded(resource: &Resource, mut rows: Vec<Json>) -> RecordBatch {
    for column in &resource.columns {
        if let ColumnSource::Alias(other) = &column.source {
            rows.iter_mut().for_each(|row| row[&column.name] = row[other].clone());
        }
    }
    let schema = resource.planned_schema();
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let reader = ReaderBuilder::new(Arc::clone(schema)).build(text.as_bytes()).unwrap();
    let batches: Vec<RecordBatch> =
        reader.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{resource}: {error}"));
    concat_batches(schema, &batches).unwrap()
}

const NULL: &str = "NULL";

/// Each row as text: columns of one name stay apart, and sums of fractions are equal in whatever order they were made.
pub(super) fn lines(rows: &RecordBatch) -> Vec<String> {
    let columns: Vec<Vec<String>> = rows.columns().iter().map(texts).collect();
    let line = |row: usize| columns.iter().map(|texts| texts[row].as_str()).collect::<Vec<_>>().join(" | ");
    (0..rows.num_rows()).map(line).collect()
}

fn texts(column: &ArrayRef) -> Vec<String> {
    if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
        return floats.iter().map(|value| value.map_or(NULL.to_owned(), |value| format!("{value:.9e}"))).collect();
    }
    let options = FormatOptions::new().with_null(NULL);
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
    (0..column.len()).map(|row| formatter.value(row).to_string()).collect()
}
