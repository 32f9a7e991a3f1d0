//! The keys of a chunk, in the context that the chunk's bound side is executed with.
//!
//! A bind join executes its bound side once for each chunk. The plan is the same each time: its scans look up the
//! chunk's keys by the join's number in an extension of the session's configuration, as they do with
//! [`Run`](super::Run).

use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::prelude::SessionConfig;

use super::key_source::BoundColumn;
use crate::resource::Binding;

/// The keys of one target of a chunk.
pub(super) type SharedKeys = Arc<Vec<Binding>>;

/// The keys that a bind join has for the scans of its bound side, in one chunk.
#[derive(Debug)]
pub(super) struct ChunkKeys {
    /// The join's number.
    number: usize,
    keys: Vec<(Vec<BoundColumn>, SharedKeys)>,
    /// The keys of the enclosing join, if this join is in the bound side of another one.
    outer: Option<Arc<Self>>,
}

impl ChunkKeys {
    /// The context that a chunk's bound side is executed with.
    pub(super) fn context(
        number: usize,
        keys: Vec<(Vec<BoundColumn>, SharedKeys)>,
        context: &TaskContext,
    ) -> Arc<TaskContext> {
        let outer = context.session_config().get_extension::<Self>();
        let extension = Arc::new(Self { number, keys, outer });
        with_config(context, context.session_config().clone().with_extension(extension))
    }

    /// The keys of the join with this number.
    fn of(context: &TaskContext, number: usize) -> Option<Arc<Self>> {
        let mut keys = context.session_config().get_extension::<Self>()?;
        while keys.number != number {
            keys = Arc::clone(keys.outer.as_ref()?);
        }
        Some(keys)
    }

    /// The keys that the join with this number has for these columns.
    pub(super) fn of_columns(context: &TaskContext, number: usize, columns: &[BoundColumn]) -> Option<SharedKeys> {
        let chunk = Self::of(context, number)?;
        chunk.keys.iter().find(|(from, _)| from == columns).map(|(_, keys)| Arc::clone(keys))
    }
}

/// The same context with another configuration.
pub(super) fn with_config(context: &TaskContext, config: SessionConfig) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        config,
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Value;

    fn from(column: &str) -> Vec<BoundColumn> {
        vec![BoundColumn { column: column.into(), key: 0 }]
    }

    fn key(value: i64) -> SharedKeys {
        Arc::new(vec![Binding::default().with("image_id", Value::Int(value))])
    }

    #[test]
    fn the_keys_of_a_chunk_are_found_by_the_number_of_their_join_in_nested_joins_too() {
        let none = TaskContext::default();
        let outer = ChunkKeys::context(1, vec![(from("image_id"), key(7)), (from("id"), key(5))], &none);
        let inner = ChunkKeys::context(2, vec![(from("image_id"), key(8))], &outer);

        assert_eq!(ChunkKeys::of_columns(&inner, 1, &from("image_id")), Some(key(7)));
        assert_eq!(ChunkKeys::of_columns(&inner, 1, &from("id")), Some(key(5)));
        assert_eq!(ChunkKeys::of_columns(&inner, 2, &from("image_id")), Some(key(8)));
        assert_eq!(ChunkKeys::of_columns(&outer, 2, &from("image_id")), None);
        assert_eq!(ChunkKeys::of_columns(&inner, 2, &from("id")), None);
        assert_eq!(ChunkKeys::of_columns(&none, 1, &from("image_id")), None);
    }
}
