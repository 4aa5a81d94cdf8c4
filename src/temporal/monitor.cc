#include "temporal/monitor.h"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <list>

#include "json/value.h"
#include "json/write.h"
#include "temporal/detail/code.h"
#include "temporal/detail/table.h"

namespace latticegate::temporal {
namespace {

using base::Code;
using Formula = cedar::TemporalFormula;
using cedar::Value;
using Op = cedar::TemporalFormula::Op;
using Keep = TablePlan::Keep;

constexpr std::size_t most_slots = 64;
constexpr std::int64_t format_version = 1;

std::uint64_t key_of(const cedar::EntityUid& action, std::string_view kind) {
  return action.hash() * 31 + cedar::hash_of(kind);
}

// What the event says to one pattern: the values of its columns.
struct Match {
  std::uint32_t pattern = 0;
  std::vector<Datum> columns;
};

// An event as a condition keeps it.
struct Kept {
  std::uint64_t number = 0;
  std::int64_t at = 0;
  std::vector<Match> matches;

  const Match* match(std::uint32_t pattern) const {
    const auto found = std::ranges::find(matches, pattern, &Match::pattern);
    return found == matches.end() ? nullptr : &*found;
  }
  std::size_t size() const {
    std::size_t bytes = sizeof(Kept);
    for (const Match& one : matches) {
      bytes += sizeof(Match) + one.columns.size() * sizeof(Datum);
      for (const Datum& datum : one.columns) bytes += datum.text.size();
    }
    return bytes;
  }
};

// The watch of one condition.
struct Watch {
  explicit Watch(std::shared_ptr<const Condition> watched) : condition(std::move(watched)) {
    tables.reserve(code().tables.size());
    for (const TablePlan& plan : code().tables) tables.emplace_back(plan);
  }
  Watch(Watch&&) = default;
  Watch& operator=(Watch&&) = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() = default;

  std::shared_ptr<const Condition> condition;
  std::vector<Table> tables;
  std::deque<Kept> events;  // of the window, when it is judged by the definition
  Kept present;             // the latest event that a pattern takes, otherwise
  std::int64_t blind_until = std::numeric_limits<std::int64_t>::min();

  const Condition::Code& code() const { return condition->code(); }
};

std::int64_t nanoseconds(base::Time time) { return time.time_since_epoch().count(); }

// Values of variables while a condition is asked.
using Environment = std::array<const Datum*, most_slots>;

bool compare(Formula::Comparison comparison, const Datum& left, const Datum& right) {
  if (comparison == Formula::Comparison::equal) return left == right;
  if (left.kind != Datum::Kind::integer || right.kind != Datum::Kind::integer) return false;
  switch (comparison) {
    case Formula::Comparison::less: return left.number < right.number;
    case Formula::Comparison::less_equal: return left.number <= right.number;
    case Formula::Comparison::greater: return left.number > right.number;
    default: return left.number >= right.number;
  }
}

Datum total_of(Wide total) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  if (total > most) return Datum::integer(most);
  if (total < least) return Datum::integer(least);
  return Datum::integer(static_cast<std::int64_t>(total));
}

// What is called for each way to satisfy a part; true ends the search. Does not own.
class Found {
 public:
  template <class F>
  explicit Found(const F& function)
      : target_(&function),
        call_([](const void* target) -> bool { return (*static_cast<const F*>(target))(); }) {}
  bool operator()() const { return call_(target_); }

 private:
  const void* target_;
  bool (*call_)(const void*);
};

// Asks one condition at the latest event.
class Question {
 public:
  Question(Watch& watch, std::uint64_t number, std::int64_t now, const cedar::Request* request,
           const cedar::EntityView* entities)
      : watch_(watch),
        code_(watch.code()),
        number_(number),
        now_(now),
        request_(request),
        entities_(entities),
        parameters_(code_.parameters.size()) {}

