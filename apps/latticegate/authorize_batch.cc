#include "authorize_batch.h"

#include <cstdio>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string_view>
#include <utility>

#include "cedar/from_json.h"
#include "cedar/validate.h"
#include "commands.h"
#include "decider.h"
#include "lines.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;
namespace fs = std::filesystem;

// The file that the test names under that key; nothing when it names none.
Result<std::optional<Source>> source_of(json::Value test, std::string_view key,
                                        const fs::path& root) {
  const json::Value named = test[key];
  if (!named) return std::nullopt;
  const fs::path path = fs::path(named.text_or("")).lexically_normal();
  if (!named.is_string() || path.empty())
    return fail(Code::invalid, std::format("{}: not the name of a file", key));
  if (path.is_absolute() || *path.begin() == "..")
    return fail(Code::invalid,
                std::format("{}: {} is not below the folder of the tests", key, path.string()));
  // A pipe or a device could keep us for ever.
  std::error_code ignored;
  if (!fs::is_regular_file(root / path, ignored))
    return fail(Code::not_found, std::format("{}: there is no file {}", key, path.string()));
  auto source = read_source((root / path).string(), path.string());
  if (!source) return std::unexpected(std::move(source).error());
  return *std::move(source);
}

Result<Decider> decider_of(json::Value test, const fs::path& root) {
  if (!test.is_object()) return fail(Code::invalid, "not an object");
  if (!test["requests"].is_array()) return fail(Code::invalid, "requests: not an array");
  // The ids of the corpus' answers: policy0, policy1, ...
  Sources sources{.policies = {}, .entities = {}, .schema = {}, .naming = cedar::Naming::by_order};
  auto policies = source_of(test, "policies", root);
  if (!policies) return std::unexpected(std::move(policies).error());
  if (!*policies) return fail(Code::invalid, "policies: not the name of a file");
  sources.policies.push_back(**std::move(policies));
  auto entities = source_of(test, "entities", root);
  if (!entities) return std::unexpected(std::move(entities).error());
  sources.entities = *std::move(entities);
  auto schema = source_of(test, "schema", root);
  if (!schema) return std::unexpected(std::move(schema).error());
  sources.schema = *std::move(schema);
  return Decider::make(sources);
}

Result<Question> question_of(json::Value ask) {
  Question question;
  question.context = ask["context"];
  question.validate = ask["validateRequest"].boolean().value_or(true);
  const auto read = [&](std::string_view key, cedar::EntityUid& to) -> Result<void> {
    auto uid = cedar::uid_from_json(ask[key]);
    if (!uid) return base::within(key, std::move(uid).error());
    to = *uid;
    return {};
  };
  auto all = read("principal", question.principal);
  if (all) all = read("action", question.action);
  if (all) all = read("resource", question.resource);
  if (!all) return std::unexpected(std::move(all).error());
  return question;
}

void write_error(const base::Error& error, json::Writer& writer) {
  writer.begin_object().member("error", base::describe(error)).end_object();
}

void write_validation(const Decider& decider, json::Writer& writer) {
  if (!decider.schema()) {
    writer.null();
    return;
  }
  const cedar::Validation validation = cedar::validate(decider.policies(), *decider.schema());
  writer.begin_object().member("valid", validation.valid());
  for (const bool errors : {true, false}) {
    writer.key(errors ? "errors" : "warnings").begin_array();
    for (const cedar::Finding& finding : validation.findings)
      if (cedar::is_error(finding.problem) == errors)
        writer.begin_object()
            .member("policy", std::string(finding.policy->id))
            .member("problem", std::string(cedar::name(finding.problem)))
            .member("message", cedar::describe(finding))
            .end_object();
    writer.end_array();
  }
  writer.end_object();
}

// Appends the answer to one test; false when something in it could not be answered.
bool answer(const Lines& lines, const fs::path& root, std::string& out) {
  json::Writer writer(out);
  if (lines.too_long()) {
    write_error({.code = Code::too_large,
                 .detail = std::format("a line of more than {} bytes", longest_line.count)},
                writer);
    return false;
  }
  const auto document = json::Document::parse(lines.line(), lenient);
  if (!document) {
    write_error(document.error(), writer);
    return false;
  }
  auto decider = decider_of(document->root(), root);
  if (!decider) {
    write_error(decider.error(), writer);
    return false;
  }
  bool whole = true;
  writer.begin_object().key("responses").begin_array();
  for (const json::Value ask : document->root()["requests"].elements()) {
    const auto question = question_of(ask);
    const auto answered = question
                              ? decider->decide(*question)
                              : Result<const cedar::Answer*>(std::unexpected(question.error()));
    if (answered) {
      write_answer(**answered, decider->policies(), writer);
    } else {
      write_error(answered.error(), writer);
      whole = false;
    }
  }
  writer.end_array().key("validation");
  write_validation(*decider, writer);
  writer.end_object();
  return whole;
}

}  // namespace

int authorize_batch(const std::string& input, const fs::path& root) {
  const bool standard = input == "-";
  const auto close = [](std::FILE* file) { (void)std::fclose(file); };
  std::unique_ptr<std::FILE, decltype(close)> file(standard ? nullptr
                                                            : std::fopen(input.c_str(), "rbe"));
  if (!standard && file == nullptr)
    return complain("batch", {.code = Code::io, .detail = std::format("cannot read {}", input)});
  const fs::path folder = !root.empty() || standard ? root : fs::path(input).parent_path();
  std::FILE* const stream = standard ? stdin : file.get();
  Lines lines(stream);
  std::string out;
  bool whole = true;
  while (lines.next()) {
    out.clear();
    whole = answer(lines, folder, out) && whole;
    std::println("{}", out);
    if (std::fflush(stdout) != 0)
      return complain("batch", {.code = Code::io, .detail = "cannot write the answers"});
  }
  if (std::ferror(stream) != 0)
    return complain("batch", {.code = Code::io, .detail = std::format("cannot read {}", input)});
  return whole ? done : usage;
}

}  // namespace latticegate::app
