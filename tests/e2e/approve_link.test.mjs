// A person's yes by the link in an alert: to look at the page answers nothing, the button does, once; a link that was changed, or of
// somebody else, is none; channels without an approver get no link; and what the call says cannot become part of the page.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { connect, text } from "./clients.mjs";
import { configuration, direct, startGateway, until, workshop } from "./gateway.mjs";

if (direct) {
  console.log("approve_link: nothing to test without a gateway");
  process.exit(0);
}

const folder = workshop();
const told = { ana: [], others: [] };
let gateway, receiver, peer;

const policies = {
  "10.cedar": `
@id("testers-all")
permit (principal in Mcp::Group::"testers", action, resource);

@id("asks")
@obligation("step_up:1")
forbid (principal, action == Mcp::Action::"files/get_file_info", resource)
unless { context has approval && context.approval.approver == Mcp::User::"ana" };
`,
};

before(async () => {
  receiver = createServer(async (request, answer) => {
    let body = "";
    for await (const piece of request) body += piece;
    told[request.url.slice(1)].push(JSON.parse(body));
    answer.writeHead(204).end();
  });
  const port = await new Promise((done) => receiver.listen(0, "127.0.0.1", () => done(receiver.address().port)));
  const config = configuration(folder, {
    only: ["files"],
    users: [{ name: "ana" }, { name: "bob" }],
    approvals: { address: "https://gate.example", pending: "10m" },
    alerts: {
      channels: {
        ana: { webhook: `http://127.0.0.1:${port}/ana`, on: ["approval"], approver: "ana" },
        others: { webhook: `http://127.0.0.1:${port}/others`, on: ["approval"] },
      },
    },
  });
  gateway = await startGateway(folder, { policies, config });
  peer = await connect("v1", { url: gateway.endpoint("files"), headers: gateway.headers() });
});
after(async () => {
  await gateway?.stop();
  receiver?.close().closeAllConnections();
});

const info = async (path) => text(await peer.client.callTool({ name: "get_file_info", arguments: { path } }));
/** The link of the request that this call opened, as a path of the gateway. */
async function link(path) {
  const words = await info(path);
  const id = /request (a-[0-9a-f]+)/.exec(words)?.[1];
  assert.ok(id, words);
  await until(() => told.ana.some((alert) => alert.topic === id) && told.others.some((alert) => alert.topic === id));
  const { answer } = told.ana.find((alert) => alert.topic === id);
  assert.match(answer, new RegExp(`^https://gate\\.example/approvals/${id}\\?by=ana&until=[0-9]+&sig=[0-9a-f]{64}$`));
  assert.equal(told.others.find((alert) => alert.topic === id).answer, undefined);
  return answer.slice("https://gate.example".length);
}
const look = (path) => fetch(new URL(path, gateway.url));
const press = (path, answer, headers = {}) =>
  fetch(new URL(path, gateway.url), { method: "POST", body: `answer=${answer}`, headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers } });

test("the button answers, looking does not, and once", async () => {
  const file = `${folder}/data/hello.txt`;
  const path = await link(file);
  for (let i = 0; i < 2; ++i) {
    const page = await look(path);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /Approve this one call/);
    assert.match(page.headers.get("content-security-policy"), /default-src 'none'/);
    assert.equal(page.headers.get("cache-control"), "no-store");
  }
  assert.match(await info(file), /request a-/);  // still open
  assert.equal((await press(path, "perhaps")).status, 400);
  assert.equal((await press(path, "yes", { Origin: "https://evil.example" })).status, 403);
  assert.match(await info(file), /request a-/);
  assert.equal((await press(path, "yes")).status, 200);
  assert.match(await info(file), /size/);
  assert.match(await info(file), /request a-/);  // one call
  assert.equal((await press(path, "yes")).status, 410);
  const record = (await gateway.run("audit", "query", "type:approval.answered", "--json")).stdout;
  assert.match(record, /by link/);
  assert.doesNotMatch(record, /"ana"/);
});

test("no is no", async () => {
  const file = `${folder}/data/pixel.png`;
  const path = await link(file);
  assert.equal((await press(path, "no")).status, 200);
  assert.match(await info(file), /an approval was refused/);
});

test("what was changed is no link, and says nothing", async () => {
  const path = await link(`${folder}/data/reports`);
  for (const changed of [path.replace("by=ana", "by=bob"), path.replace(/a-[0-9a-f]/, "a-z"), path.replace(/until=[0-9]/, "until=9"),
    path.slice(0, -1), "/approvals/", "/approvals/a-1?by=ana&until=9999999999&sig="]) {
    for (const answer of [await look(changed), await press(changed, "yes")]) {
      assert.equal(answer.status, 403, changed);
      assert.doesNotMatch(await answer.text(), /reports|get_file_info/);
    }
  }
  assert.match(await info(`${folder}/data/reports`), /request a-/);
});

test("what a call says does not become part of the page", async () => {
  const path = await link(`${folder}/data/<script>alert(1)</script>"'&`);
  const page = await (await look(path)).text();
  assert.doesNotMatch(page, /<script>/);
  assert.match(page, /&lt;script&gt;/);
});
