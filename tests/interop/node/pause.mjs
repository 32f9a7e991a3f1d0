// A connection that is not used for a while: $OCEANFLIGHT_PAUSE seconds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { GET } from "./page.mjs";
import { connect, rows } from "./server.mjs";

const seconds = Number(process.env.OCEANFLIGHT_PAUSE);

test("a connection survives a pause", async () => {
  assert.ok(seconds > 0, "OCEANFLIGHT_PAUSE is a number of seconds");
  const client = connect();
  assert.equal((await rows(client, GET)).length, 1);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  assert.equal((await rows(client, GET)).length, 1);
});
