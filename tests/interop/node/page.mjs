// The statements of StackQL's documentation of image_actions, which are in $SPECIFICATION_PAGE, and ids of the simulated
// account.

import { readFileSync } from "node:fs";

export const IMAGE = 62137902;
export const ACTION = 36804636;
export const ACTIONS = 366;

export const FIELDS = "id resource_id completed_at region region_slug resource_type started_at status type".split(" ");
export const COLUMNS = [...FIELDS, "image_id", "action_id"];

function example(name) {
  const statement = readFileSync(`${process.env.SPECIFICATION_PAGE}/${name}.sql`, "utf8");
  return statement.replace("{{ image_id }}", IMAGE).replace("{{ action_id }}", ACTION);
}

export const LIST = example("list");
export const GET = example("get");