  std::optional<bool> ask() {
    if (now_ <= watch_.blind_until) return std::nullopt;
    const auto found = [] { return true; };
    const Point present{.number = number_,
                        .at = now_,
                        .present = true,
                        .kept = present_event(),
                        .index = watch_.events.empty() ? 0 : watch_.events.size() - 1};
    const bool answer =
        each(static_cast<std::uint32_t>(code_.nodes.size() - 1), present, Found(found));
    if (failed_) return std::nullopt;
    return answer;
  }

  // Whether filters hold for an event's columns.
  bool passes(const Capture& capture, const Match& match, std::uint64_t number) {
    for (const auto& [first, second] : capture.same)
      if (match.columns[first] != match.columns[second]) return false;
    if (capture.filters.empty()) return true;
    const Pattern& pattern = code_.patterns[capture.pattern];
    for (std::size_t i = 0; i < match.columns.size(); ++i)
      if (pattern.columns[i].operand.kind == Operand::Kind::slot)
        values_[pattern.columns[i].operand.index] = &match.columns[i];
    const auto found = [] { return true; };
    const Point point{.number = number};
    return std::ranges::all_of(
        capture.filters, [&](std::uint32_t filter) { return each(filter, point, Found(found)); });
  }

 private:
  struct Point {
    std::uint64_t number = 0;
    std::int64_t at = 0;
    bool present = false;
    const Kept* kept = nullptr;  // null: no pattern takes the event
    std::size_t index = 0;       // in the events that are kept
  };

  const Kept* present_event() const {
    if (code_.keeps_events) return watch_.events.empty() ? nullptr : &watch_.events.back();
    return watch_.present.number == number_ ? &watch_.present : nullptr;
  }

  bool fail() {
    failed_ = true;
    return true;
  }
  bool step() { return ++steps_ > most_steps; }

  // The value, or null when there is none yet. Sets failed_ for a request without it.
  const Datum* parameter(std::uint32_t index) {
    std::optional<Datum>& known = parameters_[index];
    if (known) return &*known;
    const Parameter& wanted = code_.parameters[index];
    Value value;
    std::span<const cedar::Name> path = wanted.path;
    if (wanted.root == cedar::TemporalTerm::Kind::context) {
      value = request_->context;
    } else {
      const cedar::EntityUid& uid = wanted.root == cedar::TemporalTerm::Kind::principal
                                        ? request_->principal
                                        : request_->resource;
      value = Value::entity(&uid);
    }
    for (const cedar::Name& name : path) {
      if (value.is(cedar::Kind::entity)) {
        const cedar::Entity* const entity = entities_->find(value.uid());
        value = entity == nullptr ? Value() : entity->attributes;
      }
      value = value.is(cedar::Kind::record) ? value.field(name) : Value();
    }
    if (!value || value.is(cedar::Kind::unknown)) {
      failed_ = true;
      return nullptr;
    }
    known = datum_of(value);
    return &*known;
  }

  // `room` takes a value that is computed. Null: no value.
  const Datum* value_of(const Operand& operand, const Point& point, Datum& room) {
    switch (operand.kind) {
      case Operand::Kind::literal: return &operand.literal;
      case Operand::Kind::parameter: return parameter(operand.index);
      case Operand::Kind::slot: return values_[operand.index];
      case Operand::Kind::aggregate: break;
    }
    return aggregate(operand.index, point, room) ? &room : nullptr;
  }

  // Gives a variable that value, goes on, and takes it away; or compares.
  bool bind(std::uint32_t slot, const Datum& value, Found found) {
    if (values_[slot] != nullptr) return *values_[slot] == value && found();
    values_[slot] = &value;
    const bool ended = found();
    values_[slot] = nullptr;
    return ended;
  }

