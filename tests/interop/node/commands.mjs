// Calls for which the client has the messages, but no method that works: its prepare() passes a FlightDescriptor where
// an Action belongs, nothing binds values, and getPrimaryKeys() and getForeignKeys() send a command without the
// google.protobuf.Any around it. Here its messages go over its own connection.

import { Message, tableToIPC } from "apache-arrow";
import any from "google-protobuf/google/protobuf/any_pb.js";
import flight from "@gizmodata/gizmosql-client/dist/generated/proto/Flight_pb.js";
import sql from "@gizmodata/gizmosql-client/dist/generated/proto/FlightSql_pb.js";

const PREFIX = "type.googleapis.com/arrow.flight.protocol.sql.";

export { sql };

// The rows of a command, as an Arrow table.
export async function ask(client, name, command) {
  return client.doGet(await client.getQueryTicket(client.createCommandDescriptor(command, PREFIX + name)));
}

export class Prepared {
  static async prepare(client, query) {
    const request = new sql.ActionCreatePreparedStatementRequest();
    request.setQuery(query);
    const [result] = await action(client, "CreatePreparedStatement", request);
    const wrapped = any.Any.deserializeBinary(result.getBody_asU8());
    return new Prepared(client, sql.ActionCreatePreparedStatementResult.deserializeBinary(wrapped.getValue_asU8()));
  }

  constructor(client, result) {
    this.client = client;
    this.handle = result.getPreparedStatementHandle_asU8();
  }

  // Runs the statement once, with the only row of an Arrow table as its parameters.
  async run(parameters) {
    if (parameters) await this.#bind(parameters);
    return ask(this.client, "CommandPreparedStatementQuery", this.#command());
  }

  async close() {
    const request = new sql.ActionClosePreparedStatementRequest();
    request.setPreparedStatementHandle(this.handle);
    await action(this.client, "ClosePreparedStatement", request);
  }

  #command() {
    const command = new sql.CommandPreparedStatementQuery();
    command.setPreparedStatementHandle(this.handle);
    return command;
  }

  // The client's doPut() does not read the server's answer, which has the handle of the bound statement.
  async #bind(parameters) {
    const call = this.client.client.doPut(this.client.metadata);
    const sent = messages(parameters);
    const descriptor = this.client.createCommandDescriptor(this.#command(), `${PREFIX}CommandPreparedStatementQuery`);
    sent[0].setFlightDescriptor(descriptor);
    for (const message of sent) call.write(message);
    call.end();
    for await (const result of call) {
      const bound = sql.DoPutPreparedStatementResult.deserializeBinary(result.getAppMetadata_asU8());
      this.handle = bound.getPreparedStatementHandle_asU8();
    }
  }
}

function action(client, type, request) {
  const wrapped = new any.Any();
  wrapped.pack(request.serializeBinary(), `arrow.flight.protocol.sql.Action${type}Request`);
  const message = new flight.Action();
  message.setType(type);
  message.setBody(wrapped.serializeBinary());
  return client.doAction(message);
}

// The messages of an Arrow stream: each has a marker and its header's length of 4 bytes, its header, and its body.
function messages(table) {
  const stream = tableToIPC(table, "stream");
  const view = new DataView(stream.buffer, stream.byteOffset);
  const found = [];
  for (let at = 0; at < stream.length; ) {
    const length = view.getInt32(at + 4, true);
    if (length === 0) break; // the end of the stream
    const header = stream.subarray(at + 8, at + 8 + length);
    const body = stream.subarray(at + 8 + length, at + 8 + length + Message.decode(header).bodyLength);
    const message = new flight.FlightData();
    message.setDataHeader(header);
    message.setDataBody(body);
    found.push(message);
    at += 8 + length + body.length;
  }
  return found;
}
