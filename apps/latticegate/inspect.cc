// inspect: lines of texts to lines of findings, so that anybody can measure inspection with their
// own data. The format is docs/formats/inspect.md. inspect explain: what a rule means.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "commands.h"
#include "gateway/rules_in_force.h"
#include "inspect/descriptor_set.h"
#include "inspect/meaning.h"
#include "inspect/scan.h"
#include "json/value.h"
#include "json/write.h"
#include "lines.h"
#include "onnx/classifier.h"
#include "policy_files.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr base::Bytes longest_row{std::uint64_t{64} * 1024 * 1024};
// Data sets hold anything; only what is no JSON at all is refused.
constexpr json::Limits any_row{.size = longest_row,
                               .depth = 512,
                               .nodes = 8'000'000,
                               .allow_nul = true,
                               .allow_nul_keys = true};

struct Named {
  std::string_view name;
  inspect::Surface surface;
};
constexpr std::array<Named, 5> surfaces = {{
    {"tool_metadata", inspect::Surface::descriptor},
    {"tool_result", inspect::Surface::result},
    {"user_text", inspect::Surface::user_text},
    {"argument", inspect::Surface::arguments},
    {"descriptor_set", inspect::Surface::descriptor},
}};

// In one word, for those who count; the gateway itself leaves it to policies what follows.
std::string_view verdict(const inspect::Findings& findings) {
  std::string_view worst = "clean";
  for (const inspect::Finding& item : findings.items) {
    if (item.severity >= inspect::Severity::critical && item.kind != inspect::FindingKind::secret)
      return "malicious";
    if (item.severity >= inspect::Severity::medium &&
        item.kind != inspect::FindingKind::personal_data)
      worst = "suspicious";
  }
  return worst;
}

void write_finding(const inspect::Finding& finding, std::string_view surface,
                   json::Writer& writer) {
  writer.begin_object()
      .member("rule", finding.rule)
      .member("surface", surface)
      .member("severity", inspect::name(finding.severity))
      .member("confidence", inspect::name(finding.confidence));
  writer.key("span").begin_array();
  writer.integer(static_cast<std::int64_t>(finding.begin));
  writer.integer(static_cast<std::int64_t>(finding.end)).end_array();
  if (!finding.pointer.empty()) writer.member("pointer", finding.pointer);
  writer.key("labels").begin_array().string(inspect::name(finding.kind));
  for (const std::string& label : finding.labels) writer.string(label);
  writer.end_array();
  writer.member("excerpt", finding.excerpt).end_object();
}

void write_findings(const inspect::Findings& findings, std::string_view surface,
                    json::Writer& writer) {
  writer.key("findings").begin_array();
  for (const inspect::Finding& finding : findings.items) write_finding(finding, surface, writer);
  writer.end_array();
  writer.key("scores").begin_object();
  for (const inspect::Scores::Head& head : findings.scores.heads)
    if (!head.name.empty())
      writer.key(head.name).raw(std::format("{:.4f}", std::clamp(head.value, -100.0F, 100.0F)));
  writer.key("rules").raw(std::format("{:.4f}", findings.scores.rules));
  if (findings.scores.own) writer.key("own").raw(std::format("{:.4f}", *findings.scores.own));
  writer.key("max").raw(std::format("{:.4f}", findings.scores.all)).end_object();
  writer.member("verdict", verdict(findings));
  if (!findings.complete()) {
    writer.key("not_inspected").begin_object();
    writer.member("bytes", static_cast<std::int64_t>(findings.skipped));
    writer.member("findings", static_cast<std::int64_t>(findings.dropped)).end_object();
  }
}

class Rows {
 public:
  Rows(inspect::Scanner scanner, const Named& surface)
      : scanner_(std::move(scanner)), surface_(surface) {}

