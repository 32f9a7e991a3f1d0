//! Decodes commands, and dispatches each to the file that implements it.

use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::sql::{Any, Command};
use prost::Message;

use super::Service;
use super::fault::{Fault, MessagePart};
use super::stream::FlightRows;
use crate::engine::Principal;
use crate::error::Result;

/// A command that returns rows. Each method is one of the three calls that may contain it.
#[tonic::async_trait]
pub(super) trait QueryCommand: Send + Sync {
    /// GetSchema: returns the schema of the rows. Sends no request to the API.
    async fn schema(&self, service: &Service, principal: &Principal) -> Result<SchemaRef>;

    /// GetFlightInfo: returns the schema and the ticket for DoGet. Sends no request to the API.
    async fn ticket(&self, service: &Service, principal: &Principal) -> Result<CommandTicket>;

    /// DoGet: returns the rows.
    async fn rows(&self, service: &Service, principal: &Principal) -> Result<FlightRows>;
}

/// The response to GetFlightInfo.
pub(super) struct CommandTicket {
    /// The schema of the rows.
    pub(super) schema: SchemaRef,
    /// The command that the ticket contains.
    pub(super) command: Any,
    /// How long the ticket is valid. None: it does not expire.
    pub(super) life: Option<Duration>,
}

/// Returns the query command of a descriptor.
///
/// # Errors
/// InvalidArgument if it has none, Unimplemented if this server does not support the command.
pub(super) fn of_descriptor(descriptor: &FlightDescriptor) -> Result<Box<dyn QueryCommand>, Fault> {
    dispatch(read_descriptor(descriptor)?, MessagePart::Descriptor)
}

/// Returns the query command of a ticket.
///
/// # Errors
/// As [`of_descriptor`].
pub(super) fn of_ticket(ticket: &[u8]) -> Result<Box<dyn QueryCommand>, Fault> {
    dispatch(read(ticket, MessagePart::Ticket)?, MessagePart::Ticket)
}

/// Decodes the command in a descriptor.
///
/// # Errors
/// InvalidArgument if it has none.
pub(super) fn read_descriptor(descriptor: &FlightDescriptor) -> Result<Command, Fault> {
    match descriptor.r#type() {
        DescriptorType::Path => Err(Fault::Path),
        DescriptorType::Cmd | DescriptorType::Unknown => read(&descriptor.cmd, MessagePart::Descriptor),
    }
}

/// Decodes a command.
///
/// # Errors
/// InvalidArgument if the bytes are not a command of Flight SQL.
pub(super) fn read(bytes: &[u8], place: MessagePart) -> Result<Command, Fault> {
    if bytes.is_empty() {
        return Err(Fault::NoCommand(place));
    }
    let any = Any::decode(bytes).map_err(|_| Fault::NotACommand(place))?;
    let name = short(&any.type_url).to_owned();
    match Command::try_from(any) {
        Ok(Command::Unknown(_)) if name.is_empty() => Err(Fault::NotACommand(place)),
        Ok(Command::Unknown(_)) => Err(Fault::UnknownCommand(name)),
        Ok(command) => Ok(command),
        Err(_) => Err(Fault::BrokenCommand(name)),
    }
}

/// Returns a command's short name, such as `CommandGetTables`, from its type URL.
pub(super) fn name(command: &Command) -> String {
    short(command.type_url()).to_owned()
}

fn short(type_url: &str) -> &str {
    type_url.rsplit(['/', '.']).next().unwrap_or(type_url)
}

fn dispatch(command: Command, place: MessagePart) -> Result<Box<dyn QueryCommand>, Fault> {
    let name = name(&command);
    match (command, place) {
        (Command::CommandStatementQuery(command), MessagePart::Descriptor) => Ok(Box::new(command)),
        (Command::CommandPreparedStatementQuery(command), MessagePart::Descriptor) => Ok(Box::new(command)),
        (Command::TicketStatementQuery(ticket), MessagePart::Ticket) => Ok(Box::new(ticket)),
        (Command::CommandGetCatalogs(command), _) => Ok(Box::new(command)),
        (Command::CommandGetDbSchemas(command), _) => Ok(Box::new(command)),
        (Command::CommandGetTables(command), _) => Ok(Box::new(command)),
        (Command::CommandGetTableTypes(command), _) => Ok(Box::new(command)),
        (Command::CommandGetSqlInfo(command), _) => Ok(Box::new(command)),
        (Command::CommandGetXdbcTypeInfo(command), _) => Ok(Box::new(command)),
        (Command::CommandGetPrimaryKeys(command), _) => Ok(Box::new(command)),
        (Command::CommandGetExportedKeys(command), _) => Ok(Box::new(command)),
        (Command::CommandGetImportedKeys(command), _) => Ok(Box::new(command)),
        (Command::CommandGetCrossReference(command), _) => Ok(Box::new(command)),
        (Command::CommandStatementSubstraitPlan(_), _) => Err(Fault::Unimplemented(name)),
        (_, place) => Err(Fault::Misplaced { command: name, place }),
    }
}

#[cfg(test)]
mod tests {
    use arrow_flight::sql::{CommandGetCatalogs, ProstMessageExt};
    use proptest::prelude::*;

    use super::*;
    use crate::error::{Failure, Kind};

    fn any(type_url: &str, value: &'static [u8]) -> Vec<u8> {
        Any { type_url: type_url.to_owned(), value: value.into() }.encode_to_vec()
    }

    fn error_of(bytes: &[u8]) -> String {
        let fault = of_ticket(bytes).err().unwrap();
        assert_eq!(fault.kind(), Kind::InvalidArgument);
        fault.to_string()
    }

    #[test]
    fn bytes_that_are_not_a_command_have_a_precise_error() {
        const URL: &str = "type.googleapis.com/arrow.flight.protocol.sql.";

        assert_eq!(error_of(b""), "the ticket is empty");
        assert_eq!(error_of(b"\xff\xff"), "the ticket is not a Flight SQL command");
        assert_eq!(error_of(&any("", b"x")), "the ticket is not a Flight SQL command");
        assert_eq!(error_of(&any("a.b/c.MakeTea", b"")), "Flight SQL has no command `MakeTea`");
        assert_eq!(error_of(&any("x\n", b"")), "Flight SQL has no command `x\u{fffd}`");
        assert_eq!(
            error_of(&any(&format!("{URL}CommandGetTables"), b"\xff")),
            "the bytes of `CommandGetTables` do not decode"
        );
        assert_eq!(
            error_of(&any(&format!("{URL}CommandStatementQuery"), b"")),
            "`CommandStatementQuery` is not valid in a ticket"
        );
    }

    #[test]
    fn a_path_is_rejected() {
        assert!(matches!(of_descriptor(&FlightDescriptor::new_path(vec!["images".into()])), Err(Fault::Path)));
    }

    #[test]
    fn a_metadata_command_is_its_own_ticket() {
        let command = CommandGetCatalogs {}.as_any().encode_to_vec();

        assert!(of_ticket(&command).is_ok());
        assert!(of_descriptor(&FlightDescriptor::new_cmd(command)).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_a_panic(bytes: Vec<u8>) {
            let _ = of_ticket(&bytes);
        }
    }
}