  // Each way to satisfy the node at that point, given the variables that have values. True: the
  // search ended.
  bool each(std::uint32_t index, const Point& point, Found found) {
    if (failed_ || step()) return fail();
    const Node& node = code_.nodes[index];
    switch (node.op) {
      case Op::conjunction: return conjuncts(node.operands, point, found);
      case Op::negation: {
        const auto any = [] { return true; };
        if (each(node.operands[0], point, Found(any))) return failed_;
        return found();
      }
      case Op::event: return event(node, point, found);
      case Op::moment: {
        const Datum moment = Datum::moment(point.number);
        return bind(node.slot, moment, found);
      }
      case Op::comparison: return comparison(node, point, found);
      case Op::exists: {
        // An outer variable cannot be meant: each binder has a slot of its own. But the same
        // binder may be on the way already.
        const Datum* const outer = std::exchange(values_[node.slot], nullptr);
        const bool ended = each(node.operands[0], point, found);
        values_[node.slot] = outer;
        return ended;
      }
      case Op::formerly: return formerly(node, point, found);
      case Op::previous: return previous(node, point, found);
      case Op::since: return since(node, point, found);
    }
    std::unreachable();
  }

  bool conjuncts(std::span<const std::uint32_t> parts, const Point& point, Found found) {
    if (parts.size() == 1) return each(parts.front(), point, found);
    const auto rest = [&] { return conjuncts(parts.subspan(1), point, found); };
    return each(parts.front(), point, Found(rest));
  }

  bool event(const Node& node, const Point& point, Found found) {
    const Match* const match = point.kept == nullptr ? nullptr : point.kept->match(node.pattern);
    return match != nullptr && columns(code_.patterns[node.pattern], *match, 0, found);
  }
  bool columns(const Pattern& pattern, const Match& match, std::size_t from, Found found) {
    for (std::size_t i = from; i < match.columns.size(); ++i) {
      const Operand& operand = pattern.columns[i].operand;
      if (operand.kind == Operand::Kind::slot) {
        const auto rest = [&] { return columns(pattern, match, i + 1, found); };
        return bind(operand.index, match.columns[i], Found(rest));
      }
      const Datum* const wanted = parameter(operand.index);
      if (wanted == nullptr) return fail();
      if (*wanted != match.columns[i]) return false;
    }
    return found();
  }

  bool comparison(const Node& node, const Point& point, Found found) {
    Datum left_room;
    Datum right_room;
    const Datum* const left = value_of(node.left, point, left_room);
    const Datum* const right = failed_ ? nullptr : value_of(node.right, point, right_room);
    if (failed_) return true;
    if (left != nullptr && right != nullptr)
      return compare(node.comparison, *left, *right) && found();
    if (node.comparison != Formula::Comparison::equal) return false;
    if (left == nullptr && right != nullptr && node.left.kind == Operand::Kind::slot)
      return bind(node.left.index, *right, found);
    if (right == nullptr && left != nullptr && node.right.kind == Operand::Kind::slot)
      return bind(node.right.index, *left, found);
    return false;
  }

  // ---- counts and sums

  bool aggregate(std::uint32_t index, const Point& point, Datum& out) {
    const Aggregate& wanted = code_.aggregates[index];
    std::array<const Datum*, most_slots> outer{};
    for (const std::uint32_t slot : wanted.domain)
      outer[slot] = std::exchange(values_[slot], nullptr);
    const bool known =
        wanted.table != none && point.present ? at_hand(wanted, out) : rows(wanted, point, out);
    for (const std::uint32_t slot : wanted.domain) values_[slot] = outer[slot];
    return known;
  }

  bool at_hand(const Aggregate& wanted, Datum& out) {
    const TablePlan& plan = code_.tables[wanted.table];
    if (!key(plan.capture)) return false;
    const Table::Bucket* const bucket = watch_.tables[wanted.table].find(key_, now_ - plan.window);
    if (bucket == nullptr)
      out = Datum::integer(0);
    else if (wanted.sum)
      out = total_of(bucket->sum);
    else
      out = Datum::integer(static_cast<std::int64_t>(bucket->rows.size()));
    return true;
  }

