// Decider: policies, entities and perhaps a schema, read and compiled, so that `policy authorize`
// can ask them one thing after the other. Decides as the gateway's engine does, by the compiled
// form, but says Cedar's own answer: a forbid that fails is skipped and named.
//
// Input is whatever a person or another program hands over: texts and nesting are limited, what
// does not fit the schema is an error. One thread.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cedar/authorize.h"
#include "cedar/explain.h"
#include "cedar/program.h"
#include "cedar/schema.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::app {

inline constexpr base::Bytes largest_file{std::uint64_t{16} * 1024 * 1024};
// U+0000 may stand in ids and texts; the json module refuses it in keys.
inline constexpr json::Limits lenient{
    .size = largest_file, .depth = 300, .allow_nul = true, .allow_nul_keys = true};

// A file's text; `name` is for messages.
struct Source {
  std::string name;
  std::string text;
};
// Code::too_large above largest_file.
[[nodiscard]] base::Result<Source> read_source(const std::string& path, std::string name);

// No other text that is asked for here begins so: neither a schema nor the name of a file.
bool begins_with_brace(std::string_view text);

struct Sources {
  std::vector<Source> policies;
  std::optional<Source> entities;  // without: none but the schema's actions
  std::optional<Source> schema;    // text or JSON
  cedar::Naming naming = cedar::Naming::by_annotation;
};

// Views: of the caller's arena and document.
struct Question {
  cedar::EntityUid principal;
  cedar::EntityUid action;
  cedar::EntityUid resource;
  json::Value context;   // absent: the empty record
  bool validate = true;  // whether it has to fit the schema, if there is one
};

class Decider {
 public:
  [[nodiscard]] static base::Result<Decider> make(const Sources& sources);

  const cedar::PolicySet& policies() const { return program_.policies(); }
  const std::optional<cedar::Schema>& schema() const { return schema_; }

  // The answer is valid until the next question.
  [[nodiscard]] base::Result<const cedar::Answer*> decide(const Question& question);
  // Why the last answer is as it is; what the question views must still live.
  cedar::Explanation explain();

 private:
  std::optional<cedar::Schema> schema_;
  cedar::Entities entities_;
  cedar::Program program_;
  cedar::Slate slate_;
  // Values point into it, so it stays where it is when the Decider moves.
  std::unique_ptr<cedar::Arena> arena_ = std::make_unique<cedar::Arena>();
  cedar::Request request_;
  cedar::Answer answer_;
};

// {"decision":"allow","reason":["id"],"errors":["id"]}; ids in the order of the policies.
void write_answer(const cedar::Answer& answer, const cedar::PolicySet& policies,
                  json::Writer& writer);

}  // namespace latticegate::app
