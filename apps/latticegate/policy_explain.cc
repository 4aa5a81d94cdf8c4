// policy explain: what the policies of a configuration say to one call, and why; without a call,
// which tools an agent could use at all. Asks the engine that the gateway asks.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/suggest.h"
#include "behaviour/records.h"
#include "cedar/extension.h"
#include "commands.h"
#include "inspect/scan.h"
#include "json/write.h"
#include "policy/engine.h"
#include "policy_files.h"
#include "tool_arguments.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Arguments {
  std::string config;
  std::vector<std::string> tools;  // SERVER=FILE
  std::string agent;
  std::string user;
  std::string subject;  // SERVER/TOOL
  std::vector<std::string> values;
  std::string json;
  std::string resource;  // SERVER=URI
  std::string prompt;    // SERVER/NAME
  std::string output = "text";
  // the circumstances
  std::string at;
  std::string from = "127.0.0.1";
  std::string kex = "X25519MLKEM768";
  std::uint32_t risk = 0;
  std::vector<std::string> taint;
  std::vector<std::string> seen;
  std::uint64_t records_read = 0;
  std::string approval;  // LEVEL:USER
  bool quarantined = false;
  bool changed = false;
};

// Everything that a question views.
class Situation {
 public:
  static Result<std::unique_ptr<Situation>> make(const Arguments& given) {
    std::unique_ptr<Situation> made(new Situation(given));
    if (auto read = made->read(); !read) return std::unexpected(std::move(read).error());
    return made;
  }

  const policy::Engine& engine() const { return *engine_; }
  policy::Scratch& scratch() { return scratch_; }
  const policy::Facts& facts() const { return facts_; }
  policy::Mode mode() const { return mode_; }
  const std::vector<std::shared_ptr<const policy::Tool>>& tools() const { return tools_; }
  bool asks() const {
    return !given_.subject.empty() || !given_.resource.empty() || !given_.prompt.empty();
  }
  policy::Facts about(const policy::Tool& tool) const {
    policy::Facts facts = facts_;
    facts.target = policy::ToolTarget{&tool, !given_.changed};
    return facts;
  }

 private:
  explicit Situation(const Arguments& given) : given_(given) {}

  Result<void> read() {
    auto files = read_policy_files({}, given_.config);
    if (!files) return std::unexpected(std::move(files).error());
    files_ = *std::move(files);
    auto engine = policy::Engine::load(*files_.world, files_.policies, {});
    if (!engine) return std::unexpected(std::move(engine).error());
    engine_ = *std::move(engine);
    auto tools = read_tools(given_.tools, files_.config.get());
    if (!tools) return std::unexpected(std::move(tools).error());
    tools_ = *std::move(tools);
    if (auto who = read_caller(); !who) return who;
    if (auto circumstances = read_circumstances(); !circumstances) return circumstances;
    return asks() ? read_call() : Result<void>();
  }

  Result<void> read_caller() {
    std::vector<std::string_view> names;
    for (const identity::CallerProfile& profile : files_.world->agents) {
      const std::string_view user = profile.user ? profile.user->id.value() : std::string_view();
      if (profile.agent.value() == given_.agent && (given_.user.empty() || user == given_.user)) {
        caller_.emplace(std::make_shared<const identity::CallerProfile>(profile));
        facts_.caller = &*caller_;
        return {};
      }
      names.emplace_back(profile.agent.value());
    }
    if (std::ranges::contains(names, given_.agent))
      return fail(Code::not_found, std::format("the configuration has no credential of agent {} "
                                               "for user {}",
                                               given_.agent, given_.user));
    const auto near = base::nearest(given_.agent, names);
    return fail(Code::not_found, std::format("the configuration has no agent {}{}", given_.agent,
                                             near ? std::format("; did you mean {}?", *near) : ""));
  }

