#include "mcp/translate.h"

#include <doctest/doctest.h>

#include <string>

using namespace latticegate;
using mcp::Message;

namespace {

Message message(std::string_view text) {
  auto parsed = Message::parse(text);
  REQUIRE(parsed.has_value());
  return *std::move(parsed);
}

}  // namespace

TEST_CASE("a modern request for a legacy server: the protocol's own facts stay behind") {
  struct Case {
    const char* modern;
    const char* legacy;
  };
  for (
      const Case& c : {
          Case{
              R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}})",
              R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}})"},
          Case{
              R"({"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t","arguments":{"x":1.50},"_meta":{"progressToken":7,"io.modelcontextprotocol/clientCapabilities":{},"traceparent":"00-1"},"requestState":"s","inputResponses":{}},"vendor":1})",
              R"({"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t","arguments":{"x":1.50},"_meta":{"progressToken":7,"traceparent":"00-1"}},"vendor":1})"},
      }) {
    CAPTURE(c.modern);
    CHECK(mcp::to_legacy(message(c.modern)) == c.legacy);
  }
}

TEST_CASE("a legacy request for a modern server says who asks") {
  const Message call = message(
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{"progressToken":7},"task":{"ttl":1}}})");
  CHECK(
      mcp::to_modern(call, {.capabilities = R"({"roots":{}})", .client = {}, .log_level = {}}) ==
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{"progressToken":7,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}}}}})");
  CHECK(
      mcp::to_modern(
          call,
          {.capabilities = "{}", .client = R"({"name":"c","version":"1"})", .log_level = "info"},
          "9", R"({"k":{"action":"accept"}})", R"("s")") ==
      R"({"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"t","inputResponses":{"k":{"action":"accept"}},"requestState":"s","_meta":{"progressToken":7,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/logLevel":"info"}}})");
  // A client cannot speak for the gateway's leg.
  CHECK(
      !mcp::to_modern(
           message(
               R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}})"),
           {})
           .contains("sampling"));
}

TEST_CASE("answers in both directions") {
  const Message listed =
      message(R"({"jsonrpc":"2.0","id":5,"result":{"tools":[],"_meta":{"a":1}}})");
  CHECK(
      mcp::response_to_modern(listed, "1", mcp::Method::tools_list,
                              R"({"name":"s","version":"1"})") ==
      R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[],"_meta":{"a":1,"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}})");
  CHECK(
      mcp::response_to_modern(
          message(
              R"({"jsonrpc":"2.0","id":5,"error":{"code":-32002,"message":"m","data":{"uri":"u"}}})"),
          "1", mcp::Method::resources_read, "") ==
      R"({"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"m","data":{"uri":"u"}}})");
  CHECK(
      mcp::response_to_legacy(
          message(
              R"({"jsonrpc":"2.0","id":5,"result":{"resultType":"complete","ttlMs":9,"cacheScope":"public","tools":[1],"_meta":{"io.modelcontextprotocol/serverInfo":{}}}})"),
          "\"x\"") == R"({"jsonrpc":"2.0","id":"x","result":{"tools":[1]}})");
}

TEST_CASE("structured content that is no object reaches a legacy client as text") {
  CHECK(
      mcp::response_to_legacy(
          message(R"({"jsonrpc":"2.0","id":5,"result":{"structuredContent":[1,2],"content":[]}})"),
          "1") ==
      R"({"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"[1,2]"}]}})");
  CHECK(
      mcp::response_to_legacy(
          message(
              R"({"jsonrpc":"2.0","id":5,"result":{"structuredContent":7,"content":[{"type":"text","text":"7"}]}})"),
          "1") == R"({"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"7"}]}})");
}

TEST_CASE("the handshake and discover stand for each other") {
  const auto initialized = json::Document::parse(
      R"({"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"logging":{},"tasks":{}},"serverInfo":{"name":"s","version":"1"},"instructions":"i"})");
  REQUIRE(initialized.has_value());
  const std::string discovered = mcp::discovered_from(initialized->root());
  CHECK(
      discovered ==
      R"({"resultType":"complete","ttlMs":0,"cacheScope":"private","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"instructions":"i","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}})");
  const auto back = json::Document::parse(discovered);
  CHECK(
      mcp::initialized_from(back->root(), "2025-06-18") ==
      R"({"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"logging":{}},"serverInfo":{"name":"s","version":"1"},"instructions":"i"})");
  CHECK(mcp::initialized_from(back->root(), "2026-07-28")
            .contains(R"("protocolVersion":"2025-11-25")"));
}

TEST_CASE("what a client may be asked") {
  struct Case {
    const char* capabilities;
    mcp::Method method;
    const char* params;
    bool may;
  };
  for (const Case& c : {
           Case{"{}", mcp::Method::roots_list, "{}", false},
           Case{R"({"roots":{}})", mcp::Method::roots_list, "{}", true},
           Case{R"({"elicitation":{}})", mcp::Method::elicitation_create, "{}", true},
           Case{R"({"elicitation":{}})", mcp::Method::elicitation_create, R"({"mode":"form"})",
                true},
           Case{R"({"elicitation":{}})", mcp::Method::elicitation_create, R"({"mode":"url"})",
                false},
           Case{R"({"elicitation":{"url":{}}})", mcp::Method::elicitation_create,
                R"({"mode":"url"})", true},
           Case{R"({"elicitation":{"url":{}}})", mcp::Method::elicitation_create, "{}", false},
           Case{R"({"sampling":{}})", mcp::Method::sampling_create_message, "{}", true},
           Case{R"({"sampling":{}})", mcp::Method::sampling_create_message, R"({"tools":[]})",
                false},
           Case{R"({"sampling":{"tools":{}}})", mcp::Method::sampling_create_message,
                R"({"tools":[]})", true},
           Case{R"({"roots":{},"sampling":{}})", mcp::Method::tools_call, "{}", false},
       }) {
    CAPTURE(c.capabilities);
    CAPTURE(c.params);
    const auto capabilities = json::Document::parse(c.capabilities);
    const auto params = json::Document::parse(c.params);
    CHECK(mcp::may_be_asked(capabilities->root(), c.method, params->root()) == c.may);
  }
}
