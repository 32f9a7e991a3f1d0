// Logins, and the session that a client closes at its end.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { connect, rows } from "./server.mjs";

const LOGINS = {
  "no login": {},
  "a password": { username: "anybody", password: "secret" },
  "a token": { token: "dop_v1_any" },
};

for (const [login, options] of Object.entries(LOGINS)) {
  test(`a client with ${login} connects`, async () => {
    const client = connect(options);
    await client.connect();

    assert.deepEqual(await rows(client, "SELECT 1 AS x"), [{ x: 1n }]);
  });
}

test("the handshake returns a token, which later calls send", async () => {
  const client = connect(LOGINS["a password"]);
  await client.connect();

  assert.match(client.metadata.get("authorization")[0], /^Bearer ./);
});

test("a client closes its session without a warning", async () => {
  const warn = mock.method(console, "warn", () => {});
  const client = connect(LOGINS["a password"]);
  await rows(client, "SELECT 1 AS x");
  await client.close();

  assert.deepEqual(warn.mock.calls.map((call) => call.arguments), []);
});
