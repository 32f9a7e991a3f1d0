// What a tool lists: schemas, tables, columns, keys, and the server's properties.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, sql } from "./commands.mjs";
import { COLUMNS } from "./page.mjs";
import { connect, names, refused, rowsOf } from "./server.mjs";

const client = connect();

test("catalogs and schemas are each listed once", async () => {
  const schemas = (await client.getSchemas()).map(({ catalog, schema }) => `${catalog}.${schema}`);

  assert.ok((await client.getCatalogs()).includes("digitalocean"));
  assert.ok(schemas.includes("digitalocean.compute"));
  assert.equal(new Set(schemas).size, schemas.length);
});

test("tables are each listed once", async () => {
  const listed = await client.getTables();
  const tables = listed.map(({ catalog, schema, tableName }) => `${catalog}.${schema}.${tableName}`);

  assert.ok(tables.includes("digitalocean.compute.image_actions"));
  assert.equal(new Set(tables).size, tables.length);
});

test("tables are filtered by catalog, schema, name and type", async () => {
  assert.deepEqual(await client.getTables("digitalocean", "comp%", "image\\_%", ["TABLE"]), [
    { catalog: "digitalocean", schema: "compute", tableName: "image_actions", tableType: "TABLE" },
  ]);
});

test("every table's type is a table type", async () => {
  const types = await client.getTableTypes();

  assert.ok((await client.getTables()).every(({ tableType }) => types.includes(tableType)));
});

test("every listed table can be previewed", async () => {
  for (const { catalog, schema, tableName } of await client.getTables()) {
    const table = await client.execute(`SELECT * FROM ${catalog}.${schema}.${tableName} LIMIT 100`);
    assert.ok(table.schema.fields.length > 0 && table.numRows <= 100, tableName);
  }
});

test("the preview of image_actions has its columns and rows", async () => {
  const table = await client.execute("SELECT * FROM digitalocean.compute.image_actions LIMIT 100");

  assert.deepEqual(names(table), COLUMNS);
  assert.equal(table.numRows, 100);
});

test("the primary key of a table", async () => {
  const command = new sql.CommandGetPrimaryKeys();
  command.setTable("images");
  const keys = rowsOf(await ask(client, "CommandGetPrimaryKeys", command));

  const found = keys.map((key) => [key.catalog_name, key.table_name, key.column_name, key.key_sequence]);
  assert.deepEqual(found, [["digitalocean", "images", "id", 1]]);
});

test("the foreign keys of a table", async () => {
  const command = new sql.CommandGetImportedKeys();
  command.setTable("image_actions");
  const keys = rowsOf(await ask(client, "CommandGetImportedKeys", command));

  assert.ok(keys.some((key) => key.fk_column_name === "image_id" && key.pk_table_name === "images"));
});

test("a command without its wrapper is rejected with a readable text", async () => {
  // The client's own methods for keys send it so.
  assert.match(await refused(client.getPrimaryKeys("digitalocean", "compute", "images")), /command/);
});

test("the server's properties", async () => {
  const some = await client.getSqlInfo([0, 8, 504]);

  assert.deepEqual([...some], [[0, "oceanflight"], [8, 0], [504, '"']]);
  assert.ok((await client.getSqlInfo()).size > 50);
});
