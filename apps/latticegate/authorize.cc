// policy authorize: what policies say to one request, or to many.
#include <memory>
#include <print>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "authorize_batch.h"
#include "cedar/from_json.h"
#include "commands.h"
#include "decider.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::Result;

struct Arguments {
  std::vector<std::string> policies;
  std::string entities;
  std::string schema;
  std::string principal;
  std::string action;
  std::string resource;
  std::string context;
  bool json = false;
  std::string batch;
  std::string root;
};

Result<Decider> decider_of(const Arguments& given) {
  Sources sources;
  for (const std::string& path : given.policies) {
    auto source = read_source(path, path);
    if (!source) return std::unexpected(std::move(source).error());
    sources.policies.push_back(*std::move(source));
  }
  for (auto [path, to] :
       {std::pair(&given.entities, &sources.entities), std::pair(&given.schema, &sources.schema)}) {
    if (path->empty()) continue;
    auto source = read_source(*path, *path);
    if (!source) return std::unexpected(std::move(source).error());
    *to = *std::move(source);
  }
  return Decider::make(sources);
}

// The context of the command line: JSON if it begins with a brace, otherwise a file of JSON.
Result<json::Document> context_of(const std::string& given) {
  if (given.empty()) return json::Document::parse("{}");
  if (begins_with_brace(given)) return json::Document::parse(given, lenient);
  const auto source = read_source(given, given);
  if (!source) return std::unexpected(source.error());
  return json::Document::parse(source->text, lenient);
}

void print_answer(const cedar::Answer& answer, const cedar::Explanation& why) {
  std::println("{}", cedar::name(answer.decision));
  for (const cedar::PolicyExplanation& policy : why.determining)
    std::println("determining: {} ({}:{}:{})", policy.id, policy.file, policy.line, policy.column);
  for (const cedar::PolicyExplanation& policy : why.failed)
    std::println("error: {} ({}:{}:{}): {}", policy.id, policy.file, policy.line, policy.column,
                 policy.clauses.empty() ? "" : policy.clauses.front().error);
}

// Denied is exit code 1.
int authorize(const Arguments& given) {
  if (given.policies.empty() || given.principal.empty() || given.action.empty() ||
      given.resource.empty())
    return complain("authorize",
                    {.code = Code::invalid,
                     .detail = "--policies, --principal, --action and --resource are needed, or "
                               "--batch"});
  auto decider = decider_of(given);
  if (!decider) return complain("authorize", decider.error());
  cedar::Arena arena;
  Question question;
  for (const auto& [name, text, to] :
       {std::tuple("--principal", &given.principal, &question.principal),
        std::tuple("--action", &given.action, &question.action),
        std::tuple("--resource", &given.resource, &question.resource)}) {
    const auto uid = cedar::parse_uid(*text, arena);
    if (!uid) return complain(name, uid.error());
    *to = *uid;
  }
  const auto context = context_of(given.context);
  if (!context) return complain("--context", context.error());
  question.context = context->root();
  const auto answer = decider->decide(question);
  if (!answer) return complain("authorize", answer.error());
  if (given.json) {
    std::string out;
    json::Writer writer(out);
    write_answer(**answer, decider->policies(), writer);
    std::println("{}", out);
  } else {
    print_answer(**answer, decider->explain());
  }
  return (*answer)->decision == cedar::Decision::allow ? done : wrong;
}

}  // namespace

void add_policy_authorize(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = policy.add_subcommand(
      "authorize", "Decide one request, or a batch of them, by policy files alone");
  command->add_option("--policies", given->policies, "Policy files; ids are @id or policyN");
  command->add_option("--entities", given->entities, "JSON file of entities");
  command->add_option("--schema", given->schema,
                      "Cedar schema, text or JSON; entities and request have to fit it");
  command->add_option("--principal", given->principal, "Who asks: 'User::\"ada\"'");
  command->add_option("--action", given->action, "For what: 'Action::\"read\"'");
  command->add_option("--resource", given->resource, "On what: 'Doc::\"plan\"'");
  command->add_option("--context", given->context, "JSON object, or a file of one");
  command->add_flag("--json", given->json, "One JSON object instead of lines");
  CLI::Option* const batch =
      command
          ->add_option("--batch", given->batch,
                       "Instead of one request: a file (or standard input) of tests, one JSON "
                       "object of Cedar's corpus a line; the answers line by line")
          ->type_name("[FILE]")
          ->expected(0, 1);
  command
      ->add_option("--root", given->root,
                   "The folder of the files that a batch names; else the folder of its file")
      ->needs(batch);
  for (CLI::Option* const option : command->get_options())
    if (option != batch && option->get_name() != "--root" && option->get_name() != "--help")
      batch->excludes(option);
  command->footer(
      "Exit code: 0 allowed, 1 denied, 2 nothing was decided. With --batch: 0, or 2 if a line or\n"
      "a request could not be answered; its place in the answers has an \"error\".\n"
      "Examples:\n"
      "  latticegate policy authorize --policies staff.cedar --entities staff.json \\\n"
      "    --principal 'User::\"ada\"' --action 'Action::\"read\"' --resource 'Doc::\"plan\"' \\\n"
      "    --context '{\"mfa\": true}'\n"
      "  latticegate policy authorize --batch --root cedar-corpus < tests.jsonl");
  command->callback([&chosen, given, batch] {
    if (batch->count() == 0) {
      chosen = [given] { return authorize(*given); };
      return;
    }
    chosen = [given] {
      return authorize_batch(given->batch.empty() ? "-" : given->batch, given->root);
    };
  });
}

}  // namespace latticegate::app
