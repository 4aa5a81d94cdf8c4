#include "gateway/outward.h"

#include <doctest/doctest.h>

#include <string>

#include "gateway/ready.h"

using namespace latticegate;
using gateway::Outward;
using mcp::Method;

namespace {

std::string after(Method of, std::string_view result) {
  const mcp::Message message =
      gateway::own_message(R"({"jsonrpc":"2.0","id":1,)" + std::string(result) + "}");
  std::vector<json::Edit> edits;
  Outward("crm").answer_edits(of, message, edits);
  json::in_document_order(edits);
  return message.text(edits);
}

}  // namespace

TEST_CASE("addresses that a client may give back carry their server, others do not") {
  const std::string tool = after(
      Method::tools_call,
      R"("result":{"content":[{"type":"resource_link","uri":"file:///a","name":"a"},{"type":"text","text":"file:///b"},{"type":"resource","resource":{"uri":"x://c","text":"x://d"}}],"structuredContent":{"uri":"file:///e"}})");
  CHECK(tool.contains(R"("latticegate://crm/file:///a")"));
  CHECK(tool.contains(R"("latticegate://crm/x://c")"));
  for (const char* kept : {R"("file:///b")", R"("x://d")", R"("file:///e")"})
    CHECK(tool.contains(kept));
  CHECK(after(Method::resources_read, R"("result":{"contents":[{"uri":"a:b","text":"t"}]})")
            .contains(R"("latticegate://crm/a:b")"));
  CHECK(
      after(
          Method::prompts_get,
          R"("result":{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:b"}}}]})")
          .contains(R"("latticegate://crm/a:b")"));
  CHECK(
      after(Method::resources_read, R"("error":{"code":-32602,"message":"m","data":{"uri":"a:b"}})")
          .contains(R"("latticegate://crm/a:b")"));
}

TEST_CASE("an address in which a secret was taken out keeps both changes") {
  const mcp::Message message = gateway::own_message(
      R"({"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"x://secret","text":"t"}]}})");
  const json::Value uri = message.result()["contents"].at(0)["uri"];
  std::vector<json::Edit> edits{{uri, R"("x://[taken out]")"}};
  Outward("crm").answer_edits(Method::resources_read, message, edits);
  CHECK(message.text(edits).contains(R"("latticegate://crm/x://[taken out]")"));
}

TEST_CASE("lists tell where a tool's user interface is") {
  const mcp::Message message = gateway::own_message(
      R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","_meta":{"ui":{"resourceUri":"ui://t"}}}]}})");
  std::vector<json::Edit> edits;
  Outward("crm").element_edits(message.result()["tools"].at(0), edits);
  REQUIRE(edits.size() == 1);
  CHECK(edits.front().text == R"("latticegate://crm/ui://t")");
}

TEST_CASE("ids of tasks carry their server, in either era's form") {
  CHECK(after(Method::tools_call, R"("result":{"resultType":"task","taskId":"t"})")
            .contains(R"("crm:t")"));
  CHECK(after(Method::tools_call, R"("result":{"task":{"taskId":"t"}})").contains(R"("crm:t")"));
  CHECK(after(Method::tasks_result,
              R"("result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}})")
            .contains(R"("crm:t")"));
  CHECK(!after(Method::resources_subscribe, R"("result":{"note":"t"})").contains("crm"));
}
