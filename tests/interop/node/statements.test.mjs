// Queries and their values.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACTION, ACTIONS, COLUMNS, FIELDS, GET, IMAGE, LIST } from "./page.mjs";
import { account, connect, names, posts, rows } from "./server.mjs";

const client = connect();

// A timestamp is a number of milliseconds.
function time(milliseconds) {
  return milliseconds === null ? null : new Date(milliseconds).toISOString().replace(".000Z", "Z");
}

test("the list example returns every action", async () => {
  const table = await client.execute(LIST);

  assert.deepEqual(names(table), FIELDS);
  assert.equal(new Set(table.getChild("id")).size, ACTIONS);
});

test("the get example returns the action", async () => {
  const [row, ...others] = await rows(client, GET);

  assert.deepEqual(others, []);
  assert.deepEqual([row.id, row.status, row.region_slug], [BigInt(ACTION), "completed", "nyc3"]);
  assert.equal(row.region.slug, "nyc3");
  assert.ok([...row.region.features].includes("image_transfer"));
});

test("timestamps are those of the API", async () => {
  const found = (await rows(client, LIST)).map((row) => [Number(row.id), time(row.started_at), time(row.completed_at)]);

  const actions = await account(`images/${IMAGE}/actions`);
  const expected = actions.map((action) => [action.id, action.started_at, action.completed_at]);
  assert.equal(expected.length, ACTIONS);
  assert.deepEqual(found.sort(), expected.sort());
});

test("a join", async () => {
  const sql = `SELECT i.id AS image, count(a.id) AS n FROM images i JOIN image_actions a ON a.image_id = i.id
    WHERE i.id = ${IMAGE} GROUP BY i.id`;

  assert.deepEqual(await rows(client, sql), [{ image: BigInt(IMAGE), n: BigInt(ACTIONS) }]);
});

test("an empty result has its columns", async () => {
  const table = await client.execute("SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2");

  assert.equal(table.numRows, 0);
  assert.deepEqual(names(table), COLUMNS);
});

test("a hundred thousand rows", async () => {
  const table = await client.execute("SELECT value FROM generate_series(1, 100000)");

  assert.equal(table.numRows, 100_000);
  assert.equal(new Set(table.getChild("value")).size, 100_000);
});

test("two statements at once, on one connection and on two", async () => {
  for (const other of [client, connect()]) {
    const [many, list] = await Promise.all([
      client.execute("SELECT value FROM generate_series(1, 100000)"),
      other.execute(LIST),
    ]);
    assert.deepEqual([many.numRows, list.numRows], [100_000, ACTIONS]);
  }
});

test("an EXEC posts once", async () => {
  const image = (await account("images")).find(
    ({ id, type, status, regions }) =>
      id !== IMAGE && type === "snapshot" && status === "available" && !regions.includes("nyc1"),
  );
  const before = await posts();
  const [row] = await rows(client, `EXEC images.transfer @image_id=${image.id}, @region='nyc1'`);

  assert.deepEqual([row.image_id, row.region_slug], [BigInt(image.id), "nyc1"]);
  assert.equal(await posts(), before + 1);
});

const VALUES = {
  "CAST(NULL AS BIGINT)": null,
  "CAST(9223372036854775807 AS BIGINT)": 9223372036854775807n,
  "CAST(1.5 AS DOUBLE)": 1.5,
  true: true,
  "'é€😀'": "é€😀",
  "DATE '2024-02-10'": Date.UTC(2024, 1, 10),
  "TIMESTAMP '2024-02-10 01:02:03'": Date.UTC(2024, 1, 10, 1, 2, 3),
  "arrow_cast(90, 'Duration(Second)')": 90n,
  // The digits without the point.
  "CAST(-1.5 AS DECIMAL(10, 2))": "-150",
  "make_array('a', 'b')": ["a", "b"],
  NULL: null,
};

for (const [sql, expected] of Object.entries(VALUES)) {
  test(`the value of ${sql}`, async () => {
    const [{ x }] = await rows(client, `SELECT ${sql} AS x`);

    assert.deepEqual(typeof expected === "string" ? String(x) : Array.isArray(expected) ? [...x] : x, expected);
  });
}
