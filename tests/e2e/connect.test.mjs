// latticegate connect: clients that start their servers as processes reach the gateway over post-quantum TLS.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as bodies from "./bodies.mjs";
import { connect, text } from "./clients.mjs";
import { binary, command, gatewayOfFile } from "./gateway.mjs";

const here = gatewayOfFile();

const piped = (server, ...more) => ({
  command: [binary, "connect", String(here.gateway.endpoint(server)), "--ca", here.gateway.certificate, "--profile", "required", ...more],
  env: { LATTICEGATE_TOKEN: here.gateway.headers().Authorization.replace("Bearer ", "") },
});

bodies.everything((options) => connect("v1", piped("everything"), options));
bodies.files((options) => connect("v2", piped("files"), options), here.folder);
bodies.memory((options) => connect("v2", piped("memory"), { ...options, era: "modern" }));

/** Runs connect with lines on its standard input, to the end of its output. */
function feed(where, lines) {
  const script = `printf '%s\\n' "$@" | ${where.command.map((word) => `'${word}'`).join(" ")}`;
  return command("bash", ["-c", script, "feed", ...lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)))], {
    env: { ...process.env, ...where.env },
  });
}
const answers = ({ stdout }) => stdout.trim().split("\n").map((line) => JSON.parse(line));

const hello = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "p", version: "1" } } };
const greeted = { jsonrpc: "2.0", method: "notifications/initialized" };
const echo = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "echo", arguments: { message: "piped" } } };

test("messages that are piped in are answered before the end", async () => {
  const out = await feed(piped("everything"), [hello, greeted, echo]);
  assert.equal(out.code, 0, out.stderr);
  assert.match(text(answers(out).find((m) => m.id === 2).result), /piped/);
});

test("what is no message is answered in place, and the rest goes on", async () => {
  const out = await feed(piped("everything"), ["{not json", hello, '[{"jsonrpc":"2.0","id":9,"method":"ping"}]', greeted, echo]);
  const all = answers(out);
  assert.deepEqual(all.filter((m) => m.error).map((m) => m.error.code).sort(), [-32600, -32700]);
  assert.match(text(all.find((m) => m.id === 2).result), /piped/);
});

test("a refused credential and an unknown endpoint are told in the answer", async () => {
  const refused = { ...piped("everything"), env: { LATTICEGATE_TOKEN: "wrong" } };
  assert.match(answers(await feed(refused, [hello]))[0].error.message, /credential was refused/);
  assert.match(answers(await feed(piped("nothing"), [hello]))[0].error.message, /no such endpoint/);
  const nobody = { command: [binary, "connect", "http://127.0.0.1:9/mcp/x"], env: {} };
  assert.match(answers(await feed(nobody, [hello]))[0].error.message, /127\.0\.0\.1:9/);
});

test("a bad URL is a mistake of usage", async () => {
  const out = await command(binary, ["connect", "ftp://x"]);
  assert.equal(out.code, 2);
  assert.match(out.stderr, /ftp/);
});
