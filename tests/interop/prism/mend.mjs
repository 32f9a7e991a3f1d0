// Writes a corrected copy of DigitalOcean's OpenAPI document.
//
//     node mend.mjs DOCUMENT COPY
//
// The published document differs from the API in two places that concern image actions:
// 1. an action's `region` may be null; the document requires an object;
// 2. get and post return `{"action": {…}}`; the document has the action without the wrapper.
// The document also requires no field of an action, so that any object is valid; the copy requires some.
// The script fails if a place is not as described: then the document was corrected, and the correction can be removed.

import { readFileSync, writeFileSync } from "node:fs";

const [from, to] = process.argv.slice(2);
const document = JSON.parse(readFileSync(from, "utf8"));
const { schemas, responses } = document.components;

function expect(holds, what) {
  if (!holds) throw new Error(`${from}: ${what}; look at mend.mjs again`);
}

// The reference is replaced by a copy, because OpenAPI 3.0 ignores `nullable` beside `$ref`.
const action = schemas.action;
expect(action.properties.region.$ref === "#/components/schemas/region", "an action's region is no longer a `$ref`");
action.properties.region = { ...schemas.region, nullable: true };

// The API does not guarantee these fields, but the simulated account has them in every action.
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
