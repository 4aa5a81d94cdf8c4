// From the arguments of a call to Cedar values, by the tool's inputSchema; and likewise from the
// structured content of an answer, by its outputSchema.
//
// Data only: nothing in an argument can become an entity, {"__entity": ...} is a record like any
// other. What a policy sees, for what the schema says:
//   boolean, integer            Bool, Long; 5000.0 and 5e3 are the integers that they are
//   number                      decimal, at most four fraction digits, exactly; with an integral
//                               multipleOf: Long
//   string                      String, whatever its enum or pattern
//   string, format date, date-time, ipv4, ipv6, duration     datetime, ipaddr, duration
//   array, object               Set of, record of the above
//   nullable (["T", "null"], anyOf with null, nullable)      T, absent for null
//   no type, unions, recursion  as the JSON is: true, 5 -> Long, 5.5 -> decimal, "x", sets, records
//   not in the schema           the same way, unless additionalProperties is false: then refused
// An argument that is not what the schema says, or that has no exact value and may be read by a
// policy (policy/reads.h), refuses the call: a policy never judges something else than what the
// server gets. Missing arguments are no error
// here. Validation of everything else (ranges, patterns) is inspect/schema.h's.
//
// Posture: schema and arguments are hostile. At most 2,000 properties and nested schemas, 16 levels
// of them (what is deeper is taken as the JSON is), 20,000 values in one call. Fuzz target:
// fuzz/policy_fuzz.cc. A program is immutable and safe from any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/arena.h"
#include "cedar/value.h"
#include "json/value.h"
#include "policy/reads.h"

namespace latticegate::policy {

// The names on the way to an argument.
using LeftOut = std::vector<std::string_view>;

// What was seen on the way; views into the arguments.
struct Sightings {
  std::vector<std::string_view> urls;  // strings that are URLs, at most 64
  std::vector<std::string_view> sql;   // strings that are SQL
  bool too_many = false;               // more of them than are listed
  // Numbers without an exact value that no policy reads; at most 64, and then an empty one.
  std::vector<LeftOut> left_out;
  void clear() {
    urls.clear();
    sql.clear();
    too_many = false;
    left_out.clear();
  }
};

// Why a call is refused, in words that a model can correct itself by.
struct Refusal {
  std::string argument;  // "limit", "edits/0/oldText"; empty: the arguments as a whole
  std::string words;     // "must be an integer, is a string"
  bool inexact = false;  // a number without an exact value
  bool answer = false;   // it is the answer's structured content and not the arguments
};

class ArgumentProgram {
 public:
  // An absent schema is that of an object with anything in it. Code::invalid when the schema is not
  // that of an object or contradicts itself, Code::too_large above a limit.
  [[nodiscard]] static base::Result<ArgumentProgram> compile(json::Value schema);
  ArgumentProgram(ArgumentProgram&&) noexcept;
  ArgumentProgram& operator=(ArgumentProgram&&) noexcept;
  ~ArgumentProgram();

  // A record; no value when the call is refused, and `refusal` then says why. An absent value is an
  // empty object. Strings are views into `arguments`, names also into the program.
  cedar::Value convert(json::Value arguments, cedar::Arena& arena, Sightings& seen,
                       Refusal& refusal, const Reads& reads = {}) const;

  // The type of `context.input` in Cedar's schema syntax.
  const std::string& type() const [[clang::lifetimebound]];
  // What is not in it, and why: "options: a union".
  const std::vector<std::string>& untyped() const [[clang::lifetimebound]];

 private:
  struct Program;
  explicit ArgumentProgram(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace latticegate::policy
