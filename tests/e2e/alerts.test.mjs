// Alerts on their way to those who must know: a webhook over TLS that first refuses and then checks the signature, a command,
// syslog; a receiver that hangs, while calls go on; the same once, a storm as a number.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttps } from "node:https";
import { createServer as createTcp } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, text } from "./clients.mjs";
import { configuration, direct, node, startGateway, until, workshop } from "./gateway.mjs";

if (direct) {
  console.log("alerts: nothing to test without a gateway");
  process.exit(0);
}

const folder = workshop();
const key = "the key of the webhook";
const posts = [];
let refusals = 2;
let gateway, receiver, hanging, collector, frames = "";

const listen = (server) => new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));
const told = (event, more = () => true) => posts.filter((post) => post.alert.event === event && more(post.alert));
const run = (...words) => gateway.run(...words);

const policies = {
  "10.cedar": `
@id("testers-all")
permit (principal in Mcp::Group::"testers", action, resource);

@id("no-tree")
@obligation("alert:pager")
forbid (principal, action == Mcp::Action::"files/directory_tree", resource)
when { context.input.path like "x*" };

@id("asks")
@obligation("step_up:1")
forbid (principal, action == Mcp::Action::"files/get_file_info", resource)
unless { context has approval };
`,
};

before(async () => {
  const pem = join(folder, "soc.pem");
  const keyFile = join(folder, "soc-key.pem");
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", keyFile, "-out", pem]);
  assert.equal(made.status, 0, String(made.stderr));
  receiver = createHttps({ key: readFileSync(keyFile), cert: readFileSync(pem) }, (request, answer) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      const body = Buffer.concat(pieces).toString("utf8");
      if (refusals-- > 0) {
        answer.writeHead(503).end();
        return;
      }
      posts.push({ headers: request.headers, body, alert: JSON.parse(body), path: request.url, method: request.method });
      answer.writeHead(204).end();
    });
  });
  hanging = createTcp(() => {}); // takes connections and says nothing
  collector = createTcp((socket) => socket.on("data", (piece) => (frames += piece)));
  const [soc, hung, siem] = [await listen(receiver), await listen(hanging), await listen(collector)];
  writeFileSync(join(folder, "hook.key"), key, { mode: 0o600 });
  const pager = join(folder, "pager.mjs");
  writeFileSync(pager, `
import { appendFileSync } from "node:fs";
let text = "";
for await (const piece of process.stdin) text += piece;
appendFileSync(${JSON.stringify(join(folder, "pages"))}, text);
process.stdout.write("x".repeat(500_000));
process.stderr.write(Object.keys(process.env).filter((name) => !["PATH", "HOME"].includes(name)).join());
appendFileSync(${JSON.stringify(join(folder, "names"))}, Object.keys(process.env).sort().join() + "\\n");
`);
  const config = configuration(folder, {
    agents: ["tester", "killed", "second", "third"],
    only: ["files"],
    alerts: {
      channels: {
        soc: { webhook: `https://localhost:${soc}/hooks/gate`, key: { file: "hook.key" }, ca: "soc.pem" },
        hung: { webhook: `http://127.0.0.1:${hung}/`, timeout: "1s" },
        siem: { syslog: `syslog+tcp://127.0.0.1:${siem}`, on: ["kill"] },
        pager: { command: [node, pager], on: ["log"] },
      },
      repeat: "10m",
      per_minute: 6,
    },
    objectives: { refusals: { of: "denials", target: 99, least: 5 } },
  });
  gateway = await startGateway(folder, { policies, config });
});
after(async () => {
  await gateway?.stop();
  for (const server of [receiver, hanging, collector]) server?.close();
  receiver?.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

const session = (agent = "tester") => connect("v1", { url: gateway.endpoint("files"), headers: gateway.headers(agent) });

test("a kill is told by a signed POST, after refusals, with its reason and without persons", async () => {
  const done = await run("kill", "--agent", "killed", "--reason", "looks odd");
  assert.equal(done.code, 0, done.stderr);
  const [post] = await until(() => told("kill").length && told("kill"), "the kill");
  assert.equal(post.method, "POST");
  assert.equal(post.path, "/hooks/gate");
  const signature = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(post.headers["latticegate-signature"]);
  assert.ok(signature, post.headers["latticegate-signature"]);
  assert.ok(Math.abs(Date.now() / 1000 - Number(signature[1])) < 30, "the time is that of the try");
  assert.equal(createHmac("sha256", key).update(`${signature[1]}.${post.body}`).digest("hex"), signature[2]);
  assert.equal(post.headers["latticegate-alert"], post.alert.id);
  assert.equal(post.alert.apiVersion, "v1");
  assert.equal(post.alert.severity, "critical");
  assert.equal(post.alert.agent, "killed");
  assert.match(post.alert.sentence, /looks odd/);
});

test("syslog gets it as a frame of RFC 5424 with the same id", async () => {
  await until(() => frames.includes("looks odd"), "the frame");
  const frame = /^(\d+) (<106>1 \S+Z \S+ latticegate - kill \[origin [^\]]*\] (\{.*\}))$/s.exec(frames);
  assert.ok(frame, frames);
  assert.equal(Number(frame[1]), Buffer.byteLength(frame[2]));
  assert.equal(JSON.parse(frame[3]).id, told("kill")[0].alert.id);
});

test("a call that waits for a yes is told with the request, and a policy's alert only to its channel", async () => {
  const { client } = await session();
  const asked = await client.callTool({ name: "get_file_info", arguments: { path: "hello.txt" } });
  assert.equal(asked.isError, true);
  const [post] = await until(() => told("approval").length && told("approval"), "the request");
  assert.match(post.alert.sentence, /request a-[0-9a-f]+ waits/);
  assert.equal(post.alert.server, "files");
  assert.ok(!post.body.includes("hello.txt"), "arguments are not told");
  const refused = await client.callTool({ name: "directory_tree", arguments: { path: "x" } });
  assert.equal(refused.isError, true);
  await until(() => existsSync(join(folder, "names")), "the page");
  const page = JSON.parse(readFileSync(join(folder, "pages"), "utf8"));
  assert.equal(page.event, "policy");
  assert.match(page.sentence, /^policy no-tree: /);
  assert.equal(told("policy").length, 0);
  assert.equal(readFileSync(join(folder, "names"), "utf8"), "HOME,PATH\n");
  await client.close();
});

test("the same is told once; a storm is told as a number", async () => {
  await run("quarantine", "tool", "files/write_file", "--reason", "one");
  await until(() => told("quarantine").length === 1, "the first");
  await run("release", "--tool", "files/write_file");
  await run("quarantine", "tool", "files/write_file", "--reason", "two");
  for (let i = 0; i < 8; ++i) await run("quarantine", "tool", `files/t${i}`);
  const values = (await run("metrics")).stdout;
  const value = (result) => Number(new RegExp(`latticegate_alerts_total\\{channel="soc",result="${result}"\\} (\\d+)`).exec(values)?.[1] ?? 0);
  assert.ok(value("repeated") >= 1, values.match(/.*alerts_total.*/g).join("\n"));
  assert.ok(value("limited") >= 3, values.match(/.*alerts_total.*/g).join("\n"));
  assert.equal(told("quarantine", (alert) => alert.tool === "write_file" && alert.severity === "critical").length, 1);
});

test("a receiver that hangs holds no call, and is given up", async () => {
  const { client } = await session("second");
  const start = Date.now();
  for (let i = 0; i < 20; ++i) {
    const answer = await client.callTool({ name: "read_text_file", arguments: { path: join(folder, "data", "hello.txt") } });
    assert.match(text(answer), /hello/);
  }
  assert.ok(Date.now() - start < 8_000, `20 calls took ${Date.now() - start} ms`);
  await client.close();
  let values;
  for (let i = 0; i < 60; ++i) {
    values = (await run("metrics")).stdout;
    if (/channel="hung",result="failed"\} [1-9]/.test(values)) break;
    await new Promise((done) => setTimeout(done, 500));
  }
  assert.match(values, /channel="hung",result="failed"\} [1-9]/);
});

