#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "cedar/detail/function.h"

namespace latticegate::cedar {
namespace {

struct NamedFunction {
  std::string_view name;
  Function function;
};
constexpr std::array<NamedFunction, 22> functions{{
    {"decimal", Function::decimal},
    {"ip", Function::ip},
    {"datetime", Function::datetime},
    {"duration", Function::duration},
    {"lessThan", Function::less_than},
    {"lessThanOrEqual", Function::less_than_or_equal},
    {"greaterThan", Function::greater_than},
    {"greaterThanOrEqual", Function::greater_than_or_equal},
    {"isIpv4", Function::is_ipv4},
    {"isIpv6", Function::is_ipv6},
    {"isLoopback", Function::is_loopback},
    {"isMulticast", Function::is_multicast},
    {"isInRange", Function::is_in_range},
    {"offset", Function::offset},
    {"durationSince", Function::duration_since},
    {"toDate", Function::to_date},
    {"toTime", Function::to_time},
    {"toMilliseconds", Function::to_milliseconds},
    {"toSeconds", Function::to_seconds},
    {"toMinutes", Function::to_minutes},
    {"toHours", Function::to_hours},
    {"toDays", Function::to_days},
}};

}  // namespace

std::string_view name(Function function) {
  return std::ranges::find(functions, function, &NamedFunction::function)->name;
}

std::optional<Function> function_named(std::string_view name) {
  const auto* const found = std::ranges::find(functions, name, &NamedFunction::name);
  return found == functions.end() ? std::nullopt : std::optional(found->function);
}

bool is_method(Function function) {
  return function != Function::decimal && function != Function::ip &&
         function != Function::datetime && function != Function::duration;
}

std::size_t arity_of(Function function) {
  switch (function) {
    case Function::less_than:
    case Function::less_than_or_equal:
    case Function::greater_than:
    case Function::greater_than_or_equal:
    case Function::is_in_range:
    case Function::offset:
    case Function::duration_since: return 2;
    default: return 1;
  }
}

std::vector<std::string_view> function_names(bool methods) {
  std::vector<std::string_view> names;
  for (const NamedFunction& one : functions)
    if (is_method(one.function) == methods) names.push_back(one.name);
  return names;
}

}  // namespace latticegate::cedar