  bool rows(const Aggregate& wanted, const Point& point, Datum& out) {
    std::unordered_map<std::string, bool> seen;
    Wide sum = 0;
    const auto row = [&] {
      std::string text;
      for (const std::uint32_t slot : wanted.domain) {
        if (values_[slot] == nullptr) return fail();  // the checks of compile() exclude it
        append(*values_[slot], text);
      }
      if (!seen.emplace(std::move(text), true).second) return false;
      if (wanted.sum && values_[wanted.summed]->kind == Datum::Kind::integer)
        sum += values_[wanted.summed]->number;
      return false;
    };
    each(wanted.body, point, Found(row));
    if (failed_) return false;
    out = wanted.sum ? total_of(sum) : Datum::integer(static_cast<std::int64_t>(seen.size()));
    return true;
  }

  // ---- operators

  // The key of a capture by what is known now, in key_. False: failed.
  bool key(const Capture& capture) {
    key_.clear();
    for (const Capture::Key& part : capture.keys) {
      const Datum* const value = part.operand.kind == Operand::Kind::parameter
                                     ? parameter(part.operand.index)
                                     : values_[part.operand.index];
      if (value == nullptr) return !fail();
      append(*value, key_);
    }
    return true;
  }

  bool bind_row(const Capture& capture, const Row& row, std::size_t from, const Datum& moment,
                Found found) {
    if (from == capture.binds.size()) return found();
    const Capture::Bound& one = capture.binds[from];
    const auto rest = [&] { return bind_row(capture, row, from + 1, moment, found); };
    return bind(one.slot, one.column == none ? moment : row.values[from], Found(rest));
  }

  bool formerly(const Node& node, const Point& point, Found found) {
    if (node.table != none && point.present) {
      const TablePlan& plan = code_.tables[node.table];
      if (!key(plan.capture)) return true;
      const Table::Bucket* const bucket = watch_.tables[node.table].find(key_, now_ - plan.window);
      if (bucket == nullptr) return false;
      if (plan.keep == Keep::last) return found();
      for (const Row& row : bucket->rows) {
        if (step()) return fail();
        const Datum moment = Datum::moment(row.number);
        if (bind_row(plan.capture, row, 0, moment, found)) return true;
      }
      return false;
    }
    for (std::size_t i = point.index + 1; i-- > 0;) {
      const Point there = past(i);
      if (point.at - there.at > node.window) break;
      if (each(node.operands[0], there, found)) return true;
    }
    return false;
  }

  // An event that is kept; the latest one is the present.
  Point past(std::size_t index) const {
    const Kept& kept = watch_.events[index];
    return {.number = kept.number, .at = kept.at, .kept = &kept, .index = index};
  }

  bool previous(const Node& node, const Point& point, Found found) {
    if (node.table != none && point.present) {
      const TablePlan& plan = code_.tables[node.table];
      if (!key(plan.capture)) return true;
      const Row* const row = watch_.tables[node.table].of_event(number_ - 1);
      if (row == nullptr || row->key != key_ || now_ - row->at > plan.window) return false;
      const Datum moment = Datum::moment(row->number);
      return bind_row(plan.capture, *row, 0, moment, found);
    }
    if (point.index == 0) return false;
    const Point there = past(point.index - 1);
    if (there.number + 1 != point.number || point.at - there.at > node.window) return false;
    return each(node.operands[0], there, found);
  }

  bool since(const Node& node, const Point& point, Found found) {
    if (node.table != none && point.present) return since_at_hand(node) && (failed_ || found());
    for (std::size_t i = point.index + 1; i-- > 0;) {
      const Point there = past(i);
      if (point.at - there.at > node.window) break;
      const auto held = [&] {
        const auto any = [] { return true; };
        for (std::size_t k = i + 1; k <= point.index; ++k)
          if (!each(node.operands[0], past(k), Found(any))) return false;
        return failed_ || found();
      };
      if (each(node.operands[1], there, Found(held))) return true;
    }
    return false;
  }

