// Rules of other gateways: what becomes of them, and that nothing is widened.
#include "policy/translate.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <string_view>

#include "cedar/policy_set.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

Translation translated(RuleSource source, std::string_view text, std::string_view server = "s") {
  auto translation = translate(source, text, "rules.yaml", server);
  REQUIRE_MESSAGE(translation.has_value(), (translation ? "" : translation.error().detail));
  return *std::move(translation);
}

// "permit: condition" for each policy, one per line; the condition on one line.
std::string policies_of(const Translation& translation) {
  const auto set = cedar::parse_policies(translation.policies);
  REQUIRE_MESSAGE(set.has_value(), translation.policies);
  std::string out;
  for (const cedar::Policy& policy : set->policies()) {
    out += cedar::name(policy.effect);
    for (const cedar::Condition& condition : policy.conditions)
      out += ": " + cedar::print(*condition.expression);
    out += '\n';
  }
  return out;
}

// One rule of agentgateway, without a server of its own.
std::string of_cel(std::string_view kind, std::string_view cel, std::size_t missing = 0) {
  const Translation translation = translated(
      RuleSource::agentgateway,
      std::format("policies: {{mcpAuthorization: {{rules: [{{{}: '{}'}}]}}}}", kind, cel));
  CAPTURE(translation.policies);
  CHECK(translation.missing.size() == missing);
  const std::string all = policies_of(translation);
  // Rules that deny come with the permit that they take from.
  return kind == "allow" ? all : all.substr(0, all.find('\n') + 1);
}

}  // namespace

TEST_CASE("conditions in CEL") {
  struct Case {
    std::string_view cel;
    std::string_view condition;
  };
  const Case cases[] = {
      {"mcp.tool.name == \"add\"", "action == Mcp::Action::\"s/add\""},
      {"\"add\" == mcp.tool.name", "action == Mcp::Action::\"s/add\""},
      {"mcp.tool.name in [\"a\", \"b\"]", "action in [Mcp::Action::\"s/a\", Mcp::Action::\"s/b\"]"},
      {"mcp.tool.target == \"x\" && jwt.sub == \"me\"",
       "resource in Mcp::Server::\"x\" && principal == Mcp::Agent::\"me\""},
      {"\"admin\" in jwt.roles || jwt.team == \"ops\"",
       "principal in Mcp::Group::\"roles:admin\" || principal in Mcp::Group::\"team:ops\""},
      {"has(mcp.tool)", "action in Mcp::Action::\"call_tool\""},
      {"mcp.tool.arguments.n > 5 && 3 <= mcp.tool.arguments[\"a b\"].c",
       "context.input.n > 5 && 3 <= context.input[\"a b\"].c"},
      {"mcp.tool.arguments.s.startsWith(\"a*\")", "context.input.s like \"a\\**\""},
      {"mcp.tool.arguments.s.matches(\"^a\\\\.b$\")", "context.input.s like \"a.b\""},
      {"mcp.tool.arguments.s.matches(\"a\")", "context.input.s like \"*a*\""},
      {"mcp.tool.arguments.s.matches(\"^a.*b$\")",
       "context.input.s like \"a*b\" && !(context.input.s like \"*\\n*\")"},
      {"\"x\" in mcp.tool.arguments.list", "context.input.list.contains(\"x\")"},
      {"mcp.tool.arguments.s in [\"x\", 1]", "[\"x\", 1].contains(context.input.s)"},
      {"has(mcp.tool.arguments.a.b)", "context.input has a && context.input.a has b"},
      {"!(mcp.tool.arguments.s == \"x\")", "!(context.input.s == \"x\")"},
      {"true", "true"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.cel);
    const std::string here = "resource in Mcp::Server::\"s\"";
    const bool reads = one.condition.contains("context.input");
    // Parentheses around a conjunction in a conjunction do not matter.
    std::string seen = of_cel("allow", one.cel);
    std::erase_if(seen, [](char c) { return c == '(' || c == ')'; });
    std::string expected =
        std::format("permit: {}{}{}\n", reads ? "context has input && " : "", here,
                    one.condition == "true" ? "" : std::format(" && {}", one.condition));
    std::erase_if(expected, [](char c) { return c == '(' || c == ')'; });
    CHECK(seen == expected);
  }
}

