// Sends requests for all resources of the simulated account through Prism:
//
//     node walk.mjs PROXY ACCOUNT
//
// Prism, at PROXY, forwards each request to ACCOUNT. If the response is not valid by the OpenAPI document, Prism responds
// with 500 and a list `validation`. Prism itself responds to invalid requests, so only valid requests are sent here;
// error responses that no valid request causes are injected into the account as faults.

const [proxy, account] = process.argv.slice(2);
const token = "dop_v1_prism"; // any token is accepted
const IMAGE = 62137902;
const ACTION = 36804636;
const ACTIONS = 366;

let asked = 0;
let failed = 0;

// Sends a request, checks the response's status, and returns its body.
async function ask(status, path, body) {
  const headers = { authorization: `Bearer ${token}` };
  if (body) headers["content-type"] = "application/json";
  const method = body ? "POST" : "GET";
  const answer = await fetch(proxy + path, {
    method,
    headers,
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await answer.text();
  asked += 1;
  if (answer.status !== status || text.includes("stoplight.io/prism")) {
    fail(`${method} ${path}: ${answer.status} instead of ${status}\n${readable(text)}`);
    return {};
  }
  return JSON.parse(text);
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function fail(what) {
  failed += 1;
  console.log(`FAILED  ${what}`);
}

function check(name, holds, found) {
  if (holds) console.log(`ok      ${name}`);
  else fail(`${name}: ${JSON.stringify(found)}`);
}

// Returns the rows of all pages of a list, following `next`.
async function pages(path, key) {
  const rows = [];
  for (let page = 1; page; ) {
    const body = await ask(200, `${path}${path.includes("?") ? "&" : "?"}per_page=200&page=${page}`);
    rows.push(...(body[key] ?? []));
    const next = body.links?.pages?.next;
    page = next && Number(new URL(next).searchParams.get("page"));
  }
  return rows;
}

const images = await pages("/v2/images", "images");
check("all pages of images", images.some(({ id }) => id === IMAGE), images.length);

const actions = await pages(`/v2/images/${IMAGE}/actions`, "actions");
check("all pages of an image's actions", actions.length === ACTIONS, actions.length);

for (const type of ["application", "distribution"]) await pages(`/v2/images?type=${type}`, "images");
const own = await pages("/v2/images?private=true", "images");
check("the account's own images", own.length > 0 && own.every((image) => !image.public), own);

let before = failed;
for (const { id } of images) {
  const { image } = await ask(200, `/v2/images/${id}`);
  if (image?.id !== id) fail(`image ${id} by its id: ${JSON.stringify(image)}`);
}
for (const { slug } of images.filter((image) => image.slug)) await ask(200, `/v2/images/${slug}`);
check("each image, by its id and its slug", images.length > 0 && failed === before, images.length);

// Every tenth action, to send fewer requests.
before = failed;
const some = actions.filter(({ id }, nth) => nth % 10 === 0 || id === ACTION);
for (const { id } of some) {
  const { action } = await ask(200, `/v2/images/${IMAGE}/actions/${id}`);
  if (action?.id !== id) fail(`action ${id} by its id: ${JSON.stringify(action)}`);
}
check("every tenth action", some.length > 0 && failed === before, some.length);

for (const { id } of own.filter((image) => image.id !== IMAGE).slice(0, 10)) {
  await pages(`/v2/images/${id}/actions`, "actions");
}

const backup = own.find((image) => image.type === "backup");
if (backup) {
  const { action } = await ask(201, `/v2/images/${backup.id}/actions`, { type: "convert" });
  check("a backup is converted", action?.type === "convert", action);
} else fail("no backup to convert");

const snapshots = own.filter((image) => image.type === "snapshot" && image.id !== IMAGE);
const snapshot = snapshots[Math.floor(snapshots.length / 2)];
if (snapshot) {
  const region = ["ams3", "fra1", "lon1", "sgp1", "tor1"].findLast((slug) => !snapshot.regions.includes(slug));
  const { action } = await ask(201, `/v2/images/${snapshot.id}/actions`, { type: "transfer", region });
  check("a snapshot is transferred", action?.type === "transfer", action);
  await ask(200, `/v2/images/${snapshot.id}/actions/${action?.id}`);
} else fail("no snapshot to transfer");

await ask(422, `/v2/images/${IMAGE}/actions`, { type: "transfer" });
await ask(404, "/v2/images/7");
await ask(404, "/v2/images/7/actions");
await ask(404, `/v2/images/${IMAGE}/actions/7`);
await ask(404, "/v2/images/7/actions", { type: "convert" });

// Error responses.
for (const status of [401, 403, 429, 500, 503]) {
  for (const path of ["/v2/images", `/v2/images/${IMAGE}`, `/v2/images/${IMAGE}/actions`, `/v2/images/${IMAGE}/actions/${ACTION}`]) {
    const fault = `GET ${path} times=1 status=${status}`;
    const injected = await fetch(`${account}/_demo/faults`, { method: "POST", body: fault });
    if (injected.ok) await ask(status, path);
    else fail(`the account takes no fault ${fault}: ${await injected.text()}`);
  }
}

console.log(`${asked} answers read, ${failed} wrong`);
process.exit(failed ? 1 : 0);
