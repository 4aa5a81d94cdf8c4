// The temporal conditions of a set of policies: which there are, whose history each asks, and
// whether they speak of what exists.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "json/value.h"
#include "policy/diagnostic.h"
#include "policy/history.h"
#include "policy/world.h"
#include "temporal/monitor.h"

namespace latticegate::policy {

struct TemporalRules {
  struct Rule {
    const cedar::Policy* policy = nullptr;  // whose action says when the condition matters
    cedar::Name attribute;                  // of the context
    Whose whose{};
    std::size_t place = 0;  // in the monitor
  };
  std::vector<Rule> rules;
  std::array<std::shared_ptr<const temporal::Monitor>, whose_count> monitors;

  bool empty() const { return rules.empty(); }
};

// The rules of the set; what is wrong goes to `errors`. `world` may be null: then servers are not
// compared with anything.
TemporalRules temporal_rules(const cedar::PolicySet& set, const World* world,
                             std::vector<Diagnostic>& errors);

// Whether actions and fields of the conditions exist under the schema. `open`: actions of which
// nothing is known.
void temporal_types(const cedar::PolicySet& set, const cedar::Schema& schema,
                    const std::function<bool(const cedar::EntityUid&)>& open,
                    std::vector<Diagnostic>& errors);

// What a condition says, for the context of a request.
struct Recalled {
  cedar::Name attribute;
  cedar::Value truth;  // a boolean, or unknown
};
// The context with these besides.
cedar::Value with_recalled(const cedar::Value& context, std::span<const Recalled> recalled,
                           cedar::Arena& arena);

// Whether the scope of the policy admits the action.
bool admits(const cedar::Policy& policy, const cedar::EntityUid& action,
            std::span<const cedar::EntityUid> groups);

// A record, by path.
class RecordFields final : public temporal::Fields {
 public:
  // `structured` (may be absent) is what output.NAME is where the record has none.
  explicit RecordFields(const cedar::Value& record, json::Value structured = {})
      : record_(record), structured_(structured) {}
  cedar::Value find(std::span<const cedar::Name> path) const override;

 private:
  cedar::Value record_;
  json::Value structured_;
};

// Takes the event into the state and asks the conditions that matter for the action. A condition
// without an answer is left out.
void recall(const TemporalRules& rules, Whose whose, temporal::State& state,
            const temporal::Event& event, const cedar::Request& request,
            const cedar::EntityView& entities, std::vector<Recalled>& recalled);

}  // namespace latticegate::policy
