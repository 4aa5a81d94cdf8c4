#include "temporal/condition.h"

#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <utility>
#include <vector>

#include "base/suggest.h"
#include "crypto/hash.h"
#include "temporal/detail/code.h"

namespace latticegate::temporal {
namespace {

using Formula = cedar::TemporalFormula;
using Term = cedar::TemporalTerm;
using Op = cedar::TemporalFormula::Op;
using Keep = TablePlan::Keep;

constexpr std::uint32_t most_slots = 64;
constexpr std::uint32_t most_nodes = 2'000;
constexpr std::int64_t nanoseconds = 1'000'000'000;

constexpr std::string_view timepoint = "Timepoint";
constexpr std::string_view long_type = "Long";
constexpr std::array<std::string_view, 8> plain_types{
    "Long", "String", "Bool", "Timepoint", "decimal", "datetime", "duration", "ipaddr"};

// Reads a formula, checks it, and plans how it is watched. Stops at the first complaint.
class Compiler {
 public:
  explicit Compiler(Condition::Code& code) : code_(code) {}

  std::optional<Complaint> run(const Formula& formula) {
    code_.text = cedar::print(formula);
    code_.fingerprint = crypto::to_hex(crypto::sha256(code_.text));
    const std::uint32_t root = lower(formula);
    if (complaint_) return complaint_;
    check_conjuncts(root);
    check(root, 0);
    if (complaint_) return complaint_;
    code_.horizon = horizon(root);
    if (code_.horizon > std::chrono::nanoseconds(longest_window).count()) {
      complain(formula.span, std::format("the windows reach back further than {} hours, which is "
                                         "the limit",
                                         longest_window.count()));
      return complaint_;
    }
    plan(root, 0);
    return complaint_;
  }

 private:
  void complain(cedar::Span span, std::string message) {
    if (!complaint_) complaint_ = Complaint{span, std::move(message)};
  }

  // ---- from the formula to nodes

  struct Scope {
    std::string_view name;
    std::uint32_t slot;
  };

  std::span<const cedar::Name> copy(std::span<const cedar::Name> path) {
    std::vector<cedar::Name> names;
    names.reserve(path.size());
    for (const cedar::Name& name : path) names.emplace_back(code_.arena.copy(name.text()));
    return code_.arena.copy(std::span<const cedar::Name>(names));
  }

  std::uint32_t declare(const cedar::Variable& variable) {
    const bool entity = variable.type.contains("::");
    if (!entity && !std::ranges::contains(plain_types, variable.type)) {
      const auto near = base::nearest(variable.type, plain_types);
      complain(variable.span,
               std::format("there is no type `{}`{}", variable.type,
                           near ? std::format(" (did you mean `{}`?)", *near)
                                : std::string(" (an entity's type has its namespace)")));
    }
    if (code_.slots == most_slots) {
      complain(variable.span, std::format("more than {} variables", most_slots));
      return 0;
    }
    const std::uint32_t slot = code_.slots++;
    names_.push_back(variable.name);
    types_.push_back(variable.type);
    scope_.push_back({variable.name, slot});
    return slot;
  }

  std::uint32_t resolve(std::string_view name, cedar::Span span) {
    const auto found = std::ranges::find(scope_.rbegin(), scope_.rend(), name, &Scope::name);
    if (found != scope_.rend()) return found->slot;
    complain(span, std::format("the variable `{0}` is not bound: put exists ({0}: Type). before "
                               "the condition, or write _ for any value",
                               name));
    return 0;
  }

  std::uint32_t parameter(const Term& term) {
    for (std::uint32_t i = 0; i < code_.parameters.size(); ++i)
      if (code_.parameters[i].root == term.kind &&
          std::ranges::equal(code_.parameters[i].path, term.path))
        return i;
    code_.parameters.push_back({term.kind, copy(term.path)});
    return static_cast<std::uint32_t>(code_.parameters.size() - 1);
  }

  Operand operand(const Term& term) {
    switch (term.kind) {
      case Term::Kind::literal:
        return {.kind = Operand::Kind::literal, .literal = datum_of(term.value)};
      case Term::Kind::context:
      case Term::Kind::principal:
      case Term::Kind::resource:
        return {.kind = Operand::Kind::parameter, .index = parameter(term)};
      case Term::Kind::variable:
        return {.kind = Operand::Kind::slot, .index = resolve(term.name, term.span)};
      case Term::Kind::count:
      case Term::Kind::sum: return {.kind = Operand::Kind::aggregate, .index = aggregate(term)};
      case Term::Kind::wildcard: break;
    }
    complain(term.span, "a wildcard cannot be compared: it is no value");
    return {};
  }

