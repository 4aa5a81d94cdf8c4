// Witnesses over HTTP, and anchors: who signs what, and what becomes of a log that is not the one that was signed.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { binary, command } from "./gateway.mjs";

const folder = mkdtempSync(join(tmpdir(), "latticegate-witness-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const audit = (...words) =>
  command(binary, ["audit", ...words], { env: { ...process.env, XDG_STATE_HOME: join(folder, "state-home") } });
const path = (name) => join(folder, name);

/** Two states of one log, the second a continuation, and a third that forked before: all under the same keys. */
before(async () => {
  const generate = async (name, records) => {
    const made = await audit("generate", "--directory", path(name), "--records", String(records), "--keys", path("keys"), "--origin", "acme/w/node-1");
    assert.equal(made.code, 0, made.stderr);
  };
  await generate("fork", 900);
  await generate("young", 700);
  cpSync(path("young"), path("old"), { recursive: true });
});

let witness;
const started = () => {
  witness?.kill();
  return new Promise((done) => {
    witness = spawn(binary, ["audit", "witness", "--listen", "127.0.0.1:0", "--state", path("witness"), "--name", "witness.example",
      "--key", path("young/log.pub")]);
    witness.stdout.on("data", (text) => {
      const found = /^ready (\S+)/.exec(String(text));
      if (found) done(found[1]);
    });
  });
};
after(() => witness?.kill());

test("a witness signs a log that it has not seen, and what continues it; nothing else", async () => {
  const address = await started();
  const ask = (log, ...more) =>
    audit("cosign", "--directory", path(log), "--to", address, "--witness", path("witness/witness.pub"), ...more);
  const signed = path("young.checkpoint");
  const first = await ask("young", "--file", signed);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(readFileSync(signed, "utf8").split("\n").filter((line) => line.startsWith("\u2014 witness.example ")).length, 2);
  // The same again is signed again; a copy is verified by it.
  assert.equal((await ask("young")).code, 0);
  const verified = await audit("verify", "--directory", path("old"), "--key", path("young/log.pub"), "--checkpoint", signed,
    "--witness", path("witness/witness.pub"), "--no-memory");
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  assert.match(verified.stdout, /witnessed by witness\.example/);
  // Another log under the same keys: the witness has one history only.
  const forked = await ask("fork");
  assert.equal(forked.code, 1, forked.stderr);
  assert.match(forked.stderr, /does not sign \(422\)/);
});

test("requests that are none, and logs that nobody named, get their status", async () => {
  const address = await started();
  const post = async (body, target = "/add-checkpoint") => {
    const response = await fetch(address + target, { method: "POST", body });
    return { status: response.status, text: await response.text(), type: response.headers.get("content-type") };
  };
  assert.equal((await post("no request")).status, 400);
  assert.equal((await post("x", "/elsewhere")).status, 404);
  const note = readFileSync(path("young/checkpoint"), "utf8");
  const stale = await post(`old 1\n\n${note}`);
  assert.ok([400, 409, 422].includes(stale.status), `${stale.status}`);
  assert.equal((await post(`old 0\n\n${note.replace("acme/w/node-1", "acme/w/node-2")}`)).status, 404);
  const again = await post(`old 0\n\n${note}`);
  assert.equal(again.status, 409);
  assert.match(again.type, /^text\/x\.tlog\.size/);
  assert.match(again.text, /^\d+\n$/);
  assert.equal((await fetch(address + "/add-checkpoint")).status, 404);
});

test("whoever asks at the same moment, in whatever process: the witness's history never goes back", async () => {
  const state = path("race");
  const addresses = [];
  const running = [];
  for (let i = 0; i < 2; ++i) {
    const child = spawn(binary, ["audit", "witness", "--listen", "127.0.0.1:0", "--state", state, "--name", "race.example", "--key", path("young/log.pub")]);
    running.push(child);
    addresses.push(await new Promise((done) => child.stdout.on("data", (text) => {
      const found = /^ready (\S+)/.exec(String(text));
      if (found) done(found[1]);
    })));
  }
  after(() => running.forEach((child) => child.kill()));
  // Two histories under the same keys, each of which would be signed as the first one.
  const notes = ["young", "fork"].map((log) => readFileSync(path(`${log}/checkpoint`), "utf8"));
  const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const response = await fetch(addresses[i % 2] + "/add-checkpoint", { method: "POST", body: `old 0\n\n${notes[(i >> 1) % 2]}` });
    return { status: response.status, note: (i >> 1) % 2 };
  }));
  const signed = new Set(answers.filter(({ status }) => status === 200).map(({ note }) => note));
  assert.equal(signed.size, 1, "one of two histories");
  assert.ok(answers.every(({ status }) => status === 200 || status === 409), JSON.stringify(answers));
  // The same state in a third process, while they run.
  const other = signed.has(0) ? "fork" : "young";
  const refused = await audit("witness", "--directory", path(other), "--key", path("young/log.pub"), "--state", state, "--name", "race.example");
  assert.equal(refused.code, 1, refused.stderr);
});

test("anchors: a file that grows, and commits; verify holds the log against every one of them", async () => {
  const file = path("anchors");
  for (const log of ["young", "young"]) {
    const done = await audit("anchor", "--directory", path(log), "--file", file);
    assert.equal(done.code, 0, done.stderr);
  }
  const verify = (log) =>
    audit("verify", "--directory", path(log), "--key", path("young/log.pub"), "--checkpoint", file, "--no-memory");
  const good = await verify("old");
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.equal((await verify("fork")).code, 1);
  const repository = path("repository");
  mkdirSync(repository);
  const git = (...words) => spawnSync("git", ["-C", repository, ...words], { encoding: "utf8" });
  assert.equal(git("init", "--quiet").status, 0);
  git("config", "user.name", "test");
  git("config", "user.email", "test@example.invalid");
  const committed = await audit("anchor", "--directory", path("young"), "--git", repository);
  assert.equal(committed.code, 0, committed.stderr);
  assert.match(git("log", "--format=%s").stdout, /^acme\/w\/node-1: 70\d records/);
  assert.equal((await audit("anchor", "--directory", path("young"))).code, 2);
  // What nobody signed is no anchor.
  writeFileSync(file, readFileSync(file, "utf8").replace(/\n70\d\n/, "\n600\n"));
  assert.equal((await verify("old")).code, 1);
  assert.ok(existsSync(path("witness/witness.pub")));
});
