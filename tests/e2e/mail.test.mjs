// Alerts by mail: a real SMTP receiver with STARTTLS, TLS from the first byte, a login, and one that offers no TLS.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SMTPServer } from "smtp-server";
import { configuration, direct, startGateway, until, workshop } from "./gateway.mjs";

if (direct) {
  console.log("mail: nothing to test without a gateway");
  process.exit(0);
}

const folder = workshop();
const letters = { started: [], first: [], local: [], bare: [] };
const receivers = [];
let gateway;

/** A receiver that keeps what it gets; the port that it listens on. */
function receive(into, options) {
  const server = new SMTPServer({
    ...options,
    logger: false,
    onAuth: ({ username, password }, session, done) =>
      username === "gate" && password === "pass word" ? done(null, { user: username }) : done(new Error("wrong")),
    onData(stream, session, done) {
      const pieces = [];
      stream.on("data", (piece) => pieces.push(piece));
      stream.on("end", () => {
        into.push({ text: Buffer.concat(pieces).toString("utf8"), secure: session.secure, user: session.user,
          from: session.envelope.mailFrom.address, to: session.envelope.rcptTo.map((one) => one.address) });
        done();
      });
    },
  });
  server.on("error", () => {});
  receivers.push(server);
  return new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(server.server.address().port)));
}

before(async () => {
  const pem = join(folder, "mail.pem");
  const keyFile = join(folder, "mail-key.pem");
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=mail.localhost", "-addext", "subjectAltName=DNS:mail.localhost,DNS:localhost", "-keyout", keyFile, "-out", pem]);
  assert.equal(made.status, 0, String(made.stderr));
  const secrets = { key: readFileSync(keyFile), cert: readFileSync(pem) };
  const first = await receive(letters.first, { ...secrets, secure: true });
  const local = await receive(letters.local, { authOptional: true, disabledCommands: ["STARTTLS"] });
  writeFileSync(join(folder, "password"), "pass word", { mode: 0o600 });
  const letter = { from: "gate@ours.example", to: ["soc@ours.example", "boss@ours.example"] };
  const login = { user: "gate", password: { file: "password" }, ca: "mail.pem" };
  const config = configuration(folder, {
    agents: ["tester", "second"],
    only: ["files"],
    alerts: {
      channels: {
        first: { ...letter, ...login, smtp: `smtps://localhost:${first}` },
        local: { ...letter, smtp: `smtp://127.0.0.1:${local}` },
      },
    },
  });
  gateway = await startGateway(folder, { config });
});
after(async () => {
  await gateway?.stop();
  await Promise.all(receivers.map((server) => new Promise((done) => server.close(done))));
  rmSync(folder, { recursive: true, force: true });
});

test("a kill is a letter, over TLS and with a login, and in plain text to this machine", async () => {
  assert.equal((await gateway.run("kill", "--agent", "tester", "--reason", "looks odd\r\nBcc: x@evil.example")).code, 0);
  const [secured] = await until(() => letters.first.length && letters.first, "the letter over TLS");
  const [plain] = await until(() => letters.local.length && letters.local, "the letter to this machine");
  assert.equal(secured.secure, true);
  assert.equal(secured.user, "gate");
  assert.equal(plain.secure, false);
  for (const letter of [secured, plain]) {
    assert.equal(letter.from, "gate@ours.example");
    assert.deepEqual(letter.to, ["soc@ours.example", "boss@ours.example"]);
    const [head, body] = letter.text.split("\r\n\r\n");
    assert.match(head, /^Subject: \[latticegate critical\] kill: tester$/m);
    assert.match(head, /^Auto-Submitted: auto-generated$/m);
    assert.doesNotMatch(head, /^Bcc/m);
    assert.match(Buffer.from(body, "base64").toString("utf8"), /looks odd[\s\S]*agent: tester/);
  }
});