  Result<void> read_circumstances() {
    facts_.now = base::SystemClock().now();
    if (!given_.at.empty()) {
      const auto at = cedar::parse_datetime(given_.at);
      if (!at)
        return fail(Code::invalid,
                    std::format("--at: \"{}\" is not like 2026-01-02T03:04:05Z", given_.at));
      facts_.now = base::Time(std::chrono::milliseconds(*at));
    }
    facts_.call = "explained";
    facts_.conversation = "explained";
    facts_.peer = given_.from;
    facts_.kex = given_.kex;
    facts_.quarantined = given_.quarantined;
    totals_.started = totals_.last = facts_.now;
    totals_.records = given_.records_read;
    totals_.taint.add(given_.taint);
    totals_.domains.add(given_.seen);
    facts_.totals = &totals_;
    for (std::size_t i = 0; i < histories_.size(); ++i) {
      histories_.at(i) = std::make_unique<policy::History>(temporal::Limits{});
      facts_.histories.at(i) = histories_.at(i).get();
    }
    risk_.score = given_.risk;
    facts_.risk = &risk_;
    if (given_.approval.empty()) return {};
    const std::string_view text = given_.approval;
    policy::Approval approval{.expires = facts_.now + std::chrono::minutes(5)};
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), approval.level);
    const std::string_view rest(end, text.data() + text.size());
    if (error != std::errc() || rest.size() < 2 || rest.front() != ':')
      return fail(Code::invalid, std::format("--approval is LEVEL:USER, not {}", text));
    approval.approver = rest.substr(1);
    facts_.approval = approval;
    return {};
  }

  Result<const policy::ServerFacts*> server(std::string_view name) const {
    const auto found = std::ranges::find(files_.world->servers, name, &policy::ServerFacts::name);
    if (found != files_.world->servers.end()) return &*found;
    return fail(Code::not_found, std::format("the configuration has no server {}", name));
  }

  Result<void> read_call() {
    const config::Config& config = *files_.config;
    std::string_view name;
    if (!given_.subject.empty()) {
      const auto tool = std::ranges::find(tools_, std::string_view(given_.subject),
                                          [](const auto& one) { return one->id(); });
      if (tool == tools_.end())
        return fail(Code::not_found,
                    std::format("no list of --tools has {}: name what its server answers to "
                                "tools/list",
                                given_.subject));
      facts_.target = policy::ToolTarget{tool->get(), !given_.changed};
      name = (*tool)->server();
    } else {
      const bool resource = !given_.resource.empty();
      const std::string_view text = resource ? given_.resource : given_.prompt;
      const auto sign = text.find(resource ? '=' : '/');
      if (sign == std::string_view::npos)
        return fail(Code::invalid,
                    resource ? "--resource is SERVER=URI" : "--prompt is SERVER/NAME");
      name = text.substr(0, sign);
      const auto facts = server(name);
      if (!facts) return std::unexpected(facts.error());
      if (resource)
        facts_.target = policy::ResourceTarget{*facts, text.substr(sign + 1)};
      else
        facts_.target = policy::PromptTarget{*facts, text.substr(sign + 1)};
    }
    if (const auto known = config.servers.find(name); known != config.servers.end())
      mode_ = config.mode_of(known->second) == config::Mode::observe ? policy::Mode::observe
                                                                     : policy::Mode::enforce;
    auto text = given_.json.empty() ? tool_arguments(given_.values) : given_.json;
    if (!text) return std::unexpected(std::move(text).error());
    auto document = json::Document::parse(*text);
    if (!document) return base::within("arguments", std::move(document).error());
    arguments_.emplace(*std::move(document));
    if (!arguments_->root().is_object())
      return fail(Code::invalid, "the arguments are a JSON object");
    facts_.arguments = arguments_->root();
    facts_.records = behaviour::asked_records(facts_.arguments);
    auto rules = inspect::RuleSet::built_in();
    if (!rules) return std::unexpected(std::move(rules).error());
    auto scanner = inspect::Scanner::create(*std::move(rules));
    if (!scanner) return std::unexpected(std::move(scanner).error());
    findings_ = inspect::scan(*scanner, inspect::Surface::arguments, facts_.arguments);
    facts_.findings = &findings_;
    return {};
  }

  const Arguments& given_;
  PolicyFiles files_;
  std::shared_ptr<const policy::Engine> engine_;
  std::vector<std::shared_ptr<const policy::Tool>> tools_;
  std::optional<identity::Caller> caller_;
  std::optional<json::Document> arguments_;
  behaviour::Totals totals_;
  std::array<std::unique_ptr<policy::History>, policy::whose_count> histories_;
  behaviour::Risk risk_;
  inspect::Findings findings_;
  policy::Facts facts_;
  policy::Mode mode_ = policy::Mode::enforce;
  policy::Scratch scratch_;
};

