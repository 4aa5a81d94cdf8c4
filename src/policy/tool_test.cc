#include "policy/tool.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "cedar/schema.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::policy;

namespace {

const ServerFacts server{.name = "crm", .segment = "support", .region = "eu-central-1"};

base::Result<std::shared_ptr<const Tool>> make(std::string_view descriptor,
                                               const ToolFacts& facts = {}) {
  const auto document = json::Document::parse(descriptor);
  REQUIRE_MESSAGE(document.has_value(), descriptor);
  return make_tool(server, document->root(), facts);
}

std::string words(const Effects& effects) {
  std::string text;
  if (effects.read) text += "read ";
  if (effects.write) text += "write ";
  if (effects.destructive) text += "destructive ";
  if (effects.egress) text += "egress ";
  if (effects.actuate) text += "actuate ";
  return text;
}

}  // namespace

TEST_CASE("what is not known of a tool counts as destructive and egress") {
  struct Row {
    std::string_view annotations;
    std::string_view effects;
  };
  constexpr Row rows[] = {
      {"{}", "write destructive egress "},
      {R"({"readOnlyHint":true})", "read egress "},
      {R"({"readOnlyHint":true,"openWorldHint":false})", "read "},
      {R"({"readOnlyHint":true,"destructiveHint":true,"openWorldHint":false})", "read "},
      {R"({"destructiveHint":false})", "write egress "},
      {R"({"openWorldHint":false})", "write destructive "},
      {R"({"readOnlyHint":"yes","destructiveHint":0})", "write destructive egress "},
      {"[]", "write destructive egress "},
  };
  for (const Row& row : rows) {
    CAPTURE(row.annotations);
    const auto tool = make(R"({"name":"t","annotations":)" + std::string(row.annotations) + "}");
    REQUIRE(tool.has_value());
    CHECK(words((*tool)->effects()) == row.effects);
  }
  CHECK(words((*make(R"({"name":"t"})"))->effects()) == "write destructive egress ");
}

TEST_CASE("the operator's word counts instead of the server's") {
  const std::string_view harmless = R"({"name":"t","annotations":{"readOnlyHint":true}})";
  CHECK(words((*make(harmless, {.effects = {.actuate = true}}))->effects()) == "write actuate ");
  CHECK(words((*make(harmless, {.effects = {.destructive = true}}))->effects()) ==
        "write destructive ");
  CHECK(words((*make(harmless, {.effects = {.egress = true}}))->effects()) == "egress ");
}

TEST_CASE("a descriptor that cannot be judged is refused") {
  const auto refused = [](std::string_view descriptor) {
    const auto tool = make(descriptor);
    return tool ? std::string() : tool.error().detail;
  };
  CHECK(refused(R"({})") == "a tool's name must be a string of 1 to 256 bytes");
  CHECK(refused(R"({"name":""})") == "a tool's name must be a string of 1 to 256 bytes");
  CHECK(refused(R"({"name":5})") == "a tool's name must be a string of 1 to 256 bytes");
  CHECK(refused(R"({"name":"t","inputSchema":{"type":"array"}})") ==
        "tool crm/t: inputSchema: its type must be \"object\"");
  CHECK(refused("{\"name\":\"" + std::string(300, 'x') + "\"}") != "");
}

TEST_CASE("the schema text is Cedar, whatever the descriptors hold") {
  std::vector<std::shared_ptr<const Tool>> tools;
  for (const std::string_view descriptor :
       {R"({"name":"search","inputSchema":{"type":"object","properties":{
            "query":{"type":"string"},"limit":{"type":"integer"}},"required":["query"]},
            "annotations":{"readOnlyHint":true,"openWorldHint":false}})",
        R"({"name":"odd\" name\n// x","inputSchema":{"type":"object","properties":{
            "a\"b\n":{"type":"string"},"*/":{"type":["string","integer"]},
            "\u2028in\nout":{}, "__entity":{"type":"object","properties":{"if":{"type":"boolean"}}},
            "":{"type":"integer"}}}})",
        R"({"name":"nothing"})"}) {
    auto tool = make(descriptor);
    REQUIRE(tool.has_value());
    tools.push_back(*std::move(tool));
  }
  const std::string text = schema_text(tools);
  CAPTURE(text);
  const auto schema = cedar::parse_schema(text);
  REQUIRE_MESSAGE(schema.has_value(), (schema ? "" : schema.error().detail));
  CHECK(text.find("action \"crm/search\" in [\"read\"] appliesTo {") != std::string::npos);
  CHECK(text.find("input: { \"limit\"?: Long, \"query\": String }") != std::string::npos);
  std::size_t actions = 0;
  for (const auto& action : schema->actions())
    if (action.uid.id().starts_with("crm/")) ++actions;
  CHECK(actions == tools.size());
  CHECK(cedar::parse_schema(schema_text({})).has_value());
}