  // The latest event of the right side serves best: nothing of it is further from its window, and
  // the left side has to hold for the fewest events.
  bool since_at_hand(const Node& node) {
    const TablePlan& anchors = code_.tables[node.table];
    if (!key(anchors.capture)) return true;
    const Table::Bucket* const anchor = watch_.tables[node.table].find(key_, now_ - anchors.window);
    if (anchor == nullptr) return false;
    const std::uint64_t begun = anchor->rows.back().number;
    if (begun == number_) return true;
    const TablePlan& held = code_.tables[node.left_table];
    if (!key(held.capture)) return true;
    if (node.left_negated) {
      const Table::Bucket* const broken =
          watch_.tables[node.left_table].find(key_, now_ - held.window);
      return broken == nullptr || broken->rows.back().number <= begun;
    }
    const Run& run = watch_.tables[node.left_table].run();
    return run.last == number_ && run.key == key_ && run.first <= begun + 1;
  }

  Watch& watch_;
  const Condition::Code& code_;
  std::uint64_t number_;
  std::int64_t now_;
  const cedar::Request* request_;
  const cedar::EntityView* entities_;
  std::vector<std::optional<Datum>> parameters_;
  Environment values_{};
  std::string key_;
  std::uint32_t steps_ = 0;
  bool failed_ = false;
};

}  // namespace

// ---- Monitor

Monitor::Monitor(std::vector<std::shared_ptr<const Condition>> conditions) {
  for (std::shared_ptr<const Condition>& condition : conditions) {
    const auto same = std::ranges::find_if(
        conditions_, [&](const auto& other) { return other->text() == condition->text(); });
    places_.push_back(static_cast<std::uint32_t>(same - conditions_.begin()));
    if (same != conditions_.end()) continue;
    const auto index = static_cast<std::uint32_t>(conditions_.size());
    const auto& patterns = condition->code().patterns;
    for (std::uint32_t i = 0; i < patterns.size(); ++i)
      by_action_[key_of(patterns[i].action, patterns[i].kind)].push_back({index, i});
    keeps_events_ = keeps_events_ || condition->keeps_events();
    conditions_.push_back(std::move(condition));
  }
}

const std::vector<Monitor::Interest>* Monitor::interests(const cedar::EntityUid& action,
                                                         std::string_view kind) const {
  const auto found = by_action_.find(key_of(action, kind));
  return found == by_action_.end() ? nullptr : &found->second;
}

bool Monitor::hears(const cedar::EntityUid& action, std::span<const cedar::EntityUid> groups,
                    std::string_view kind) const {
  return keeps_events_ || interests(action, kind) != nullptr ||
         std::ranges::any_of(groups, [&](const cedar::EntityUid& group) {
           return interests(group, kind) != nullptr;
         });
}

// ---- State

struct State::Content {
  explicit Content(const Limits& given) : limits(given) {}
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  ~Content() { charge(0); }

  Limits limits;
  std::shared_ptr<const Monitor> monitor;
  std::vector<Watch> watches;
  std::uint64_t number = 0;  // of the latest event; the first is 1
  std::int64_t at = std::numeric_limits<std::int64_t>::min();
  std::int64_t lost_at = std::numeric_limits<std::int64_t>::min();
  std::string saved;  // loaded and not read yet
  std::size_t bytes = 0;
  std::int64_t charged = 0;  // to the budget

  void charge(std::size_t size) {
    bytes = size;
    if (limits.budget == nullptr) return;
    const auto now = static_cast<std::int64_t>(size);
    limits.budget->used.fetch_add(now - charged, std::memory_order_relaxed);
    charged = now;
  }
  bool fits(std::size_t more) const {
    if (bytes + more > limits.size.count) return false;
    return limits.budget == nullptr ||
           limits.budget->used.load(std::memory_order_relaxed) + static_cast<std::int64_t>(more) <=
               limits.budget->limit;
  }

  void measure() {
    std::size_t size = saved.size();
    for (const Watch& watch : watches) {
      for (const Table& table : watch.tables) size += table.size();
      for (const Kept& kept : watch.events) size += kept.size();
    }
    charge(size);
  }

