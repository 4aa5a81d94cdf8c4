// Four real servers behind one address, with both official SDKs in both eras; and what a virtual server makes of them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { allTools, connect, everyCapability, text } from "./clients.mjs";
import { configuration, startGateway, within, workshop } from "./gateway.mjs";

let folder;
let gateway;
before(async () => {
  folder = workshop();
  gateway = await startGateway(folder, {
    config: configuration(folder, {
      agents: ["tester", "stranger"],
      aggregate: { wait: "1m" },
      groups: [{ name: "testers" }, { name: "desk", in: ["testers"] }, { name: "nobody" }],
      virtual_servers: {
        desk: {
          servers: ["memory"],
          tools: {
            add: { server: "everything", tool: "get-sum", description: "Adds two numbers." },
            look: { server: "files", tool: "read_text_file" },
          },
          instructions: "Numbers and notes.",
        },
        sums: { servers: ["everything"], prefix: false },
        many: { servers: ["everything", "files", "memory"], search_above: 5 },
        closed: { servers: ["memory"], groups: ["nobody"] },
      },
    }),
  });
});
after(async () => {
  await gateway?.stop();
});

const clients = [
  ["v1", {}],
  ["v2", {}],
  ["v2", { era: "modern" }],
];
const at = (path, version, options) =>
  connect(version, { url: new URL(path, gateway.url), headers: gateway.headers() }, options);

