// Agents that turn, with real servers: a database whose rows are suddenly all wanted, a table that was never asked for, files out
// of the usual folder, an argument that is a thousand times the usual. Each is stopped at its first call, explained by
// `latticegate agents show`, and nothing of it reaches the client.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, text } from "./clients.mjs";
import { configuration, direct, permitAll, servers, startGateway, workshop } from "./gateway.mjs";

if (direct) {
  console.log("turn: nothing to test without a gateway");
  process.exit(0);
}

const folder = workshop();
const elsewhere = mkdtempSync("/var/tmp/latticegate-e2e-");
let gateway;

const policies = {
  "10.cedar": `${permitAll}
// News that do not end a conversation by themselves, and do here.
@id("stay-with-what-you-know")
@obligation("kill_session")
forbid (principal, action, resource)
when { context.risk.signals.contains("new_table") || context.risk.signals.contains("new_path") || context.risk.signals.contains("argument") };
`,
};

before(async () => {
  writeFileSync(join(elsewhere, "payroll.txt"), "everybody's pay\n");
  const agents = ["scraper", "dba", "walker", "clerk"];
  const config = configuration(folder, { agents, only: ["files", "staff"] });
  config.servers.files.stdio = [...servers(folder).files.command, elsewhere];
  gateway = await startGateway(folder, { policies, config });
});
after(async () => {
  await gateway?.stop();
  rmSync(elsewhere, { recursive: true, force: true });
});

const open = (agent, server) => connect("v1", { url: gateway.endpoint(server), headers: gateway.headers(agent) });
const sql = (peer, statement) => peer.client.callTool({ name: "execute_sql", arguments: { sql: statement } });
const shown = async (agent) => (await gateway.run("agents", "show", agent)).stdout;
/** A call that must not come through, and the next one, which must not either. */
async function stopped(call, secret) {
  for (let i = 0; i < 2; ++i) {
    let words;
    try {
      const result = await call();
      words = text(result);
      assert.equal(result.isError, true, words);
    } catch (error) {
      words = String(error.message);
    }
    assert.match(words, /stopped this conversation/);
    if (secret) assert.doesNotMatch(words, secret);
  }
}

test("5 rows, and then everything: withheld, and the conversation is over", async () => {
  const peer = await open("scraper", "staff");
  for (let i = 0; i < 25; ++i) {
    const rows = await sql(peer, `SELECT emp_no, first_name FROM employee WHERE emp_no > ${i} LIMIT 5`);
    assert.ok(!rows.isError, text(rows));
  }
  await stopped(() => sql(peer, "SELECT emp_no, first_name, last_name FROM employee"), /"?(emp_no|first_name)"?\s*:/);
  const why = (await gateway.run("audit", "query", "type:session.killed", "agent:scraper", "--json")).stdout;
  assert.match(why, /records answered, usually at most 5/);
  assert.match(await shown("scraper"), /usually at most 5 records[\s\S]*records answered, usually at most 5/);
});

test("5 rows, and then 5,000 asked for: refused before the server hears of it", async () => {
  await gateway.run("release", "--agent", "scraper");
  const peer = await open("scraper", "staff");
  await stopped(() => sql(peer, "SELECT emp_no FROM employee LIMIT 5000"));
  const why = (await gateway.run("audit", "query", "type:call.decided", "decision:deny", "agent:scraper", "--json")).stdout;
  assert.match(why, /5000 records asked for, usually at most 5/);
});

test("a table that was never asked for", async () => {
  const peer = await open("dba", "staff");
  for (let i = 0; i < 25; ++i) await sql(peer, `SELECT first_name FROM employee WHERE emp_no > ${i} LIMIT 5`);
  assert.equal((await gateway.run("agents", "ratify", "dba")).code, 0);
  assert.ok(!(await sql(peer, "SELECT last_name FROM employee LIMIT 5")).isError);
  await stopped(() => sql(peer, "SELECT emp_no, amount FROM salary LIMIT 5"), /amount"?\s*:/);
  assert.match(await shown("dba"), /Uses 1 table: employee[\s\S]*new_table \(30\): first use of the table salary; known are employee/);
});

test("files out of the usual folder", async () => {
  const peer = await open("walker", "files");
  const read = (path) => peer.client.callTool({ name: "read_text_file", arguments: { path } });
  for (let i = 0; i < 25; ++i) assert.match(text(await read(join(folder, "data", "hello.txt"))), /hello/);
  assert.equal((await gateway.run("agents", "ratify", "walker")).code, 0);
  assert.match(text(await read(join(folder, "data", "hello.txt"))), /hello/);
  await stopped(() => read(join(elsewhere, "payroll.txt")), /everybody/);
  assert.match(await shown("walker"), /new_path \(\d+\): first use of the path \/var\/tmp/);
});

test("a number that is a thousand times the usual, and is not quoted in full", async () => {
  const peer = await open("clerk", "files");
  const head = (lines) => peer.client.callTool({ name: "read_text_file", arguments: { path: join(folder, "data", "hello.txt"), head: lines } });
  for (let i = 0; i < 40; ++i) assert.ok(!(await head(1 + (i % 9))).isError);
  const normal = await shown("clerk");
  assert.match(normal, /Its arguments: [\s\S]*head 1 to 9/);
  await stopped(() => head(4_929_123_456));
  assert.match(await shown("clerk"), /argument \(70\): argument head is about 4900000000, usually 1 to 9/);
});