  std::uint32_t aggregate(const Term& term) {
    Aggregate made;
    made.sum = term.kind == Term::Kind::sum;
    const std::size_t outer = scope_.size();
    for (const cedar::Variable& variable : term.domain) made.domain.push_back(declare(variable));
    if (made.sum) {
      const auto found = std::ranges::find(term.domain, term.name, &cedar::Variable::name);
      if (found == term.domain.end()) {
        complain(term.span,
                 std::format("the sum of `{0}` needs `{0}` in its `for` list", term.name));
      } else {
        made.summed = made.domain[static_cast<std::size_t>(found - term.domain.begin())];
        if (found->type != long_type)
          complain(found->span,
                   std::format("only a Long can be summed, `{}` is a {}", term.name, found->type));
      }
    }
    made.body = lower(*term.body);
    scope_.resize(outer);
    code_.aggregates.push_back(std::move(made));
    aggregate_spans_.push_back(term.span);
    return static_cast<std::uint32_t>(code_.aggregates.size() - 1);
  }

  std::string_view type_of(const Operand& operand) const {
    switch (operand.kind) {
      case Operand::Kind::aggregate: return long_type;
      case Operand::Kind::slot: return types_.empty() ? std::string_view() : types_[operand.index];
      case Operand::Kind::parameter: return {};
      case Operand::Kind::literal: break;
    }
    switch (operand.literal.kind) {
      case Datum::Kind::boolean: return "Bool";
      case Datum::Kind::integer: return long_type;
      case Datum::Kind::string: return "String";
      case Datum::Kind::decimal: return "decimal";
      case Datum::Kind::entity: return "entity";
      default: return {};
    }
  }
  static bool compatible(std::string_view a, std::string_view b) {
    if (a.empty() || b.empty() || a == b) return true;
    return (a == "entity" && b.contains("::")) || (b == "entity" && a.contains("::"));
  }

  void check_types(const Formula& formula, const Node& node) {
    const std::string_view left = type_of(node.left);
    const std::string_view right = type_of(node.right);
    if (formula.comparison == Formula::Comparison::equal) {
      if (!compatible(left, right))
        complain(formula.span, std::format("a {} is never equal to a {}", left, right));
      return;
    }
    for (const std::string_view type : {left, right})
      if (!type.empty() && type != long_type)
        complain(formula.span, std::format("only numbers (Long) are ordered, this is a {}", type));
  }

  std::uint32_t event(const Formula& formula) {
    Pattern pattern;
    pattern.action = cedar::copy(formula.action, code_.arena);
    pattern.kind = code_.arena.copy(formula.kind);
    for (const cedar::FieldPattern& field : formula.fields) {
      if (field.term.kind == Term::Kind::wildcard) continue;
      Operand value = operand(field.term);
      if (value.kind == Operand::Kind::literal)
        pattern.literals.push_back({copy(field.path), std::move(value.literal)});
      else
        pattern.columns.push_back({copy(field.path), std::move(value)});
    }
    code_.patterns.push_back(std::move(pattern));
    return static_cast<std::uint32_t>(code_.patterns.size() - 1);
  }

  std::uint32_t lower(const Formula& formula) {
    if (complaint_) return 0;
    Node node;
    node.op = formula.op;
    node.comparison = formula.comparison;
    node.window = formula.seconds * nanoseconds;
    if (formula.seconds > std::chrono::seconds(longest_window).count())
      complain(formula.span, std::format("the window is longer than {} hours, which is the limit",
                                         longest_window.count()));
    switch (formula.op) {
      case Op::exists: {
        const std::size_t outer = scope_.size();
        node.slot = declare(formula.variable);
        node.operands.push_back(lower(*formula.operands[0]));
        scope_.resize(outer);
        break;
      }
      case Op::moment:
        node.slot = resolve(formula.variable.name, formula.variable.span);
        if (!complaint_ && types_[node.slot] != timepoint)
          complain(formula.variable.span, std::format("`tp` binds a Timepoint, `{}` is a {}",
                                                      formula.variable.name, types_[node.slot]));
        break;
      case Op::event: node.pattern = event(formula); break;
      case Op::comparison:
        node.left = operand(formula.left);
        node.right = operand(formula.right);
        if (!complaint_) check_types(formula, node);
        break;
      default:
        for (const Formula* const part : formula.operands) node.operands.push_back(lower(*part));
    }
    code_.nodes.push_back(std::move(node));
    spans_.push_back(formula.span);
    if (code_.nodes.size() > most_nodes)
      complain(formula.span, std::format("more than {} parts", most_nodes));
    return static_cast<std::uint32_t>(code_.nodes.size() - 1);
  }

