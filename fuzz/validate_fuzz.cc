// Schemas in both syntaxes, and the validator: a schema text, a line "---", a policy text. The
// input is also read as a schema in JSON.
//
// Held to: what is printed reads as the same; what strict mode accepts permissive mode accepts; a
// finding can be put into words.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/schema_source.h"
#include "cedar/validate.h"
#include "json/value.h"

namespace {

using namespace latticegate;
using namespace latticegate::cedar;

void must(bool condition) {
  if (!condition) std::abort();
}

// Text and JSON say the same, both ways.
void round_trips(const SchemaSource& source) {
  const std::string json = to_schema_json(source);
  const auto tree = json::Document::parse(json, {.depth = 1000, .allow_nul = true});
  if (!tree) return;  // U+0000 in a name: the json module does not read it
  const auto from_json = read_schema_json(tree->root());
  must(from_json.has_value());
  must(to_schema_json(*from_json) == json);
  const auto text = to_schema_text(source);
  if (!text) return;
  const auto from_text = read_schema_text(*text);
  must(from_text.has_value());
  must(to_schema_text(*from_text) == *text);
  must(resolve(source).has_value() == resolve(*from_text).has_value());
}

void validates(const Schema& schema, std::string_view text) {
  const auto policies = parse_policies(text, "p", Naming::by_order);
  if (!policies) return;
  const Validation strict = validate(*policies, schema, {.level = 2});
  for (const Finding& finding : strict.findings) must(!describe(finding).empty());
  const ValidationSettings lenient{.mode = Strictness::permissive, .level = {}};
  if (validate(*policies, schema).valid()) must(validate(*policies, schema, lenient).valid());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65'536) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find("\n---\n");
  const auto source = read_schema_text(text.substr(0, line));
  if (source) {
    round_trips(*source);
    const auto schema = resolve(*source);
    if (schema && line != std::string_view::npos) validates(*schema, text.substr(line + 5));
  }
  if (const auto tree = json::Document::parse(text)) {
    const auto read = read_schema_json(tree->root());
    if (read) {
      (void)resolve(*read);
      (void)to_schema_text(*read);
    }
  }
  return 0;
}
