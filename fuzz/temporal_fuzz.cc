// Policies with temporal conditions: what parses has one normal form, what compiles can be watched,
// and a history that was saved can be read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"
#include "temporal/condition.h"
#include "temporal/monitor.h"

using namespace latticegate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// Every field is one of the few values that the conditions of the corpus name.
class SomeFields final : public temporal::Fields {
 public:
  explicit SomeFields(std::size_t seed) : seed_(seed) {}
  cedar::Value find(std::span<const cedar::Name> path) const override {
    switch ((seed_ + path.back().hash()) % 5) {
      case 0: return {};
      case 1: return cedar::Value::integer(static_cast<std::int64_t>(seed_ % 7));
      case 2: return cedar::Value::boolean(true);
      case 3: return seed_ % 11 == 0 ? cedar::Value::unknown() : cedar::Value::string("y");
      default: return cedar::Value::string("x");
    }
  }

 private:
  std::size_t seed_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 8'192) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const cedar::PolicyLimits limits{.temporal = true};
  // A damaged history is refused or read; both without harm.
  temporal::State loaded({});
  const bool history = loaded.load(std::string(text)).has_value();

  const auto set = cedar::parse_policies(text, "fuzz", cedar::Naming::by_order, limits);
  if (!set && !history) return 0;
  std::vector<std::shared_ptr<const temporal::Condition>> conditions;
  std::vector<cedar::EntityUid> actions;
  if (set) {
    const auto again =
        cedar::parse_policies(cedar::print(*set), "again", cedar::Naming::by_order, limits);
    if (!again || again->size() != set->size()) std::abort();
    for (const cedar::Policy& policy : set->policies())
      for (const cedar::TemporalBlock& block : policy.temporal)
        if (const auto made = temporal::Condition::compile(*block.formula)) {
          if ((*made)->text() != block.text) std::abort();
          conditions.push_back(*made);
          // Only the first events are told: enough for every part of a condition.
          for (const cedar::TemporalFormula* formula = block.formula; formula != nullptr;) {
            if (formula->op == cedar::TemporalFormula::Op::event)
              actions.push_back(formula->action);
            formula = formula->operands.empty() ? nullptr : formula->operands.back();
          }
        }
  }
  actions.emplace_back("A::Action", "x");
  const auto monitor = std::make_shared<const temporal::Monitor>(std::move(conditions));
  loaded.attend(monitor);
  temporal::State state({.size = base::Bytes{16'384}, .budget = nullptr});
  state.attend(monitor);
  const cedar::Entities none;
  const cedar::Request request{
      .principal = {"A::Agent", "me"}, .action = actions.front(), .resource = {"A::Tool", "t"}};
  for (std::size_t i = 0; i < 12; ++i) {
    const SomeFields fields(size + i);
    state.observe({.action = actions[i % actions.size()],
                   .groups = {},
                   .kind = i % 3 == 0 ? "response" : "request",
                   .at = base::Time(std::chrono::seconds(i * i)),
                   .fields = &fields});
    for (std::size_t c = 0; c < monitor->size(); ++c)
      (void)state.holds(c, request, cedar::EntityView(none));
    if (state.size() > 16'384) std::abort();
  }
  temporal::State again({});
  if (!again.load(state.save())) std::abort();
  again.attend(monitor);
  if (again.save() != state.save()) std::abort();
  return 0;
}