  // ---- which conditions can be watched

  const Node& at(std::uint32_t node) const { return code_.nodes[node]; }

  static Slots slots_of(const std::vector<std::uint32_t>& list) {
    Slots slots = 0;
    for (const std::uint32_t slot : list) slots |= bit(slot);
    return slots;
  }

  // The variables of an operand that come from outside of it.
  Slots free(const Operand& operand) const {
    if (operand.kind == Operand::Kind::slot) return bit(operand.index);
    if (operand.kind != Operand::Kind::aggregate) return 0;
    const Aggregate& aggregate = code_.aggregates[operand.index];
    return free(aggregate.body) & ~slots_of(aggregate.domain);
  }
  Slots free(std::uint32_t index) const {
    const Node& node = at(index);
    switch (node.op) {
      case Op::event: {
        Slots slots = 0;
        for (const Pattern::Column& column : code_.patterns[node.pattern].columns)
          slots |= free(column.operand);
        return slots;
      }
      case Op::moment: return bit(node.slot);
      case Op::comparison: return free(node.left) | free(node.right);
      case Op::exists: return free(node.operands[0]) & ~bit(node.slot);
      default: break;
    }
    Slots slots = 0;
    for (const std::uint32_t part : node.operands) slots |= free(part);
    return slots;
  }

  // The variable that an equality gives a value, if it does.
  static std::uint32_t bound_by(const Node& node) {
    if (node.comparison != Formula::Comparison::equal) return none;
    const bool left = node.left.kind == Operand::Kind::slot;
    const bool right = node.right.kind == Operand::Kind::slot;
    if (left == right) return none;
    return left ? node.left.index : node.right.index;
  }

  // The variables that it pins to values.
  Slots restricted(std::uint32_t index) const {
    const Node& node = at(index);
    switch (node.op) {
      case Op::event:
      case Op::moment: return free(index);
      case Op::comparison: {
        const std::uint32_t slot = bound_by(node);
        return slot == none ? 0 : bit(slot);
      }
      case Op::negation: return 0;
      case Op::exists: return restricted(node.operands[0]) & ~bit(node.slot);
      case Op::since: return restricted(node.operands[1]);
      default: break;
    }
    Slots slots = 0;
    for (const std::uint32_t part : node.operands) slots |= restricted(part);
    return slots;
  }

  std::string_view name_in(Slots slots) const {
    for (std::uint32_t slot = 0; slot < code_.slots; ++slot)
      if ((slots & bit(slot)) != 0) return names_[slot];
    return {};
  }

  // Whether what it says can change from event to event.
  bool looks_at_events(std::uint32_t index) const {
    const Node& node = at(index);
    if (node.op == Op::event || node.op == Op::moment) return true;
    if (node.op == Op::comparison) {
      const auto varies = [](const Operand& operand) {
        return operand.kind == Operand::Kind::slot || operand.kind == Operand::Kind::aggregate;
      };
      return varies(node.left) || varies(node.right);
    }
    return std::ranges::any_of(node.operands,
                               [&](std::uint32_t part) { return looks_at_events(part); });
  }
  void check_events(std::uint32_t index) {
    if (!looks_at_events(index))
      complain(spans_[index],
               "this looks at no event: it belongs into a `when { }` without `temporal`");
  }
  void check_conjuncts(std::uint32_t root) {
    if (at(root).op != Op::conjunction) return check_events(root);
    for (const std::uint32_t part : at(root).operands) check_conjuncts(part);
  }

  void demand(Slots wanted, Slots known, cedar::Span span, std::string_view place) {
    if ((wanted & ~known) == 0) return;
    complain(span, std::format("the variable `{}` is used in {} before anything says what it is: "
                               "put the event or equality that does in front of it",
                               name_in(wanted & ~known), place));
  }

  void check_aggregate(const Operand& operand, Slots known) {
    if (operand.kind != Operand::Kind::aggregate) return;
    const Aggregate& aggregate = code_.aggregates[operand.index];
    const cedar::Span span = aggregate_spans_[operand.index];
    const Slots domain = slots_of(aggregate.domain);
    check_events(aggregate.body);
    demand(free(aggregate.body) & ~domain, known, span, "a count or sum");
    if (const Slots unused = domain & ~free(aggregate.body); unused != 0)
      complain(span, std::format("the `for` variable `{}` does not occur behind `where`",
                                 name_in(unused)));
    if (const Slots loose = domain & ~restricted(aggregate.body); loose != 0)
      complain(span, std::format("nothing behind `where` says what the `for` variable `{}` is: it "
                                 "needs an event's field, `tp`, or an equality, not negated",
                                 name_in(loose)));
    check(aggregate.body, known & ~domain);
  }

