// A stop takes back what the gateway had of others: the token that it got at an authorization server, with the official SDK's
// authorization server and its server as peers. Revoked where there is an endpoint for it, forgotten where there is none or where it
// hangs; the stop waits for none of that, and the next agent gets a new token.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import express from "express";
import { mcpAuthRouter, getOAuthProtectedResourceMetadataUrl } from "@modelcontextprotocol/sdk/server/auth/router.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { connect, text } from "./clients.mjs";
import { configuration, direct, startGateway, workshop } from "./gateway.mjs";

if (direct) {
  console.log("revoke: nothing to test without a gateway");
  process.exit(0);
}

/** An authorization server and a server that wants its tokens. `revocation`: "yes", "none" or "hangs". */
async function peer(revocation) {
  const app = express();
  const listener = await new Promise((done) => {
    const it = app.listen(0, "127.0.0.1", () => done(it));
  });
  const origin = new URL(`http://127.0.0.1:${listener.address().port}`);
  const resource = new URL("/mcp", origin);
  const here = { url: resource.href, given: [], revoked: [], used: [], listener };
  const clients = new Map();
  const codes = new Map();
  const give = (client) => {
    const tokens = { access_token: `access-${randomUUID()}`, refresh_token: `refresh-${randomUUID()}`, token_type: "bearer", expires_in: 3600 };
    here.given.push({ ...tokens, client: client.client_id });
    return tokens;
  };
  const provider = {
    clientsStore: {
      getClient: (id) => clients.get(id),
      registerClient: (client) => {
        const known = { ...client, client_id: randomUUID() };
        clients.set(known.client_id, known);
        return known;
      },
    },
    async authorize(client, params, res) {  // asks no person
      const code = randomUUID();
      codes.set(code, params.codeChallenge);
      const back = new URL(params.redirectUri);
      back.searchParams.set("code", code);
      if (params.state) back.searchParams.set("state", params.state);
      res.redirect(back.href);
    },
    challengeForAuthorizationCode: async (client, code) => codes.get(code),
    exchangeAuthorizationCode: async (client) => give(client),
    exchangeRefreshToken: async (client) => give(client),
    async verifyAccessToken(token) {
      const known = here.given.find((each) => each.access_token === token);
      if (!known || here.revoked.includes(token)) throw new (await import("@modelcontextprotocol/sdk/server/auth/errors.js")).InvalidTokenError("unknown");
      here.used.push(token);
      return { token, clientId: known.client, scopes: [], expiresAt: Math.floor(Date.now() / 1000) + 3600 };
    },
  };
  if (revocation !== "none")
    provider.revokeToken = async (client, request) => {
      if (revocation === "hangs") await new Promise(() => {});
      here.revoked.push(request.token);
    };
  app.use(mcpAuthRouter({ provider, issuerUrl: origin, resourceServerUrl: resource }));
  app.use(express.json());
  app.all("/mcp", requireBearerAuth({ verifier: provider, resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resource) }), async (req, res) => {
    const server = new McpServer({ name: "crm", version: "1" });
    server.registerTool("ping", { description: "Answers.", annotations: { readOnlyHint: true } }, async () => ({ content: [{ type: "text", text: "pong" }] }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
    res.on("close", () => transport.close());
    await server.connect(transport);
    await transport.handleRequest(req, res, req.body);
  });
  return here;
}

const kinds = ["yes", "none", "hangs"];
const peers = {};
const folder = workshop();
let gateway;

before(async () => {
  for (const kind of kinds) peers[kind] = await peer(kind);
  const config = configuration(folder, { agents: kinds.flatMap((kind) => [`${kind}-turned`, `${kind}-other`]), only: [] });
  for (const kind of kinds)
    config.servers[kind] = { url: peers[kind].url, segment: "lab", credential: { oauth: { grant: "authorization_code" } } };
  gateway = await startGateway(folder, { config });
});
after(async () => {
  await gateway?.stop();
  for (const kind of kinds) peers[kind]?.listener.close().closeAllConnections();
});

const open = (kind, who) => connect("v1", { url: gateway.endpoint(kind), headers: gateway.headers(`${kind}-${who}`) });
const ping = async (peer) => text(await peer.client.callTool({ name: "ping", arguments: {} }));
async function until(condition, what, limit = 15_000) {
  for (const end = Date.now() + limit; ; ) {
    const seen = await condition();
    if (seen) return seen;
    assert.ok(Date.now() < end, `${what}: ${gateway.log()}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

for (const [kind, words] of [
  ["yes", /a server's token was given up server=yes outcome="revoked at http/],
  ["none", /a server's token was given up server=none outcome="forgotten, but not revoked at .*no revocation endpoint/],
  ["hangs", /a server's token was given up server=hangs outcome="forgotten, but not revoked at /],
])
  test(`a kill gives the token up, and the next agent gets another: revocation ${kind}`, async () => {
    const here = peers[kind];
    const turned = await open(kind, "turned");
    assert.equal(await ping(turned), "pong");
    assert.equal(here.given.length, 1);
    const begun = Date.now();
    const killed = await gateway.run("kill", "--agent", `${kind}-turned`, "--wait");
    assert.equal(killed.code, 0, killed.stderr);
    assert.ok(Date.now() - begun < 5_000, "the kill waited for the authorization server");
    const other = await open(kind, "other");
    assert.equal(await ping(other), "pong");
    assert.equal(here.given.length, 2, "the old token was shown again");
    assert.notEqual(here.used.at(-1), here.given[0].access_token);
    await until(() => words.test(gateway.log()), `the token of ${kind} was given up`);
    if (kind === "yes") assert.deepEqual([...here.revoked].sort(), [here.given[0].access_token, here.given[0].refresh_token].sort());
    else assert.deepEqual(here.revoked, []);
    assert.ok(!gateway.log().includes(here.given[0].access_token));
    await other.close?.();
  });
