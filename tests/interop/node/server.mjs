// Clients of the server at $OCEANFLIGHT_GRPC, and lists of the simulated account behind it, at $OCEANFLIGHT_DEMO.

import assert from "node:assert/strict";
import { after } from "node:test";
import { FlightSQLClient } from "@gizmodata/gizmosql-client";

const server = new URL(process.env.OCEANFLIGHT_GRPC.replace("grpc:", "http:"));

// A client that is closed after the test, or the file, that asks for it.
export function connect(options = {}) {
  const client = new FlightSQLClient({ host: server.hostname, port: Number(server.port), plaintext: true, ...options });
  after(() => client.close());
  return client;
}

// The rows of a result as plain objects.
export function rowsOf(table) {
  return table.toArray().map((row) => row.toJSON());
}

export async function rows(client, sql) {
  return rowsOf(await client.execute(sql));
}

export function names(table) {
  return table.schema.fields.map(({ name }) => name);
}

// The text of the server's error, which must be readable. The client puts its own words before it.
export async function refused(call) {
  const { message } = await call.then(
    () => assert.fail("nothing was rejected"),
    (error) => error,
  );
  assert.ok(message.length < 800, message);
  assert.doesNotMatch(message, /Some\(|Error\(|SchemaError|Context\(|[A-Z]\w+ \{|\w::\w|\\n|Backtrace/);
  return message.replace(/^Failed to [a-z ]+: /, "");
}

// All rows of a list of the account.
export async function account(path) {
  const found = [];
  for (let page = 1; ; page++) {
    // Any token is accepted.
    const headers = { authorization: "Bearer dop_v1_tests" };
    const answer = await fetch(`${process.env.OCEANFLIGHT_DEMO}/v2/${path}?per_page=200&page=${page}`, { headers });
    const body = await answer.json();
    found.push(...body[path.split("/").at(-1)]);
    if (found.length >= body.meta.total) return found;
  }
}

// The number of POSTs that the account has executed.
export async function posts() {
  const answer = await fetch(`${process.env.OCEANFLIGHT_DEMO}/_demo/requests`);
  return (await answer.json()).posts;
}
