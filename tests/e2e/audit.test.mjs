// The sealed log, judged by others: signatures by @noble, tree and receipts by the few lines below, and the commands by what
// they say of logs that were altered.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { binary, command } from "./gateway.mjs";

const folder = mkdtempSync(join(tmpdir(), "latticegate-audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const log = join(folder, "log");
const copy = join(folder, "copy");
const records = 700;

const audit = (...words) =>
  command(binary, ["audit", ...words], { env: { ...process.env, XDG_STATE_HOME: join(folder, "state") } });
const fresh = () => {
  rmSync(copy, { recursive: true, force: true });
  cpSync(log, copy, { recursive: true });
};

before(async () => {
  const made = await audit("generate", "--directory", log, "--records", String(records), "--keys", join(folder, "keys"));
  assert.equal(made.code, 0, made.stderr);
});

// --- another implementation, from the published formats ------------------------------------------------------------------------
const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const leafHash = (leaf) => sha256(Buffer.from([0]), leaf);
const nodeHash = (left, right) => sha256(Buffer.from([1]), left, right);
const root = (hashes) => {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0];
  let left = 1;
  while (left * 2 < hashes.length) left *= 2;
  return nodeHash(root(hashes.slice(0, left)), root(hashes.slice(left)));
};
const number64 = (n) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(n));
  return bytes;
};
const counted = (text) => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);

function keysOf(text) {
  return text.trim().split("\n").map((line) => {
    const [name, id, ...rest] = line.split("+");
    const bytes = Buffer.from(rest.join("+"), "base64");
    const key = { name, id, type: bytes[0], bytes: bytes.subarray(1) };
    assert.equal(sha256(Buffer.from(name + "\n"), bytes).subarray(0, 4).toString("hex"), id);
    return key;
  });
}

// The checkpoint in a note that every one of the keys has signed.
function open(note, keys) {
  const end = note.lastIndexOf("\n\n");
  const text = note.slice(0, end + 1);
  const [origin, size, base64] = text.split("\n");
  const checkpoint = { origin, size: Number(size), root: Buffer.from(base64, "base64") };
  const good = new Set();
  for (const line of note.slice(end + 2).trim().split("\n")) {
    const [dash, name, signed] = line.split(" ");
    assert.equal(dash, "\u2014");
    const bytes = Buffer.from(signed, "base64");
    const key = keys.find((k) => k.name === name && k.id === bytes.subarray(0, 4).toString("hex"));
    if (!key) continue;
    const signature = bytes.subarray(4);
    if (key.type === 0x01) {
      assert.ok(ed25519.verify(signature, Buffer.from(text), key.bytes), "Ed25519");
    } else {
      assert.equal(key.type, 0x06);
      const message = Buffer.concat([
        Buffer.from("subtree/v1\n\0"), counted(name), signature.subarray(0, 8), counted(origin), number64(0),
        number64(size), checkpoint.root,
      ]);
      assert.ok(ml_dsa44.verify(signature.subarray(8), message, key.bytes), "ML-DSA-44");
    }
    good.add(key);
  }
  assert.equal(good.size, keys.length, "every key signed");
  return checkpoint;
}

