//! `oceanflight tables`: lists the tables and columns of the declarations. It sends no request.

use std::sync::Arc;

use clap::Args;

use super::console::Console;
use super::error::Error;
use super::exit::Exit;
use super::format::Format;
use super::listing::TextTable;
use crate::error::{Result, nearest};
use crate::resource::{Registry, Resource, type_name};

/// List the tables, or the columns of one
#[derive(Args, Debug)]
pub(super) struct TablesArgs {
    /// Show this table's columns: `image_actions`, `compute.image_actions`
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// How to print the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(tables: &TablesArgs, console: &mut Console) -> Result<Exit> {
    let registry = Registry::built_in();
    match &tables.name {
        Some(name) => columns_of(find(name, registry)?).print(tables.format, console)?,
        None => all(registry).print(tables.format, console)?,
    }
    Ok(Exit::Done)
}

fn all(registry: &Registry) -> TextTable<2> {
    let mut listing = TextTable::new(["table", "description"]);
    for resource in registry.iter() {
        listing.push([Some(resource.to_string()), Some(resource.description.clone())]);
    }
    listing
}

fn columns_of(resource: &Resource) -> TextTable<4> {
    let mut listing = TextTable::new(["column", "type", "nullable", "description"]);
    for column in &resource.columns {
        let nullable = if column.nullable { "yes" } else { "no" };
        listing.push([
            Some(column.name.clone()),
            Some(type_name(&column.data_type)),
            Some(nullable.to_owned()),
            Some(column.description.clone()),
        ]);
    }
    listing
}

/// Finds a table by its name, which may be qualified.
fn find<'a>(name: &str, registry: &'a Registry) -> Result<&'a Arc<Resource>, Error> {
    let lower = name.to_ascii_lowercase();
    let is_named = |resource: &&Arc<Resource>| {
        let full = resource.to_string();
        full.strip_suffix(&lower).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    registry.iter().find(is_named).ok_or_else(|| {
        let table = lower.rsplit('.').next().unwrap_or(&lower);
        let nearest = nearest(table, registry.iter().map(|resource| resource.table.as_str())).map(str::to_owned);
        Error::NoSuchTable { name: name.to_owned(), nearest }
    })
}
