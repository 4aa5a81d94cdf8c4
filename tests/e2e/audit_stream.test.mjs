// Records on their way to receivers: syslog frames taken apart by hand and by rsyslogd where it is there, OTLP requests decoded
// by protobufjs from the published field numbers; receivers that are away, refuse, break off.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer as createTcp } from "node:net";
import { createServer as createTls } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import protobuf from "protobufjs";
import { connect } from "./clients.mjs";
import { binary, command, configuration, permitAll, startGateway, workshop } from "./gateway.mjs";

const folder = mkdtempSync(join(tmpdir(), "latticegate-stream-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const log = join(folder, "log");
const audit = (...words) => command(binary, ["audit", ...words]);
let leaves;

before(async () => {
  const made = await audit("generate", "--directory", log, "--records", "2500");
  assert.equal(made.code, 0, made.stderr);
  leaves = (await audit("query", "--directory", log, "--json")).stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(leaves.length, 2502);
});

const listen = (server) =>
  new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));
const until = async (condition) => {
  for (let i = 0; i < 400; ++i) {
    if (condition()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail("it did not come about in time");
};

/** Frames with counted octets, out of pieces of any size. */
class Frames {
  bytes = Buffer.alloc(0);
  messages = [];
  take(piece) {
    this.bytes = Buffer.concat([this.bytes, piece]);
    for (;;) {
      const space = this.bytes.indexOf(0x20);
      if (space < 0) return;
      const length = Number(this.bytes.subarray(0, space).toString("latin1"));
      assert.ok(Number.isInteger(length) && length > 0, "a frame begins with its length");
      if (this.bytes.length < space + 1 + length) return;
      this.messages.push(this.bytes.subarray(space + 1, space + 1 + length).toString("utf8"));
      this.bytes = this.bytes.subarray(space + 1 + length);
    }
  }
}
const rfc5424 = /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) latticegate - ([!-~]{1,32}) ((?:\[[^\]]*\])+) (?:\uFEFF)?(.*)$/s;

test("syslog over TCP: every record once, in order, in the form of RFC 5424", async () => {
  const frames = new Frames();
  const server = createTcp((socket) => socket.on("data", (piece) => frames.take(piece)));
  const port = await listen(server);
  const done = await audit("stream", "--directory", log, "--to", `syslog+tcp://127.0.0.1:${port}`, "--once");
  assert.equal(done.code, 0, done.stderr);
  await until(() => frames.messages.length >= leaves.length);
  server.close();
  assert.equal(frames.bytes.length, 0);
  for (const [i, message] of frames.messages.entries()) {
    const parts = rfc5424.exec(message);
    assert.ok(parts, message);
    assert.equal(Number(parts[1]) >> 3, 13);
    assert.ok(parts[5].includes(`[meta sequenceId="${i + 1}"]`));
    assert.deepEqual(JSON.parse(parts[6]), leaves[i]);
    assert.equal(parts[4], leaves[i].type);
  }
});

test("syslog over TLS, as CEF, only what a query means", async () => {
  const key = join(folder, "key.pem");
  const certificate = join(folder, "cert.pem");
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", certificate]);
  assert.equal(made.status, 0, String(made.stderr));
  const frames = new Frames();
  const server = createTls({ key: readFileSync(key), cert: readFileSync(certificate) }, (socket) =>
    socket.on("data", (piece) => frames.take(piece)));
  const port = await listen(server);
  const words = ["stream", "--directory", log, "--to", `syslog+tls://127.0.0.1:${port}`, "--once", "--form", "cef", "decision:deny"];
  const done = await audit(...words, "--ca", certificate);
  assert.equal(done.code, 0, done.stderr);
  const denied = leaves.filter((leaf) => leaf.decision === "deny");
  await until(() => frames.messages.length >= denied.length);
  assert.equal(frames.messages.length, denied.length);
  for (const message of frames.messages) assert.match(rfc5424.exec(message)[6], /^CEF:0\|Latticegate\|/);
  server.close();
});

