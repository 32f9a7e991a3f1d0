// The statements of StackQL's documentation of image_actions, unchanged, and ids of the simulated account.

export const IMAGE = 62137902;
export const ACTION = 36804636;
export const ACTIONS = 366;

export const FIELDS = "id resource_id completed_at region region_slug resource_type started_at status type".split(" ");
export const COLUMNS = [...FIELDS, "image_id", "action_id"];

const SELECT = `SELECT
id,
resource_id,
completed_at,
region,
region_slug,
resource_type,
started_at,
status,
type
FROM digitalocean.compute.image_actions
`;

export const LIST = `${SELECT}WHERE image_id = '${IMAGE}' -- required;
`;
export const GET = `${SELECT}WHERE image_id = '${IMAGE}' -- required
AND action_id = '${ACTION}' -- required;
`;
