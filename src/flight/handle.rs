//! Handles: protobuf with everything that is needed to run a statement, so that any replica can run it.
//!
//! Exception: the ticket of an EXEC is valid only in the process that made it. It identifies one execution, and only
//! that process knows whether its POST was sent.
//!
//! A handle is not signed, and need not be: a client that forges one could have sent the same statement. Bytes that are
//! not a handle are the client's mistake.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use prost::Message;

use super::fault::Fault;
use crate::engine::Once;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from proto/")]
    include!(concat!(env!("OUT_DIR"), "/oceanflight.v1.rs"));
}

/// The maximum number of parameter rows of one query, and so of one handle.
pub(super) const MAX_ROWS: usize = 1_000;

/// The version of a handle's format.
pub(super) const VERSION: u32 = 2;

/// The options of a session, by name: see `session_messages`.
pub(super) type SessionTexts = HashMap<String, String>;

/// The statement of a ticket.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StatementHandle {
    /// The SQL as the client wrote it.
    pub(super) sql: String,
    /// The bound rows.
    pub(super) parameters: Option<RecordBatch>,
    /// The execution of an EXEC.
    pub(super) once: Option<Once>,
    /// Random: it tells this ticket from others of the same statement.
    pub(super) nonce: u64,
    /// The options of the session that the statement was planned in, by name.
    pub(super) session: SessionTexts,
}

impl StatementHandle {
    /// Encodes the handle.
    ///
    /// # Errors
    /// [`Fault::Encoding`]: Arrow cannot write the row.
    pub(super) fn encode(&self) -> Result<Bytes, Fault> {
        let parameters = encode_row(self.parameters.as_ref())?;
        let once = self.once.map(|Once { process, number, expires_ms }| proto::Once { process, number, expires_ms });
        let (version, sql, nonce, session) = (VERSION, self.sql.clone(), self.nonce, self.session.clone());
        let handle = proto::StatementHandle { version, sql, parameters, once, nonce, session };
        Ok(handle.encode_to_vec().into())
    }

    /// Decodes a handle.
    ///
    /// # Errors
    /// [`Fault::NotAHandle`] and [`Fault::HandleVersion`].
    pub(super) fn decode(handle: &[u8]) -> Result<Self, Fault> {
        let handle = proto::StatementHandle::decode(handle).map_err(|_| Fault::NotAHandle)?;
        check_version(handle.version)?;
        let once = handle.once.map(|proto::Once { process, number, expires_ms }| Once { process, number, expires_ms });
        let parameters = decode_row(&handle.parameters)?;
        Ok(Self { sql: handle.sql, parameters, once, nonce: handle.nonce, session: handle.session })
    }
}

/// The handle of a prepared statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PreparedHandle {
    /// The SQL as the client wrote it.
    pub(super) sql: String,
    /// The rows that were bound when this handle was made; not rows bound through an older handle.
    pub(super) parameters: Option<RecordBatch>,
    /// The same number in every handle of one preparation, and in no other handle.
    pub(super) nonce: u64,
    /// The options of the session that the statement was prepared in, by name.
    pub(super) session: SessionTexts,
}

impl PreparedHandle {
    /// Encodes the handle.
    ///
    /// # Errors
    /// [`Fault::Encoding`]: Arrow cannot write the row.
    pub(super) fn encode(&self) -> Result<Bytes, Fault> {
        let parameters = encode_row(self.parameters.as_ref())?;
        let (version, sql, nonce, session) = (VERSION, self.sql.clone(), self.nonce, self.session.clone());
        let handle = proto::PreparedHandle { version, sql, parameters, nonce, session };
        Ok(handle.encode_to_vec().into())
    }

    /// Decodes a handle.
    ///
    /// # Errors
    /// [`Fault::NotAHandle`] and [`Fault::HandleVersion`].
    pub(super) fn decode(handle: &[u8]) -> Result<Self, Fault> {
        let handle = proto::PreparedHandle::decode(handle).map_err(|_| Fault::NotAHandle)?;
        check_version(handle.version)?;
        let parameters = decode_row(&handle.parameters)?;
        Ok(Self { sql: handle.sql, parameters, nonce: handle.nonce, session: handle.session })
    }
}

/// Returns a number that no client can guess: with it, bound rows could be read, and queries cancelled.
pub(super) fn nonce() -> u64 {
    getrandom::u64().expect("the system has random numbers")
}