TEST_CASE("what cannot be said makes less allowed") {
  const std::string here = "resource in Mcp::Server::\"s\"";
  // A rule that allows: it counts as false.
  CHECK(of_cel("allow", "request.headers.x == \"y\"", 1) == "");
  CHECK(of_cel("allow", "mcp.tool.name == \"a\" && request.path == \"y\"", 1) == "");
  CHECK(of_cel("allow", "mcp.tool.arguments.a || request.path == \"y\"", 1) ==
        std::format("permit: context has input && ({} && context.input.a)\n", here));
  CHECK(of_cel("allow", "!(request.path == \"y\")", 1) == "");
  CHECK(of_cel("allow", "size(mcp.tool.arguments.a) > 3", 1) == "");
  CHECK(of_cel("allow", "mcp.tool.arguments.s.matches(\"a|b\")", 1) == "");
  CHECK(of_cel("allow", "mcp.tool.arguments.s.matches(\"a.*b\")", 1) == "");
  CHECK(of_cel("allow", "mcp.tool.arguments.n > 1.5", 1) == "");
  CHECK(of_cel("allow", "a ? b : c", 1) == "");
  // A rule that refuses: as true.
  CHECK(of_cel("deny", "request.path == \"y\"", 1) == std::format("forbid: {}\n", here));
  CHECK(of_cel("deny", "mcp.tool.arguments.a && request.path == \"y\"", 1) ==
        std::format("forbid: {} && (context has input && context.input.a)\n", here));
  CHECK(of_cel("deny", "!(request.path == \"y\")", 1) == std::format("forbid: {}\n", here));
  CHECK(of_cel("require", "request.path == \"y\"", 1) == std::format("forbid: {}\n", here));
  CHECK(of_cel("require", "jwt.team == \"ops\"") ==
        std::format("forbid: {} && !(principal in Mcp::Group::\"team:ops\")\n", here));
  CHECK(of_cel("unheard-of", "true", 1) == std::format("forbid: {}\n", here));
  // Those without the claim, what is no call of a tool: not allowed there, so not here.
  CHECK(of_cel("allow", "jwt.team != \"ops\"", 1) == "");
  CHECK(of_cel("allow", "!(\"ops\" in jwt.teams)", 1) == "");
  CHECK(of_cel("allow", "mcp.tool.name != \"rm\"") ==
        std::format("permit: {} && !(action == Mcp::Action::\"s/rm\" || !(action in "
                    "Mcp::Action::\"call_tool\"))\n",
                    here));
}

TEST_CASE("agentgateway: targets, and what holds without a rule that allows") {
  const Translation translation = translated(RuleSource::agentgateway, R"(
binds:
- listeners:
  - routes:
    - policies: {mcpAuthorization: {rules: [{deny: 'mcp.tool.name == "rm"'}]}}
      backends: [{mcp: {targets: [{name: a}, {name: b}]}}]
)");
  CHECK(policies_of(translation) ==
        "forbid: resource in [Mcp::Server::\"a\", Mcp::Server::\"b\"] && action in "
        "[Mcp::Action::\"a/rm\", Mcp::Action::\"b/rm\"]\n"
        "permit: resource in [Mcp::Server::\"a\", Mcp::Server::\"b\"]\n");
  CHECK(translation.missing.empty());
  // A tool of an unknown server.
  CHECK(translated(RuleSource::agentgateway,
                   R"({mcpAuthorization: {rules: ['mcp.tool.name == "x"']}})", "")
            .missing.size() == 1);
  CHECK_FALSE(translate(RuleSource::agentgateway, "binds: []", "x", "").has_value());
  CHECK_FALSE(translate(RuleSource::agentgateway, "a: [", "x", "").has_value());
}

TEST_CASE("Envoy AI Gateway: the first rule that matches decides") {
  const Translation translation = translated(RuleSource::envoy_ai_gateway, R"(
spec:
  backendRefs: [{name: m}]
  securityPolicy:
    authorization:
      defaultAction: Allow
      rules:
        - source: {jwt: {scopes: [admin]}}
          target: {tools: [{backend: m, tool: rm}]}
        - action: Deny
          cel: request.mcp.tool == "rm" && request.mcp.params.arguments.force
)");
  CHECK(policies_of(translation) ==
        "permit: resource in Mcp::Server::\"m\" && (principal in Mcp::Group::\"scope:admin\" && "
        "action == Mcp::Action::\"m/rm\")\n"
        "forbid: (resource in Mcp::Server::\"m\" && (action == Mcp::Action::\"m/rm\" && "
        "(context has input && context.input.force))) && !(principal in "
        "Mcp::Group::\"scope:admin\" && action == "
        "Mcp::Action::\"m/rm\")\n"
        "permit: resource in Mcp::Server::\"m\"\n");
  CHECK(translation.missing.empty());
  CHECK(translation.notes.size() == 1);
}