  // The columns of the event, or nothing when the pattern does not take it. Unknown values make
  // the watch blind.
  std::optional<Match> match(Watch& watch, std::uint32_t index, const Fields& fields) {
    const Pattern& pattern = watch.code().patterns[index];
    bool unknown = false;
    for (const Pattern::Literal& literal : pattern.literals) {
      const Value value = fields.find(literal.path);
      if (value.is(cedar::Kind::unknown))
        unknown = true;
      else if (!value || datum_of(value) != literal.value)
        return std::nullopt;
    }
    Match match{.pattern = index, .columns = {}};
    match.columns.reserve(pattern.columns.size());
    for (const Pattern::Column& column : pattern.columns) {
      const Value value = fields.find(column.path);
      if (!value) return std::nullopt;
      if (value.is(cedar::Kind::unknown))
        unknown = true;
      else
        match.columns.push_back(datum_of(value));
    }
    if (!unknown) return match;
    blind(watch);
    return std::nullopt;
  }

  void blind(Watch& watch) const {
    watch.blind_until = std::max(watch.blind_until, at + watch.code().horizon);
  }

  void take(Watch& watch, const Match& match) {
    const Condition::Code& code = watch.code();
    for (std::size_t i = 0; i < code.tables.size(); ++i) {
      const TablePlan& plan = code.tables[i];
      if (plan.capture.pattern != match.pattern) continue;
      const bool conditional = !plan.capture.same.empty() || !plan.capture.filters.empty();
      if (conditional &&
          !Question(watch, number, at, nullptr, nullptr).passes(plan.capture, match, number))
        continue;
      Row row{.at = at, .number = number, .key = {}, .values = {}};
      for (const Capture::Key& key : plan.capture.keys) append(match.columns[key.column], row.key);
      for (const Capture::Bound& bound : plan.capture.binds)
        row.values.push_back(bound.column == none ? Datum::moment(number)
                                                  : match.columns[bound.column]);
      Table& table = watch.tables[i];
      std::size_t before = table.size();
      table.expire(at);
      charge(bytes + table.size() - before);
      before = table.size();
      if (fits(row.size()))
        table.add(std::move(row));
      else
        blind(watch);
      charge(bytes + table.size() - before);
    }
  }

  void observe(const Event& event) {
    ++number;
    at = std::max(at, nanoseconds(event.at));
    const auto hear = [&](const cedar::EntityUid& action) {
      const auto* const interests = monitor->interests(action, event.kind);
      if (interests == nullptr) return;
      for (const Monitor::Interest& interest : *interests) {
        Watch& watch = watches[interest.condition];
        const Pattern& pattern = watch.code().patterns[interest.pattern];
        if (pattern.action != action || pattern.kind != event.kind) continue;
        auto found = match(watch, interest.pattern, *event.fields);
        if (!found) continue;
        take(watch, *found);
        if (!watch.code().sees_present) continue;
        if (watch.present.number != number)
          watch.present = {.number = number, .at = at, .matches = {}};
        watch.present.matches.push_back(*std::move(found));
      }
    };
    hear(event.action);
    for (const cedar::EntityUid& group : event.groups) hear(group);
    if (monitor->keeps_events_)
      for (Watch& watch : watches)
        if (watch.code().keeps_events) keep(watch);
  }

  void keep(Watch& watch) {
    const std::int64_t horizon = watch.code().horizon;
    while (!watch.events.empty() && at - watch.events.front().at > horizon) {
      charge(bytes - watch.events.front().size());
      watch.events.pop_front();
    }
    Kept kept{.number = number, .at = at, .matches = {}};
    if (watch.present.number == number) kept.matches = std::move(watch.present.matches);
    watch.present = {};
    const std::size_t size = kept.size();
    if (!fits(size)) {
      blind(watch);
      return;
    }
    watch.events.push_back(std::move(kept));
    charge(bytes + size);
  }

