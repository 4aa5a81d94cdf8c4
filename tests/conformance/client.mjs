// A plain SDK client, driven by what the official suite asks of a client; between it and the suite's server stands the gateway,
// which this program starts. The suite gives the server's URL as the last argument and the scenario in the environment.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [binary, modules] = process.argv.slice(2);
const upstream = process.argv.at(-1);
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");
const modern = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION === "2026-07-28";
const require = createRequire(join(modules, "anywhere.js"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");

async function issuer() {
  const { origin, pathname } = new URL(upstream);
  for (const path of [`/.well-known/oauth-protected-resource${pathname}`, "/.well-known/oauth-protected-resource"]) {
    const answer = await fetch(origin + path);
    if (answer.ok) return (await answer.json()).authorization_servers[0];
  }
  throw new Error("the suite's server names no issuer");
}

/** How the gateway gets tokens, for the scenarios that ask for some: secrets come from files, as they would. */
async function credential(inside) {
  const secret = (name, value) => {
    if (value === undefined) return {};
    writeFileSync(join(inside, name), value, { mode: 0o600 });
    return { [name]: { file: name } };
  };
  const known = context.client_id
    ? { client_id: context.client_id, ...secret("client_secret", context.client_secret), ...secret("private_key", context.private_key_pem) }
    : { client_metadata: "https://conformance-test.local/client-metadata.json" };
  // A secret is for one issuer, whom the administrator knows; here nobody knows it but the suite's server.
  if (known.client_secret) known.issuer = await issuer();
  const itself = scenario.startsWith("auth/client-credentials");
  return { oauth: { grant: itself ? "client_credentials" : "authorization_code", ...known } };
}

const folder = mkdtempSync(join(tmpdir(), "latticegate-client-"));
mkdirSync(join(folder, "policies"));
writeFileSync(join(folder, "policies", "all.cedar"), '@id("all")\npermit (principal, action, resource);\n');
writeFileSync(
  join(folder, "latticegate.yaml"),
  JSON.stringify({
    listen: { address: "127.0.0.1:0", tls: "off" },
    identity: { anonymous: { from: "loopback", agent: "suite" } },
    servers: { suite: { url: upstream, ...(scenario.startsWith("auth/") ? { credential: await credential(folder) } : {}) } },
    policy: { directory: "policies" },
  }),
);
const gateway = spawn(binary, ["run", "--config", join(folder, "latticegate.yaml")], { stdio: ["ignore", "ignore", "pipe"] });
let log = "";
const url = await new Promise((done, failed) => {
  gateway.once("exit", (code) => failed(new Error(`the gateway ended (${code}): ${log}`)));
  gateway.stderr.setEncoding("utf8").on("data", (text) => {
    process.stderr.write(text);
    log += text;
    const line = /^ready (https?:\/\/\S+)/m.exec(log);
    if (line) done(line[1]);
  });
});

const client = new Client(
  { name: "suite-client", version: "1.0.0" },
  {
    capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
    versionNegotiation: { mode: modern ? { pin: "2026-07-28" } : "legacy" },
  },
);
client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: {} }));
client.setRequestHandler("sampling/createMessage", async () => ({ role: "assistant", model: "m", content: { type: "text", text: "t" } }));
client.setRequestHandler("roots/list", async () => ({ roots: [] }));

/** Arguments that fit a schema: what is required, at its simplest. */
const fitting = (schema) =>
  Object.fromEntries(
    (schema.required ?? []).map((name) => {
      const type = schema.properties?.[name]?.type;
      return [name, type === "number" || type === "integer" ? 2 : type === "boolean" ? true : "test"];
    }),
  );

async function drive() {
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp/suite", url)));
  const { tools } = await client.listTools().catch(() => ({ tools: [] }));
  if (scenario === "http-custom-headers") {
    for (const call of context.toolCalls ?? []) await client.callTool({ name: call.name, arguments: call.arguments });
    return;
  }
  if (scenario === "json-schema-2020-12-preservation") {
    const seen = tools.find((tool) => tool.name === "json_schema_2020_12_tool");
    await client.callTool({ name: "json_schema_echo", arguments: { schema: seen.inputSchema } });
    return;
  }
  for (const tool of tools) await client.callTool({ name: tool.name, arguments: fitting(tool.inputSchema) });
  if (scenario !== "http-standard-headers") return;
  const { resources } = await client.listResources();
  for (const { uri } of resources) await client.readResource({ uri });
  const { prompts } = await client.listPrompts();
  for (const { name } of prompts) await client.getPrompt({ name });
}

let failed = false;
try {
  await drive();
  await client.close();
} catch (error) {
  failed = true;
  console.error(error);
}
gateway.removeAllListeners("exit");
gateway.kill("SIGTERM");
await new Promise((done) => gateway.once("exit", done));
rmSync(folder, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