// Each once, whosever it is.
std::vector<std::string> texts(const std::vector<policy::Obligation>& obligations) {
  std::vector<std::string> all;
  for (const policy::Obligation& obligation : obligations)
    if (std::string text = policy::to_text(obligation); !std::ranges::contains(all, text))
      all.push_back(std::move(text));
  return all;
}

std::string words(const std::vector<policy::Obligation>& obligations) {
  std::string all;
  for (const std::string& text : texts(obligations)) all += (all.empty() ? "" : ", ") + text;
  return all;
}

void print_causes(const policy::Denial& denial) {
  const bool near = denial.reason == policy::Reason::not_permitted;
  if (near && denial.causes.empty()) std::println("  no permit names this agent, tool and server");
  std::string_view policy;
  for (const policy::Cause& cause : denial.causes) {
    if (cause.policy != policy)
      std::println("  {}{}", cause.policy, near ? " does not permit it; it misses" : "");
    policy = cause.policy;
    std::println("    {}{}{}", cause.place, cause.clause.empty() ? "" : ": ", cause.clause);
    for (const auto& [path, value] : cause.reads) std::println("      {} = {}", path, value);
    if (!cause.error.empty()) std::println("      fails: {}", cause.error);
  }
}

void print_denial(const policy::Denial& denial, std::int64_t level, std::string_view verdict) {
  std::println("{} ({})", verdict, policy::name(denial.reason));
  std::println("  the client reads: {}", denial.sentence);
  print_causes(denial);
  if (level > 0) std::println("  an approval of level {} would allow it", level);
  if (!denial.obligations.empty()) std::println("  then: {}", words(denial.obligations));
}

int print(const policy::Decision& decision) {
  if (const auto* const permit = std::get_if<policy::Permit>(&decision)) {
    if (permit->would_deny() != nullptr) {
      print_denial(*permit->would_deny(), permit->would_challenge(),
                   "allowed, because its server is only observed; otherwise denied");
      return done;
    }
    std::println("allowed");
    for (const std::string_view id : permit->policies()) std::println("  by {}", id);
    if (!permit->obligations().empty()) std::println("  with: {}", words(permit->obligations()));
    return done;
  }
  if (const auto* const challenge = std::get_if<policy::Challenge>(&decision))
    print_denial(challenge->denial, challenge->level, "denied");
  else
    print_denial(std::get<policy::Denial>(decision), 0, "denied");
  return wrong;
}

void write_denial(const policy::Denial& denial, json::Writer& writer) {
  writer.member("reason", policy::name(denial.reason)).member("sentence", denial.sentence);
  writer.key("causes").begin_array();
  for (const policy::Cause& cause : denial.causes) {
    writer.begin_object()
        .member("policy", cause.policy)
        .member("place", cause.place)
        .member("clause", cause.clause);
    writer.key("reads").begin_object();
    for (const auto& [path, value] : cause.reads) writer.member(path, value);
    writer.end_object();
    if (!cause.error.empty()) writer.member("error", cause.error);
    writer.end_object();
  }
  writer.end_array();
}

void write_obligations(const std::vector<policy::Obligation>& obligations, json::Writer& writer) {
  writer.key("obligations").begin_array();
  for (const std::string& text : texts(obligations)) writer.string(text);
  writer.end_array();
}

int print_json(const policy::Decision& decision) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  const auto* const permit = std::get_if<policy::Permit>(&decision);
  writer.member("decision", permit != nullptr ? "allow" : "deny");
  if (permit != nullptr) {
    writer.member("mode", policy::name(permit->mode())).key("policies").begin_array();
    for (const std::string_view id : permit->policies()) writer.string(id);
    writer.end_array();
    write_obligations(permit->obligations(), writer);
    if (permit->would_deny() != nullptr) {
      writer.key("wouldDeny").begin_object();
      write_denial(*permit->would_deny(), writer);
      writer.end_object();
    }
  } else {
    const auto* const challenge = std::get_if<policy::Challenge>(&decision);
    const policy::Denial& denial =
        challenge != nullptr ? challenge->denial : std::get<policy::Denial>(decision);
    if (challenge != nullptr) writer.member("approval", challenge->level);
    write_denial(denial, writer);
    write_obligations(denial.obligations, writer);
  }
  writer.end_object();
  std::println("{}", out);
  return permit != nullptr ? done : wrong;
}

