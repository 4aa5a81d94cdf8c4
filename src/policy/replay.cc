#include "policy/replay.h"

#include <algorithm>
#include <array>
#include <deque>
#include <format>
#include <utility>

#include "json/write.h"

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
  }
  std::unreachable();
}

std::uint64_t ReplayReport::changed() const {
  std::uint64_t all = 0;
  for (const std::uint64_t count : flips) all += count;
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
}

// What temporal conditions ask about.
struct Replay::Past {
  temporal::Budget budget{.limit = std::int64_t{1024} * 1024 * 1024};
  std::unordered_map<std::string, std::unique_ptr<History>> histories;
  std::optional<base::Time> lost;

  // A call that waits for its answer.
  struct Waiting {
    json::Document document;
    cedar::Arena arena;
    PastCall call;
    Histories histories;
  };
  std::unordered_map<std::string, std::unique_ptr<Waiting>> waiting;
  std::deque<std::string> order;

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

  void wait(const RecordedCall& call, const Engine& engine, const People& people,
            const Histories& own) {
    auto document = json::Document::parse(json::to_string(call.asked));
    if (!document) return;
    auto entry = std::make_unique<Waiting>(*std::move(document), cedar::Arena(), PastCall(), own);
    auto read = engine.read_asked(entry->document.root(), people, entry->arena);
    if (!read) return;
    entry->call = *std::move(read);
    if (order.size() >= most_waiting) {
      waiting.erase(order.front());
      order.pop_front();
    }
    order.emplace_back(call.call);
    waiting.insert_or_assign(std::string(call.call), std::move(entry));
  }
};

Replay::Replay(std::shared_ptr<const Engine> engine, const World& world, const Settings& settings)
    : engine_(std::move(engine)),
      people_(people_of(world)),
      settings_(settings),
      past_(engine_->looks_back() ? std::make_unique<Past>() : nullptr) {}
Replay::Replay(Replay&&) noexcept = default;
Replay& Replay::operator=(Replay&&) noexcept = default;
Replay::~Replay() = default;

void Replay::lost(base::Time at) {
  if (!past_) return;
  past_->lost = at;
  for (const auto& [key, history] : past_->histories) history->lost(at);
}

void Replay::take(const RecordedCall& call, bool counts) {
  if (!past_ && !counts) return;
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
  if (past_ && asks) {
    histories = past_->of(call);
    past_->wait(call, *engine_, people_, histories);
  }
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
  if (!counts) return;
  if (!why.empty()) ++explained_;
  if (judgement_.unsure) {
    ++report_.unsure;
    return;
  }
  compare(call, *past, why);
}

void Replay::compare(const RecordedCall& call, const PastCall& past, std::string& why) {
  if (past.redacted > 0) ++report_.redacted;
  if (past.unknown_person) ++report_.strangers;
  if (past.world != engine_->world()) ++report_.other_world;
  if (judgement_.kind == *call.decided) {
    ++report_.same;
    return;
  }
  const Change change = change_of(*call.decided, judgement_.kind);
  ++report_.flips.at(static_cast<std::size_t>(change));
  const auto add = [&](std::string_view policy) {
    ReplayReport::Group& group = report_.groups[{change, std::string(policy)}];
    ++group.count;
    ++group.agents[std::string(call.agent)];
    ++group.targets[std::string(call.target)];
    if (group.examples.size() >= settings_.examples) return;
    group.examples.push_back({.seq = call.seq,
                              .time = base::to_rfc3339(call.at),
                              .call = std::string(call.call),
                              .agent = std::string(call.agent),
                              .target = std::string(call.target),
                              .before = *call.decided,
                              .after = judgement_.kind,
                              .rules_before = owned(call.rules),
                              .rules_after = owned(judgement_.policies),
                              .why = change == Change::refused ? why : std::string(call.why),
                              .redacted = past.redacted > 0});
  };
  if (judgement_.policies.empty()) add("");
  for (const std::string_view policy : judgement_.policies) add(policy);
}

void Replay::take(const RecordedAnswer& answer) {
  if (!past_) return;
  const auto found = past_->waiting.find(std::string(answer.call));
  if (found == past_->waiting.end()) return;
  const Past::Waiting& waiting = *found->second;
  engine_->remember(waiting.call, answer.call,
                    answer.failed ? std::nullopt : std::optional(answer.output), answer.at,
                    waiting.histories, scratch_);
  past_->waiting.erase(found);
}

}  // namespace latticegate::policy
