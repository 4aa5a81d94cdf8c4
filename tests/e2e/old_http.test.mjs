// Servers that speak the transport of 2024-11-05 (an event stream, and posts beside it): found out by the gateway, reached by
// clients of either era.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { allTools, connect, everyCapability, text } from "./clients.mjs";
import { configuration, node, servers, startGateway, within, workshop } from "./gateway.mjs";

const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const folder = workshop();
let gateway;
let old;

/** server-everything with the old transport; it listens when its port answers. */
async function everything(port) {
  const script = servers(folder).everything.command[1];
  const child = spawn(node, [script, "sse"], { env: { ...process.env, PORT: String(port) }, stdio: "ignore" });
  for (let i = 0; ; ++i) {
    if (await fetch(`http://127.0.0.1:${port}/nothing`).then(() => true, () => false)) return child;
    if (i > 100) throw new Error("the server does not listen");
    await new Promise((done) => setTimeout(done, 100));
  }
}

before(async () => {
  const port = await freePort();
  old = await everything(port);
  const config = configuration(folder, { only: [] });
  config.servers = { old: { url: `http://127.0.0.1:${port}/sse`, segment: "lab" } };
  gateway = await startGateway(folder, { config });
});
after(async () => {
  await gateway?.stop();
  old?.kill("SIGKILL");
});

for (const [version, era] of [["v1", "legacy"], ["v2", "legacy"], ["v2", "modern"]]) {
  const session = (options = {}) =>
    connect(version, { url: gateway.endpoint("old"), headers: gateway.headers() }, { era, ...options });

  test(`${version} ${era}: tools, calls side by side, progress`, async () => {
    const { client, call, close } = await session();
    assert.ok((await allTools(client)).length >= 13);
    const sums = await Promise.all([...Array(10).keys()].map((i) => call("get-sum", { a: i, b: 1 })));
    sums.forEach((sum, i) => assert.match(text(sum), new RegExp(`\\b${i + 1}\\b`)));
    const seen = [];
    await call("trigger-long-running-operation", { duration: 1, steps: 4 }, { onprogress: (p) => seen.push(p.progress) });
    assert.deepEqual(seen, [1, 2, 3, 4]);
    await close();
  });

  test(`${version} ${era}: what the server asks reaches the client`, async () => {
    const { call, close } = await session({ capabilities: everyCapability });
    // The server registers this tool after the handshake.
    let result = await call("trigger-sampling-request", { prompt: "p", maxTokens: 5 });
    for (let i = 0; result.isError && i < 20; ++i) result = await call("trigger-sampling-request", { prompt: "p", maxTokens: 5 });
    assert.match(text(result), /sampled answer/);
    await close();
  });
}

test("when the stream's server is gone, calls fail at once, and others find it again", async () => {
  const { call, close } = await connect("v2", { url: gateway.endpoint("old"), headers: gateway.headers() }, { era: "legacy" });
  assert.match(text(await call("echo", { message: "hey" })), /hey/);
  old.kill("SIGKILL");
  await assert.rejects(within(10_000, "the end of a call", call("trigger-long-running-operation", { duration: 60, steps: 2 })));
  await close().catch(() => {});
});