  // Appends the answer to a line; false when it could not be inspected.
  bool answer(const Lines& lines, std::string& out) {
    json::Writer writer(out);
    if (lines.too_long())
      return error({}, std::format("a line of more than {} bytes", longest_row.count), writer);
    const auto row = json::Document::parse(lines.line(), any_row);
    if (!row) return error({}, base::describe(row.error()), writer);
    const json::Value root = row->root();
    if (!root.is_object()) return error({}, "not an object", writer);
    const json::Value text = root["text"], tree = root["json"];
    if (text.exists() == tree.exists())
      return error(root["id"], R"(expected either "text" or "json")", writer);
    if (text.exists() && !text.is_string())
      return error(root["id"], R"("text" is not a string)", writer);
    const inspect::ScanLimits limits{.bytes = longest_row, .each_person = true};
    // Arguments as a text are what a client sends: JSON.
    std::optional<json::Document> arguments;
    if (text.exists() && surface_.surface == inspect::Surface::arguments)
      if (auto parsed = json::Document::parse(text.text_or(""), any_row);
          parsed && parsed->root().is_object())
        arguments = *std::move(parsed);
    const bool together = surface_.name == "descriptor_set";
    if (together && !tree.exists())
      return error(root["id"], R"(a descriptor_set is "json")", writer);
    const inspect::Findings findings =
        together        ? inspect::scan_descriptors(tree)
        : arguments     ? inspect::scan(scanner_, surface_.surface, arguments->root(), limits)
        : text.exists() ? inspect::scan_text(scanner_, surface_.surface, text.text_or(""), limits)
                        : inspect::scan(scanner_, surface_.surface, tree, limits);
    begin(root["id"], writer);
    write_findings(findings, surface_.name, writer);
    writer.end_object();
    return true;
  }

 private:
  static void begin(json::Value id, json::Writer& writer) {
    writer.begin_object().key("id");
    if (id.exists())
      writer.value(id);
    else
      writer.null();
  }
  static bool error(json::Value id, std::string_view words, json::Writer& writer) {
    begin(id, writer);
    writer.member("error", words).end_object();
    return false;
  }

  inspect::Scanner scanner_;
  const Named& surface_;
};

int run(const Named& surface, const std::string& model) {
  auto rules = inspect::RuleSet::built_in();
  if (!rules) return complain("inspect", rules.error());
  auto scanner = inspect::Scanner::create(*std::move(rules));
  if (!scanner) return complain("inspect", scanner.error());
  if (!model.empty()) {
    auto classifier = onnx::open_classifier(model);
    if (!classifier) return complain("--classifier", classifier.error());
    scanner->ask({.classifier = *std::move(classifier), .surface_mask = 0xFF, .threshold = 0.5F});
  }
  Rows rows(*std::move(scanner), surface);
  Lines lines(stdin, longest_row);
  std::string out;
  bool whole = true;
  while (lines.next()) {
    out.clear();
    whole = rows.answer(lines, out) && whole;
    std::println("{}", out);
    if (std::fflush(stdout) != 0)
      return complain("inspect", {.code = Code::io, .detail = "cannot write the answers"});
  }
  if (std::ferror(stdin) != 0)
    return complain("inspect", {.code = Code::io, .detail = "cannot read the lines"});
  return whole ? done : usage;
}

// The built-in rules and those of a directory. Says which of their examples come out otherwise.
Result<std::shared_ptr<const inspect::RuleSet>> rules_with(const std::string& directory,
                                                           std::vector<std::string>& failing) {
  std::vector<inspect::RuleFile> files = inspect::built_in_files();
  if (!directory.empty()) {
    auto own = gateway::read_rule_files(directory);
    if (!own) return std::unexpected(std::move(own).error());
    std::ranges::move(*own, std::back_inserter(files));
    auto checked = inspect::failing_examples(files);
    if (!checked) return std::unexpected(std::move(checked).error());
    failing = *std::move(checked);
  }
  return inspect::RuleSet::compile(files);
}

