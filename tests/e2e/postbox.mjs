#!/usr/bin/env node
// A mailbox that anybody writes to and a post office, for puppet.test.mjs: read_mail gives what lies in a folder, send,
// pay and fetch_url write down what left.
//
//   node postbox.mjs <folder with mails> <file for what leaves>
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "../../examples/quickstart/servers/stdio.mjs";

const [folder, left] = process.argv.slice(2);
const text = (words) => ({ content: [{ type: "text", text: words }] });
const strings = (...names) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: names,
});
const leaves = (name, given) => {
  appendFileSync(left, JSON.stringify({ name, ...given }) + "\n");
  return text("done");
};
const tools = {
  read_mail: { inputSchema: strings("name"), call: ({ name }) => text(readFileSync(join(folder, name), "utf8")) },
  send: { inputSchema: strings("to", "body"), call: (given) => leaves("send", given) },
  pay: { inputSchema: strings("iban", "amount"), call: (given) => leaves("pay", given) },
  fetch_url: { inputSchema: strings("url"), call: (given) => leaves("fetch_url", given) },
};
const methods = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "postbox", version: "1" } }),
  ping: () => ({}),
  "tools/list": () => ({ tools: Object.entries(tools).map(([name, { inputSchema }]) => ({ name, description: name, inputSchema })) }),
  "tools/call": ({ name, arguments: given }) => tools[name].call(given),
};
serve(methods);