  bool idle(std::int64_t now) {
    if (!saved.empty() && watches.empty()) return false;
    for (Watch& watch : watches) {
      if (now <= watch.blind_until) return false;
      for (Table& table : watch.tables) {
        table.expire(now);
        if (!table.empty(now)) return false;
      }
      if (!watch.events.empty() && now - watch.events.back().at <= watch.code().horizon)
        return false;
    }
    measure();
    return true;
  }

  void read(json::Value tree);
};

State::State(const Limits& limits) : content_(std::make_unique<Content>(limits)) {}
State::State(State&&) noexcept = default;
State& State::operator=(State&&) noexcept = default;
State::~State() = default;

const std::shared_ptr<const Monitor>& State::monitor() const { return content_->monitor; }
std::size_t State::size() const { return content_->bytes; }

void State::attend(const std::shared_ptr<const Monitor>& monitor) {
  Content& content = *content_;
  if (content.monitor == monitor) return;
  std::vector<Watch> watches;
  for (const std::shared_ptr<const Condition>& condition : monitor->conditions_) {
    const auto known = std::ranges::find_if(content.watches, [&](const Watch& watch) {
      return watch.condition->text() == condition->text();
    });
    if (known != content.watches.end()) {
      // The same text compiles to the same plan; the tables point into the old one, which goes on.
      watches.push_back(std::move(*known));
      content.watches.erase(known);
      continue;
    }
    Watch watch(condition);
    if (content.lost_at != std::numeric_limits<std::int64_t>::min())
      watch.blind_until = content.lost_at + condition->code().horizon;
    watches.push_back(std::move(watch));
  }
  content.watches = std::move(watches);
  content.monitor = monitor;
  if (!content.saved.empty()) {
    if (const auto document = json::Document::parse(content.saved, {.allow_nul = true}))
      content.read(document->root());
    content.saved.clear();
  }
  content.measure();
}

void State::observe(const Event& event) {
  if (content_->monitor) content_->observe(event);
}

std::optional<bool> State::holds(std::size_t condition, const cedar::Request& request,
                                 const cedar::EntityView& entities) {
  Content& content = *content_;
  base::check(content.monitor != nullptr && condition < content.monitor->size(),
              "a condition that is watched");
  Watch& watch = content.watches[content.monitor->places_[condition]];
  const auto size = [&] {
    std::size_t bytes = 0;
    for (const Table& table : watch.tables) bytes += table.size();
    return bytes;
  };
  const std::size_t before = size();
  const auto answer = Question(watch, content.number, content.at, &request, &entities).ask();
  content.charge(content.bytes + size() - before);
  return answer;
}

void State::lost(base::Time now) {
  content_->lost_at = nanoseconds(now);
  for (Watch& watch : content_->watches)
    watch.blind_until = std::max(watch.blind_until, content_->lost_at + watch.code().horizon);
}

bool State::idle(base::Time now) { return content_->idle(nanoseconds(now)); }

// ---- as JSON

