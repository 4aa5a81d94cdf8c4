// The official example messages and schemas of the protocol (data beside the project, see
// CONTRIBUTING) against parser, printer and the translations between the eras.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "inspect/schema.h"
#include "mcp/message.h"
#include "mcp/translate.h"

using namespace latticegate;

namespace {

std::filesystem::path data() {
  if (const char* const named = std::getenv("LATTICEGATE_SHARED_DATA"); named != nullptr && *named)
    return std::filesystem::path(named) / "mcp";
  const char* const source = std::getenv("LATTICEGATE_SOURCE");
  return std::filesystem::path(source == nullptr ? "." : source) / ".." / "shared" / "data" / "mcp";
}

bool absent() {
  if (std::filesystem::exists(data() / "examples")) return false;
  MESSAGE("SKIPPED: no protocol data beside the project (LATTICEGATE_SHARED_DATA)");
  return true;
}

std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The definitions of one revision, compiled on demand.
class Revision {
 public:
  explicit Revision(std::string_view name)
      : document_(json::Document::parse(file_text(data() / "schema" / std::format("{}.json", name)),
                                        {.depth = 64})) {
    REQUIRE(document_.has_value());
  }
  bool has(const std::string& type) const { return document_->root()["$defs"][type].exists(); }
  // The violations of a value, a line each.
  std::string wrong(const std::string& type, json::Value value) {
    auto found = schemas_.find(type);
    if (found == schemas_.end()) {
      std::string text;
      json::Writer writer(text);
      writer.begin_object()
          .member("$schema", "https://json-schema.org/draft/2020-12/schema")
          .member("$ref", "#/$defs/" + type)
          .member("$defs", document_->root()["$defs"])
          .end_object();
      const auto whole = json::Document::parse(text, {.depth = 64});
      REQUIRE(whole.has_value());
      auto schema = inspect::Schema::compile(whole->root(), {.subschemas = 20'000});
      if (!schema) return base::describe(schema.error());
      found = schemas_.emplace(type, *std::move(schema)).first;
    }
    const inspect::Validation validation = found->second.validate(value);
    return validation.valid() ? std::string() : validation.text();
  }

 private:
  base::Result<json::Document> document_;
  std::map<std::string, inspect::Schema> schemas_;
};

json::Document parsed(const std::string& text) {
  auto document = json::Document::parse(text, {.depth = 64});
  REQUIRE(document.has_value());
  return *std::move(document);
}

}  // namespace

TEST_CASE("the official examples are read, printed unchanged and valid") {
  if (absent()) return;
  Revision revision("2026-07-28");
  int files = 0;
  int messages = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(data() / "examples" / "2026-07-28")) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    CAPTURE(entry.path().string());
    const std::string text = file_text(entry.path());
    const json::Document document = parsed(text);
    const std::string printed = json::to_string(document.root());
    CHECK(!printed.contains('\n'));
    CHECK(json::canonical(parsed(printed).root()) == json::canonical(document.root()));
    CHECK(revision.wrong(entry.path().parent_path().filename().string(), document.root()).empty());
    if (!document.root()["jsonrpc"].exists()) continue;
    ++messages;
    const auto message = mcp::Message::parse(text);
    REQUIRE(message.has_value());
    CHECK(message->text() == printed);
  }
  CHECK(files == 129);
  CHECK(messages > 20);
}

TEST_CASE("results keep to the schema of the era that they are translated to") {
  if (absent()) return;
  Revision modern("2026-07-28");
  Revision legacy("2025-11-25");
  const std::map<std::string, mcp::Method> types{
      {"CallToolResult", mcp::Method::tools_call},
      {"GetPromptResult", mcp::Method::prompts_get},
      {"ReadResourceResult", mcp::Method::resources_read},
      {"CompleteResult", mcp::Method::completion_complete},
      {"ListToolsResult", mcp::Method::tools_list},
      {"ListPromptsResult", mcp::Method::prompts_list},
      {"ListResourcesResult", mcp::Method::resources_list},
      {"ListResourceTemplatesResult", mcp::Method::resources_templates_list}};
  int seen = 0;
  for (const auto& [type, method] : types)
    for (const auto& entry :
         std::filesystem::directory_iterator(data() / "examples" / "2026-07-28" / type)) {
      CAPTURE(entry.path().string());
      const json::Document result = parsed(file_text(entry.path()));
      const auto response =
          mcp::Message::parse(mcp::result_response("1", json::to_string(result.root())));
      REQUIRE(response.has_value());
      const auto down = mcp::Message::parse(mcp::response_to_legacy(*response, "2"));
      REQUIRE(down.has_value());
      CHECK(legacy.wrong(type, down->result()).empty());
      CHECK(!down->result()["resultType"].exists());
      const auto up = mcp::Message::parse(
          mcp::response_to_modern(*down, "3", method, R"({"name":"s","version":"1"})"));
      REQUIRE(up.has_value());
      CHECK(modern.wrong(type, up->result()).empty());
      ++seen;
    }
  CHECK(seen >= 8);
}

TEST_CASE("the handshakes that stand for each other keep to their schemas") {
  if (absent()) return;
  Revision modern("2026-07-28");
  Revision legacy("2025-11-25");
  for (const auto& entry :
       std::filesystem::directory_iterator(data() / "examples" / "2026-07-28" / "DiscoverResult")) {
    CAPTURE(entry.path().string());
    const json::Document discovered = parsed(file_text(entry.path()));
    const json::Document initialized =
        parsed(mcp::initialized_from(discovered.root(), "2025-11-25"));
    CHECK(legacy.wrong("InitializeResult", initialized.root()).empty());
    const json::Document again = parsed(mcp::discovered_from(initialized.root()));
    CHECK(modern.wrong("DiscoverResult", again.root()).empty());
  }
}
