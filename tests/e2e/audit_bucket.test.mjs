// Checkpoints in a bucket with object lock: the stand-in checks each request's signature by itself (version 4 of AWS's
// signatures, from their description), refuses what is not signed right, and lets nothing that is locked be changed.
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { binary, command } from "./gateway.mjs";

const folder = mkdtempSync(join(tmpdir(), "latticegate-bucket-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const log = join(folder, "log");
const account = { id: "TESTKEY", secret: "s3cret/with+signs=" };

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();

/** The signature that a request must have; headers as they came, names in lower case. */
function signature(request, body, { date, region, names }) {
  const lines = names.map((name) => `${name}:${request.headers[name].trim()}\n`).join("");
  const canonical = [request.method, request.url, "", lines, names.join(";"), sha256(body)].join("\n");
  const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`;
  const wanted = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical)].join("\n");
  let key = `AWS4${account.secret}`;
  for (const part of [date.slice(0, 8), region, "s3", "aws4_request"]) key = hmac(key, part);
  return hmac(key, wanted).toString("hex");
}

class Bucket {
  objects = new Map();
  refused = [];
  locking = true;
  answer(request, body) {
    const refuse = (status, why) => {
      this.refused.push(why);
      return [status, `<Error><Code>${why}</Code></Error>`];
    };
    const form = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([a-z0-9-]+)\/s3\/aws4_request,SignedHeaders=([a-z0-9;-]+),Signature=([0-9a-f]{64})$/;
    const parts = form.exec(request.headers.authorization ?? "");
    if (!parts) return refuse(403, "AccessDenied");
    const names = parts[4].split(";");
    const headers = request.headers;
    // Whatever could change what the request does has to be signed.
    for (const name of Object.keys(headers).filter((n) => n === "host" || n === "if-none-match" || n.startsWith("x-amz-")))
      if (!names.includes(name)) return refuse(403, `NotSigned ${name}`);
    if (parts[1] !== account.id) return refuse(403, "InvalidAccessKeyId");
    const date = headers["x-amz-date"];
    if (signature(request, body, { date, region: parts[3], names }) !== parts[5]) return refuse(403, "SignatureDoesNotMatch");
    if (headers["x-amz-content-sha256"] !== sha256(body)) return refuse(400, "XAmzContentSHA256Mismatch");
    if (Buffer.from(headers["x-amz-checksum-sha256"] ?? "", "base64").toString("hex") !== sha256(body)) return refuse(400, "BadDigest");
    if (!this.locking) return refuse(400, "InvalidRequest: Bucket is missing Object Lock Configuration");
    const mode = headers["x-amz-object-lock-mode"];
    const until = new Date(headers["x-amz-object-lock-retain-until-date"]);
    if (!["COMPLIANCE", "GOVERNANCE"].includes(mode) || !(until > new Date())) return refuse(400, "InvalidArgument");
    if (headers["if-none-match"] === "*" && this.objects.has(request.url)) return [412, "<Error><Code>PreconditionFailed</Code></Error>"];
    this.objects.set(request.url, { body: body.toString(), mode, until, region: parts[3], session: headers["x-amz-security-token"] });
    return [200, ""];
  }
}

const bucket = new Bucket();
const server = createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const [status, body] = bucket.answer(request, Buffer.concat(pieces));
    response.writeHead(status, { "Content-Type": "application/xml" }).end(body);
  });
});
let url;
before(async () => {
  const made = await command(binary, ["audit", "generate", "--directory", log, "--records", "500"]);
  assert.equal(made.code, 0, made.stderr);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${server.address().port}/acme-anchors/gate 1`.replace(" ", "%20");
  writeFileSync(join(folder, "credentials"), `[default]\naws_access_key_id = ${account.id}\naws_secret_access_key = ${account.secret}\n`);
});
after(() => server.close());

const anchor = (...more) =>
  command(binary, ["audit", "anchor", "--directory", log, "--bucket", url, "--credentials", join(folder, "credentials"), ...more]);

test("a checkpoint is put into the bucket, signed and locked, once", async () => {
  const done = await anchor("--region", "eu-central-1", "--days", "30");
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(bucket.refused, []);
  assert.equal(bucket.objects.size, 1);
  const [[name, object]] = bucket.objects;
  assert.match(name, /^\/acme-anchors\/gate%201\/[0-9a-f]{16}\/0{17}502\.checkpoint$/);
  assert.equal(object.mode, "COMPLIANCE");
  assert.equal(object.region, "eu-central-1");
  const days = (object.until - Date.now()) / 86_400_000;
  assert.ok(days > 29.9 && days <= 30.001, String(days));
  assert.equal(object.body, readFileSync(join(log, "checkpoint"), "utf8"));
  // The same once more changes nothing.
  const again = await anchor();
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /already/);
  assert.equal(bucket.objects.size, 1);
  // And what the bucket has is what a copy of the log is held against.
  writeFileSync(join(folder, "anchored"), object.body);
  const verified = await command(binary, ["audit", "verify", "--no-memory", "--directory", log, "--key", join(log, "log.pub"),
    "--checkpoint", join(folder, "anchored")]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
});

test("what the bucket refuses is told, without the secret", async () => {
  writeFileSync(join(folder, "wrong"), `[default]\naws_access_key_id = ${account.id}\naws_secret_access_key = not-it\n`);
  const wrong = await command(binary, ["audit", "anchor", "--directory", log, "--bucket", url, "--credentials", join(folder, "wrong")]);
  assert.equal(wrong.code, 1, wrong.stderr);
  assert.match(wrong.stderr, /SignatureDoesNotMatch/);
  assert.ok(!wrong.stderr.includes("not-it"));
  bucket.locking = false;
  const unlocked = await anchor();
  assert.equal(unlocked.code, 1);
  assert.match(unlocked.stderr, /Object Lock/);
  bucket.locking = true;
  const none = await command(binary, ["audit", "anchor", "--directory", log, "--bucket", url], { env: {} });
  assert.equal(none.code, 2, none.stderr);
});

test("credentials of the environment, with a session", async () => {
  bucket.objects.clear();
  const env = { AWS_ACCESS_KEY_ID: account.id, AWS_SECRET_ACCESS_KEY: account.secret, AWS_SESSION_TOKEN: "a token" };
  const done = await command(binary, ["audit", "anchor", "--directory", log, "--bucket", url, "--governance"], { env });
  assert.equal(done.code, 0, done.stderr);
  const [object] = bucket.objects.values();
  assert.equal(object.session, "a token");
  assert.equal(object.mode, "GOVERNANCE");
});

test("nobody there", async () => {
  const done = await command(binary, ["audit", "anchor", "--directory", log, "--bucket", "http://127.0.0.1:1/x", "--credentials",
    join(folder, "credentials")]);
  assert.equal(done.code, 5, done.stderr);
});