function leaves(log, size) {
  const all = [];
  for (let tile = 0; all.length < size; tile += 1) {
    const width = Math.min(256, size - tile * 256);
    const name = String(tile).padStart(3, "0") + (width < 256 ? `.p/${width}` : "");
    const bundle = readFileSync(join(log, "tile/entries", name));
    for (let at = 0; at < bundle.length; ) {
      const length = bundle.readUInt16BE(at);
      all.push(bundle.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return all;
}

// The root that an inclusion proof leads to.
function climb(index, size, hash, proof) {
  let fn = index;
  let sn = size - 1;
  for (const p of proof) {
    assert.ok(sn > 0);
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(p, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else {
      hash = nodeHash(hash, p);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  assert.equal(sn, 0);
  return hash;
}

test("an independent implementation verifies signatures, tiles and tree", () => {
  const keys = keysOf(readFileSync(join(log, "log.pub"), "utf8"));
  assert.deepEqual(keys.map((key) => key.type), [0x06, 0x01]);
  const head = open(readFileSync(join(log, "checkpoint"), "utf8"), keys);
  assert.equal(head.size, records + 2);
  const hashes = leaves(log, head.size).map(leafHash);
  assert.equal(hashes.length, head.size);
  assert.deepEqual(root(hashes), head.root);
  for (const tile of [0, 1])
    assert.deepEqual(readFileSync(join(log, "tile/0", String(tile).padStart(3, "0"))),
      Buffer.concat(hashes.slice(tile * 256, tile * 256 + 256)));
  assert.deepEqual(readFileSync(join(log, "tile/1/000.p/2")),
    Buffer.concat([root(hashes.slice(0, 256)), root(hashes.slice(256, 512))]));
});

test("it refuses checkpoints that were tampered with, as we do", async () => {
  const keys = keysOf(readFileSync(join(log, "log.pub"), "utf8"));
  const note = readFileSync(join(log, "checkpoint"), "utf8");
  const [origin, size, base64] = note.split("\n");
  const other = Buffer.from(base64, "base64");
  other[7] ^= 1;
  const lines = note.split("\n");
  const flip = (line) => {
    const bytes = Buffer.from(line.split(" ")[2], "base64");
    bytes[bytes.length - 9] ^= 4;
    return line.split(" ").slice(0, 2).join(" ") + " " + bytes.toString("base64");
  };
  const bad = {
    size: note.replace(size, String(Number(size) - 1)),
    root: note.replace(base64, other.toString("base64")),
    origin: note.replaceAll(origin, origin.replace("node-1", "node-2")),
    "ML-DSA-44 signature": note.replace(lines[4], flip(lines[4])),
    "Ed25519 signature": note.replace(lines[5], flip(lines[5])),
    "one signature only": lines.filter((_, i) => i !== 4).join("\n"),
  };
  for (const [what, changed] of Object.entries(bad)) {
    assert.notEqual(changed, note, what);
    assert.throws(() => open(changed, keys), undefined, what);
    fresh();
    writeFileSync(join(copy, "checkpoint"), changed);
    const judged = await audit("verify", "--directory", copy, "--no-memory");
    assert.equal(judged.code, 1, `${what}: ${judged.stdout}`);
  }
});

test("a receipt proves its record to whoever has the key, and nothing else", async () => {
  const key = join(log, "log.pub");
  const file = join(folder, "77.tlog-proof");
  const made = await audit("prove", "--directory", log, "--index", "77", "--file", file);
  assert.equal(made.code, 0, made.stderr);
  const good = await audit("check", file, "--key", key);
  assert.equal(good.code, 0, good.stdout);
  assert.match(good.stdout, /PROVED/);
  const text = readFileSync(file, "utf8");
  const [head, ...rest] = text.split("\n\n");
  const [magic, extra, index, ...proof] = head.split("\n");
  assert.equal(magic, "c2sp.org/tlog-proof@v1");
  assert.equal(index, "index 77");
  const leaf = Buffer.from(extra.slice("extra ".length), "base64");
  assert.equal(JSON.parse(leaf).seq, 77);
  const signed = open(rest.join("\n\n"), keysOf(readFileSync(key, "utf8")));
  assert.deepEqual(climb(77, signed.size, leafHash(leaf), proof.map((line) => Buffer.from(line, "base64"))), signed.root);

  const forged = Buffer.from(leaf.toString().replace('"allow"', '"denied"'));
  assert.notDeepEqual(forged, leaf);
  const bad = {
    record: text.replace(extra, "extra " + forged.toString("base64")),
    index: text.replace("index 77\n", "index 78\n"),
    hash: text.replace(proof[0], proof[1]),
    size: text.replace(`\n${records + 2}\n`, `\n${records + 1}\n`),
    "cut": text.slice(0, text.length / 2),
  };
  for (const [what, changed] of Object.entries(bad)) {
    assert.notEqual(changed, text, what);
    writeFileSync(file, changed);
    const refused = await audit("check", file, "--key", key);
    assert.equal(refused.code, 1, `${what}: ${refused.stdout}`);
  }
  writeFileSync(file, text);
  const strangers = join(folder, "strangers");
  await audit("generate", "--directory", strangers, "--records", "1");
  assert.equal((await audit("check", file, "--key", join(strangers, "log.pub"))).code, 1);
  assert.equal((await audit("check", file)).code, 2);
  // By the id of a call: its decision, or its outcome.
  const call = JSON.parse(leaf).call_uid;
  for (const [option, type] of [[[], "call.decided"], [["--outcome"], "call.finished"]]) {
    const one = await audit("prove", "--directory", log, "--call", call, ...option);
    assert.equal(one.code, 0, one.stderr);
    writeFileSync(file, one.stdout);
    const told = await audit("check", file, "--key", key, "-o", "json");
    assert.equal(JSON.parse(JSON.parse(told.stdout).record).type, type);
  }
});

test("a witness signs a log that only grew, and no other", async () => {
  const state = join(folder, "witness");
  const witness = (directory) =>
    audit("witness", "--directory", directory, "--key", join(log, "log.pub"), "--state", state, "--name", "witness.example");
  const first = await witness(log);
  assert.equal(first.code, 0, first.stderr);
  const file = join(folder, "witnessed.checkpoint");
  writeFileSync(file, first.stdout);
  assert.equal((await witness(log)).code, 0, "the same again");
  // It has the signatures of the log and of the witness, each for others to verify.
  const cosigned = readFileSync(join(state, "witness.pub"), "utf8");
  assert.match(cosigned, /^witness\.example\+.*\nwitness\.example\+/);
  const judged = await audit("verify", "--directory", log, "--no-memory", "--key", join(log, "log.pub"), "--checkpoint", file,
    "--witness", join(state, "witness.pub"));
  assert.equal(judged.code, 0, judged.stdout);
  assert.match(judged.stdout, /witnessed by witness\.example/);

  // The same keys, other records: the log's own key does not help.
  for (const [many, code] of [[records - 100, 1], [records + 100, 1]]) {
    const forged = join(folder, `forged-${many}`);
    const made = await audit("generate", "--directory", forged, "--records", String(many), "--keys", join(folder, "keys"));
    assert.equal(made.code, 0, made.stderr);
    const refused = await witness(forged);
    assert.equal(refused.code, code, refused.stderr);
    assert.equal(refused.stdout, "");
  }
  const strangers = join(folder, "not-known");
  await audit("generate", "--directory", strangers, "--records", "5");
  assert.equal((await witness(strangers)).code, 1);
});

test("records go out in the forms of others, and are counted", async () => {
  const rows = async (format, ...query) => {
    const out = await audit("export", "--directory", log, "--format", format, ...query);
    assert.equal(out.code, 0, out.stderr);
    return out.stdout.trimEnd().split("\n");
  };
  assert.equal((await rows("jsonl")).length, records + 2);
  assert.equal((await rows("csv")).length, records + 3);
  for (const line of await rows("ocsf")) {
    const event = JSON.parse(line);
    for (const field of ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"])
      assert.ok(field in event, `${field} in ${line}`);
    assert.equal(event.type_uid, event.class_uid * 100 + event.activity_id);
    if (event.class_uid === 6003) assert.ok(event.actor && event.api.operation && event.src_endpoint, line);
  }
  for (const line of await rows("cef", "decision:deny")) assert.match(line, /^CEF:0\|Latticegate\|.* act=deny /);
  const counted = JSON.parse((await audit("stats", "--directory", log, "-o", "json")).stdout);
  assert.equal(counted.records, records + 2);
  assert.equal(counted.types["call.decided"], records / 2);
});

test("verify tells by its exit code what it found", async () => {
  const key = join(log, "log.pub");
  fresh();
  assert.equal((await audit("verify", "--directory", copy, "--no-memory")).code, 4, "nothing from outside");
  const early = readdirSync(join(log, "checkpoints"))[0];
  const anchored = await audit("verify", "--directory", copy, "--no-memory", "--key", key, "--checkpoint",
    join(log, "checkpoints", early));
  assert.equal(anchored.code, 0, anchored.stdout);
  // The first time it is remembered; the second time that confirms it.
  assert.equal((await audit("verify", "--directory", copy)).code, 4);
  const again = await audit("verify", "--directory", copy, "-o", "json");
  assert.equal(again.code, 0, again.stdout);
  assert.equal(JSON.parse(again.stdout).verdict, "verified");

  assert.equal((await audit("verify", "--directory", join(folder, "nothing"))).code, 3, "no log");
  assert.equal((await audit("verify", "--directory", copy, "--nonsense")).code, 2);
  assert.equal((await audit("verify", "--directory", copy, "--key", join(folder, "missing"))).code, 2);
  rmSync(join(copy, "tile"), { recursive: true });
  assert.equal((await audit("verify", "--directory", copy)).code, 3, "tiles are not here");

  // An altered record, with its checksums and tiles made right again, and signed by somebody else.
  const strangers = join(folder, "other");
  await audit("generate", "--directory", strangers, "--records", String(records + 20));
  const replaced = await audit("verify", "--directory", strangers, "-o", "json");
  assert.equal(replaced.code, 1, replaced.stdout);
  assert.ok(JSON.parse(replaced.stdout).problems.length > 0);

  // The place of the first byte that is not right is told.
  fresh();
  const segment = join(copy, "seg/000001.log");
  const bytes = readFileSync(segment);
  const at = bytes.indexOf('"seq":333,');
  bytes[at + 10] ^= 1;
  writeFileSync(segment, bytes);
  const found = await audit("verify", "--directory", copy, "-o", "json");
  assert.equal(found.code, 1);
  assert.equal(JSON.parse(found.stdout).problems[0].record, 333);
});
