// Three gateways behind a load balancer that sends each request to the next one: both SDKs in both eras work as with one, because each
// conversation has one home; what it read and did holds wherever it is asked; one that is away is passed over.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { request as https } from "node:https";
import { createServer as listener } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { allTools, connect, everyCapability, text } from "./clients.mjs";
import { configuration, direct, permitAll, startGateway, until, within, workshop } from "./gateway.mjs";

if (direct) {
  console.log("replicas: nothing to test without a gateway");
  process.exit(0);
}

const names = ["a", "b", "c"];
const folder = workshop();
const gateways = {};
let balancer, base, ca;
let turn = 0;
let route = () => names[turn++ % names.length];

const freePort = () =>
  new Promise((done) => {
    const probe = listener().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

const policies = {
  "10.cedar": `${permitAll}
@id("no-music")
@obligation("kill_session")
forbid (principal, action == Mcp::Action::"files/get_file_info", resource)
when { context.input.path like "*secret*" };
`,
};

let members;
async function start(name) {
  const own = join(folder, name);
  mkdirSync(join(own, "policies"), { recursive: true });
  mkdirSync(join(own, "data"), { recursive: true });
  const config = configuration(own, {
    agents: ["tester", "second", "third", "fourth", "turning"],
    only: ["everything", "files"],
    replicas: { self: name, key: { file: join(folder, "replicas.key") }, tls: { ca: join(folder, "cert.pem"), profile: "required" }, members },
  });
  config.listen = {
    address: new URL(members[name].url).host,
    tls: { certificate: join(folder, "cert.pem"), key: join(folder, "key.pem"), profile: "required" },
  };
  gateways[name] = await startGateway(own, { config, policies });
}

before(async () => {
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=replicas",
    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem"),
  ], { stdio: "ignore" });
  chmodSync(join(folder, "key.pem"), 0o600);
  writeFileSync(join(folder, "replicas.key"), randomBytes(32).toString("hex"), { mode: 0o600 });
  ca = readFileSync(join(folder, "cert.pem"));
  members = {};
  for (const name of names) members[name] = { url: `https://127.0.0.1:${await freePort()}` };
  for (const name of names) await start(name);
  balancer = createServer((incoming, answer) => {
    const to = new URL(members[route(incoming)].url);
    const out = https(
      { host: to.hostname, port: to.port, path: incoming.url, method: incoming.method, ca, headers: { ...incoming.headers, host: to.host } },
      (reply) => {
        answer.writeHead(reply.statusCode, reply.headers);
        answer.flushHeaders();
        reply.pipe(answer);
      },
    );
    out.on("error", () => answer.destroy());
    answer.on("close", () => out.destroy());
    incoming.pipe(out);
  });
  const port = await new Promise((done) => balancer.listen(0, "127.0.0.1", () => done(balancer.address().port)));
  base = `http://127.0.0.1:${port}`;
});
after(async () => {
  balancer?.close().closeAllConnections();
  for (const gateway of Object.values(gateways)) await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
});

const headers = (agent) => gateways.a.headers(agent);
const metric = async (name, what) => {
  const { stdout } = await gateways[name].run("metrics");
  return Number(new RegExp(`^${what} (\\d+)`, "m").exec(stdout)?.[1] ?? NaN);
};

