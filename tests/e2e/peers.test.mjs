// More servers and clients of other makers: each of the servers by clients of both eras, each of the clients against the
// gateway, and a proxy of another make that speaks both eras itself.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { allTools, connect, text } from "./clients.mjs";
import { command, configuration, node, permitAll, servers, startGateway, workshop } from "./gateway.mjs";

const bin = (name) => join(dirname(fileURLToPath(import.meta.url)), "node_modules", ".bin", name);
const folder = workshop();
const home = join(folder, "home");
mkdirSync(home);
let gateway;
let proxy;

const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

before(async () => {
  const port = await freePort();
  const memory = servers(folder).memory;
  proxy = spawn(node, [bin("mcp-proxy"), "--host", "127.0.0.1", "--port", String(port), "--", ...memory.command], {
    env: { ...process.env, ...memory.env, HOME: home },
    stdio: "ignore",
  });
  for (let i = 0; !(await fetch(`http://127.0.0.1:${port}/ping`).then(() => true, () => false)); ++i) {
    if (i > 200) throw new Error("mcp-proxy does not listen");
    await new Promise((done) => setTimeout(done, 100));
  }
  const config = configuration(folder, { only: [] });
  const stdio = (name, ...more) => ({ stdio: [node, bin(name), ...more], segment: "lab", env: { HOME: home } });
  config.listen.tls = "off";
  config.identity = { anonymous: { from: "loopback", agent: "tester" } };
  config.servers = {
    thinking: stdio("mcp-server-sequential-thinking"),
    sqlite: stdio("mcp-sqlite-server", join(folder, "data.db")),
    git: stdio("git-mcp-server"),
    front: { url: `http://127.0.0.1:${port}/mcp`, segment: "lab" },
    "front-sse": { url: `http://127.0.0.1:${port}/sse`, segment: "lab" },
  };
  const policies = { "all.cedar": permitAll.replace('principal in Mcp::Group::"testers"', "principal") };
  gateway = await startGateway(folder, { config, policies });
});
after(async () => {
  await gateway?.stop();
  proxy?.kill("SIGKILL");
});

const calls = {
  thinking: ["sequentialthinking", { thought: "one", nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 }, /thoughtNumber/],
  sqlite: ["query", { sql: "select 40 + 2 as answer" }, /42/],
  git: ["git_status", { path: "." }, /./],
  front: ["read_graph", {}, /entities/],
  "front-sse": ["read_graph", {}, /entities/],
};
for (const [server, [tool, given, expected]] of Object.entries(calls))
  for (const [version, era] of [["v1", "legacy"], ["v2", "modern"]])
    test(`${server}: listed and called by ${version}, ${era}`, { timeout: 60_000 }, async () => {
      const { client, call, close } = await connect(version, { url: gateway.endpoint(server), headers: {} }, { era });
      assert.ok((await allTools(client)).some(({ name }) => name === tool));
      assert.match(text(await call(tool, given)), expected);
      await close();
    });

test("mcpc opens a session, lists, calls and closes", { timeout: 60_000 }, async () => {
  const mcpc = (...args) =>
    command(node, [bin("mcpc"), ...args], { cwd: folder, env: { ...process.env, HOME: home, PATH: `${dirname(node)}:${process.env.PATH}` } });
  const opened = await mcpc("connect", String(gateway.endpoint("sqlite")), "@gate");
  assert.equal(opened.code, 0, opened.stdout + opened.stderr);
  try {
    const listed = await mcpc("--json", "@gate", "tools-list");
    assert.match(listed.stdout, /"query"/, listed.stderr);
    const called = await mcpc("@gate", "tools-call", "query", "sql:=select 6 * 7 as answer");
    assert.match(called.stdout, /42/, called.stderr);
  } finally {
    await mcpc("close", "@gate");
  }
});

test("mcp-remote carries a client on a pipe to the gateway", { timeout: 60_000 }, async () => {
  const { call, close } = await connect("v1", {
    command: [node, bin("mcp-remote"), String(gateway.endpoint("sqlite")), "--allow-http"],
    env: { PATH: process.env.PATH, HOME: home },
  });
  assert.match(text(await call("query", { sql: "select 21 * 2 as answer" })), /42/);
  await close();
});

test("one door to all of them", { timeout: 60_000 }, async () => {
  const { client, call, close } = await connect("v2", { url: gateway.endpoint(""), headers: {} }, { era: "modern" });
  const names = (await allTools(client)).map(({ name }) => name);
  for (const name of ["sqlite__query", "thinking__sequentialthinking", "git__git_status", "front__read_graph"])
    assert.ok(names.includes(name), name);
  assert.match(text(await call("sqlite__query", { sql: "select 42 as answer" })), /42/);
  await close();
});
