// Starts the built gateway with a generated configuration in front of real MCP servers, for one test file, and stops it.
//
// LATTICEGATE_BINARY names the program (default: build/dev/latticegate of this tree). DIRECT=1 leaves the gateway out and
// lets the same test bodies speak to the servers themselves: what fails there is no defect of ours.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import tls from "node:tls";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
export const node = join(modules, ".bin", "node");
export const direct = process.env.DIRECT === "1";
export const binary = resolve(process.env.LATTICEGATE_BINARY ?? join(here, "../../build/dev/latticegate"));

/** A temporary folder with what the servers work on: data/ for the filesystem server, memory.json for the memory server. */
export function workshop() {
  const folder = mkdtempSync(join(tmpdir(), "latticegate-e2e-"));
  mkdirSync(join(folder, "data", "reports"), { recursive: true });
  mkdirSync(join(folder, "policies"));
  writeFileSync(join(folder, "data", "hello.txt"), "hello\nworld\n");
  writeFileSync(join(folder, "data", "pixel.png"), Buffer.from(pixel, "base64"));
  return folder;
}
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** The real servers, as commands. Scripts are named with their interpreter: nothing depends on PATH. */
export function servers(folder) {
  const script = (name) => join(modules, name, "dist", "index.js");
  return {
    everything: { command: [node, script("@modelcontextprotocol/server-everything"), "stdio"] },
    files: { command: [node, script("@modelcontextprotocol/server-filesystem"), join(folder, "data")] },
    memory: {
      command: [node, script("@modelcontextprotocol/server-memory")],
      env: { MEMORY_FILE_PATH: join(folder, "memory.json") },
    },
    staff: { command: [node, script("@bytebase/dbhub"), "--transport", "stdio", "--demo"] },
  };
}

const token = (agent) => `e2e-${agent}-token`;

/** The configuration of a test gateway: agents by name, each with a token; every server (or the named ones) in one segment. */
export function configuration(folder, { agents = ["tester"], only, ...more } = {}) {
  return {
    listen: { address: "127.0.0.1:0" },
    identity: {
      tokens: agents.map((agent) => ({
        agent,
        sha256: createHash("sha256").update(token(agent)).digest("hex"),
        groups: ["testers"],
        segments: ["lab"],
      })),
    },
    servers: Object.fromEntries(
      Object.entries(servers(folder)).filter(([name]) => !only || only.includes(name)).map(([name, { command, env }]) => [
        name,
        { stdio: command, ...(env && { env }), segment: "lab" },
      ]),
    ),
    policy: { directory: "policies", mode: "enforce" },
    ...more,
  };
}

export const permitAll = `@id("testers-all")
permit (principal in Mcp::Group::"testers", action, resource);
`;

/** A file below a folder whose text matches, the first that is found; null when there is none. */
function findFile(folder, wanted) {
  if (!existsSync(folder)) return null;
  for (const name of readdirSync(folder, { recursive: true })) {
    const path = join(folder, String(name));
    if (statSync(path).isFile() && statSync(path).size < 1_000_000 && wanted(readFileSync(path, "utf8"))) return path;
  }
  return null;
}

/**
 * Starts `latticegate run` and waits for its `ready https://...` line.
 * @returns {{url, endpoint(server), headers(agent), certificate, log(), run(...args), stop()}}
 */
export async function startGateway(folder, { policies = { "all.cedar": permitAll }, config = configuration(folder) } = {}) {
  for (const [name, text] of Object.entries(policies)) writeFileSync(join(folder, "policies", name), text);
  const file = join(folder, "latticegate.yaml");
  writeFileSync(file, JSON.stringify(config, null, 2) + "\n");
  const child = spawn(binary, ["run", "--config", file], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  const exited = new Promise((done) => child.once("exit", (code, signal) => done(signal ?? code)));
  const ready = new Promise((done, failed) => {
    child.once("error", failed);
    exited.then((how) => failed(new Error(`latticegate ended (${how}) before it was ready:\n${log}`)));
    child.stderr.setEncoding("utf8").on("data", (text) => {
      log += text;
      const line = /^ready (https?:\/\/\S+)/m.exec(log);
      if (line) done(line[1]);
    });
  });
  const url = await within(30_000, "the line that it is ready", ready).catch((error) => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  const certificate = findFile(join(folder, "state"), (t) => t.includes("BEGIN CERTIFICATE") && !t.includes("PRIVATE KEY"));
  if (certificate) tls.setDefaultCACertificates([...tls.getCACertificates("default"), readFileSync(certificate, "utf8")]);
  return {
    url,
    certificate,
    endpoint: (server) => new URL(`/mcp/${server}`, url),
    headers: (agent = "tester") => ({ Authorization: `Bearer ${token(agent)}` }),
    log: () => log,
    /** Runs a subcommand of the program against this gateway; resolves to {code, stdout, stderr}. */
    run: (...args) => command(binary, [...args, "--config", file], { cwd: folder }),
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
      const how = await exited;
      clearTimeout(late);
      rmSync(folder, { recursive: true, force: true });
      return how;
    },
  };
}

/** Starts the gateway before the file's tests and stops it after them; `gateway` is set while they run, unless direct. */
export function gatewayOfFile() {
  const here = { folder: workshop(), gateway: undefined };
  before(async () => {
    if (!direct) here.gateway = await startGateway(here.folder);
  });
  after(async () => {
    await here.gateway?.stop();
  });
  return here;
}

/** Runs a program to its end. */
export function command(program, args, options = {}) {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    const out = { code: null, stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text) => (out.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (out.stderr += text));
    child.once("error", failed);
    child.once("close", (code, signal) => done({ ...out, code: code ?? signal }));
  });
}

/** Waits until a condition gives something, at most 15 s. */
export async function until(condition, what) {
  for (let i = 0; i < 300; ++i) {
    const found = condition();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail(`it did not come about in time: ${what}`);
}

/** A promise that rejects with words when what is waited for does not happen. */
export function within(milliseconds, what, promise) {
  let late;
  const limit = new Promise((_, failed) => {
    late = setTimeout(() => failed(new Error(`${what}: not within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(late));
}

export const inspector = join(modules, ".bin", "mcp-inspector");
