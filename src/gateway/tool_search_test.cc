#include "gateway/tool_search.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "inspect/schema.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::gateway;

namespace {

const std::vector<Searched> tools{
    {"crm__getCustomer", "", "Reads one customer by number."},
    {"crm__delete_customer", "", "Removes a customer."},
    {"files__read_file", "Read a file", "Gives the text of a file below the folder."},
    {"mail__send", "", "Sends a message to a customer."},
    {"mail__archive", "", ""},
};

std::vector<std::string> found(std::string_view query, std::size_t most = usually_found) {
  std::vector<std::string> names;
  for (const std::size_t place : search(tools, query, most)) names.emplace_back(tools[place].name);
  return names;
}

}  // namespace

TEST_CASE("tools are found by the words of names, titles and descriptions, best first") {
  using Names = std::vector<std::string>;
  CHECK(found("customer") == Names{"crm__delete_customer", "crm__getCustomer", "mail__send"});
  CHECK(found("get customer").front() == "crm__getCustomer");
  CHECK(found("CUSTOMERS, please") == found("customer"));
  CHECK(found("read file").front() == "files__read_file");
  CHECK(found("mail") == Names{"mail__archive", "mail__send"});
  CHECK(found("customer", 1) == Names{"crm__delete_customer"});
  CHECK(found("nothing like it").empty());
  CHECK(found("?!").size() == tools.size());
  CHECK(found(std::string(1 << 20, 'a') + " mail").empty());
}

TEST_CASE("the tools that stand for the others are tools themselves") {
  const auto list = json::Document::parse("[" + std::string(search_tool_descriptors()) + "]");
  REQUIRE(list.has_value());
  REQUIRE(list->root().size() == 3);
  CHECK(list->root().at(0)["name"].string() == search_tool);
  CHECK(list->root().at(1)["name"].string() == describe_tool);
  CHECK(list->root().at(2)["name"].string() == call_tool);
  for (const json::Value tool : list->root().elements())
    CHECK(inspect::Schema::compile(tool["inputSchema"]).has_value());
}
