//! The part of a body around its rows: `{actions: […], links: {pages: {next}}, meta: {total}}`.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::fault::Fault;
use crate::resource::ResponseShape;

/// The schema of a whole body, read as one row.
pub(super) fn schema(response: &ResponseShape, fields: &Fields) -> SchemaRef {
    let object = DataType::Struct(fields.clone());
    Arc::new(Schema::new(match response {
        ResponseShape::Row(key) => vec![Field::new(key, object, true)],
        ResponseShape::Rows { key, .. } => {
            let next = Fields::from(vec![Field::new("next", DataType::Utf8, true)]);
            let pages = Fields::from(vec![Field::new("pages", DataType::Struct(next), true)]);
            let total = Fields::from(vec![Field::new("total", DataType::Utf8, true)]);
            vec![
                Field::new(key, DataType::new_list(object, true), true),
                Field::new("links", DataType::Struct(pages), true),
                Field::new("meta", DataType::Struct(total), true),
            ]
        }
    }))
}

/// `meta.total`.
pub(super) fn total(body: &RecordBatch) -> Result<Option<u64>, Fault> {
    let Some(meta) = body.column_by_name("meta").filter(|meta| meta.is_valid(0)) else { return Ok(None) };
    let total = meta.as_struct().column(0).as_string::<i32>();
    if total.is_null(0) {
        return Ok(None);
    }
    let text = total.value(0);
    let Ok(number) = text.parse() else {
        let problem = format!("`{text}` is not a number of rows");
        return Err(Fault::Field { field: "meta.total".into(), row: None, problem });
    };
    Ok(Some(number))
}

/// Whether the body has `links`, possibly empty.
pub(super) fn has_links(body: &RecordBatch) -> bool {
    body.column_by_name("links").is_some_and(|links| links.is_valid(0))
}

/// `links.pages.next`. A null `pages` and an empty `next` mean the same as leaving them out.
pub(super) fn next(body: &RecordBatch) -> Option<String> {
    let links = body.column_by_name("links").filter(|links| links.is_valid(0))?;
    let pages = links.as_struct().column(0);
    if pages.is_null(0) {
        return None;
    }
    let next = pages.as_struct().column(0).as_string::<i32>();
    if next.is_null(0) || next.value(0).is_empty() {
        return None;
    }
    Some(next.value(0).to_owned())
}