  void check(std::uint32_t index, Slots known) {
    if (complaint_) return;
    const Node& node = at(index);
    switch (node.op) {
      case Op::event:
      case Op::moment: return;
      case Op::conjunction:
        for (const std::uint32_t part : node.operands) {
          check(part, known);
          known |= restricted(part);
        }
        return;
      case Op::comparison: {
        const std::uint32_t slot = bound_by(node);
        const Slots bound = slot == none ? 0 : bit(slot);
        demand((free(node.left) | free(node.right)) & ~bound, known, spans_[index], "a comparison");
        check_aggregate(node.left, known);
        check_aggregate(node.right, known);
        return;
      }
      case Op::negation:
        demand(free(node.operands[0]), known, spans_[index], "a negation");
        return check(node.operands[0], known);
      case Op::formerly:
      case Op::previous: check_events(node.operands[0]); return check(node.operands[0], known);
      case Op::since:
        check_events(node.operands[0]);
        check_events(node.operands[1]);
        check(node.operands[1], known);
        known |= restricted(node.operands[1]);
        demand(free(node.operands[0]), known, spans_[index], "the left side of a `since`");
        return check(node.operands[0], known);
      case Op::exists: {
        check_events(node.operands[0]);
        if ((restricted(node.operands[0]) & bit(node.slot)) == 0)
          complain(spans_[index],
                   std::format("nothing says what `{}` is: it needs an event's field, `tp`, or an "
                               "equality, not negated",
                               names_[node.slot]));
        return check(node.operands[0], known & ~bit(node.slot));
      }
    }
  }

  // ---- how it is watched

  std::int64_t horizon(const Operand& operand) const {
    return operand.kind == Operand::Kind::aggregate ? horizon(code_.aggregates[operand.index].body)
                                                    : 0;
  }
  std::int64_t horizon(std::uint32_t index) const {
    const Node& node = at(index);
    std::int64_t longest = std::max(horizon(node.left), horizon(node.right));
    for (const std::uint32_t part : node.operands) longest = std::max(longest, horizon(part));
    return longest + node.window;
  }

  // `known`: the variables that have a value when the node is asked, at the present.
  void plan(std::uint32_t index, Slots known) {
    Node& node = code_.nodes[index];
    switch (node.op) {
      case Op::event:
      case Op::moment: code_.sees_present = true; return;
      case Op::conjunction:
        for (const std::uint32_t part : node.operands) {
          plan(part, known);
          known |= restricted(part);
        }
        return;
      case Op::comparison:
        for (const Operand* const side : {&node.left, &node.right})
          if (side->kind == Operand::Kind::aggregate) plan_aggregate(side->index, known);
        return;
      case Op::negation: return plan(node.operands[0], known);
      case Op::exists: return plan(node.operands[0], known & ~bit(node.slot));
      case Op::formerly: return plan_table(node, known, false);
      case Op::previous: return plan_table(node, known, true);
      case Op::since: return plan_since(node, known);
    }
  }

  void keep_events() {
    code_.keeps_events = true;
    code_.sees_present = true;
  }

  void plan_table(Node& node, Slots known, bool previous) {
    auto capture = capture_of(node.operands[0], known);
    if (!capture) return keep_events();
    Keep keep = Keep::last;
    if (previous)
      keep = Keep::two;
    else if (binds_moment(*capture))
      keep = Keep::each;
    else if (!capture->binds.empty())
      keep = Keep::distinct;
    node.table = add({.keep = keep, .capture = *std::move(capture), .window = node.window});
  }

  static bool binds_moment(const Capture& capture) {
    return std::ranges::contains(capture.binds, none, &Capture::Bound::column);
  }

  void plan_since(Node& node, Slots known) {
    auto anchor = capture_of(node.operands[1], known);
    const Node& left = at(node.operands[0]);
    const bool negated = left.op == Op::negation;
    auto held = capture_of(negated ? left.operands[0] : node.operands[0], known);
    if (!anchor || !held || !anchor->binds.empty() || !held->binds.empty()) return keep_events();
    node.left_negated = negated;
    node.left_table = add({.keep = negated ? Keep::last : Keep::run,
                           .capture = *std::move(held),
                           .window = node.window});
    node.table = add({.keep = Keep::last, .capture = *std::move(anchor), .window = node.window});
  }

