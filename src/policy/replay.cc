#include "policy/replay.h"

#include <algorithm>
#include <array>
#include <deque>
#include <format>
#include <initializer_list>
#include <limits>
#include <utility>

#include "json/write.h"
#include "policy/reads.h"

namespace latticegate::policy {
namespace {

constexpr std::size_t most_waiting = 100'000;
constexpr std::uint64_t most_explained = 100'000;  // an explanation costs more than a decision

Change change_of(Judgement::Kind before, Judgement::Kind after) {
  if (before == Judgement::Kind::allow) return Change::refused;
  return after == Judgement::Kind::allow ? Change::allowed : Change::other;
}

std::vector<std::string> owned(const std::vector<std::string_view>& texts) {
  return {texts.begin(), texts.end()};
}

void note(ReplayReport::Group& group, std::string_view agent, std::string_view target) {
  const auto one_more = [](ReplayReport::Counts& counts, std::string_view key) {
    const auto known = counts.find(key);
    if (known != counts.end())
      ++known->second;
    else
      counts.emplace(key, 1);
  };
  ++group.count;
  one_more(group.agents, agent);
  one_more(group.targets, target);
}

void keep_first(std::vector<Flip>& examples, std::size_t most) {
  std::ranges::sort(examples, {}, &Flip::seq);
  if (examples.size() > most) examples.resize(most);
}

}  // namespace

std::string_view name(Change change) {
  switch (change) {
    case Change::refused: return "would be refused";
    case Change::allowed: return "would be allowed";
    case Change::other: return "would be refused otherwise";
    case Change::withheld: return "answers would be withheld";
    case Change::released: return "answers would be let out";
  }
  std::unreachable();
}

std::uint64_t ReplayReport::changed() const {
  std::uint64_t all = 0;
  for (const std::uint64_t count : flips) all += count;
  return all;
}

std::uint64_t ReplayReport::compared() const {
  std::uint64_t all = same;
  for (const Change change : {Change::refused, Change::allowed, Change::other})
    all += flips.at(static_cast<std::size_t>(change));
  return all;
}

void ReplayReport::merge(ReplayReport other, std::size_t examples) {
  const auto add = [](Counts& to, const Counts& from) {
    for (const auto& [key, count] : from) to[key] += count;
  };
  for (auto& [key, from] : other.groups) {
    Group& to = groups[key];
    to.count += from.count;
    add(to.agents, from.agents);
    add(to.targets, from.targets);
    std::ranges::move(from.examples, std::back_inserter(to.examples));
    keep_first(to.examples, examples);
  }
  for (std::size_t i = 0; i < changes; ++i) flips.at(i) += other.flips.at(i);
  calls += other.calls;
  same += other.same;
  unsure += other.unsure;
  add(missing, other.missing);
  redacted += other.redacted;
  strangers += other.strangers;
  other_world += other.other_world;
  answers += other.answers;
  answers_same += other.answers_same;
  answers_unsure += other.answers_unsure;
}

// What temporal conditions ask about.
struct Replay::Past {
  temporal::Budget budget{.limit = std::int64_t{1024} * 1024 * 1024};
  std::unordered_map<std::string, std::unique_ptr<History>> histories;
  std::optional<base::Time> lost;

