// Errors, with the texts that a person reads.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, sql } from "./commands.mjs";
import { connect, refused, rows } from "./server.mjs";

const client = connect();

test("SQL that does not parse is shown", async () => {
  assert.match(await refused(client.execute("SELEC 1")), /SELEC/);
});

test("an unknown table has a hint, on a line of its own", async () => {
  assert.match(await refused(client.execute("SELECT id FROM image_action")), /\nhint: .*image_actions/);
});

test("a mistake in a statement has gRPC's code INVALID_ARGUMENT", async () => {
  const command = new sql.CommandStatementQuery();
  command.setQuery("SELEC 1");

  // execute() drops the code.
  await assert.rejects(ask(client, "CommandStatementQuery", command), { code: "3" });
});

test("an error in the middle of the rows", async () => {
  const sql = "SELECT 10 / (value - 50000) FROM generate_series(1, 100000)";

  assert.equal(await refused(client.execute(sql)), "division by zero");
});

test("a statement that writes is rejected", async () => {
  assert.match(await refused(client.execute("DELETE FROM images")), /DELETE/);
});

test("the connection still works after an error", async () => {
  await refused(client.execute("SELEC 1"));

  assert.deepEqual(await rows(client, "SELECT 1 AS x"), [{ x: 1n }]);
});

// gRPC sends an error's text percent-encoded, and grpc-js decodes it with decodeURI. That leaves the escapes of
// ; / ? : @ & = + $ , # as they are, so these must be sent without an escape, which gRPC allows.
test("every character of a text arrives", async () => {
  const printable = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at));
  const changed = [];
  for (const character of [...printable, "\t", "é", "€", "😀"]) {
    const text = await refused(client.execute(`SELECT 1 FROM "a${character.replace('"', '""')}b"`));
    if (!text.includes(`a${character}b`)) changed.push([character, text.split("\n")[0]]);
  }

  assert.deepEqual(changed, []);
});

test("what looks like an escape in a text is left as it is", async () => {
  assert.match(await refused(client.execute('SELECT 1 FROM "100%25 %3F %"')), /`100%25 %3F %`/);
});

test("a long text is cut between two characters", async () => {
  // Of an incomplete character, grpc-js decodes nothing at all.
  const call = client.execute(`SELECT 1 FROM "${"€".repeat(5000)}"`);
  const { message } = await call.catch((error) => error);

  assert.match(message, /€€€/);
  assert.doesNotMatch(message, /%E2/);
});