test("an objective whose budget burns is a metric and a record", async () => {
  const { client } = await session("third");
  for (let i = 0; i < 12; ++i) await client.callTool({ name: "directory_tree", arguments: { path: `x${i}` } });
  await client.close();
  let burns = "";
  for (let i = 0; i < 50 && !burns.includes("fast"); ++i) burns = (await run("audit", "query", "type:objective.burns", "--json")).stdout;
  assert.match(burns, /objective refusals \(denials\) burns its budget fast: \d+ of \d+ calls were bad lately/);
  assert.match(burns, /slow/);
  const values = (await run("metrics")).stdout;
  assert.match(values, /latticegate_objective_bad_total\{objective="refusals"\} 1[0-9]/);
  assert.ok(Number(/objective="refusals",window="5m"\} ([0-9.]+)/.exec(values)[1]) > 14.4);
});

test("a wrong certificate file keeps the old channels in force", async () => {
  const file = join(folder, "latticegate.yaml");
  const before = readFileSync(file, "utf8");
  writeFileSync(join(folder, "soc.pem.bad"), "no certificate");
  writeFileSync(file, before.replace("soc.pem", "soc.pem.bad"));
  const reloaded = await run("reload");
  assert.notEqual(reloaded.code, 0);
  assert.match(reloaded.stderr, /alerts\.channels\.soc/);
  writeFileSync(file, before);
  assert.equal((await run("reload")).code, 0);
});
