// Asks the official Cedar (npm) and this one the same random questions and compares: which policies
// parse, their JSON forms, which are valid, decisions, reasons and errors. Both of our forms, the
// plain and the compiled one, take part. A difference is made small and kept as a file.
//
//   cedar_diff NODE MODULES FOLDER SECONDS [SEED]
//
// FOLDER holds oracle.cjs and seeds/, the questions that once differed: they are asked first. Exit
// code 0: no difference, 1: differences, 2: usage, 77: the oracle is not installed.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <optional>
#include <print>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cedar/from_json.h"
#include "cedar/policy_json.h"
#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/twin.h"
#include "cedar/validate.h"
#include "cedar_diff/generator.h"
#include "cedar_diff/oracle.h"
#include "json/value.h"
#include "json/write.h"

using namespace latticegate;
using namespace latticegate::cedar;
using namespace latticegate::diff;

namespace {

namespace fs = std::filesystem;
constexpr json::Limits generous{.depth = 200, .allow_nul = true};

std::string line_of(const Question& question) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("forms").boolean(true).key("policies").begin_array();
  for (const std::string& policy : question.policies) writer.string(policy);
  writer.end_array()
      .member("schema", schema_text())
      .key("entities")
      .raw(question.entities)
      .key("requests")
      .begin_array();
  for (const std::string& request : question.requests) writer.raw(request);
  writer.end_array().end_object();
  std::erase(out, '\n');
  return out;
}

std::optional<Question> question_in(std::string_view text) {
  const auto document = json::Document::parse(text, generous);
  if (!document) return std::nullopt;
  Question out;
  for (const json::Value policy : document->root()["policies"].elements())
    out.policies.emplace_back(policy.text_or(""));
  out.entities = json::to_string(document->root()["entities"]);
  for (const json::Value request : document->root()["requests"].elements())
    out.requests.push_back(json::to_string(request));
  return out;
}

std::vector<std::int64_t> numbers(json::Value array) {
  std::vector<std::int64_t> out;
  for (const json::Value number : array.elements()) out.push_back(number.integer().value_or(-1));
  return out;
}

std::optional<PolicySet> parsed(const std::string& text) {
  PolicySet::Builder builder(Naming::by_order, {.templates = false});
  if (!builder.add(text, "policy")) return std::nullopt;
  PolicySet set = builder.build();
  if (set.size() != 1) return std::nullopt;
  return set;
}

class Comparison {
 public:
  Comparison(Oracle& oracle, Schema schema) : oracle_(oracle), schema_(std::move(schema)) {}

  std::uint64_t decisions() const { return decisions_; }
  std::uint64_t policies() const { return policies_; }
  std::uint64_t refused() const { return refused_; }

  // What differs; nothing: they agree, or the oracle could not be asked.
  std::optional<std::string> difference(const Question& question) {
    const auto line = oracle_.ask(line_of(question));
    if (!line) return std::nullopt;
    const auto said = json::Document::parse(*line, generous);
    if (!said) return std::format("the oracle's answer is no JSON: {}", *line);
    const json::Value root = said->root();

    // By position in the set of those that parse: their number in the question.
    std::vector<std::int64_t> asked;
    PolicySet::Builder builder(Naming::by_order);
    for (std::size_t i = 0; i < question.policies.size(); ++i) {
      ++policies_;
      const auto mine = parsed(question.policies[i]);
      const bool theirs = root["parsed"].at(i).boolean().value_or(false);
      if (mine.has_value() != theirs)
        return std::format("{} parses it, {} does not", theirs ? "the oracle" : "this",
                           theirs ? "this" : "the oracle");
      if (!mine) {
        ++refused_;
        continue;
      }
      if (!builder.add(question.policies[i], "policy")) return "it parses only alone";
      if (auto words = form_differs(question.policies[i], (*mine)[0], root["forms"].at(i)))
        return words;
      asked.push_back(static_cast<std::int64_t>(i));
    }

    const auto entities_document = json::Document::parse(question.entities, generous);
    Entities::Builder entity_builder;
    if (!entities_document || !add_entities(entities_document->root(), entity_builder))
      return "the entities are not read";
    const auto entities = entity_builder.build();
    if (!entities) return "the entities are not built";
    const PolicySet set = builder.build();
    if (auto words = validation_differs(set, asked, root)) return words;
    Twin twin(set);
    for (std::size_t i = 0; i < question.requests.size(); ++i)
      if (auto words =
              request_differs(question.requests[i], root["answers"].at(i), asked, *entities, twin))
        return words;
    return std::nullopt;
  }

