import { FlightSQLClient } from "@gizmodata/gizmosql-client";

const SQL = "SELECT id, type, started_at FROM image_actions WHERE image_id = 62137902 ORDER BY id LIMIT 3";

const client = new FlightSQLClient({ host: "127.0.0.1", port: 50051, plaintext: true });
const table = await client.execute(SQL);
for (const { id, type, started_at } of table) {
  console.log(id, type, new Date(started_at).toISOString());
}
await client.close();
