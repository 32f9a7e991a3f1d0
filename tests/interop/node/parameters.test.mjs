// Prepared statements with values.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Bool, Float64, Int32, Int64, Null, Table, TimestampMillisecond, Utf8, vectorFromArray } from "apache-arrow";
import { ACTION, ACTIONS, IMAGE, LIST } from "./page.mjs";
import { Prepared } from "./commands.mjs";
import { connect, refused, rowsOf } from "./server.mjs";

const client = connect();

// Parameters of one row: [type, value] each.
function values(...parameters) {
  return new Table(
    Object.fromEntries(parameters.map(([type, value], at) => [`p${at}`, vectorFromArray([value], type)])),
  );
}

async function run(sql, ...parameters) {
  const prepared = await Prepared.prepare(client, sql);
  const found = rowsOf(await prepared.run(parameters.length ? values(...parameters) : undefined));
  await prepared.close();
  return found;
}

const COUNT = "SELECT count(*) AS n FROM image_actions WHERE image_id = ?";
const KEYS = {
  "a 64-bit number": [new Int64(), BigInt(IMAGE), ACTIONS],
  "a 32-bit number": [new Int32(), IMAGE, ACTIONS],
  // The type of a JavaScript number.
  "a double": [new Float64(), IMAGE, ACTIONS],
  text: [new Utf8(), String(IMAGE), ACTIONS],
  "an image that does not exist": [new Int64(), 7n, 0],
  "a null number": [new Int64(), null, 0],
  "a null of no type": [new Null(), null, 0],
};

for (const [name, [type, value, n]] of Object.entries(KEYS)) {
  test(`the key is ${name}`, async () => {
    assert.deepEqual(await run(COUNT, [type, value]), [{ n: BigInt(n) }]);
  });
}

// If this fails, the client has learned to prepare statements.
test("the client's own prepare() fails", async () => {
  await assert.rejects(client.prepare(COUNT));
});

test("question marks are bound by position", async () => {
  const sql = "SELECT id FROM image_actions WHERE action_id = ? AND image_id = ?";
  const found = await run(sql, [new Int64(), BigInt(ACTION)], [new Int64(), BigInt(IMAGE)]);

  assert.deepEqual(found, [{ id: BigInt(ACTION) }]);
});

test("a truth value and a moment", async () => {
  const sql = "SELECT count(*) AS n FROM images WHERE public = ? AND created_at < ?";
  const moment = [new TimestampMillisecond(), Date.UTC(2100, 0, 1)];
  const [all, some] = await Promise.all(
    ["SELECT id FROM images", "SELECT id FROM images WHERE public"].map((sql) => client.execute(sql)),
  );

  assert.deepEqual(await run(sql, [new Bool(), true], moment), [{ n: BigInt(some.numRows) }]);
  assert.deepEqual(await run(sql, [new Bool(), false], moment), [{ n: BigInt(all.numRows - some.numRows) }]);
});

test("a statement without parameters", async () => {
  assert.equal((await run(LIST)).length, ACTIONS);
});

test("a prepared statement runs again with other values", async () => {
  const prepared = await Prepared.prepare(client, COUNT);
  const counts = [];
  for (const image of [IMAGE, 7, null, IMAGE]) {
    const [{ n }] = rowsOf(await prepared.run(values([new Int64(), image && BigInt(image)])));
    counts.push(Number(n));
  }
  await prepared.close();

  assert.deepEqual(counts, [ACTIONS, 0, 0, ACTIONS]);
});

test("a value of a wrong type is rejected", async () => {
  assert.match(await refused(run(COUNT, [new Utf8(), "abc"])), /abc/);
});

test("a missing value is rejected", async () => {
  await refused(run(COUNT));
});