TEST_CASE("Pomerium") {
  const Translation translation = translated(RuleSource::pomerium, R"(
routes:
  - name: files
    policy:
      - allow:
          and: [{domain: {is: example.com}}, {mcp_tool: {in: [read, list]}}]
          not: [{mcp_tool: {is: drop}}, {claim/team: guests}]
      - deny:
          or: [{email: {is: eve@example.com}}, {mcp_tool: {starts_with: rm}}]
)",
                                             "");
  CHECK(policies_of(translation) ==
        "permit: resource in Mcp::Server::\"files\" && ((principal in "
        "Mcp::Group::\"domain:example.com\" && action in [Mcp::Action::\"files/read\", "
        "Mcp::Action::\"files/list\"]) && (!(action == Mcp::Action::\"files/drop\") && "
        "!(principal in Mcp::Group::\"team:guests\")))\n"
        "forbid: resource in Mcp::Server::\"files\"\n");
  CHECK(translation.missing.size() == 1);
}

TEST_CASE("ToolHive") {
  const auto of = [](std::string_view policy, std::size_t missing = 0) {
    const Translation translation =
        translated(RuleSource::toolhive,
                   std::format("type: cedarv1\ncedar:\n  policies:\n    - '{}'\n", policy));
    CAPTURE(translation.policies);
    CHECK(translation.missing.size() == missing);
    return policies_of(translation);
  };
  CHECK(of("permit(principal, action == Action::\"call_tool\", resource == Tool::\"weather\");") ==
        "permit: action in Mcp::Action::\"call_tool\" && action == Mcp::Action::\"s/weather\"\n");
  CHECK(of("permit(principal == Client::\"me\", action == Action::\"get_prompt\", resource == "
           "Prompt::\"p\");") ==
        "permit: principal == Mcp::Agent::\"me\" && (action == Mcp::Action::\"get_prompt\" && "
        "resource == Mcp::Prompt::\"s/p\")\n");
  CHECK(of("permit(principal in THVGroup::\"ops\", action, resource in MCP::\"m\") when { "
           "principal.claim_roles.contains(\"a\") && resource.arg_x == \"y\" };") ==
        "permit: context has input && ((principal in Mcp::Group::\"ops\" && resource in "
        "Mcp::Server::\"m\") && (principal in Mcp::Group::\"roles:a\" && context.input.x == "
        "\"y\"))\n");
  CHECK(
      of("forbid(principal, action, resource) when { context has arg_n && context.arg_n > 5 };") ==
      "forbid: (context has input && context.input has n) && (context has input && "
      "context.input.n > 5)\n");
  CHECK(of("permit(principal, action == Action::\"list_tools\", resource);", 1) == "");
  CHECK(of("permit(principal, action, resource) when { resource.arg_x <= principal.claim_y };",
           1) == "");
  CHECK(of("forbid(principal, action, resource) when { resource.arg_x <= principal.claim_y };",
           1) == "forbid\n");
  CHECK(of("permit(principal, action, resource) unless { principal.claim_team == \"x\" };", 1) ==
        "");
  CHECK(of("permit(principal, action, resource) when { resource.name == \"arg_\" };", 1) == "");
  CHECK_FALSE(
      translate(RuleSource::toolhive, "cedar: {policies: ['permit']}", "x", "").has_value());
}

TEST_CASE("what stands in the file does not get out of its comment") {
  const Translation translation = translated(RuleSource::agentgateway,
                                             "mcpAuthorization: {rules: [\"mcp.tool.name == "
                                             "'x'\\npermit (principal, action, resource);\"]}");
  CHECK(policies_of(translation) == "");
  CHECK(translation.missing.size() == 1);
  const Translation named =
      translated(RuleSource::agentgateway,
                 R"(mcpAuthorization: {rules: ["mcp.tool.name == 'x\") || (true'"]})");
  CHECK(policies_of(named) ==
        "permit: resource in Mcp::Server::\"s\" && action == Mcp::Action::\"s/x\\\") || (true\"\n");
  // Nesting is limited.
  const std::string deep = std::string(1'000, '(') + "true" + std::string(1'000, ')');
  CHECK(of_cel("allow", deep, 1) == "");
  CHECK(of_cel("allow", std::string(1'000, '!') + "true", 1) == "");
}