/// Decodes bytes as each kind of handle, and as the rows in one. For fuzzing.
pub(super) fn read_any(bytes: &[u8]) {
    let _ = StatementHandle::decode(bytes);
    let _ = PreparedHandle::decode(bytes);
    let _ = decode_row(bytes);
}

/// Version 0 means that the field is absent: other bytes that happen to decode as protobuf.
fn check_version(version: u32) -> Result<(), Fault> {
    match version {
        VERSION => Ok(()),
        0 => Err(Fault::NotAHandle),
        other => Err(Fault::HandleVersion(other)),
    }
}

fn encode_row(row: Option<&RecordBatch>) -> Result<Vec<u8>, Fault> {
    let Some(row) = row else { return Ok(Vec::new()) };
    let write = || {
        let mut writer = StreamWriter::try_new(Vec::new(), row.schema_ref())?;
        writer.write(row)?;
        writer.into_inner()
    };
    write().map_err(Fault::Encoding)
}

/// Decodes the bound rows. arrow-ipc panics on some invalid schemas (`fb_to_schema`), so panics are caught. Its
/// `StreamReader` allocates any length that the bytes contain; the `StreamDecoder` does not.
fn decode_row(bytes: &[u8]) -> Result<Option<RecordBatch>, Fault> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut buffer = Buffer::from(bytes);
    let decoded = catch_unwind(AssertUnwindSafe(|| StreamDecoder::new().decode(&mut buffer)));
    match decoded {
        Ok(Ok(Some(rows))) if (1..=MAX_ROWS).contains(&rows.num_rows()) => Ok(Some(rows)),
        _ => Err(Fault::NotAHandle),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn row(number: Option<i64>, text: Option<String>) -> RecordBatch {
        let columns: [(&str, ArrayRef, bool); 2] = [
            ("1", Arc::new(Int64Array::from(vec![number])), true),
            ("2", Arc::new(StringArray::from(vec![text])), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    proptest! {
        #[test]
        fn a_handle_decodes_to_what_was_encoded(
            sql: String,
            bound in proptest::option::of((any::<Option<i64>>(), any::<Option<String>>())),
            nonce: u64,
            once in proptest::option::of((any::<u64>(), any::<u64>(), any::<u64>())),
            session: SessionTexts,
        ) {
            let parameters = bound.map(|(number, text)| row(number, text));
            let once = once.map(|(process, number, expires_ms)| Once { process, number, expires_ms });
            let statement = StatementHandle { sql: sql.clone(), parameters: parameters.clone(), once, nonce, session: session.clone() };
            let prepared = PreparedHandle { sql, parameters, nonce, session };

            prop_assert_eq!(StatementHandle::decode(&statement.encode().unwrap()).unwrap(), statement);
            prop_assert_eq!(PreparedHandle::decode(&prepared.encode().unwrap()).unwrap(), prepared);
        }

        #[test]
        fn any_bytes_decode_without_a_panic(bytes: Vec<u8>) {
            let _ = StatementHandle::decode(&bytes);
            let _ = PreparedHandle::decode(&bytes);
        }

        #[test]
        fn any_bytes_for_parameters_are_rejected_without_a_panic(parameters in proptest::collection::vec(any::<u8>(), 1..200)) {
            let handle = proto::StatementHandle { version: VERSION, parameters, ..Default::default() };

            prop_assert!(StatementHandle::decode(&handle.encode_to_vec()).is_err());
        }

        #[test]
        fn a_row_with_bytes_changed_never_panics(at: prop::sample::Index, to: u8) {
            let mut parameters = encode_row(Some(&row(Some(7), Some("x".into())))).unwrap();
            let at = at.index(parameters.len());
            parameters[at] = to;

            let _ = decode_row(&parameters);
        }

        #[test]
        fn rows_above_the_limit_are_rejected(rows in MAX_ROWS + 1..2_000_000_000) {
            let nulls: ArrayRef = Arc::new(arrow::array::NullArray::new(rows));
            let rows = RecordBatch::try_from_iter_with_nullable([("1", nulls, true)]).unwrap();

            prop_assert!(decode_row(&encode_row(Some(&rows)).unwrap()).is_err());
        }

        #[test]
        fn another_version_is_rejected_with_its_number(version in 3u32..) {
            let handle = proto::PreparedHandle { version, ..Default::default() }.encode_to_vec();

            prop_assert!(matches!(PreparedHandle::decode(&handle), Err(Fault::HandleVersion(found)) if found == version));
        }
    }
}