 private:
  // The policy as JSON: written the same, and theirs is read as the same policy.
  static std::optional<std::string> form_differs(const std::string& text, const Policy& mine,
                                                 json::Value theirs) {
    // JavaScript rounds large numbers.
    int digits = 0;
    for (const char c : text)
      if (digits = c >= '0' && c <= '9' ? digits + 1 : 0; digits > 15) return std::nullopt;
    if (!theirs || theirs.is_null()) return "the oracle has no JSON form of it";
    const std::string form = to_json(mine);
    const auto read = policy_text(theirs);
    if (!read) return std::format("the oracle's form is refused: {}", read.error().detail);
    const auto again = parsed(*read);
    if (!again)
      return std::format("the oracle's form becomes a text that does not parse: {}", *read);
    const std::string through = to_json((*again)[0]);
    const auto ours = json::Document::parse(form, generous);
    const auto same_way = json::Document::parse(through, generous);
    if (!ours || !same_way) return "our form is no JSON";
    if (json::canonical(ours->root()) != json::canonical(same_way->root()))
      return "the oracle's form is another policy";
    // They keep each character of a pattern, and neighbouring wildcards, apart.
    if (text.contains("like")) return std::nullopt;
    if (json::canonical(ours->root()) != json::canonical(theirs)) return "the JSON forms differ";
    return std::nullopt;
  }

  std::optional<std::string> validation_differs(const PolicySet& set,
                                                const std::vector<std::int64_t>& asked,
                                                json::Value theirs) const {
    std::vector<std::int64_t> invalid;
    std::vector<std::int64_t> impossible;
    std::string words;
    const auto add = [](std::vector<std::int64_t>& list, std::int64_t number) {
      if (list.empty() || list.back() != number) list.push_back(number);
    };
    for (const Finding& finding : validate(set, schema_).findings) {
      const auto number = asked[static_cast<std::size_t>(finding.policy - set.policies().data())];
      if (is_error(finding.problem)) {
        add(invalid, number);
        words = describe(finding);
      }
      if (finding.problem == Problem::impossible) add(impossible, number);
    }
    if (invalid != numbers(theirs["invalid"]))
      return std::format("what is valid differs (here: {})", words);
    // Of a policy with errors nobody needs to know more.
    std::vector<std::int64_t> theirs_too = numbers(theirs["impossible"]);
    for (auto* const list : {&impossible, &theirs_too})
      std::erase_if(*list,
                    [&](std::int64_t number) { return std::ranges::contains(invalid, number); });
    if (impossible != theirs_too) return "what is impossible differs";
    return std::nullopt;
  }

  std::optional<std::string> request_differs(const std::string& text, json::Value theirs,
                                             const std::vector<std::int64_t>& asked,
                                             const Entities& entities, Twin& twin) {
    const auto document = json::Document::parse(text, generous);
    if (!document) return "the request is no JSON";
    const json::Value root = document->root();
    Arena arena;
    const auto principal = uid_from_json(root["principal"]);
    const auto action = uid_from_json(root["action"]);
    const auto resource = uid_from_json(root["resource"]);
    const auto context = value_from_json(root["context"], Escapes::honoured, arena);
    if (!principal || !action || !resource || !context) return "the request is not read";
    if (theirs["fatal"])
      return std::format("the oracle refuses the request: {}", theirs["fatal"].text_or(""));
    ++decisions_;
    const Request request{*principal, *action, *resource, *context};
    if (auto words = twin.difference(request, EntityView(entities), arena); !words.empty())
      return words;
    const Answer& answer = twin.answer();
    std::vector<std::int64_t> reasons;
    std::vector<std::int64_t> errors;
    for (const PolicyIndex reason : answer.reasons) reasons.push_back(asked[reason]);
    for (const PolicyFailure& failure : answer.errors) errors.push_back(asked[failure.policy]);
    if (cedar::name(answer.decision) != theirs["decision"].text_or(""))
      return std::format("decision: here {}, there {}", cedar::name(answer.decision),
                         theirs["decision"].text_or(""));
    if (reasons != numbers(theirs["reason"])) return "the reasons differ";
    if (errors != numbers(theirs["errors"])) return "the errors differ";
    return std::nullopt;
  }

  Oracle& oracle_;
  Schema schema_;
  std::uint64_t decisions_ = 0;
  std::uint64_t policies_ = 0;
  std::uint64_t refused_ = 0;
};

// The smallest question that still differs: one policy, one request, as few tokens as possible.
class Shrinker {
 public:
  Shrinker(Comparison& comparison, Question question)
      : comparison_(comparison), best_(std::move(question)) {}

