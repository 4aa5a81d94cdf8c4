// What one decision costs cedar-wasm with policies that it has parsed before: for bench/cedar.py.
//   node cedar_wasm.cjs MODEL-FOLDER PACKAGE < policies      one JSON object: ns per decision
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const [, , model, location] = process.argv;
const cedar = require(location);
const policies = fs.readFileSync(0, "utf8");
const entities = JSON.parse(fs.readFileSync(path.join(model, "entities.json"), "utf8"));
const tests = JSON.parse(fs.readFileSync(path.join(model, "tests.json"), "utf8"));

function uid(text) {
  const at = text.lastIndexOf('::"');
  return { type: text.slice(0, at), id: JSON.parse(text.slice(at + 2)) };
}

const started = process.cpuUsage();
const parsed = cedar.preparsePolicySet("bench", { staticPolicies: policies });
if (parsed.type !== "success") throw new Error(JSON.stringify(parsed).slice(0, 500));
const loaded = process.cpuUsage(started);

const calls = tests.map(({ request }) => ({
  principal: uid(request.principal),
  action: uid(request.action),
  resource: uid(request.resource),
  context: request.context ?? {},
  preparsedPolicySetId: "bench",
  validateRequest: false,
  entities,
}));
function once() {
  for (const call of calls) {
    const answer = cedar.statefulIsAuthorized(call);
    if (answer.type !== "success") throw new Error(JSON.stringify(answer).slice(0, 500));
  }
}
once();
const samples = [];
const end = performance.now() + 1500;
do {
  const before = process.cpuUsage();
  once();
  const used = process.cpuUsage(before);
  samples.push(((used.user + used.system) * 1000) / calls.length);
} while (samples.length < 3 || (performance.now() < end && samples.length < 50));
samples.sort((a, b) => a - b);
console.log(JSON.stringify({ decide: samples[samples.length >> 1], load: (loaded.user + loaded.system) / 1000 }));