const clients = [
  ["v1", {}],
  ["v2", {}],
  ["v2", { era: "modern" }],
];
for (const [version, era] of clients) {
  for (const path of ["/mcp/everything", "/mcp"]) {
    const prefix = path === "/mcp" ? "everything__" : "";
    test(`${version} ${era.era ?? "legacy"} at ${path}: every request at another gateway`, async () => {
      const peer = await connect(version, { url: new URL(path, base), headers: headers("tester") }, { ...era, capabilities: everyCapability });
      try {
        await within(60_000, "the calls", (async () => {
          assert.ok((await allTools(peer.client)).length >= 13);
          for (let i = 0; i < 7; ++i) assert.match(text(await peer.call(`${prefix}get-sum`, { a: i, b: 40 })), new RegExp(`${i + 40}`));
          // A question of the server in between (it asks for roots at first) makes a client of the newer era hear of a step twice.
          const progress = new Set();
          await peer.call(`${prefix}trigger-long-running-operation`, { duration: 1, steps: 4 }, { onprogress: (p) => progress.add(p.progress) });
          assert.deepEqual([...progress], [1, 2, 3, 4]);
          // The server asks during the call: the answer comes in at another gateway than the one that has the call open.
          assert.match(text(await peer.call(`${prefix}trigger-sampling-request`, { prompt: "say", maxTokens: 9 })), /sampled answer/);
          assert.match(text(await peer.call(`${prefix}trigger-elicitation-request`)), /Ada/);
        })());
      } finally {
        await peer.close();
      }
    });
  }
}

test("requests were passed on, and over a post-quantum connection", async () => {
  const taken = await Promise.all(names.map((name) => metric(name, "latticegate_taken_over_total")));
  const handed = await Promise.all(names.map((name) => metric(name, "latticegate_handed_over_total")));
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  assert.ok(sum(handed) > 20, `${handed}`);
  assert.ok(sum(taken) >= sum(handed), `${taken} of ${handed}`); // with what one tells the other at the start
});

test("the record says who asked and from where, not which gateway passed it on", async () => {
  const { stdout } = await gateways[await homeOf("tester")].run("audit", "query", "agent:tester", "--json");
  const last = JSON.parse(stdout.trim().split("\n").findLast((line) => line.includes("call.decided")));
  assert.equal(last.agent?.ref ?? last.agent?.name, "tester", stdout.slice(-500));
  assert.match(JSON.stringify(last), /X25519MLKEM768/);
});

/** The gateway that serves an agent's modern calls: the one whose own calls grow. */
async function homeOf(agent) {
  const counts = () => Promise.all(names.map((name) => metric(name, "latticegate_calls_begun_total")));
  const before = await counts();
  const peer = await connect("v2", { url: new URL("/mcp/everything", base), headers: headers(agent) }, { era: "modern" });
  await peer.call("echo", { message: "where" });
  await peer.close();
  const after = await counts();
  return names[after.findIndex((count, i) => count > before[i])];
}

test("several agents do not all live at one gateway", async () => {
  const homes = new Set();
  for (const agent of ["tester", "second", "third", "fourth"]) homes.add(await homeOf(agent));
  assert.ok(homes.size > 1, [...homes].join());
});

/** A message straight to one gateway, with headers of our choice. */
const say = (name, message, more) =>
  new Promise((done, failed) => {
    const out = https(`${members[name].url}/mcp/everything`, {
      ca, method: "POST",
      headers: { ...headers("tester"), "content-type": "application/json", accept: "application/json, text/event-stream", ...more },
    }, (reply) => {
      let body = "";
      reply.on("data", (piece) => (body += piece)).on("end", () => done({ status: reply.statusCode, headers: reply.headers, body }));
    });
    out.on("error", failed);
    out.end(JSON.stringify({ jsonrpc: "2.0", id: 1, ...message }));
  });

test("no client chooses where its conversation is at home, whatever session it names", async () => {
  const home = await homeOf("tester");
  const calls = () => Promise.all(names.map((name) => metric(name, "latticegate_calls_begun_total")));
  const before = await calls();
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
  };
  const modern = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "echo" };
  for (const asked of names)
    for (const named of names) {
      const session = { "mcp-session-id": `${named}.00ff` };
      const called = await say(asked, { method: "tools/call", params: { name: "echo", arguments: { message: "x" }, _meta: meta } }, { ...modern, ...session });
      assert.equal(called.status, 200, called.body);
      const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
      const opened = await say(asked, { method: "initialize", params: hello }, session);
      if (opened.status !== 404) assert.ok(opened.headers["mcp-session-id"].startsWith(`${home}.`), JSON.stringify(opened.headers));
    }
  const after = await calls();
  for (const [i, name] of names.entries()) assert.equal(after[i] - before[i], name === home ? 9 : 0, name);
});