  Histories of(const RecordedCall& call) {
    const auto find = [&](std::string key) {
      auto& history = histories[std::move(key)];
      if (!history) {
        history = std::make_unique<History>(temporal::Limits{.budget = &budget});
        if (lost) history->lost(*lost);
      }
      return history.get();
    };
    return {find(std::format("conversation:{}", call.conversation)),
            find(std::format("agent:{}:{}{}", call.tenant.size(), call.tenant, call.agent)),
            find("everyone")};
  }
};

struct Replay::WaitingCall {
  json::Document document;
  cedar::Arena arena{1024};
  PastCall past{};
  Histories histories{};
  bool allowed = false;  // by the Engine
  bool counts = false;
  // For examples:
  std::uint64_t seq = 0;
  base::Time at{};
  std::string agent{}, target{};
  std::vector<std::string> rules{};
};

struct Replay::Waiting {
  std::unordered_map<std::string, std::unique_ptr<WaitingCall>> calls;
  std::deque<std::string> order;  // the oldest first; some may have left already
};

void Replay::wait(const RecordedCall& call, const Histories& histories, bool counts) {
  auto document = json::Document::parse(json::to_string(call.asked));
  if (!document) return;
  auto entry = std::make_unique<WaitingCall>(*std::move(document));
  auto read = engine_->read_asked(entry->document.root(), people_, entry->arena);
  if (!read) return;
  entry->past = *std::move(read);
  entry->histories = histories;
  entry->counts = counts;
  entry->seq = call.seq;
  entry->at = call.at;
  entry->agent = call.agent;
  entry->target = call.target;
  entry->rules = owned(call.rules);
  if (waiting_->order.size() >= most_waiting) {
    waiting_->calls.erase(waiting_->order.front());
    waiting_->order.pop_front();
  }
  waiting_->order.emplace_back(call.call);
  waiting_->calls.insert_or_assign(std::string(call.call), std::move(entry));
}

Replay::Replay(std::shared_ptr<const Engine> engine, const World& world, const Settings& settings)
    : engine_(std::move(engine)),
      people_(people_of(world)),
      settings_(settings),
      past_(engine_->looks_back() ? std::make_unique<Past>() : nullptr),
      waiting_(past_ || settings_.answers ? std::make_unique<Waiting>() : nullptr) {
  const auto reads = engine_->context_reads();
  if (!reads) return;
  const ContextReads::Part* const output = reads->root().find("output");
  const auto sees = [&](std::string_view name) {
    return reads->root().whole || (output != nullptr && ((output->whole && !output->presence) ||
                                                         output->find(name) != nullptr));
  };
  sees_findings_ = sees("findings");
  sees_content_ = sees("structured");
}
Replay::Replay(Replay&&) noexcept = default;
Replay& Replay::operator=(Replay&&) noexcept = default;
Replay::~Replay() = default;

void Replay::lost(base::Time at) {
  if (!past_) return;
  past_->lost = at;
  for (const auto& [key, history] : past_->histories) history->lost(at);
}

void Replay::take(const RecordedCall& call, bool counts) {
  if (!waiting_ && !counts) return;
  if (counts) ++report_.calls;
  if (!call.asked || !call.decided) {
    if (counts) ++report_.missing["question"];
    return;
  }
  arena_.reset();
  const auto past = engine_->read_asked(call.asked, people_, arena_);
  if (!past) {
    if (counts) ++report_.missing["unreadable"];
    return;
  }
  Histories histories{};
  const bool asks = !past->request.action.id().empty();
  if (past_ && asks) histories = past_->of(call);
  if (waiting_ && asks) wait(call, histories, counts);
  if (!past->missing.empty()) {
    if (counts) ++report_.missing[std::string(past->missing)];
    if (past_ && asks) engine_->pass(*past, call.call, call.at, histories, scratch_);
    return;
  }
  std::string why;
  const bool explained =
      counts && *call.decided == Judgement::Kind::allow && explained_ < most_explained;
  engine_->judge(*past, call.call, call.at, histories, scratch_, judgement_,
                 explained ? &why : nullptr);
  if (waiting_)
    if (const auto found = waiting_->calls.find(std::string(call.call));
        found != waiting_->calls.end())
      found->second->allowed =
          judgement_.kind == Judgement::Kind::allow && *call.decided == Judgement::Kind::allow;
  if (!counts) return;
  if (!why.empty()) ++explained_;
  if (judgement_.unsure) {
    ++report_.unsure;
    return;
  }
  compare(call, *past, why);
}

// What is told of every call that is compared.
void Replay::count(const PastCall& past) {
  if (past.redacted > 0) ++report_.redacted;
  if (past.unknown_person) ++report_.strangers;
  if (past.world != engine_->world()) ++report_.other_world;
}

template <class Visit>
void Replay::for_each_policy(const Visit& visit) const {
  if (judgement_.policies.empty()) visit(std::string_view());
  for (const std::string_view policy : judgement_.policies) visit(policy);
}

void Replay::compare(const RecordedCall& call, const PastCall& past, std::string& why) {
  count(past);
  if (judgement_.kind == *call.decided) {
    ++report_.same;
    return;
  }
  const Change change = change_of(*call.decided, judgement_.kind);
  add_change(change, call, past, *call.decided,
             change == Change::refused ? why : std::string(call.why));
}

void Replay::add_change(Change change, const RecordedCall& call, const PastCall& past,
                        Judgement::Kind before, const std::string& why) {
  ++report_.flips.at(static_cast<std::size_t>(change));
  for_each_policy([&](std::string_view policy) {
    ReplayReport::Group& group = report_.groups[{change, std::string(policy)}];
    note(group, call.agent, call.target);
    if (group.examples.size() >= settings_.examples) return;
    group.examples.push_back({.seq = call.seq,
                              .time = base::to_rfc3339(call.at),
                              .call = std::string(call.call),
                              .agent = std::string(call.agent),
                              .target = std::string(call.target),
                              .before = before,
                              .after = judgement_.kind,
                              .rules_before = owned(call.rules),
                              .rules_after = owned(judgement_.policies),
                              .why = why,
                              .redacted = past.redacted > 0});
  });
}

bool Replay::take_same(const PastCall& call, Judgement::Kind decided) {
  base::check(!past_, "no condition looks back");
  engine_->judge(call, {}, {}, {}, scratch_, judgement_);
  if (judgement_.kind != decided) return false;
  ++report_.calls;
  ++report_.same;
  count(call);
  return true;
}

bool Replay::take_changed(const PastCall& call, Judgement::Kind decided, std::string_view agent,
                          std::string_view target) {
  const Change change = change_of(decided, judgement_.kind);
  bool enough = true;
  for_each_policy([&](std::string_view policy) {
    const auto group = report_.groups.find(std::pair(change, std::string(policy)));
    enough = enough && group != report_.groups.end() &&
             group->second.examples.size() >= settings_.examples;
  });
  if (!enough) return false;
  ++report_.calls;
  ++report_.flips.at(static_cast<std::size_t>(change));
  count(call);
  for_each_policy([&](std::string_view policy) {
    note(report_.groups.at({change, std::string(policy)}), agent, target);
  });
  return true;
}

void Replay::take(const RecordedAnswer& answer) {
  if (!waiting_) return;
  const auto found = waiting_->calls.find(std::string(answer.call));
  if (found == waiting_->calls.end()) return;
  const auto call = std::move(found->second);
  waiting_->calls.erase(found);
  if (past_)
    engine_->remember(call->past, answer.call,
                      answer.failed ? std::nullopt : std::optional(answer.output), answer.at,
                      call->histories, scratch_);
  if (settings_.answers && call->counts && call->allowed) judge_answer(*call, answer);
}

namespace {

std::int64_t count_of(std::uint64_t number) {
  return static_cast<std::int64_t>(
      std::min(number, std::uint64_t{std::numeric_limits<std::int64_t>::max()}));
}

// The record with some of its fields replaced or added.
cedar::Value with(const cedar::Value& record, std::initializer_list<cedar::Field> fields,
                  cedar::Arena& arena) {
  cedar::RecordBuilder builder(arena);
  if (record.is(cedar::Kind::record))
    for (const cedar::Field& field : record.fields()) builder.add(field.name, field.value);
  for (const cedar::Field& field : fields) builder.add(field.name, field.value);
  return builder.finish();
}

// The context of the question as it was when the answer was there, as far as that is recorded.
cedar::Value after(const cedar::Value& context, const RecordedAnswer& answer, cedar::Arena& arena) {
  using cedar::Name;
  using cedar::Value;
  const Value output = with({},
                            {{Name("bytes"), Value::integer(count_of(answer.output.bytes))},
                             {Name("findings"), Value::empty_set()},
                             {Name("records"), Value::integer(count_of(answer.output.records))}},
                            arena);
  const Value session = context.field(Name("session"));
  const auto more = [&](std::string_view name, std::uint64_t by) {
    const Value so_far = session.is(cedar::Kind::record) ? session.field(Name(name)) : Value();
    const std::uint64_t before =
        so_far.is(cedar::Kind::integer) ? static_cast<std::uint64_t>(so_far.integer()) : 0;
    return cedar::Field{Name(name), Value::integer(count_of(before + by))};
  };
  const Value then = with(
      session, {more("recordsRead", answer.output.records), more("bytesRead", answer.output.bytes)},
      arena);
  Value risk = context.field(Name("risk"));
  if (const auto score = answer.risk["score"].integer()) {
    const auto signals = arena.array<Value>(answer.risk["signals"].size());
    std::size_t count = 0;
    for (const json::Value signal : answer.risk["signals"].elements())
      signals[count++] = Value::string(signal.text_or(""));
    risk = with(
        risk,
        {{Name("score"), Value::integer(*score)}, {Name("signals"), Value::set(signals, arena)}},
        arena);
  }
  return with(context, {{Name("output"), output}, {Name("risk"), risk}, {Name("session"), then}},
              arena);
}

}  // namespace

// Of a call that is allowed, then and now: whether its answer goes out.
void Replay::judge_answer(const WaitingCall& call, const RecordedAnswer& answer) {
  ++report_.answers;
  const bool asked = answer.findings != 0 || answer.risk["signals"].size() != 0;
  const bool known = answer.let_out && !past_ && call.past.missing.empty() && !sees_content_ &&
                     !(sees_findings_ && answer.findings != 0);
  if (!known) {
    ++report_.answers_unsure;
    return;
  }
  std::string why;
  bool out = true;
  arena_.reset();
  if (asked || engine_->judges_answer(call.past)) {
    PastCall past = call.past;
    past.request.context = after(past.request.context, answer, arena_);
    engine_->judge_answer(past, scratch_, judgement_, explained_ < most_explained ? &why : nullptr);
    out = judgement_.kind == Judgement::Kind::allow;
    if (!why.empty()) ++explained_;
  } else {
    judgement_.kind = Judgement::Kind::allow;
    judgement_.policies.clear();
  }
  if (out == *answer.let_out) {
    ++report_.answers_same;
    return;
  }
  const RecordedCall about{.seq = call.seq,
                           .at = call.at,
                           .call = answer.call,
                           .agent = call.agent,
                           .target = call.target,
                           .rules = {call.rules.begin(), call.rules.end()}};
  add_change(out ? Change::released : Change::withheld, about, call.past,
             *answer.let_out ? Judgement::Kind::allow : Judgement::Kind::deny, why);
}

}  // namespace latticegate::policy
