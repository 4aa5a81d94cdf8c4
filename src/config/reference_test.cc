#include "config/reference.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <string>

#include "config/keys.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::config;
namespace fs = std::filesystem;

TEST_CASE("the guide's reference is the key table") {
  const char* source = std::getenv("LATTICEGATE_SOURCE");
  const fs::path file = fs::path(source != nullptr ? source : ".") / "docs/guide/configuration.md";
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::string begin = "<!-- keys: begin -->\n";
  const std::string end = "<!-- keys: end -->";
  const std::size_t first = text.find(begin);
  const std::size_t last = text.find(end);
  REQUIRE(first != std::string::npos);
  REQUIRE(last != std::string::npos);
  const std::size_t start = first + begin.size();
  CHECK(text.substr(start, last - start) == reference_markdown());
  // Set LATTICEGATE_UPDATE to write the table anew.
  if (std::getenv("LATTICEGATE_UPDATE") != nullptr)
    std::ofstream(file, std::ios::binary)
        << text.substr(0, start) << reference_markdown() << text.substr(last);
}

TEST_CASE("every key stands in the reference once, and none is left without words") {
  const std::string reference = reference_markdown();
  for (const Key& key : keys()) {
    const bool top = !key.path.contains('.');
    const std::string shown =
        top ? std::format("### {}\n", key.path) : std::format("| `{}` |", key.path);
    const std::size_t at = reference.find(shown);
    CHECK_MESSAGE(at != std::string::npos, key.path);
    CHECK_MESSAGE(reference.find(shown, at + 1) == std::string::npos, key.path);
  }
  CHECK(reference.contains("| `limits.body` | size | `4MiB` | A request's body. 1KiB to 1GiB. |"));
}

TEST_CASE("the schema is JSON and follows the table") {
  const std::string text = json_schema();
  const auto document = json::Document::parse(text);
  REQUIRE(document.has_value());
  const json::Value root = document->root();
  CHECK(root["additionalProperties"].boolean() == false);
  CHECK(root["required"].at(0).string() == "servers");
  const json::Value server = root["properties"]["servers"]["additionalProperties"]["properties"];
  CHECK(server["mode"]["enum"].size() == 2);
  CHECK(server["credential"]["properties"]["bearer"]["$ref"].string() == "#/$defs/secret");
  CHECK(server["tools"]["additionalProperties"]["properties"]["sensitivity"]["maximum"].integer() ==
        4);
  CHECK(root["properties"]["listen"]["properties"]["tls"]["anyOf"].at(0)["const"].string() ==
        "off");
  CHECK(root["properties"]["behaviour"]["properties"]["factor"]["default"].integer() == 10);
}
