#include <doctest/doctest.h>

#include <string>

#include "mcp/message.h"
#include "mcp/revision.h"

using namespace latticegate;
using mcp::Message;
using mcp::Method;

TEST_CASE("messages of all kinds, unknown members kept") {
  const std::string text =
      R"({"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"a","arguments":{"x":1.0},"_meta":{"progressToken":1,"com.example/t":"v"}},"extra":[1]})";
  const auto message = Message::parse(text);
  REQUIRE(message.has_value());
  CHECK(message->is_request());
  CHECK(message->method() == Method::tools_call);
  CHECK(message->id_text() == "9007199254740993");
  CHECK(message->text() == text);
  CHECK(mcp::subject_of(*message) == "a");
  CHECK(Message::parse(R"({"jsonrpc":"2.0","method":"notifications/initialized"})")
            ->is_notification());
  CHECK(Message::parse(R"({"jsonrpc":"2.0","id":"a","result":{}})")->is_response());
  CHECK(
      Message::parse(R"({"jsonrpc":"2.0","error":{"code":-32700,"message":"m"}})")->is_response());
  CHECK(Message::parse(R"({"jsonrpc":"2.0","id":1,"method":"vendor/thing"})")->method() ==
        Method::unknown);
}

TEST_CASE("what is no message is refused with the right code and, where readable, the id") {
  struct Case {
    const char* text;
    int code;
    const char* id;
  };
  for (const Case& c :
       {Case{"{", -32700, nullptr},
        Case{R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", -32600, nullptr},
        Case{" \n[]", -32600, nullptr}, Case{"7", -32600, nullptr},
        Case{R"({"jsonrpc":"2.0","id":1,"id":2,"method":"ping"})", -32700, nullptr},
        Case{R"({"jsonrpc":"1.0","id":3,"method":"ping"})", -32600, "3"},
        Case{R"({"id":"x","method":"ping"})", -32600, "\"x\""},
        Case{R"({"jsonrpc":"2.0","id":null,"method":"ping"})", -32600, nullptr},
        Case{R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", -32600, nullptr},
        Case{R"({"jsonrpc":"2.0","id":{},"method":"ping"})", -32600, nullptr},
        Case{R"({"jsonrpc":"2.0","id":1,"method":7})", -32600, "1"},
        Case{R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]})", -32600, "1"},
        Case{R"({"jsonrpc":"2.0","method":"tools/call"})", -32600, nullptr},
        Case{R"({"jsonrpc":"2.0","id":1,"method":"notifications/cancelled"})", -32600, "1"},
        Case{R"({"jsonrpc":"2.0","id":1})", -32600, "1"},
        Case{R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}})", -32600,
             "1"},
        Case{R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{}})", -32600, "1"},
        Case{R"({"jsonrpc":"2.0","id":1,"result":[]})", -32600, "1"},
        Case{R"({"jsonrpc":"2.0","id":1,"error":{"code":"a","message":""}})", -32600, "1"}}) {
    CAPTURE(c.text);
    const auto message = Message::parse(c.text);
    REQUIRE_FALSE(message.has_value());
    CHECK(message.error().rpc_code == c.code);
    CHECK(message.error().id ==
          (c.id == nullptr ? std::nullopt : std::optional<std::string>(c.id)));
  }
}

TEST_CASE("header values: the specification's vectors, both ways") {
  struct Vector {
    const char* plain;
    const char* encoded;
  };
  for (const Vector& v :
       {Vector{"Hello, \xE4\xB8\x96\xE7\x95\x8C", "=?base64?SGVsbG8sIOS4lueVjA==?="},
        Vector{" padded ", "=?base64?IHBhZGRlZCA=?="},
        Vector{"line1\nline2", "=?base64?bGluZTEKbGluZTI=?="},
        Vector{"=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="},
        Vector{"get_weather", "get_weather"}}) {
    CHECK(mcp::encode_header_value(v.plain) == v.encoded);
    CHECK(mcp::decode_header_value(v.encoded) == v.plain);
  }
  CHECK_FALSE(mcp::decode_header_value("=?base64?SGVsbG8?=").has_value());
  CHECK_FALSE(mcp::decode_header_value("=?base64?!!!!?=").has_value());
  CHECK(mcp::decode_header_value("=?base64?x") == "=?base64?x");
}

TEST_CASE("the body decides the era, the headers must agree") {
  const std::string meta =
      R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}})";
  const auto ask = [](std::string_view text, const mcp::MirroredHeaders& headers) {
    const auto message = Message::parse(text);
    REQUIRE_MESSAGE(message.has_value(), text);
    return mcp::classify(*message, headers);
  };
  const std::string call =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t",)" + meta + "}}";
  const std::string list =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{)" + meta + "}}";
  CHECK(ask(call, {"2026-07-28", "tools/call", "t"}) == mcp::Era::modern);
  CHECK(ask(list, {"2026-07-28", "tools/list", {}}) == mcp::Era::modern);
  CHECK(ask(call, {"2026-07-28", "tools/call", "=?base64?dA==?="}) == mcp::Era::modern);
  CHECK(ask(R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{}})", {}) ==
        mcp::Era::legacy);
  CHECK(ask(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})", {"2025-06-18", {}, {}}) ==
        mcp::Era::legacy);
  CHECK(ask(R"({"jsonrpc":"2.0","id":1,"result":{}})", {"2026-07-28", {}, {}}) == mcp::Era::legacy);
  for (const auto& [headers, code] :
       {std::pair<mcp::MirroredHeaders, int>{{{}, "tools/call", "t"}, -32020},
        {{"2025-11-25", "tools/call", "t"}, -32020},
        {{"2026-07-28", {}, "t"}, -32020},
        {{"2026-07-28", "tools/list", "t"}, -32020},
        {{"2026-07-28", "Tools/Call", "t"}, -32020},
        {{"2026-07-28", "tools/call", {}}, -32020},
        {{"2026-07-28", "tools/call", "other"}, -32020},
        {{"2026-07-28", "tools/call", "=?base64?bad?="}, -32020}})
    CHECK(ask(call, headers).error().rpc_code == code);
  CHECK(ask(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})", {"2026-07-28", "tools/list", {}})
            .error()
            .rpc_code == -32602);
  CHECK(
      ask(R"({"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2027-01-01"}}})",
          {"2027-01-01", "x", {}})
          .error()
          .rpc_code == -32022);
}

TEST_CASE("ready answers are valid messages") {
  const auto denied =
      Message::parse(mcp::error_response("\"a\"", mcp::denied_code, "no \"x\"\n", R"({"k":1})"));
  REQUIRE(denied.has_value());
  CHECK(denied->error()["message"].string() == "no \"x\"\n");
  CHECK(Message::parse(mcp::error_response("", -32700, "x")).has_value());
  const auto result = Message::parse(mcp::tool_error_response("7", "wrong", true));
  REQUIRE(result.has_value());
  CHECK(result->result()["isError"].boolean() == true);
  CHECK(result->result()["resultType"].string() == "complete");
}