for (const [version, era] of clients) {
  const name = `${version} ${era.era ?? "legacy"}`;
  const door = (path, body, options = {}) => async () => {
    const peer = await at(path, version, { ...era, ...options });
    try {
      await within(60_000, "a test body", body(peer));
    } finally {
      await peer.close();
    }
  };

  test(`${name}: tools of all servers, under names that models take, in the same order each time`, door("/mcp", async ({ client }) => {
    const names = (await allTools(client)).map((tool) => tool.name);
    for (const one of ["everything__echo", "files__read_text_file", "memory__read_graph", "staff__execute_sql"])
      assert.ok(names.includes(one), `${one} of ${names}`);
    assert.equal(new Set(names).size, names.length);
    for (const one of names) assert.match(one, /^[a-zA-Z0-9_-]{1,64}$/);
    assert.deepEqual((await allTools(client)).map((tool) => tool.name), names);
    assert.match(client.getInstructions(), /Everything Server/);
  }));

  test(`${name}: calls reach the servers that they are for`, door("/mcp", async ({ call }) => {
    const [sum, file, graph, rows] = await Promise.all([
      call("everything__get-sum", { a: 20, b: 22 }),
      call("files__read_text_file", { path: `${folder}/data/hello.txt` }),
      call("memory__read_graph"),
      call("staff__execute_sql", { sql: "select 1 as one" }),
    ]);
    assert.match(text(sum), /42/);
    assert.match(text(file), /hello/);
    assert.equal(graph.isError, undefined);
    assert.match(text(rows), /one/);
  }));

  test(`${name}: progress, prompts, resources, completion`, door("/mcp", async ({ client, call }) => {
    const seen = [];
    await call("everything__trigger-long-running-operation", { duration: 1, steps: 4 }, { onprogress: (p) => seen.push(p.progress) });
    assert.deepEqual(seen, [1, 2, 3, 4]);
    const { prompts } = await client.listPrompts();
    const simple = prompts.find((prompt) => prompt.name.startsWith("everything__simple"));
    assert.ok((await client.getPrompt({ name: simple.name })).messages.length > 0);
    const { resources } = await client.listResources();
    const one = resources.find((resource) => resource.uri.startsWith("latticegate://everything/"));
    const read = await client.readResource({ uri: one.uri });
    assert.equal(read.contents[0].uri, one.uri);
    const { resourceTemplates } = await client.listResourceTemplates();
    const template = resourceTemplates.find((each) => each.uriTemplate.includes("{"));
    assert.match(template.uriTemplate, /^latticegate:\/\/everything\//);
    const filled = template.uriTemplate.replace(/\{[^}]+\}/, "1");
    assert.equal((await client.readResource({ uri: filled })).contents[0].uri, filled);
    const completing = prompts.find((prompt) => prompt.name.includes("complet"));
    const { completion } = await client.complete({
      ref: { type: "ref/prompt", name: completing.name },
      argument: { name: completing.arguments[0].name, value: "" },
    });
    assert.ok(Array.isArray(completion.values));
    await assert.rejects(client.readResource({ uri: "latticegate://everything/demo://none" }));
    await assert.rejects(client.readResource({ uri: "demo://resource/static/document/features.md" }));
  }));

  test(`${name}: servers ask the client through the door`, door("/mcp", async ({ call, seen }) => {
    for (const [tool, given, expected] of [
      ["everything__trigger-sampling-request", { prompt: "say something", maxTokens: 20 }, /sampled answer/],
      ["everything__trigger-elicitation-request", {}, /Ada/],
    ]) {
      let result = await call(tool, given).catch((error) => ({ isError: true, error }));
      for (let i = 0; result.isError && i < 40; ++i) {
        await new Promise((done) => setTimeout(done, 50));
        result = await call(tool, given).catch((error) => ({ isError: true, error }));
      }
      assert.match(text(result), expected);
    }
    assert.ok(seen.requests.length >= 2);
  }, { capabilities: everyCapability }));

  test(`${name}: a virtual server has what it names, as it names it`, door("/mcp/desk", async ({ client, call }) => {
    const tools = await allTools(client);
    const names = tools.map((tool) => tool.name);
    assert.ok(names.includes("add") && names.includes("look") && names.includes("memory__read_graph"), `${names}`);
    assert.ok(!names.some((one) => one.startsWith("files__") || one.startsWith("everything__")), `${names}`);
    assert.equal(tools.find((tool) => tool.name === "add").description, "Adds two numbers.");
    assert.equal(client.getInstructions(), "Numbers and notes.");
    assert.match(text(await call("add", { a: 1, b: 2 })), /3/);
    assert.match(text(await call("look", { path: `${folder}/data/hello.txt` })), /hello/);
    await assert.rejects(call("everything__get-sum", { a: 1, b: 2 }), /Unknown tool/);
    await assert.rejects(call("get-sum", { a: 1, b: 2 }), /Unknown tool/);
  }));

  test(`${name}: a virtual server without prefixes looks like its server`, door("/mcp/sums", async ({ client, call }) => {
    assert.ok((await allTools(client)).some((tool) => tool.name === "get-sum"));
    assert.match(text(await call("get-sum", { a: 1, b: 2 })), /3/);
    const { resources } = await client.listResources();
    assert.ok(!resources[0].uri.startsWith("latticegate:"));
    assert.ok((await client.readResource({ uri: resources[0].uri })).contents.length > 0);
  }));

  test(`${name}: many tools are searched, described and called`, door("/mcp/many", async ({ client, call }) => {
    const tools = await allTools(client);
    assert.deepEqual(tools.map((tool) => tool.name), ["search_tools", "describe_tools", "call_tool"]);
    const found = (await call("search_tools", { query: "sum of two numbers" })).structuredContent;
    assert.equal(found.tools[0].name, "everything__get-sum");
    const described = (await call("describe_tools", { names: ["everything__get-sum", "nobody__none"] })).structuredContent;
    assert.deepEqual(described.tools[0].inputSchema.required.toSorted(), ["a", "b"]);
    assert.deepEqual(described.unknown, ["nobody__none"]);
    assert.match(text(await call("call_tool", { name: "everything__get-sum", arguments: { a: 40, b: 2 } })), /42/);
    assert.match(text(await call("everything__get-sum", { a: 40, b: 2 })), /42/);
    await assert.rejects(call("call_tool", { name: "nobody__none", arguments: {} }), /Unknown tool/);
  }));

  test(`${name}: a virtual server of others is not there`, async () => {
    await assert.rejects(at("/mcp/closed", version, era).then((peer) => peer.close()), /404|no such server|not/i);
  });
}
