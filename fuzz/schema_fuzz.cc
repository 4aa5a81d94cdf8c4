// Schemas: a JSON array of a schema and a value. Both come from outside; whatever compiles
// validates within its budget.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "inspect/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latticegate;
  const auto input =
      json::Document::parse({reinterpret_cast<const char*>(data), size}, {.size = {65536}});
  if (!input) return 0;
  const auto schema =
      inspect::Schema::compile(input->root().at(0), {.subschemas = 200, .work = 50'000});
  if (!schema) return 0;
  const auto result = schema->validate(input->root().at(1));
  base::check(result.complete || !result.valid(), "what was not finished is not valid");
  return 0;
}
