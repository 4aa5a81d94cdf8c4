// Policy text from outside: what parses is printed, formatted and written as JSON, comes back from
// each and must be the same; then it is decided in both forms, which must agree, and foreseen and
// explained for one small request, which must not crash.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cedar/authorize.h"
#include "cedar/explain.h"
#include "cedar/format.h"
#include "cedar/policy_json.h"
#include "cedar/policy_set.h"
#include "cedar/schema.h"
#include "cedar/twin.h"
#include "json/value.h"

using namespace latticegate::cedar;

namespace {

bool same_policies(std::span<const Policy> a, std::span<const Policy> b) {
  return std::ranges::equal(a, b, [](const Policy& x, const Policy& y) { return same(x, y); });
}

void decide(const PolicySet& policies) {
  Arena arena;
  Entities::Builder builder;
  const EntityUid user("User", "alice");
  const EntityUid action("Action", "view");
  const EntityUid doc("Doc", "d");
  const Value attributes = RecordBuilder(arena)
                               .add("age", Value::integer(30))
                               .add("self", Value::entity(&user))
                               .finish();
  builder.add(user, attributes, std::array{EntityUid("Group", "g")}, attributes);
  builder.add(action, {}, std::array{EntityUid("Action", "all")});
  const auto entities = builder.build();
  if (!entities) std::abort();
  const auto context = [&](const Value& n, const Value& text) {
    RecordBuilder record(arena);
    record.add("n", n).add("s", text).add("set", Value::strings({"a", "b"}, arena));
    record.add("dt", Value::datetime(1'000'000))
        .add("d", Value::decimal(7))
        .add("user", Value::entity(&user));
    return record.finish();
  };
  const Request request{user, action, doc, context(Value::integer(5), Value::string("hello"))};
  const EntityView view(*entities);
  Twin twin(policies);
  if (!twin.difference(request, view, arena).empty()) std::abort();
  const Answer& answer = twin.answer();
  // With nothing unknown the outlook is the decision.
  if (foresee(policies, request, view, arena).may_allow(false) !=
      (answer.decision == Decision::allow))
    std::abort();
  (void)to_text(explain(policies, request, view, arena, answer));

  const Request open{user, action, doc, context(Value::unknown(), Value::unknown(true))};
  const bool may = foresee(policies, open, view, arena).may_allow(false);
  // Whatever is allowed with the values known must have been possible before.
  if (!may && answer.decision == Decision::allow) std::abort();
}

void through_json(const PolicySet& policies) {
  constexpr latticegate::json::Limits limits{.depth = 1'000, .allow_nul = true};
  const std::string written = to_json(policies);
  // Keys with U+0000 cannot be read; chains lie deeper in JSON than in text.
  const auto document = latticegate::json::Document::parse(written, limits);
  if (!document) return;
  const auto again = policies_from_json(document->root());
  if (!again || to_json(*again) != written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65'536) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_schema(text);
  const auto first = parse_policies(text, "first", Naming::by_order);
  // Policies are named one by one if and only if there is something to say of them.
  if (syntax_errors(text, "first", {}, 100).empty() != first.has_value()) std::abort();
  if (!first) return 0;
  const auto second = parse_policies(print(*first), "second", Naming::by_order);
  if (!second) std::abort();
  if (!same_policies(first->policies(), second->policies()) ||
      !same_policies(first->templates(), second->templates()))
    std::abort();
  if (print(*first) != print(*second)) std::abort();
  const auto formatted = format_policies(text);
  if (!formatted) std::abort();
  const auto again = format_policies(*formatted);
  if (!again || *again != *formatted) std::abort();
  through_json(*first);
  decide(*first);
  return 0;
}