  Question run() {
    for (std::size_t i = 0; best_.policies.size() > 1 && i < best_.policies.size();)
      if (!take_out(best_.policies, i)) ++i;
    for (std::size_t i = 0; best_.requests.size() > 1 && i < best_.requests.size();)
      if (!take_out(best_.requests, i)) ++i;
    for (std::string& policy : best_.policies) shorten(policy);
    return best_;
  }

 private:
  bool differs() { return ++asked_ < most_asked && comparison_.difference(best_).has_value(); }

  bool take_out(std::vector<std::string>& list, std::size_t i) {
    std::string kept = std::move(list[i]);
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    if (differs()) return true;
    list.insert(list.begin() + static_cast<std::ptrdiff_t>(i), std::move(kept));
    return false;
  }

  // Takes out stretches of tokens, long ones first, until none can go.
  void shorten(std::string& policy) {
    bool shorter = true;
    while (shorter && asked_ < most_asked) {
      shorter = false;
      const std::vector<std::string> tokens = tokens_of(policy);
      for (std::size_t length = tokens.size() / 2; length > 0 && !shorter; --length)
        for (std::size_t at = 0; at + length <= tokens.size() && !shorter; ++at) {
          std::string candidate;
          for (std::size_t i = 0; i < tokens.size(); ++i)
            if (i < at || i >= at + length) candidate += tokens[i];
          std::swap(policy, candidate);
          if (differs())
            shorter = true;
          else
            std::swap(policy, candidate);
        }
    }
  }

  static constexpr int most_asked = 3'000;
  Comparison& comparison_;
  Question best_;
  int asked_ = 0;
};

int replay(const fs::path& folder, Comparison& comparison) {
  int wrong = 0;
  int count = 0;
  if (!fs::exists(folder)) return 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const auto question = question_in(text);
    ++count;
    const auto words = question ? comparison.difference(*question) : "it cannot be read";
    if (!words) continue;
    ++wrong;
    std::println("{}: {}", entry.path().filename().string(), *words);
  }
  std::println("{} kept questions, {} differ", count, wrong);
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  std::uint64_t seconds = 0;
  // tidy: other questions in each run
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  auto seed = static_cast<std::uint64_t>(now / std::chrono::seconds(1));
  const auto number = [](const std::string& text, std::uint64_t& out) {
    return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
  };
  if (arguments.size() < 4 || !number(arguments[3], seconds) ||
      (arguments.size() > 4 && !number(arguments[4], seed))) {
    std::println("usage: cedar_diff NODE MODULES FOLDER SECONDS [SEED]");
    return 2;
  }
  const fs::path folder = arguments[2];
  if (!fs::exists(fs::path(arguments[1]) / "@cedar-policy/cedar-wasm")) {
    std::println("SKIPPED: @cedar-policy/cedar-wasm is not in {} (./dev setup test)", arguments[1]);
    return 77;
  }
  Oracle oracle(arguments[0], (folder / "oracle.cjs").string(), arguments[1]);
  if (!oracle.ask(R"({"policies":[],"entities":[],"requests":[]})")) {
    std::println("the oracle does not answer");
    return 1;
  }
  auto schema = parse_schema(schema_text());
  if (!schema) {
    std::println("the schema: {}", schema.error().detail);
    return 1;
  }
  Comparison comparison(oracle, *std::move(schema));
  int wrong = replay(folder / "seeds", comparison);

  using Clock = std::chrono::steady_clock;  // the real one: a run has an end
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  const std::uint64_t first = seed;
  constexpr std::array manners = {Manner::typed, Manner::untyped, Manner::typed, Manner::noisy};
  constexpr int most_differences = 10;
  while (Clock::now() < end && wrong < most_differences) {
    const Question question = question_of(seed, manners[seed % manners.size()]);
    ++seed;
    if (!comparison.difference(question)) continue;
    ++wrong;
    const Question small = Shrinker(comparison, question).run();
    const auto words = comparison.difference(small);
    const auto place = folder / "seeds" / std::format("{}.json", seed - 1);
    std::ofstream(place, std::ios::binary) << line_of(small) << '\n';
    std::println("seed {}: {}\n  {}\n  kept as {}", seed - 1, words.value_or("(not again)"),
                 small.policies.empty() ? "" : small.policies[0], place.string());
    std::fflush(stdout);  // long runs are watched
  }
  std::println("seeds {} to {}: {} policies ({} do not parse), {} decisions, {} differences", first,
               seed - 1, comparison.policies(), comparison.refused(), comparison.decisions(),
               wrong);
  return wrong == 0 ? 0 : 1;
}