test("a conversation that is stopped is stopped wherever it asks", async () => {
  const peer = await connect("v2", { url: new URL("/mcp/files", base), headers: headers("turning") }, { era: "modern" });
  await peer.call("get_file_info", { path: "secret.txt" }).catch(() => {});
  for (let i = 0; i < 6; ++i) await refused(peer);
  await peer.close();
});

/** A call that is answered with the words for one who is stopped. */
async function refused(peer) {
  const answer = await peer.call("list_allowed_directories").then(text, (error) => error.message);
  assert.match(answer, /stopped/);
}

test("what an operator stops at one is stopped at all, and goes on when it is released at another", async () => {
  const peer = await connect("v2", { url: new URL("/mcp/files", base), headers: headers("third") }, { era: "modern" });
  assert.match(text(await peer.call("list_allowed_directories")), /data/);
  assert.equal((await gateways.a.run("kill", "--agent", "third", "--reason", "looks odd")).code, 0);
  for (const name of ["b", "c"])
    await until(() => /killed.*agent=third|agent=third.*killed/.test(gateways[name].log()), `${name} hears of it`);
  for (let i = 0; i < 4; ++i) await refused(peer);
  assert.equal((await gateways.b.run("release", "--agent", "third")).code, 0);
  await until(() => gateways.a.log().includes("conversation released") && gateways.c.log().includes("conversation released"), "they hear of it");
  for (let i = 0; i < 4; ++i) assert.match(text(await peer.call("list_allowed_directories")), /data/);
  await peer.close();
});

test("what nobody of them sealed is refused, whatever token comes with it", async () => {
  for (const value of ["", "AAAA", "x".repeat(3000)]) {
    const status = await new Promise((done, failed) => {
      const out = https(`${members.a.url}/mcp/everything`, {
        ca, method: "POST",
        headers: { ...headers("tester"), "Latticegate-Handed": value, "content-type": "application/json", accept: "application/json, text/event-stream" },
      }, (reply) => done(reply.resume().statusCode));
      out.on("error", failed);
      out.end(`{"jsonrpc":"2.0","id":1,"method":"ping"}`);
    });
    assert.equal(status, 403);
  }
});

test("a gateway does not become another one by a reload", async () => {
  const file = join(folder, "a", "latticegate.yaml");
  const good = readFileSync(file, "utf8");
  writeFileSync(file, good.replace('"self": "a"', '"self": "b"'));
  const refused = await gateways.a.run("reload");
  writeFileSync(file, good);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stdout + refused.stderr, /replicas: self and key are read at the start; restart the gateway/);
  assert.equal((await gateways.a.run("reload")).code, 0);
});

test("one that is away is passed over; its sessions are opened anew", async () => {
  const home = await homeOf("tester");
  const others = names.filter((name) => name !== home);
  const legacy = await connect("v1", { url: new URL("/mcp/everything", base), headers: headers("tester") });
  const left = gateways[home];
  process.kill(left.pid, "SIGKILL");
  await until(() => !existsSync(`/proc/${left.pid}`), "its end");
  route = () => others[turn++ % others.length];
  const modern = await connect("v2", { url: new URL("/mcp/everything", base), headers: headers("tester") }, { era: "modern" });
  for (let i = 0; i < 4; ++i) assert.match(text(await modern.call("echo", { message: "still here" })), /still here/);
  await modern.close();
  await assert.rejects(legacy.call("echo", { message: "gone" }), /404|away|not exist/);
  await legacy.close().catch(() => {});
  const again = await connect("v1", { url: new URL("/mcp/everything", base), headers: headers("tester") });
  assert.match(text(await again.call("echo", { message: "anew" })), /anew/);
  await again.close();
  await until(() => others.some((name) => gateways[name].log().includes("a replica cannot be reached")), "a line in the log");
});
