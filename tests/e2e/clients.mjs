// The two official SDKs behind one small face, so that one set of test bodies drives both.
//
// connect(version, where, options) gives {client, seen, call(tool, args, options), close()}; `seen` keeps what the server
// sent on its own account. `where` is {url, headers} for a gateway, {command, env} for a server started directly.
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as HttpV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";

const schemas = {
  "sampling/createMessage": CreateMessageRequestSchema,
  "elicitation/create": ElicitRequestSchema,
  "roots/list": ListRootsRequestSchema,
};

export const everyCapability = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };

const answers = {
  "sampling/createMessage": () => ({
    model: "test-model",
    role: "assistant",
    content: { type: "text", text: "sampled answer" },
    stopReason: "endTurn",
  }),
  "elicitation/create": ({ mode }) =>
    mode === "url" ? { action: "accept" } : { action: "accept", content: { name: "Ada", check: true, integer: 7 } },
  "roots/list": () => ({ roots: [{ uri: "file:///srv/project", name: "project" }] }),
};

export async function connect(version, where, { capabilities = {}, era = "legacy" } = {}) {
  const modern = version === "v2";
  const info = { name: `e2e-${version}`, version: "1.0.0" };
  const client = modern
    ? new ClientV2(info, { capabilities, versionNegotiation: { mode: era === "modern" ? { pin: "2026-07-28" } : era } })
    : new ClientV1(info, { capabilities });
  const seen = { requests: [], notifications: [] };
  const asked = { "sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots" };
  for (const [method, capability] of Object.entries(asked)) {
    if (!capabilities[capability]) continue;
    client.setRequestHandler(modern ? method : schemas[method], async (request) => {
      seen.requests.push({ method, params: request.params });
      return answers[method](request.params ?? {});
    });
  }
  const waiting = [];
  client.fallbackNotificationHandler = async (notification) => {
    seen.notifications.push(notification);
    for (const check of [...waiting]) check();
  };
  /** Resolves with the first notification, seen or to come, that fits. */
  seen.notification = (fits) =>
    new Promise((done) => {
      const check = () => {
        const found = seen.notifications.find(fits);
        if (!found) return;
        waiting.splice(waiting.indexOf(check), 1);
        done(found);
      };
      waiting.push(check);
      check();
    });
  const [Http, Stdio] = modern ? [HttpV2, StdioV2] : [HttpV1, StdioV1];
  const transport = where.url
    ? new Http(where.url, { requestInit: { headers: where.headers } })
    : new Stdio({ command: where.command[0], args: where.command.slice(1), env: where.env ?? {}, stderr: "ignore" });
  await client.connect(transport);
  return {
    client,
    seen,
    call: (name, given = {}, options = {}) =>
      modern
        ? client.callTool({ name, arguments: given }, options)
        : client.callTool({ name, arguments: given }, undefined, options),
    async close() {
      if (where.url && !modern) await transport.terminateSession().catch(() => {});
      await client.close();
    },
  };
}

/** The text blocks of a result, joined. */
export const text = (result) =>
  (result.content ?? [])
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("\n");

/** All tools, over all pages. */
export async function allTools(client) {
  const tools = [];
  let cursor;
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor });
    tools.push(...page.tools);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return tools;
}