std::string joined(std::span<const std::string> words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

void print_meaning(const inspect::Meaning& meaning) {
  std::println("{}: {}", meaning.rule, meaning.description);
  std::println("  kind        {}", inspect::name(meaning.kind));
  std::println("  found by    {}", meaning.found_by);
  if (meaning.severity) std::println("  severity    {}", inspect::name(*meaning.severity));
  if (meaning.severity && meaning.surface_mask != 0xFF) {
    std::vector<std::string> where;
    for (std::size_t surface = 0; surface < inspect::surfaces; ++surface)
      if ((meaning.surface_mask >> surface & 1) != 0)
        where.emplace_back(inspect::name(static_cast<inspect::Surface>(surface)));
    std::println("  looked for  {}", joined(where));
  }
  if (meaning.rarity > 0)
    std::println("  how rare    one in {:.0f} harmless texts",
                 std::pow(10.0, static_cast<double>(meaning.rarity)));
  if (!meaning.labels.empty()) std::println("  belongs to  {}", joined(meaning.labels));
  std::println("  in policies context.derived.findings.contains(\"{}\")", meaning.rule);
  std::println("  not here    inspect.exceptions: [{{rule: {}, reason: \"...\"}}]", meaning.rule);
}

int explain(const std::vector<std::string>& wanted, const std::string& directory) {
  std::vector<std::string> failing;
  const auto rules = rules_with(directory, failing);
  if (!rules) return complain("inspect explain", rules.error());
  const std::vector<inspect::Meaning> all = inspect::meanings(**rules);
  if (wanted.empty()) {
    std::size_t widest = 0;
    for (const inspect::Meaning& meaning : all) widest = std::max(widest, meaning.rule.size());
    for (const inspect::Meaning& meaning : all)
      std::println("{:{}}  {:15}  {}", meaning.rule, widest, inspect::name(meaning.kind),
                   meaning.description);
  }
  for (const std::string& id : wanted) {
    const auto found = std::ranges::find(all, id, &inspect::Meaning::rule);
    if (found == all.end())
      return complain("inspect explain",
                      {.code = Code::not_found,
                       .detail = std::format("there is no rule {}; `latticegate inspect explain` "
                                             "lists them all",
                                             base::printable(id))});
    if (&id != &wanted.front()) std::println();
    print_meaning(*found);
  }
  for (const std::string& sentence : failing) std::println(stderr, "latticegate: {}", sentence);
  return failing.empty() ? done : wrong;
}

void add_explain(CLI::App& command, Chosen& chosen) {
  struct Options {
    std::vector<std::string> rules;
    std::string directory;
  };
  CLI::App* const explanation =
      command.add_subcommand("explain", "What a rule means that a record or a log names");
  const auto options = std::make_shared<Options>();
  explanation->add_option("rule", options->rules, "Ids of rules; none: a line for each");
  explanation->add_option(
      "--rules", options->directory,
      "Also the rules of this directory (inspect.rules); checks their examples");
  explanation->callback([options, &chosen] {
    chosen = [options] { return explain(options->rules, options->directory); };
  });
}

}  // namespace

void add_inspect(CLI::App& parser, Chosen& chosen) {
  struct Options {
    std::string surface;
    bool jsonl = false;
    std::string classifier;
  };
  CLI::App* const command = parser.add_subcommand(
      "inspect", "What inspection says of texts: JSON lines in, JSON lines out");
  const auto options = std::make_shared<Options>();
  std::vector<std::string> names;
  for (const Named& named : surfaces) names.emplace_back(named.name);
  command->add_option("--surface", options->surface, "Where the texts would stand")
      ->check(CLI::IsMember(names));
  command->add_flag("--jsonl", options->jsonl, "Lines {id, text | json} from standard input");
  command->add_option("--classifier", options->classifier,
                      "Also ask this ONNX model (inspect.classifier); it says scores.own");
  add_explain(*command, chosen);
  add_inspect_bundle(*command, chosen);
  command->footer(
      "Each line of the answer is {id, findings, scores, verdict}, in the order of the lines; a "
      "line\n"
      "that cannot be read is answered by {id, error}, and the exit code is then 2. An example:\n"
      "  echo '{\"id\": 1, \"text\": \"hello\"}' | latticegate inspect --surface tool_result "
      "--jsonl\n"
      "  latticegate inspect explain metadata-preference");
  command->callback([options, command, &chosen] {
    if (!command->get_subcommands().empty()) return;
    if (options->surface.empty()) throw CLI::RequiredError("--surface");
    if (!options->jsonl) throw CLI::RequiredError("--jsonl");
    chosen = [options] {
      return run(*std::ranges::find(surfaces, options->surface, &Named::name), options->classifier);
    };
  });
}

}  // namespace latticegate::app
