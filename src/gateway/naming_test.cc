#include "gateway/naming.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace latticegate::gateway;

namespace {

bool fits(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

}  // namespace

TEST_CASE("plain names carry their server's name in front") {
  CHECK(outward_name(prefix_of("crm"), "get_customer") == "crm__get_customer");
  CHECK(outward_name(prefix_of("crm"), "_get") == "crm___get");
  CHECK(outward_name("", "as.it is") == "as.it is");
  const auto parts = parts_of("crm___get__all");
  REQUIRE(parts.has_value());
  CHECK(parts->prefix == "crm__");
  CHECK(parts->rest == "_get__all");
  CHECK_FALSE(parts->shortened);
  for (const char* none : {"", "crm", "crm__", "__get", "crm_get"})
    CHECK_FALSE(parts_of(none).has_value());
}

TEST_CASE("whatever servers and tools are called, names fit, stay the same and are told apart") {
  const std::string longest(64, 's');
  const std::vector<std::string> servers{"a",    "a_",    "a__b", "a__b_",  "a-b",  "b",
                                         "a_b_", longest, "1",    "a_____", "crm-", "crm"};
  std::vector<std::string> tools{"b__c", "c",          "_c",         "__c", "c_0123456789",
                                 "a__c", "with space", "dot.",       "d:",  "\xc3\xbc",
                                 "-",    "0123456789", "_0123456789"};
  const std::string stem(70, 't');
  tools.push_back(stem);
  tools.push_back(stem + "1");
  tools.push_back(stem.substr(0, 60));
  // What is shortened may be another tool's very name.
  for (const std::string& server : servers)
    tools.push_back(std::string(parts_of(outward_name(prefix_of(server), stem))->rest));
  std::ranges::sort(tools);
  tools.erase(std::ranges::unique(tools).begin(), tools.end());
  std::map<std::string, std::string> seen;
  for (const std::string& server : servers) {
    const std::string prefix = prefix_of(server);
    CHECK(prefix.size() <= 34);
    for (const std::string& tool : tools) {
      CAPTURE(server);
      CAPTURE(tool);
      const std::string name = outward_name(prefix, tool);
      CHECK(fits(name));
      CHECK(name == outward_name(prefix, tool));
      const auto [place, fresh] = seen.emplace(name, server + " " + tool);
      CHECK_MESSAGE(fresh, name << " is also " << place->second);
      const auto parts = parts_of(name);
      REQUIRE(parts.has_value());
      CHECK(parts->prefix == prefix);
      if (!parts->shortened) CHECK(parts->rest == tool);
    }
  }
}

TEST_CASE("a server that is named like the short form of another's prefix has another one") {
  const std::string odd = prefix_of("sales__team");
  const std::string posing = odd.substr(0, odd.size() - 2);
  // Such a name is possible; whoever makes a door refuses two servers with one prefix.
  CHECK(prefix_of(posing) == odd);
}

TEST_CASE("a resource's address holds its server and its own, whatever is in it") {
  const std::string uri = "file:///a//b?c#{d}";
  const std::string outward = outward_uri("crm", uri);
  const auto parts = uri_parts_of(outward);
  REQUIRE(parts.has_value());
  CHECK(parts->server == "crm");
  CHECK(parts->uri == uri);
  // A server that gives a resource such an address itself does not leave its own place.
  const std::string twice = outward_uri("evil", outward_uri("crm", uri));
  CHECK(uri_parts_of(twice)->server == "evil");
  for (const char* none : {"", "file:///a", "latticegate://", "latticegate://crm",
                           "latticegate://crm/", "latticegate:///x", "LATTICEGATE://crm/x"})
    CHECK_FALSE(uri_parts_of(none).has_value());
}

TEST_CASE("the id of a task comes back as it was, whatever is in it") {
  for (const char* id : {"t-1", "a:b", "", ":", "crm:x"}) {
    const std::string text = outward_task("crm", id);
    const auto parts = task_parts_of(text);
    REQUIRE(parts.has_value());
    CHECK(parts->server == "crm");
    CHECK(parts->id == id);
  }
  CHECK(!task_parts_of("t-1").has_value());
}
