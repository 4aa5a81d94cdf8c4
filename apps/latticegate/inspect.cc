// inspect: lines of texts to lines of findings, so that anybody can measure inspection with their
// own data. The format is docs/formats/inspect.md.
#include <algorithm>
#include <array>
#include <cstdio>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <string_view>

#include "commands.h"
#include "inspect/descriptor_set.h"
#include "inspect/scan.h"
#include "json/value.h"
#include "json/write.h"
#include "lines.h"

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

int run(const Named& surface) {
  auto rules = inspect::RuleSet::built_in();
  if (!rules) return complain("inspect", rules.error());
  auto scanner = inspect::Scanner::create(*std::move(rules));
  if (!scanner) return complain("inspect", scanner.error());
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

}  // namespace

void add_inspect(CLI::App& parser, Chosen& chosen) {
  struct Options {
    std::string surface;
    bool jsonl = false;
  };
  CLI::App* const command = parser.add_subcommand(
      "inspect", "What inspection says of texts: JSON lines in, JSON lines out");
  const auto options = std::make_shared<Options>();
  std::vector<std::string> names;
  for (const Named& named : surfaces) names.emplace_back(named.name);
  command->add_option("--surface", options->surface, "Where the texts would stand")
      ->required()
      ->check(CLI::IsMember(names));
  command->add_flag("--jsonl", options->jsonl, "Lines {id, text | json} from standard input")
      ->required();
  command->footer(
      "Each line of the answer is {id, findings, scores, verdict}, in the order of the lines; a "
      "line\n"
      "that cannot be read is answered by {id, error}, and the exit code is then 2. An example:\n"
      "  echo '{\"id\": 1, \"text\": \"hello\"}' | latticegate inspect --surface tool_result "
      "--jsonl");
  command->callback([options, &chosen] {
    chosen = [options] {
      return run(*std::ranges::find(surfaces, options->surface, &Named::name));
    };
  });
}

}  // namespace latticegate::app
