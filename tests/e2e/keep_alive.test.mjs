// Silent event streams carry empty comments, so that nothing on the way takes them for dead; clients do not notice.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, text } from "./clients.mjs";
import { configuration, direct, startGateway, within, workshop } from "./gateway.mjs";

if (direct) {
  console.log("keep_alive: nothing to test without a gateway");
  process.exit(0);
}

let gateway;
before(async () => {
  const folder = workshop();
  gateway = await startGateway(folder, {
    config: configuration(folder, { only: ["everything"], limits: { timeouts: { keep_alive: "300ms" } } }),
  });
});
after(async () => {
  await gateway?.stop();
});

const post = (message, more = {}, signal) =>
  fetch(gateway.endpoint("everything"), {
    method: "POST",
    signal,
    headers: { ...gateway.headers(), "content-type": "application/json", accept: "application/json, text/event-stream", ...more },
    body: JSON.stringify({ jsonrpc: "2.0", ...message }),
  });
const session = async () => {
  const opened = await post({
    id: 1, method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
  });
  const headers = { "mcp-session-id": opened.headers.get("mcp-session-id"), "mcp-protocol-version": "2025-11-25" };
  await post({ method: "notifications/initialized" }, headers);
  return headers;
};

test("a listening stream that has nothing to tell", async () => {
  const leave = new AbortController();
  const answer = await fetch(gateway.endpoint("everything"), {
    signal: leave.signal, headers: { ...gateway.headers(), accept: "text/event-stream", ...(await session()) },
  });
  let heard = "";
  await within(15_000, "three comments", (async () => {
    for await (const piece of answer.body) {
      heard += new TextDecoder().decode(piece);
      if (heard.split(":\n\n").length > 3) break;
    }
  })());
  leave.abort();
  assert.equal(heard.replaceAll(":\n\n", "").replaceAll(/^(id|data): .*$/gm, "").trim(), "", "nothing but comments and messages");
});

test("the stream of a call that takes its time, and its result behind the comments", async () => {
  const call = { name: "trigger-long-running-operation", arguments: { duration: 4, steps: 2 }, _meta: { progressToken: "p" } };
  const answer = await post({ id: 2, method: "tools/call", params: call }, await session());
  assert.match(answer.headers.get("content-type"), /event-stream/);
  const heard = await answer.text();
  assert.ok(heard.split(":\n\n").length > 2, heard);
  assert.match(heard, /data: .*"result".*"id":2.*\n\n$/);
});

test("a call whose server says nothing before its result", async () => {
  const headers = await session();
  const call = { name: "trigger-long-running-operation", arguments: { duration: 2, steps: 1 } };
  const answer = await post({ id: 3, method: "tools/call", params: call }, headers);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("content-type"), /event-stream/);
  const heard = await answer.text();
  assert.ok(heard.split(":\n\n").length > 2, heard);
  assert.match(heard, /^(:\n\n)+data: .*"id":3.*\n\n$/);
  assert.match(heard, /completed/);
  // What ends sooner is plain JSON, and the connection serves on.
  const next = await post({ id: 4, method: "tools/call", params: { name: "echo", arguments: { message: "quick" } } }, headers);
  assert.match(next.headers.get("content-type"), /json/);
  assert.match(await next.text(), /quick/);
});

test("a silent call that is killed after its stream was begun", async () => {
  const call = { name: "trigger-long-running-operation", arguments: { duration: 60, steps: 1 } };
  const answer = await post({ id: 5, method: "tools/call", params: call }, await session());
  const killed = await gateway.run("kill", "--agent", "tester", "--reason", "a test");
  assert.equal(killed.code, 0, killed.stderr);
  const heard = await within(10_000, "the end of the stream", answer.text());
  assert.match(heard, /^(:\n\n)*data: .*"id":5.*\n\n$/);
  assert.match(heard, /"isError":true|"error"/);
  await gateway.run("release", "--agent", "tester");
});

for (const [version, era] of [["v1", {}], ["v2", {}], ["v2", { era: "modern" }]])
  test(`${version} ${era.era ?? "legacy"} does not notice`, async () => {
    const peer = await connect(version, { url: gateway.endpoint("everything"), headers: gateway.headers() }, era);
    const steps = [];
    const done = await peer.call("trigger-long-running-operation", { duration: 3, steps: 2 }, { onprogress: (p) => steps.push(p.progress) });
    assert.match(text(done), /completed/);
    assert.deepEqual(steps, [1, 2]);
    assert.match(text(await peer.call("trigger-long-running-operation", { duration: 1, steps: 1 })), /completed/);
    await peer.close();
  });
