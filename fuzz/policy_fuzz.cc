// Arguments by a schema, SQL and URLs: no text is read beyond its end, what is converted stays
// within what came, and the schema text of every tool is Cedar.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cedar/schema.h"
#include "json/value.h"
#include "policy/argument.h"
#include "policy/destination.h"
#include "policy/exact.h"
#include "policy/sql_facts.h"
#include "policy/tool.h"

using namespace latticegate;
using namespace latticegate::policy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  cedar::Arena arena;
  const SqlFacts sql = sql_facts(text, arena);
  if (sql.verb == "unknown" && !sql.multi) std::abort();
  if (sql.tables.size() > size) std::abort();
  const Destination there = destination_of(text, arena);
  if (there.certain && (there.host.empty() || there.host.size() > size)) std::abort();
  (void)looks_like_sql(text);
  (void)address_in(text);
  (void)exact_decimal(text);
  (void)exact_date(text);
  (void)exact_time(text);
  (void)exact_duration(text);

  // {"inputSchema": ..., "arguments": ...}; the whole is the descriptor of a tool, too.
  const auto document = json::Document::parse(text);
  if (!document) return 0;
  if (const auto program = ArgumentProgram::compile(document->root()["inputSchema"])) {
    Sightings seen;
    Refusal refusal;
    const cedar::Value value =
        program->convert(document->root()["arguments"], arena, seen, refusal);
    if (!value && refusal.words.empty()) std::abort();
  }
  if (const auto tool = make_tool({.name = "s"}, document->root(), {}))
    if (!cedar::parse_schema(schema_text({&*tool, 1}))) std::abort();
  return 0;
}
