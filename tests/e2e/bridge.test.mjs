// The official SDK, 2.x, in the modern era, through the gateway to real servers that speak the older one only: what they ask
// during a call reaches the client's handlers as another round, and the answers go back into the call that waits.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as bodies from "./bodies.mjs";
import { allTools, everyCapability, text } from "./clients.mjs";
import { within } from "./gateway.mjs";
import { sdk } from "./sdk.mjs";

const { folder, session } = sdk("v2");
const modern = (server) => (options) => session(server)({ ...options, era: "modern" });

bodies.files(modern("files"), folder);
bodies.memory(modern("memory"));

/** A modern session to server-everything for one test body. */
const everything = (capabilities, body) => async () => {
  const peer = await modern("everything")({ capabilities });
  try {
    await body(peer);
  } finally {
    await peer.close();
  }
};

test("everything: tools and instructions arrive, as the older handshake gave them", everything({}, async ({ client }) => {
  const tools = await allTools(client);
  assert.ok(tools.length >= 13, `${tools.length} tools`);
  assert.match(client.getInstructions(), /Everything Server/);
  assert.equal(client.getNegotiatedProtocolVersion(), "2026-07-28");
}));

test("everything: progress arrives in order, before the result", everything({}, async ({ call }) => {
  const seen = [];
  const result = await call("trigger-long-running-operation", { duration: 1, steps: 4 }, { onprogress: (p) => seen.push(p.progress) });
  assert.match(text(result), /completed/i);
  assert.deepEqual(seen, [1, 2, 3, 4]);
}));

test("everything: a cancelled call ends at once and the next one works", everything({}, async ({ call }) => {
  const abort = new AbortController();
  const long = call("trigger-long-running-operation", { duration: 60, steps: 60 }, { signal: abort.signal, onprogress: () => abort.abort() });
  await assert.rejects(within(10_000, "the end of a cancelled call", long));
  assert.match(text(await call("echo", { message: "still here" })), /still here/);
}));

test("everything: calls run side by side", everything({}, async ({ call }) => {
  const results = await Promise.all([...Array(20).keys()].map((i) => call("get-sum", { a: i, b: 1 })));
  results.forEach((result, i) => assert.match(text(result), new RegExp(`\\b${i + 1}\\b`)));
}));

for (const [tool, method, given, expected] of [
  ["trigger-sampling-request", "sampling/createMessage", { prompt: "say something", maxTokens: 20 }, /sampled answer/],
  ["trigger-elicitation-request", "elicitation/create", {}, /Ada/],
  ["get-roots-list", "roots/list", {}, /file:\/\/\/srv\/project|project/],
]) {
  test(`everything: ${tool} asks the client and goes on`, everything(everyCapability, async ({ call, seen }) => {
    // The server registers these tools after the handshake of the bridge.
    let result = await call(tool, given);
    for (let i = 0; result.isError && i < 20; ++i) result = await call(tool, given);
    assert.match(text(result), expected);
    if (method !== "roots/list") assert.equal(seen.requests.at(-1).method, method);
  }));
}

test("everything: two users' questions at once do not mix", everything(everyCapability, async ({ call }) => {
  const answers = await Promise.all([1, 2, 3].map(() => call("trigger-elicitation-request", {})));
  for (const answer of answers) assert.match(text(answer), /Ada/);
}));

test("everything: a client that cannot be asked hears what is missing", everything({}, async ({ call }) => {
  await assert.rejects(call("trigger-elicitation-request", {}), /capabilit/i);
}));

test("everything: prompts, resources, completion", everything({}, async ({ client }) => {
  const { prompts } = await client.listPrompts();
  assert.ok(prompts.length > 0);
  const { resources } = await client.listResources();
  const read = await client.readResource({ uri: resources[0].uri });
  assert.ok(read.contents.length > 0);
  await assert.rejects(client.readResource({ uri: "demo://resource/none" }));
}));
