//! Makes the codec of a session's expressions, with every function that they may call.

use datafusion::execution::{SessionState, TaskContext};

use super::corrections;
use crate::table::ExprCodec;

/// The codec of a session's expressions.
pub(super) fn codec(session: &SessionState) -> ExprCodec {
    ExprCodec::new(TaskContext::from(session), corrections::scalar_functions(session))
}

#[cfg(test)]
mod tests;