  void plan_aggregate(std::uint32_t index, Slots known) {
    Aggregate& aggregate = code_.aggregates[index];
    known &= ~slots_of(aggregate.domain);
    const Node& body = at(aggregate.body);
    if (body.op == Op::formerly)
      if (auto capture = capture_of(body.operands[0], known)) {
        Slots bound = 0;
        for (const Capture::Bound& one : capture->binds) bound |= bit(one.slot);
        if (bound == slots_of(aggregate.domain)) {
          TablePlan table{.keep = binds_moment(*capture) ? Keep::each : Keep::distinct,
                          .capture = *std::move(capture),
                          .window = body.window};
          for (std::uint32_t i = 0; i < table.capture.binds.size(); ++i)
            if (aggregate.sum && table.capture.binds[i].slot == aggregate.summed) table.summed = i;
          aggregate.table = add(std::move(table));
          return;
        }
      }
    plan(aggregate.body, known);
  }

  std::uint32_t add(TablePlan table) {
    code_.tables.push_back(std::move(table));
    return static_cast<std::uint32_t>(code_.tables.size() - 1);
  }

  void flatten(std::uint32_t index, std::vector<std::uint32_t>& parts) const {
    if (at(index).op != Op::conjunction) return parts.push_back(index);
    for (const std::uint32_t part : at(index).operands) flatten(part, parts);
  }

  // Whether a filter needs nothing but these variables and literals.
  bool judged_at_once(std::uint32_t index, Slots columns) const {
    const Node& node = at(index);
    if (node.op == Op::negation) return judged_at_once(node.operands[0], columns);
    if (node.op != Op::comparison) return false;
    for (const Operand* const side : {&node.left, &node.right}) {
      if (side->kind == Operand::Kind::literal) continue;
      if (side->kind != Operand::Kind::slot || (columns & bit(side->index)) == 0) return false;
    }
    return true;
  }

  // One event, filters about it, tp: otherwise nothing.
  std::optional<Capture> capture_of(std::uint32_t body, Slots known) const {
    std::vector<std::uint32_t> parts;
    flatten(body, parts);
    Capture capture;
    const auto is_event = [&](std::uint32_t part) { return at(part).op == Op::event; };
    if (std::ranges::count_if(parts, is_event) != 1) return std::nullopt;
    capture.pattern = at(*std::ranges::find_if(parts, is_event)).pattern;
    const Pattern& pattern = code_.patterns[capture.pattern];
    Slots columns = 0;
    for (std::uint32_t i = 0; i < pattern.columns.size(); ++i) {
      const Operand& operand = pattern.columns[i].operand;
      if (operand.kind == Operand::Kind::parameter) {
        capture.keys.push_back({i, operand});
        continue;
      }
      const auto first = std::ranges::find_if(pattern.columns, [&](const Pattern::Column& other) {
        return other.operand.kind == Operand::Kind::slot && other.operand.index == operand.index;
      });
      const auto position = static_cast<std::uint32_t>(first - pattern.columns.begin());
      if (position != i)
        capture.same.emplace_back(position, i);
      else if ((known & bit(operand.index)) != 0)
        capture.keys.push_back({i, operand});
      else
        capture.binds.push_back({i, operand.index});
      columns |= bit(operand.index);
    }
    Slots moments = 0;
    for (const std::uint32_t part : parts) {
      if (is_event(part)) continue;
      if (at(part).op == Op::moment) {
        const Slots slot = bit(at(part).slot);
        if (((known | columns | moments) & slot) != 0) return std::nullopt;
        moments |= slot;
        capture.binds.push_back({none, at(part).slot});
      } else if (judged_at_once(part, columns)) {
        capture.filters.push_back(part);
      } else {
        return std::nullopt;
      }
    }
    return capture;
  }

  Condition::Code& code_;
  std::optional<Complaint> complaint_;
  std::vector<Scope> scope_;
  std::vector<std::string_view> names_;  // by slot
  std::vector<std::string_view> types_;
  std::vector<cedar::Span> spans_;  // by node
  std::vector<cedar::Span> aggregate_spans_;
};

}  // namespace

Condition::Condition(std::unique_ptr<const Code> code) : code_(std::move(code)) {}
Condition::~Condition() = default;
const std::string& Condition::text() const { return code_->text; }
std::chrono::nanoseconds Condition::horizon() const {
  return std::chrono::nanoseconds(code_->horizon);
}
bool Condition::keeps_events() const { return code_->keeps_events; }

std::expected<std::shared_ptr<const Condition>, Complaint> Condition::compile(
    const Formula& formula) {
  auto code = std::make_unique<Code>();
  if (auto complaint = Compiler(*code).run(formula)) return std::unexpected(*std::move(complaint));
  return std::shared_ptr<const Condition>(new Condition(std::move(code)));
}

}  // namespace latticegate::temporal
