// Writes a copy of DigitalOcean's OpenAPI document that says what the API really answers.
//
//     node mend.mjs DOCUMENT COPY
//
// The published document is wrong in two places that concern image actions:
// 1. an action's `region` is null for actions that have no region; the document has it always an object;
// 2. get and post answer `{"action": {…}}`; the document has the bare action.
// It also requires none of an action's fields, so that any object passes; the copy requires a few.
// A mend that no longer finds its place fails: then the document was mended at the source, and this can go.

import { readFileSync, writeFileSync } from "node:fs";

const [from, to] = process.argv.slice(2);
const document = JSON.parse(readFileSync(from, "utf8"));
const { schemas, responses } = document.components;

function expect(holds, what) {
  if (!holds) throw new Error(`${from}: ${what}; look at mend.mjs again`);
}

// The reference is replaced by a copy, since `nullable` beside `$ref` counts for nothing in OpenAPI 3.0.
const action = schemas.action;
expect(action.properties.region.$ref === "#/components/schemas/region", "an action's region is no longer a `$ref`");
action.properties.region = { ...schemas.region, nullable: true };

// The API promises none of these, but the simulated account has them in every action.
action.required = ["id", "status", "type", "started_at", "resource_type"];

for (const name of ["get_image_action_response", "post_image_action_response"]) {
  const body = responses[name].content["application/json"];
  expect(body.schema.$ref === "#/components/schemas/action", `${name} is no longer the bare action`);
  body.schema = { type: "object", required: ["action"], properties: { action: body.schema } };
}

const list = responses.get_image_actions_response.content["application/json"].schema;
const actions = list.allOf?.find((part) => part.properties?.actions);
expect(actions, "get_image_actions_response has no `actions`");
actions.required = ["actions"];

writeFileSync(to, JSON.stringify(document));