test("a receiver that breaks off and comes back gets every record at least once", async () => {
  const seen = new Set();
  let connections = 0;
  const receive = (socket) => {
    ++connections;
    const frames = new Frames();
    socket.on("error", () => {});
    socket.on("data", (piece) => {
      frames.take(piece);
      for (const message of frames.messages.splice(0)) seen.add(JSON.parse(rfc5424.exec(message)[6]).seq);
      if (connections === 1 && seen.size > 100) socket.destroy();
    });
  };
  const state = join(folder, "position");
  let server = createTcp(receive);
  const port = await listen(server);
  const stream = spawn(binary, ["audit", "stream", "--directory", log, "--to", `syslog+tcp://127.0.0.1:${port}`, "--state", state]);
  await until(() => seen.size === leaves.length);
  assert.ok(connections > 1);
  // Away altogether: the log is the spool, and what was sent is remembered.
  stream.kill();
  server.close();
  assert.equal(readFileSync(state, "utf8").trim(), String(leaves.length));
  const again = await audit("stream", "--directory", log, "--to", `syslog+tcp://127.0.0.1:${port}`, "--state", state, "--once");
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /^0 records sent/);
});

// From opentelemetry-proto: names and numbers of the fields that there are in a log.
const otlp = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceLogs resource_logs = 1; }
  message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
  message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
  message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
  message Scope { string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    bytes bytes_value = 7; } }
  message LogRecord { fixed64 time_unix_nano = 1; int32 severity_number = 2; string severity_text = 3; AnyValue body = 5;
    repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7; fixed32 flags = 8; bytes trace_id = 9; bytes span_id = 10;
    fixed64 observed_time_unix_nano = 11; string event_name = 12; }
`, { keepCase: true }).root.lookupType("Request");

test("OTLP: a collector decodes every record, and one that refuses for a time is asked again", async () => {
  const records = [];
  let requests = 0;
  const server = createHttp((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      if (++requests === 2) {
        response.writeHead(503).end("later");
        return;
      }
      assert.equal(request.url, "/v1/logs");
      assert.equal(request.headers["content-type"], "application/x-protobuf");
      assert.equal(request.headers["x-key"], "k1");
      const decoded = otlp.toObject(otlp.decode(Buffer.concat(pieces)), { longs: String, bytes: String });
      for (const one of decoded.resource_logs)
        for (const scope of one.scope_logs) {
          assert.deepEqual(one.resource.attributes[0], { key: "service.name", value: { string_value: "latticegate" } });
          assert.equal(scope.scope.name, "latticegate.audit");
          records.push(...scope.log_records);
        }
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  const port = await listen(server);
  const headers = join(folder, "headers");
  writeFileSync(headers, "X-Key: k1\n");
  const done = await audit("stream", "--directory", log, "--to", `http://127.0.0.1:${port}/v1/logs`, "--headers-file", headers, "--once");
  server.close();
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stderr, /answered 503; trying again[\s\S]*takes records again/);
  assert.equal(records.length, leaves.length);
  for (const [i, record] of records.entries()) {
    const leaf = leaves[i];
    assert.deepEqual(JSON.parse(record.body.string_value), leaf);
    assert.equal(record.event_name, leaf.type);
    const attributes = Object.fromEntries(record.attributes.map(({ key, value }) => [key, value.string_value ?? value.int_value]));
    assert.equal(attributes["latticegate.seq"], String(leaf.seq));
    assert.equal(attributes["gen_ai.tool.name"], leaf.tool);
    assert.equal(attributes["gen_ai.agent.id"], leaf.agent?.ref);
    const expected = BigInt(Date.parse(leaf.time.slice(0, 23) + "Z")) * 1000000n + BigInt(leaf.time.slice(23, 29));
    assert.equal(record.time_unix_nano, String(expected));
    assert.equal(record.severity_text, leaf.decision === "deny" ? "WARN" : "INFO");
  }
});

// From opentelemetry-proto: what there is in a span.
const spansOf = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
  message Scope { string name = 1; string version = 2; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; } }
  message Status { string message = 2; int32 code = 3; }
  message Span { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15; fixed32 flags = 16; }