// What the agent could do: every tool that some arguments at some time could be allowed for.
int print_possible(Situation& situation, bool as_json) {
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  for (const auto& tool : situation.tools()) {
    const bool possible = situation.engine().may_see(situation.about(*tool), situation.scratch());
    const auto misfit = situation.engine().misfit(*tool);
    const std::string_view answer = misfit ? "hidden" : possible ? "possible" : "never";
    if (as_json) {
      writer.begin_object().member("tool", tool->id()).member("answer", answer);
      if (misfit) writer.member("why", *misfit);
      writer.end_object();
    } else {
      std::println("{:<9} {}{}", answer, tool->id(), misfit ? ": " + *misfit : "");
    }
  }
  writer.end_array();
  if (as_json) std::println("{}", out);
  return done;
}

int explain(const Arguments& given) {
  auto situation = Situation::make(given);
  if (!situation) return complain("explain", situation.error());
  const bool as_json = given.output == "json";
  if (!(*situation)->asks()) {
    if ((*situation)->tools().empty())
      return complain("explain",
                      {.code = Code::invalid,
                       .detail = "name a tool, a resource or a prompt, or --tools, whose "
                                 "use by the agent is to be judged"});
    return print_possible(**situation, as_json);
  }
  const policy::Decision decision =
      (*situation)
          ->engine()
          .decide((*situation)->facts(), (*situation)->mode(), (*situation)->scratch());
  return as_json ? print_json(decision) : print(decision);
}

}  // namespace

void add_policy_explain(CLI::App& policy, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const command = policy.add_subcommand(
      "explain", "Why a call would be allowed or denied; without a call, what an agent could do");
  command->add_option("agent", given->agent, "Name of the agent in the configuration")->required();
  command->add_option("tool", given->subject, "SERVER/TOOL");
  command->add_option("arguments", given->values, "name=text or name:=json, as many as needed");
  command->add_option("--json", given->json, "All arguments as one JSON object");
  command->add_option("-c,--config", given->config,
                      "Policies, agents and servers of this configuration (latticegate.yaml)");
  command->add_option(
      "--tools", given->tools,
      "SERVER=FILE: what the server answers to tools/list, as JSON; or a folder of SERVER.json");
  command->add_option("--user", given->user, "Of the agent's credentials the one for this person");
  command->add_option("--resource", given->resource, "Instead of a tool: SERVER=URI");
  command->add_option("--prompt", given->prompt, "Instead of a tool: SERVER/NAME");
  command->add_option("--at", given->at, "When, as 2026-01-02T03:04:05Z; otherwise now")
      ->group("Circumstances");
  command->add_option("--from", given->from, "The client's address")->group("Circumstances");
  command->add_option("--kex", given->kex, "The connection's key exchange; \"\" without TLS")
      ->group("Circumstances");
  command->add_option("--risk", given->risk, "The risk score")
      ->check(CLI::Range(0, 100))
      ->group("Circumstances");
  command->add_option("--taint", given->taint, "Labels of untrusted sources that were read")
      ->group("Circumstances");
  command->add_option("--seen", given->seen, "Data domains that were read")->group("Circumstances");
  command->add_option("--records-read", given->records_read, "Records read in the conversation")
      ->group("Circumstances");
  command->add_option("--approval", given->approval, "LEVEL:USER, an approval that was given")
      ->group("Circumstances");
  command->add_flag("--quarantined", given->quarantined, "The agent is quarantined")
      ->group("Circumstances");
  command->add_flag("--changed", given->changed, "The tool's descriptor is not the approved one")
      ->group("Circumstances");
  command->add_option("-o,--output", given->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(
      "For temporal conditions nothing happened before: histories are told in tests, see policy "
      "test.\n"
      "Exit code: 0 allowed, 1 denied, 2 something could not be read.\n"
      "Examples:\n"
      "  latticegate policy explain support-bot crm/search limit:=5000 --tools crm=crm-tools.json\n"
      "  latticegate policy explain support-bot --tools crm=crm-tools.json");
  command->callback([&chosen, given] { chosen = [given] { return explain(*given); }; });
}

}  // namespace latticegate::app
