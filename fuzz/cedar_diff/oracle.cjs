// The official Cedar as an oracle: one question a line on standard input, one answer a line on standard output.
//   question {"policies": [text...], "schema": text, "entities": [...],
//             "requests": [{principal, action, resource, context}...]}
//   answer   {"parsed": [true...], "forms": [policy JSON or null...], "invalid": [number...], "impossible": [number...],
//             "answers": [{"decision", "reason", "errors"}...]}
// Policies that do not parse are left out of the requests; the others are called by their position.
const cedar = require('@cedar-policy/cedar-wasm/nodejs');
const lines = require('node:readline').createInterface({ input: process.stdin });

function answer(question) {
  const policies = {};
  const parsed = [];
  const forms = [];
  question.policies.forEach((text, i) => {
    const ok = cedar.checkParsePolicySet({ staticPolicies: { [i]: text } }).type === 'success';
    parsed.push(ok);
    if (ok) policies[i] = text;
    const form = ok && question.forms ? cedar.policyToJson(text) : undefined;
    forms.push(form && form.type === 'success' ? form.json : null);
  });
  const numbers = (ids) => ids.map(Number).sort((a, b) => a - b);
  const findings = { invalid: [], impossible: [] };
  if (question.schema) {
    const said = cedar.validate({ validationSettings: { mode: 'strict' }, schema: question.schema, policies: { staticPolicies: policies } });
    if (said.type !== 'success') throw new Error(said.errors.map((error) => error.message).join('; '));
    const ids = (list) => [...new Set(list.map((finding) => Number(finding.policyId)))].sort((a, b) => a - b);
    findings.invalid = ids(said.validationErrors);
    findings.impossible = ids(said.validationWarnings.filter((finding) => finding.error.message.includes('impossible')));
  }
  const answers = question.requests.map((request) => {
    const said = cedar.isAuthorized({ ...request, policies: { staticPolicies: policies }, entities: question.entities });
    if (said.type !== 'success') return { fatal: said.errors.map((error) => error.message).join('; ') };
    const { decision, diagnostics } = said.response;
    return { decision, reason: numbers(diagnostics.reason), errors: numbers(diagnostics.errors.map((error) => error.policyId)) };
  });
  return { parsed, forms, ...findings, answers };
}

lines.on('line', (line) => {
  let said;
  try {
    said = answer(JSON.parse(line));
  } catch (error) {
    // The instance is not to be trusted any more; whoever asks starts another process.
    process.stdout.write(JSON.stringify({ crashed: String(error) }) + '\n', () => process.exit(1));
    return;
  }
  process.stdout.write(JSON.stringify(said) + '\n');
});