`, { keepCase: true }).root.lookupType("Request");

test("OTLP spans: each call is one, under the span that its client named", async () => {
  const place = workshop();
  const gateway = await startGateway(place, { policies: { "all.cedar": permitAll }, config: configuration(place, { only: ["files"] }) });
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const peer = await connect("v1", { url: gateway.endpoint("files"), headers: gateway.headers() });
  const call = (path, traceparent) =>
    peer.client.callTool({ name: "read_text_file", arguments: { path }, _meta: traceparent ? { traceparent } : undefined });
  await call(join(place, "data", "hello.txt"), `00-${trace}-b7ad6b7169203331-01`);
  await call(join(place, "data", "hello.txt"), "nonsense");
  await call("/etc/passwd");
  await peer.close();
  const spans = [];
  const server = createHttp((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      assert.equal(request.url, "/v1/traces");
      const decoded = spansOf.toObject(spansOf.decode(Buffer.concat(pieces)), { longs: String });
      const hex = (bytes) => (bytes ? Buffer.from(bytes).toString("hex") : undefined);
      for (const one of decoded.resource_spans)
        for (const scope of one.scope_spans)
          for (const span of scope.spans)
            spans.push({ ...span, trace_id: hex(span.trace_id), span_id: hex(span.span_id), parent_span_id: hex(span.parent_span_id),
              attributes: Object.fromEntries(span.attributes.map(({ key, value }) => [key, value.string_value ?? value.int_value])) });
      response.writeHead(200).end();
    });
  });
  const port = await listen(server);
  const done = await gateway.run("audit", "stream", "--to", `http://127.0.0.1:${port}/v1/traces`, "--once");
  server.close();
  await gateway.stop();
  assert.equal(done.code, 0, done.stderr);
  const calls = spans.filter((span) => span.attributes["mcp.method.name"] === "tools/call");
  assert.equal(calls.length, 3, JSON.stringify(spans));
  for (const span of calls) {
    assert.equal(span.name, "tools/call read_text_file");
    assert.equal(span.kind, 2);
    assert.equal(span.attributes["gen_ai.tool.name"], "read_text_file");
    assert.equal(span.attributes["gen_ai.operation.name"], "execute_tool");
    assert.match(span.trace_id, /^[0-9a-f]{32}$/);
    assert.match(span.span_id, /^[0-9a-f]{16}$/);
    assert.ok(BigInt(span.end_time_unix_nano) > BigInt(span.start_time_unix_nano));
  }
  assert.equal(calls[0].trace_id, trace);
  assert.equal(calls[0].parent_span_id, "b7ad6b7169203331");
  assert.notEqual(calls[1].trace_id, trace);
  assert.ok(!calls[1].parent_span_id);
  assert.equal(calls[2].attributes["error.type"], "tool_error");
  assert.ok(!calls[2].status?.code, "what a client asked wrongly is no error of the server's side");
});

// Debian's rsyslogd, where it is installed (or named by RSYSLOGD): its own parser has to find the fields.
const rsyslogd = process.env.RSYSLOGD ?? ["/usr/sbin/rsyslogd", "/sbin/rsyslogd"].find(existsSync);
test("rsyslogd reads the messages", { skip: rsyslogd ? false : "rsyslogd is not installed" }, async () => {
  const out = join(folder, "rsyslog.out");
  const port = await new Promise((done) => {
    const probe = createTcp();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
  const configuration = join(folder, "rsyslog.conf");
  const modules = process.env.RSYSLOG_MODULES ? ["-M", process.env.RSYSLOG_MODULES] : [];
  writeFileSync(configuration, `global(workDirectory="${folder}" maxMessageSize="64k")
module(load="imtcp")
template(name="line" type="string" string="%protocol-version% %syslogfacility-text% %app-name% %msgid% %hostname% %msg%\\n")
input(type="imtcp" address="127.0.0.1" port="${port}" ruleset="all")
ruleset(name="all") { action(type="omfile" file="${out}" template="line") }
`);
  const daemon = spawn(rsyslogd, ["-n", ...modules, "-f", configuration, "-i", join(folder, "rsyslog.pid")], { stdio: "inherit" });
  try {
    const stopped = new Promise((_, refuse) => daemon.on("exit", (code) => refuse(new Error(`rsyslogd ended with ${code}`))));
    stopped.catch(() => {});
    const sending = audit("stream", "--directory", log, "--to", `syslog+tcp://127.0.0.1:${port}`, "--once");
    const done = await Promise.race([sending, stopped]);
    assert.equal(done.code, 0, done.stderr);
    const lines = () => (existsSync(out) ? readFileSync(out, "utf8").trim().split("\n") : []);
    await until(() => lines().length >= leaves.length);
    const parsed = lines().map((line) => /^1 (\S+) latticegate (\S+) (\S+) \s*(\{.*\})$/.exec(line));
    assert.equal(parsed.length, leaves.length);
    for (const [i, parts] of parsed.entries()) {
      assert.ok(parts, lines()[i]);
      assert.equal(parts[2], leaves[i].type);
      assert.deepEqual(JSON.parse(parts[4]), leaves[i]);
    }
  } finally {
    daemon.kill();
  }
});
