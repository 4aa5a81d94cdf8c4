// What must work through the gateway as it works without: one function per server, each registers its tests.
// `session(options)` opens a connection to that server; see clients.mjs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { within } from "./gateway.mjs";
import { allTools, everyCapability, text } from "./clients.mjs";

const names = (tools) => tools.map((tool) => tool.name).sort();

/** Opens a session for one test body and closes it after, whatever happens. */
function using(session, options, body) {
  return async () => {
    const peer = await session(options);
    try {
      await body(peer);
    } finally {
      await peer.close();
    }
  };
}

const everythingTools = [
  "echo", "get-annotated-message", "get-env", "get-resource-links", "get-resource-reference", "get-structured-content",
  "get-sum", "get-tiny-image", "gzip-file-as-resource", "simulate-research-query", "toggle-simulated-logging",
  "toggle-subscriber-updates", "trigger-long-running-operation",
];
const everythingMore = ["get-roots-list", "trigger-elicitation-request", "trigger-sampling-request", "trigger-url-elicitation"];

export function everything(session) {
  const plain = (body) => using(session, {}, body);
  const full = (body) =>
    using(session, { capabilities: everyCapability }, async (peer) => {
      // The server registers the tools that need the client's capabilities after the handshake, and says so.
      await within(10_000, "tools of a capable client", peer.seen.notification((n) => n.method === "notifications/tools/list_changed"));
      await body(peer);
    });

  test("everything: tools, instructions and descriptors arrive whole", plain(async ({ client }) => {
    const tools = await allTools(client);
    assert.deepEqual(names(tools), everythingTools.toSorted());
    assert.match(client.getInstructions(), /Everything Server/);
    const structured = tools.find((tool) => tool.name === "get-structured-content");
    assert.ok(structured.outputSchema.properties.temperature);
    assert.equal(tools.find((tool) => tool.name === "echo").annotations.readOnlyHint, true);
    assert.equal(client.getServerVersion().name, "mcp-servers/everything");
  }));

  test("everything: each simple tool answers", plain(async ({ client, call }) => {
    assert.equal(text(await call("echo", { message: "gr\u00fc\u00dfe \u{1f600}" })), "Echo: gr\u00fc\u00dfe \u{1f600}");
    assert.match(text(await call("get-sum", { a: 2, b: 40 })), /42/);
    assert.match(text(await call("get-sum", { a: 0.5, b: 1e3 })), /1000\.5/);
    const annotated = await call("get-annotated-message", { messageType: "error", includeImage: true });
    assert.equal(annotated.content[0].annotations.priority, 1);
    assert.equal(annotated.content[1].type, "image");
    assert.match(text(await call("get-env")), /\{/);
    const links = await call("get-resource-links", { count: 3 });
    assert.equal(links.content.filter((block) => block.type === "resource_link").length, 3);
    const reference = await call("get-resource-reference", { resourceType: "Text", resourceId: 1 });
    assert.equal(reference.content[1].resource.uri, "demo://resource/dynamic/text/1");
    const structured = await call("get-structured-content", { location: "Chicago" });
    assert.equal(typeof structured.structuredContent.temperature, "number");
    const image = await call("get-tiny-image");
    assert.equal(image.content.find((block) => block.type === "image").mimeType, "image/png");
    const zipped = await call("gzip-file-as-resource", { name: "a.gz", data: "data:text/plain,hello", outputType: "resource" });
    assert.match(zipped.content[0].resource.blob, /^H4sI/);
    for (const tool of ["toggle-simulated-logging", "toggle-subscriber-updates"]) {
      assert.match(text(await call(tool)), /[Ss]tarted/);
      assert.match(text(await call(tool)), /[Ss]topped/);
    }
    await client.ping();
  }));

  test("everything: a tool's own error stays a tool error, an unknown tool a protocol error", plain(async ({ call }) => {
    const wrong = await call("get-sum", { a: "one", b: 2 });
    assert.equal(wrong.isError, true);
    await assert.rejects(async () => {
      const result = await call("no-such-tool");
      if (result.isError) throw new Error(text(result));
    });
  }));

  test("everything: progress arrives in order, before the result", plain(async ({ call }) => {
    const progress = [];
    const result = await call("trigger-long-running-operation", { duration: 1, steps: 4 }, { onprogress: (p) => progress.push(p) });
    assert.match(text(result), /completed/);
    // The 1.x client drops a notification that arrives in one piece with the result, so the last one may be missing.
    assert.deepEqual(progress.map((p) => p.progress), [1, 2, 3, 4].slice(0, Math.max(3, progress.length)));
    assert.equal(progress[0].total, 4);
  }));

  test("everything: a cancelled call ends at once and the session lives on", plain(async ({ call }) => {
    const cancel = new AbortController();
    const started = performance.now();
    const running = call("trigger-long-running-operation", { duration: 20, steps: 40 }, {
      signal: cancel.signal,
      onprogress: () => cancel.abort("enough"),
    });
    await assert.rejects(within(10_000, "cancellation", running), /enough|abort/i);
    assert.ok(performance.now() - started < 9_000);
    assert.match(text(await call("echo", { message: "still here" })), /still here/);
  }));

  test("everything: calls of one session run side by side", plain(async ({ call }) => {
    const slow = call("trigger-long-running-operation", { duration: 2, steps: 2 });
    const quick = await Promise.all(Array.from({ length: 20 }, (_, i) => call("get-sum", { a: i, b: 1 })));
    quick.forEach((result, i) => assert.match(text(result), new RegExp(`is ${i + 1}\\.`)));
    assert.match(text(await slow), /completed/);
  }));

  test("everything: resources, templates, subscription", plain(async ({ client, call, seen }) => {
    const { resources } = await client.listResources();
    assert.ok(resources.length >= 5);
    const { resourceTemplates } = await client.listResourceTemplates();
    assert.ok(resourceTemplates.some((t) => t.uriTemplate === "demo://resource/dynamic/text/{resourceId}"));
    const { contents } = await client.readResource({ uri: resources[0].uri });
    assert.match(contents[0].text, /Everything Server/);
    const dynamic = await client.readResource({ uri: "demo://resource/dynamic/text/3" });
    assert.match(dynamic.contents[0].text, /Resource 3/);
    const blob = await client.readResource({ uri: "demo://resource/dynamic/blob/4" });
    assert.ok(blob.contents[0].blob.length > 0);
    const uri = "demo://resource/dynamic/text/1";
    await client.subscribeResource({ uri });
    await call("toggle-subscriber-updates");
    await within(15_000, "resource update", seen.notification((n) => n.method === "notifications/resources/updated" && n.params.uri === uri));
    await client.unsubscribeResource({ uri });
    await call("toggle-subscriber-updates");
    await assert.rejects(client.readResource({ uri: "demo://resource/none" }));
  }));

  test("everything: prompts and completion", plain(async ({ client }) => {
    const { prompts } = await client.listPrompts();
    assert.deepEqual(prompts.map((p) => p.name).sort(), ["args-prompt", "completable-prompt", "resource-prompt", "simple-prompt"]);
    assert.match((await client.getPrompt({ name: "simple-prompt" })).messages[0].content.text, /simple prompt/);
    assert.match((await client.getPrompt({ name: "args-prompt", arguments: { city: "Rome" } })).messages[0].content.text, /Rome/);
    const embedded = await client.getPrompt({ name: "resource-prompt", arguments: { resourceType: "Text", resourceId: "1" } });
    assert.ok(embedded.messages.some((m) => m.content.type === "resource"));
    const { completion } = await client.complete({
      ref: { type: "ref/prompt", name: "completable-prompt" },
      argument: { name: "department", value: "E" },
    });
    assert.deepEqual(completion.values, ["Engineering"]);
  }));

  test("everything: log messages at the level that the client asked for", plain(async ({ client, call, seen }) => {
    await client.setLoggingLevel("debug");
    await call("toggle-simulated-logging");
    const message = await within(15_000, "log message", seen.notification((n) => n.method === "notifications/message"));
    assert.ok(message.params.level);
    await call("toggle-simulated-logging");
  }));

  test("everything: a capable client is offered the tools that need it", full(async ({ client, seen }) => {
    // The server adds them one by one; the last list_changed may still be on its way.
    let listed = [];
    for (let tries = 0; tries < 50 && !everythingMore.every((name) => listed.includes(name)); ++tries) {
      listed = names(await allTools(client));
    }
    for (const name of everythingMore) assert.ok(listed.includes(name), `${name} is missing; notifications: ${JSON.stringify(seen.notifications)}`);
  }));

  test("everything: sampling goes to the client and back", full(async ({ call, seen }) => {
    const result = await call("trigger-sampling-request", { prompt: "a prompt for the model", maxTokens: 17 });
    assert.match(text(result), /sampled answer/);
    const request = seen.requests.find((r) => r.method === "sampling/createMessage");
    assert.equal(request.params.maxTokens, 17);
    assert.match(request.params.messages[0].content.text, /a prompt for the model/);
  }));

  test("everything: elicitation, form and url", full(async ({ call, seen }) => {
    const form = await call("trigger-elicitation-request");
    assert.match(text(form), /Ada/);
    assert.equal(seen.requests.find((r) => r.method === "elicitation/create").params.requestedSchema.type, "object");
    await call("trigger-url-elicitation", { url: "https://example.com/consent", elicitationId: "e-1" });
    const asked = seen.requests.find((r) => r.method === "elicitation/create" && r.params.mode === "url");
    assert.equal(asked.params.url, "https://example.com/consent");
  }));

  test("everything: roots", full(async ({ call }) => {
    assert.match(text(await call("get-roots-list")), /file:\/\/\/srv\/project/);
  }));
}

export function files(session, folder) {
  const body = (run) => using(session, {}, run);
  const data = join(folder, "data");
  const content = (result) => {
    assert.notEqual(result.isError, true, text(result));
    assert.equal(result.structuredContent.content, text(result));
    return text(result);
  };

  test("files: all fourteen tools", body(async ({ client, call }) => {
    assert.deepEqual(names(await allTools(client)), [
      "create_directory", "directory_tree", "edit_file", "get_file_info", "list_allowed_directories", "list_directory",
      "list_directory_with_sizes", "move_file", "read_file", "read_media_file", "read_multiple_files", "read_text_file",
      "search_files", "write_file",
    ]);
    const path = (name) => join(data, name);
    assert.match(content(await call("list_allowed_directories")), /data/);
    assert.equal(content(await call("read_text_file", { path: path("hello.txt") })), "hello\nworld\n");
    assert.equal(content(await call("read_text_file", { path: path("hello.txt"), head: 1 })), "hello");
    assert.equal(content(await call("read_file", { path: path("hello.txt") })), "hello\nworld\n");
    assert.match(content(await call("read_multiple_files", { paths: [path("hello.txt"), path("hello.txt")] })), /world/);
    assert.match(content(await call("create_directory", { path: path("reports/new") })), /created/);
    assert.match(content(await call("write_file", { path: path("reports/new/a.txt"), content: "one\ntwo \u00fc\n" })), /wrote/);
    assert.equal(readFileSync(path("reports/new/a.txt"), "utf8"), "one\ntwo \u00fc\n");
    const edits = [{ oldText: "one", newText: "three" }];
    assert.match(content(await call("edit_file", { path: path("reports/new/a.txt"), edits, dryRun: true })), /three/);
    assert.match(content(await call("edit_file", { path: path("reports/new/a.txt"), edits })), /three/);
    assert.match(content(await call("list_directory", { path: path("reports/new") })), /a\.txt/);
    assert.match(content(await call("list_directory_with_sizes", { path: path("reports/new"), sortBy: "size" })), /a\.txt/);
    assert.match(content(await call("directory_tree", { path: data })), /reports/);
    assert.match(content(await call("search_files", { path: data, pattern: "**/*.txt" })), /a\.txt/);
    assert.match(content(await call("get_file_info", { path: path("hello.txt") })), /size: 12/);
    assert.match(content(await call("move_file", { source: path("reports/new/a.txt"), destination: path("reports/b.txt") })), /moved/);
    const media = await call("read_media_file", { path: path("pixel.png") });
    assert.equal(media.content[0].mimeType, "image/png");
  }));

  test("files: the server's own refusal arrives as a tool error", body(async ({ call }) => {
    const outside = await call("read_text_file", { path: "/etc/hostname" });
    assert.equal(outside.isError, true);
    assert.match(text(outside), /Access denied/);
  }));

  test("files: a text of a megabyte goes there and back unchanged", body(async ({ call }) => {
    const line = "0123456789 abcdefghijklmnopqrstuvwxyz ".repeat(2);
    const big = (line + "\n").repeat(Math.ceil(1_000_000 / (line.length + 1)));
    const path = join(data, "reports", "big.txt");
    assert.match(content(await call("write_file", { path, content: big })), /wrote/);
    assert.equal(readFileSync(path, "utf8"), big);
    assert.equal(content(await call("read_text_file", { path })), big);
  }));
}

export function memory(session) {
  test("memory: all nine tools", using(session, {}, async ({ client, call }) => {
    assert.deepEqual(names(await allTools(client)), [
      "add_observations", "create_entities", "create_relations", "delete_entities", "delete_observations", "delete_relations",
      "open_nodes", "read_graph", "search_nodes",
    ]);
    const relation = { from: "Ada", to: "Engine", relationType: "describes" };
    const made = await call("create_entities", {
      entities: [
        { name: "Ada", entityType: "person", observations: ["likes proofs"] },
        { name: "Engine", entityType: "machine", observations: [] },
      ],
    });
    assert.equal(made.structuredContent.entities.length, 2);
    await call("create_relations", { relations: [relation] });
    await call("add_observations", { observations: [{ entityName: "Ada", contents: ["wrote notes"] }] });
    const graph = (await call("read_graph")).structuredContent;
    assert.deepEqual(graph.entities[0].observations, ["likes proofs", "wrote notes"]);
    assert.deepEqual(graph.relations, [relation]);
    assert.equal((await call("search_nodes", { query: "proofs" })).structuredContent.entities[0].name, "Ada");
    assert.equal((await call("open_nodes", { names: ["Engine"] })).structuredContent.entities[0].name, "Engine");
    await call("delete_observations", { deletions: [{ entityName: "Ada", observations: ["wrote notes"] }] });
    await call("delete_relations", { relations: [relation] });
    await call("delete_entities", { entityNames: ["Ada", "Engine"] });
    assert.deepEqual((await call("read_graph")).structuredContent, { entities: [], relations: [] });
  }));
}

export function staff(session, { era = "legacy" } = {}) {
  test(`staff (${era}): both tools`, using(session, { era }, async ({ client, call }) => {
    if (client.getProtocolEra) assert.equal(client.getProtocolEra(), era);
    assert.deepEqual(names(await allTools(client)), ["execute_sql", "search_objects"]);
    const query = async (sql) => JSON.parse(text(await call("execute_sql", { sql })));
    const five = await query("select emp_no, last_name from employee order by emp_no limit 5");
    assert.equal(five.success, true);
    assert.equal(five.data.statements[0].rows.length, 5);
    assert.deepEqual(five.data.statements[0].rows[0], { emp_no: 10001, last_name: "Facello" });
    const tables = JSON.parse(text(await call("search_objects", { object_type: "table" })));
    assert.equal(tables.data.count, 6);
    const wrong = await call("execute_sql", { sql: "select * from nowhere" });
    assert.equal(wrong.isError, true);
    assert.match(text(wrong), /no such table/);
  }));
}