namespace {

void write_row(const Row& row, json::Writer& writer) {
  writer.begin_array()
      .integer(row.at)
      .integer(static_cast<std::int64_t>(row.number))
      .string(base::to_hex(base::bytes_of(row.key)));
  for (const Datum& datum : row.values) write(datum, writer);
  writer.end_array();
}

base::Result<Row> read_row(json::Value tree) {
  const auto at = tree.at(0).integer();
  const auto number = tree.at(1).integer();
  auto key = base::from_hex(tree.at(2).text_or("-"));
  if (!at || !number || !key) return base::fail(Code::malformed, "a row of a table");
  Row row{.at = *at,
          .number = static_cast<std::uint64_t>(*number),
          .key = *std::move(key),
          .values = {}};
  std::size_t position = 0;
  for (const json::Value value : tree.elements()) {
    if (position++ < 3) continue;
    auto datum = read_datum(value);
    if (!datum) return std::unexpected(std::move(datum).error());
    row.values.push_back(*std::move(datum));
  }
  return row;
}

void write_event(const Kept& kept, json::Writer& writer) {
  writer.begin_array().integer(kept.at).integer(static_cast<std::int64_t>(kept.number));
  for (const Match& match : kept.matches) {
    writer.begin_array().integer(match.pattern);
    for (const Datum& datum : match.columns) write(datum, writer);
    writer.end_array();
  }
  writer.end_array();
}

base::Result<Kept> read_event(json::Value tree, const Condition::Code& code) {
  const auto at = tree.at(0).integer();
  const auto number = tree.at(1).integer();
  if (!at || !number) return base::fail(Code::malformed, "an event");
  Kept kept{.number = static_cast<std::uint64_t>(*number), .at = *at, .matches = {}};
  std::size_t position = 0;
  for (const json::Value part : tree.elements()) {
    if (position++ < 2) continue;
    const auto pattern = part.at(0).integer();
    if (!pattern || *pattern < 0 || static_cast<std::size_t>(*pattern) >= code.patterns.size())
      return base::fail(Code::malformed, "an event of no known pattern");
    Match match{.pattern = static_cast<std::uint32_t>(*pattern), .columns = {}};
    std::size_t column = 0;
    for (const json::Value value : part.elements()) {
      if (column++ == 0) continue;
      auto datum = read_datum(value);
      if (!datum) return std::unexpected(std::move(datum).error());
      match.columns.push_back(*std::move(datum));
    }
    if (match.columns.size() != code.patterns[match.pattern].columns.size())
      return base::fail(Code::malformed, "an event with other columns");
    kept.matches.push_back(std::move(match));
  }
  return kept;
}

}  // namespace

std::string State::save() const {
  const Content& content = *content_;
  if (!content.saved.empty()) return content.saved;
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("version", format_version);
  writer.member("number", static_cast<std::int64_t>(content.number)).member("at", content.at);
  writer.member("lost", content.lost_at);
  writer.key("conditions").begin_object();
  for (const Watch& watch : content.watches) {
    writer.key(watch.code().fingerprint).begin_object().member("blind", watch.blind_until);
    writer.key("tables").begin_array();
    for (const Table& table : watch.tables) {
      writer.begin_array();
      table.each([&](const Row& row) { write_row(row, writer); });
      writer.end_array();
    }
    writer.end_array().key("events").begin_array();
    for (const Kept& kept : watch.events) write_event(kept, writer);
    writer.end_array().end_object();
  }
  writer.end_object().end_object();
  return out;
}

base::Result<void> State::load(std::string text) {
  const auto document = json::Document::parse(text, {.allow_nul = true});
  if (!document) return std::unexpected(document.error());
  if (document->root()["version"].integer() != format_version)
    return base::fail(Code::malformed, "a history of another version");
  content_->saved = std::move(text);
  content_->measure();
  return {};
}

void State::Content::read(json::Value tree) {
  // What cannot be read was there: the condition has no answer for its window.
  number =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, tree["number"].integer().value_or(0)));
  at = tree["at"].integer().value_or(at);
  lost_at = tree["lost"].integer().value_or(lost_at);
  for (Watch& watch : watches) {
    const json::Value known = tree["conditions"][watch.code().fingerprint];
    if (!known) continue;
    watch.blind_until = known["blind"].integer().value_or(watch.blind_until);
    bool good = known["tables"].size() == watch.tables.size();
    std::size_t index = 0;
    for (const json::Value rows : known["tables"].elements()) {
      if (!good) break;
      Table& table = watch.tables[index];
      const std::size_t values = watch.code().tables[index++].capture.binds.size();
      for (const json::Value row : rows.elements()) {
        auto read = read_row(row);
        good = good && read && read->values.size() == values && read->number <= number &&
               read->at <= at;
        if (good) table.add(*std::move(read));
      }
    }
    for (const json::Value event : known["events"].elements()) {
      auto read = read_event(event, watch.code());
      good = good && read && read->number <= number && read->at <= at;
      if (good) watch.events.push_back(*std::move(read));
    }
    if (!good) blind(watch);
  }
}

}  // namespace latticegate::temporal
