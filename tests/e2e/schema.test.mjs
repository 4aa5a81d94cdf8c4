// policy schema --compatible against the schema generator of cedar-for-agents.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const { generateSchema } = createRequire(import.meta.url)("@cedar-policy/mcp-schema-generator-wasm");
const binary = process.env.LATTICEGATE_BINARY ?? fileURLToPath(new URL("../../build/dev/latticegate", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "latticegate-schema-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const flags = {
  includeOutputs: "--include-outputs",
  objectsAsRecords: "--objects-as-records",
  flattenNamespaces: "--flatten-namespaces",
  numbersAsDecimal: "--numbers-as-decimal",
};

// What a schema in JSON says, in one form: the order of declarations and of attributes is left out, empty parts, and
// whether a name is written with its namespace or found in it.
function meaning(schema) {
  const builtin = new Set(["Long", "String", "Bool", "Boolean", "datetime", "decimal", "duration", "ipaddr"]);
  const type = (from, space) => {
    if (from === undefined) return null;
    const required = from.required !== false;
    if (from.type === "Set") return { required, set: type(from.element, space) };
    if (from.type === "Record") {
      const attributes = Object.entries(from.attributes ?? {}).map(([name, of]) => [name, type(of, space)]);
      return { required, record: attributes.sort(([a], [b]) => (a < b ? -1 : 1)) };
    }
    const name = from.name ?? from.type;
    return { required, name: builtin.has(name) || name.includes("::") ? name : `${space}::${name}` };
  };
  const out = {};
  for (const [space, declared] of Object.entries(schema)) {
    for (const [name, entity] of Object.entries(declared.entityTypes ?? {}))
      out[`entity ${space}::${name}`] = {
        shape: type(entity.shape ?? { type: "Record" }, space), tags: type(entity.tags, space), ids: entity.enum ?? null,
        in: entity.memberOfTypes ?? [],
      };
    for (const [name, common] of Object.entries(declared.commonTypes ?? {}))
      out[`type ${space}::${name}`] = type(common, space);
    for (const [name, action] of Object.entries(declared.actions ?? {}))
      out[`action ${space}::${name}`] = {
        principals: [...(action.appliesTo?.principalTypes ?? [])].sort(),
        resources: [...(action.appliesTo?.resourceTypes ?? [])].sort(),
        context: type(action.appliesTo?.context ?? { type: "Record" }, space),
        in: (action.memberOf ?? []).map(({ id }) => id).sort(),
      };
  }
  return out;
}

function ours(stub, tools, options = {}) {
  writeFileSync(join(folder, "stub.cedarschema"), stub);
  writeFileSync(join(folder, "tools.json"), JSON.stringify(tools));
  const given = Object.entries(options).filter(([, on]) => on).map(([name]) => flags[name]);
  const done = spawnSync(binary, ["policy", "schema", "--compatible", "stub.cedarschema", "--tools", "tools.json", "-o", "json",
    ...given], { cwd: folder, encoding: "utf8" });
  return done.status === 0 ? { schema: JSON.parse(done.stdout) } : { error: done.stderr, status: done.status };
}

function compare(name, stub, tools, options) {
  const theirs = JSON.parse(generateSchema(stub, JSON.stringify(tools), JSON.stringify(options ?? {})));
  const mine = ours(stub, tools, options);
  assert.equal(mine.error === undefined, theirs.isOk, `${name}: ${mine.error ?? "a schema"} / ${theirs.error ?? "a schema"}`);
  if (theirs.isOk) assert.deepEqual(meaning(mine.schema), meaning(JSON.parse(theirs.schemaJson)), name);
  else assert.equal(mine.status, 2, name);
  return theirs.isOk;
}

const stub = `namespace M {
  @mcp_principal entity User { name: String };
  @mcp_principal entity Bot in [Team];
  entity Team;
  @mcp_resource entity Server;
  @mcp_context("session") type Session = { at: datetime, from?: ipaddr };
  @mcp_action action all;
  @mcp_action action more in [all];
  action other appliesTo { principal: User, resource: Server };
}`;
const object = (properties, more = {}) => ({ type: "object", properties, ...more });
const string = { type: "string" };
const options = [
  {}, { objectsAsRecords: true }, { flattenNamespaces: true }, { numbersAsDecimal: true }, { includeOutputs: true },
  { objectsAsRecords: true, flattenNamespaces: true, numbersAsDecimal: true, includeOutputs: true },
];

// One property of a tool.
const properties = [
  { type: "boolean" }, { type: "integer" }, { type: "number" }, { type: "float" }, string, { type: "null" }, {}, { const: 5 },
  { type: "string", enum: ["a", "b"] }, { type: "string", format: "date", enum: ["a"] }, { type: "string", enum: [] },
  { type: "string", enum: ["a", 1] }, { type: "integer", enum: [1] }, { type: "number", enum: [1.5] }, { enum: ["a"] },
  ...["date", "date-time", "time", "duration", "decimal", "ipv4", "ipv6", "uri", "email"].map((format) => ({ type: "string", format })),
  { type: "string", format: 5 }, { type: "integer", format: "int64" }, { type: "nonsense" }, { type: 5 }, { type: ["string", "nonsense"] },
  { type: [] }, { type: ["string", "null"], format: "date", enum: ["a"] }, { anyOf: [] }, { anyOf: [string, { type: "null" }] },
  { oneOf: [object({ x: string }), { type: "string", enum: ["z"] }] }, { anyOf: [{ type: "integer" }], oneOf: [string] },
  { type: "string", anyOf: [{ type: "integer" }] }, { allOf: [string] }, { allOf: [{ type: "nonsense" }] },
  { type: ["array", "object", "boolean"], items: { type: "string", enum: ["k"] }, properties: { a: string }, additionalProperties: { type: "integer" } },
  object({}), { type: "object" }, object({ x: string }, { required: ["x"] }), object({ x: string }, { required: "x" }),
  object({ x: string }, { additionalProperties: false }), object({ x: string }, { additionalProperties: true }),
  { type: "object", additionalProperties: { type: "integer" } }, { type: "object", additionalProperties: {} },
  object({ x: string }, { additionalProperties: object({ y: string }) }), { type: "object", additionalProperties: "x" },
  { type: "object", properties: [] }, object({ b: object({ c: { type: "string", enum: ["q"] } }) }), object({ "a-b": string }), object({ if: string }),
  { type: "array" }, { type: "array", items: string }, { type: "array", items: true }, { type: "array", items: false }, { type: "array", items: [string] },
  { type: "array", items: {} }, { type: "array", items: object({ x: string }) }, { type: "array", items: { type: "string", enum: ["q"] } },
  { type: "array", items: { type: "array", items: object({ x: string }) } }, { type: "array", prefixItems: [string] },
  { type: "array", prefixItems: [string, { type: "integer" }], items: false }, { type: "array", prefixItems: [], items: false },
  { type: "array", prefixItems: [object({ x: string }), object({ x: string })], items: false },
  { type: "array", prefixItems: [{ type: "string", description: "one" }], items: string },
  { type: "array", prefixItems: [{ type: "integer" }, string], items: string }, { type: "array", prefixItems: [object({ x: string })], items: object({ x: string }) },
  { $ref: "#/$defs/N" }, { $ref: "#/$defs/S" }, { $ref: "#/$defs/E" }, { $ref: "#/$defs/none" }, { $ref: "#/definitions/N" }, { $ref: 5 }, true, null, "x",
];
// An entity may hold one of its own type; a record that did would be no Cedar schema, and ours refuses to print one.
const definitions = (records) => ({
  N: object({ next: records ? string : { $ref: "#/$defs/N" }, inner: object({ s: { $ref: "#/$defs/S" } }) }),
  S: string, E: { type: "string", enum: ["e"] },
});

test("one property of a tool, with each set of options", () => {
  let schemas = 0;
  for (const property of properties)
    for (const given of options) {
      const $defs = definitions(given.objectsAsRecords);
      const tools = [{ name: "t", inputSchema: { ...object({ a: property }), $defs }, outputSchema: object({ a: string }) }];
      schemas += compare(JSON.stringify([property, given]), stub, tools, given);
    }
  console.log(`${properties.length * options.length} questions, ${schemas} schemas`);
  assert(schemas > 250);
});

test("tools, names, wrappings and stubs", () => {
  const tool = { name: "t", inputSchema: object({ a: string }) };
  const lists = {
    two: [tool, { ...tool, name: "u" }], none: [], strands: { result: { tools: [{ name: "t", inputSchema: { json: object({ a: string }) } }] } },
    parameters: [{ name: "t", parameters: object({ a: string }) }], "bad name": [{ ...tool, name: "a-b" }], "no name": [{ inputSchema: object({}) }],
    "no schema": [{ name: "t" }], "schema null": [{ name: "t", inputSchema: null }], "not an object": [{ name: "t", inputSchema: [] }],
    reserved: [{ ...tool, name: "if" }], "another type": [{ name: "t", inputSchema: { type: "string" } }],
    "bad definition": [{ name: "t", inputSchema: { ...object({}), $defs: { "a-b": string } } }],
    "required but not there": [{ name: "t", inputSchema: object({ a: string }, { required: ["b"] }) }],
  };
  for (const [name, tools] of Object.entries(lists)) for (const given of options) compare(name, stub, tools, given);
  const stubs = [
    "@mcp_principal entity U; @mcp_resource entity R;", "namespace A { @mcp_principal entity U; }", "namespace A { entity U; @mcp_resource entity U2; }",
    "namespace A { @mcp_principal entity U; @mcp_resource entity R; entity Number; @mcp_context(\"d\") type D = Long; }",
    "namespace A { @mcp_principal entity U; @mcp_resource entity R; } namespace B { entity X; }", "namespace A {",
  ];
  const numbers = [{ name: "t", inputSchema: object({ a: { type: "number" } }) }];
  for (const one of stubs) compare(one, one, numbers);
});

test("the public examples", { skip: !examples() && "the public data is not here (LATTICEGATE_SHARED_DATA names its folder)" }, () => {
  const read = (path) => examples()[path];
  let count = 0;
  for (const [path, text] of Object.entries(examples())) {
    if (!path.endsWith(".json") || path.endsWith(".cedarschema.json")) continue;
    let tools = JSON.parse(text);
    if (!tools.result && !tools.tools && !Array.isArray(tools)) tools = [tools];
    for (const given of options) count += compare(path, read("examples/stub.cedarschema"), tools, given);
  }
  console.log(`${count} schemas of the public examples`);
  assert(count > 50);
});

// The files of the archive by name; undefined without it.
function examples() {
  if (examples.files !== undefined) return examples.files ?? undefined;
  const data = process.env.LATTICEGATE_SHARED_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
  const archive = join(data, "cedar/cedar-mcp-schema-examples.tar.xz");
  const listed = spawnSync("tar", ["tf", archive], { encoding: "utf8" });
  examples.files = null;
  if (listed.status !== 0) return undefined;
  spawnSync("tar", ["xf", archive, "-C", folder]);
  examples.files = Object.fromEntries(listed.stdout.split("\n").filter((name) => /\.(json|cedarschema)$/.test(name))
    .map((name) => [name.replace(/^\.\//, ""), readFileSync(join(folder, name), "utf8")]));
  return examples.files;
}
