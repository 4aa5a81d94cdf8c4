// The MCP Inspector's command line through the gateway (with DIRECT=1: at the servers themselves).
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { command, direct, gatewayOfFile, inspector, node, servers } from "./gateway.mjs";

const here = gatewayOfFile();

/** Runs the Inspector and gives what it printed, as JSON. */
async function inspect(server, ...args) {
  const target = direct
    ? servers(here.folder)[server].command
    : [here.gateway.endpoint(server).href, "--transport", "http", "--header", `Authorization: ${here.gateway.headers().Authorization}`];
  const environment = { PATH: process.env.PATH, HOME: here.folder };
  if (here.gateway) environment.NODE_EXTRA_CA_CERTS = here.gateway.certificate;
  const out = await command(node, [inspector, "--cli", ...target, ...args], { env: environment, cwd: here.folder });
  assert.equal(out.code, 0, `${out.stderr}\n${out.stdout}`);
  return JSON.parse(out.stdout);
}

test("inspector: tools/list", async () => {
  const { tools } = await inspect("everything", "--method", "tools/list");
  assert.ok(tools.length >= 13);
  assert.ok(tools.some((tool) => tool.name === "get-sum"));
});

test("inspector: tools/call", async () => {
  const sum = await inspect("everything", "--method", "tools/call", "--tool-name", "get-sum", "--tool-arg", "a=20", "b=22");
  assert.match(sum.content[0].text, /42/);
  const path = join(here.folder, "data", "hello.txt");
  const file = await inspect("files", "--method", "tools/call", "--tool-name", "read_text_file", "--tool-arg", `path=${path}`);
  assert.match(file.content[0].text, /hello/);
});

test("inspector: resources and prompts", async () => {
  const { resources } = await inspect("everything", "--method", "resources/list");
  const { contents } = await inspect("everything", "--method", "resources/read", "--uri", resources[0].uri);
  assert.match(contents[0].text, /Everything Server/);
  const { prompts } = await inspect("everything", "--method", "prompts/list");
  assert.equal(prompts.length, 4);
  const prompt = await inspect("everything", "--method", "prompts/get", "--prompt-name", "args-prompt", "--prompt-args", "city=Rome");
  assert.match(prompt.messages[0].content.text, /Rome/);
});

test("inspector: the modern era against a server that speaks it", async () => {
  const rows = await inspect("staff", "--protocol-era", "modern", "--method", "tools/call", "--tool-name", "execute_sql",
    "--tool-arg", "sql=select dept_name from department order by dept_no limit 1");
  assert.match(rows.content[0].text, /Marketing/);
});
