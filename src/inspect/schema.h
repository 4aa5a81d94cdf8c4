// JSON Schema as tools use it: compiled once per tool into an immutable program, then run over
// arguments and results.
//
// Dialects 2020-12 (the default) and draft-07; another $schema is refused. Checked: type, enum,
// const, all numeric, string, array and object assertions, properties, patternProperties,
// additionalProperties, propertyNames, prefixItems, items (both meanings), additionalItems,
// contains, uniqueItems, dependentRequired, dependentSchemas, dependencies, allOf, anyOf, oneOf,
// not, if/then/else, local $ref ("#", "#/$defs/x", "#anchor"), and the formats date-time, date,
// time, email, uri, uuid, ipv4, ipv6, hostname. unevaluatedProperties and unevaluatedItems are
// checked where no other subschema applies in place, else listed as unchecked. Other keywords are
// annotations.
//
// Nothing is ever fetched: a $ref that leaves the schema is an error at compile time, not a
// permissive schema.
//
// Posture: schema and instance are hostile (a server writes the schema, a model the arguments).
// Limits on subschemas, depth and work; a validation that runs out of work is not valid. What could
// not be checked (a pattern that needs backtracking, an unknown format) is listed by unchecked()
// and never silently taken for checked. Fuzz target: fuzz/schema_fuzz.cc. A Schema owns all that it
// needs, is immutable and shared by threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace latticegate::inspect {

struct SchemaLimits {
  std::uint32_t subschemas = 2'000;
  std::uint32_t depth = 128;       // of nested subschemas, references included, while validating
  std::uint64_t work = 1'000'000;  // steps of one validation
  std::uint32_t violations = 20;   // that are reported
};

// One thing wrong, in words that a model can correct itself by: {"/limit", "must be at most 100, is
// 5000"}.
struct Violation {
  std::string pointer;  // RFC 6901, from the validated value
  std::string sentence;
};

struct Validation {
  std::vector<Violation> violations;
  bool complete = true;  // false: the work or depth limit ended it; a violation says so
  bool valid() const { return violations.empty(); }
  // One line per violation: "limit: must be at most 100, is 5000".
  std::string text() const;
};

class Schema {
 public:
  // Code::invalid for a schema that contradicts its dialect, Code::unsupported for one we do not
  // speak (dialect, external $ref), Code::too_large above a limit; the
  // detail names the place.
  [[nodiscard]] static base::Result<Schema> compile(json::Value schema,
                                                    const SchemaLimits& limits = {});
  Schema(Schema&&) noexcept;
  Schema& operator=(Schema&&) noexcept;
  ~Schema();

  // An absent value is validated as an empty object: a call without arguments.
  Validation validate(json::Value value) const;
  // Places and words of what is in the schema but is not checked.
  const std::vector<std::string>& unchecked() const [[clang::lifetimebound]];

 private:
  struct Program;
  explicit Schema(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace latticegate::inspect
