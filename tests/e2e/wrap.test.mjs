// latticegate wrap: a client that starts a server as a process gets it with the gateway in front, with no other set-up.
import assert from "node:assert/strict";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import * as bodies from "./bodies.mjs";
import { connect, text } from "./clients.mjs";
import { binary, command, servers, workshop } from "./gateway.mjs";

const folder = workshop();
const state = join(folder, "state");
after(() => rmSync(folder, { recursive: true, force: true }));

const wrapped = (server, env = {}, ...options) => ({
  command: [binary, "wrap", "--state", state, ...options, "--", ...servers(folder)[server].command],
  env: { PATH: process.env.PATH, HOME: folder, ...servers(folder)[server].env, ...env },
});
const folders = () => readdirSync(state).sort();

bodies.everything((options) => connect("v1", wrapped("everything"), options));
bodies.files((options) => connect("v1", wrapped("files"), options), folder);
bodies.memory((options) => connect("v2", wrapped("memory"), { ...options, era: "modern" }));

test("what was called stands in the audit log of the folder that wrap names", async () => {
  const [mine] = folders().filter((name) => name.startsWith("node-"));
  const out = await command(binary, ["audit", "query", "--config", join(state, mine, "latticegate.yaml"), "type:call.finished"]);
  assert.equal(out.code, 0, out.stderr);
  assert.match(out.stdout, /wrapped/);
});

test("policies of the user's own decide", async () => {
  const policies = join(folder, "policies");
  writeFileSync(join(policies, "mine.cedar"), '@id("look")\npermit (principal, action == Mcp::Action::"wrapped/echo", resource);\n');
  const peer = await connect("v1", wrapped("everything", {}, "--policies", policies));
  try {
    assert.deepEqual((await peer.client.listTools()).tools.map((tool) => tool.name), ["echo"]);
    assert.match(text(await peer.call("echo", { message: "seen" })), /seen/);
    await assert.rejects(peer.call("get-env"), /Unknown tool/);
  } finally {
    await peer.close();
  }
});

test("two clients may wrap the same server at once", async () => {
  const peers = await Promise.all([1, 2].map(() => connect("v1", wrapped("everything"))));
  try {
    for (const peer of peers) assert.match(text(await peer.call("echo", { message: "both" })), /both/);
  } finally {
    for (const peer of peers) await peer.close();
  }
});

test("the server sees the environment, or what was named of it, and never our own variables", async () => {
  const env = { MY_KEY: "k", OTHER: "o", LATTICEGATE_TOKEN: "ours" };
  for (const [options, sees] of [[[], ["MY_KEY", "OTHER"]], [["--env", "MY_KEY"], ["MY_KEY"]]]) {
    const peer = await connect("v1", wrapped("everything", env, ...options));
    try {
      const found = JSON.parse(text(await peer.call("get-env")));
      assert.deepEqual(Object.keys(env).filter((name) => name in found), sees);
    } finally {
      await peer.close();
    }
  }
});

test("a program that cannot be started is told in the answer", async () => {
  await assert.rejects(connect("v1", { command: [binary, "wrap", "--state", state, "--", join(folder, "none")], env: {} }), /not available|closed/i);
});

test("without a command, and without a home, the mistake is named", async () => {
  const none = await command(binary, ["wrap"]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /command/);
  const homeless = await command(binary, ["wrap", "--", "true"], { env: {} });
  assert.equal(homeless.code, 2);
  assert.match(homeless.stderr, /--state/);
});
