#include "cedar/detail/operation.h"

#include <cstddef>
#include <utility>

#include "cedar/extension.h"

namespace latticegate::cedar {
namespace {

constexpr std::int64_t day = 86'400'000;

std::unexpected<Misuse> misfit(Kind expected, std::uint32_t operand) {
  return std::unexpected(Misuse{ErrorClass::type, expected, operand});
}

std::unexpected<Misuse> failed() { return std::unexpected(Misuse{ErrorClass::extension}); }

// What the receiver and the argument of a method have to be; `none` is: no argument.
std::pair<Kind, Kind> operands_of(Function method) {
  switch (method) {
    case Function::less_than:
    case Function::less_than_or_equal:
    case Function::greater_than:
    case Function::greater_than_or_equal: return {Kind::decimal, Kind::decimal};
    case Function::is_in_range: return {Kind::ip, Kind::ip};
    case Function::is_ipv4:
    case Function::is_ipv6:
    case Function::is_loopback:
    case Function::is_multicast: return {Kind::ip, Kind::none};
    case Function::offset: return {Kind::datetime, Kind::duration};
    case Function::duration_since: return {Kind::datetime, Kind::datetime};
    case Function::to_date:
    case Function::to_time: return {Kind::datetime, Kind::none};
    default: return {Kind::duration, Kind::none};
  }
}

std::expected<Value, Misuse> construct(Function function, std::string_view text, Arena& arena) {
  switch (function) {
    case Function::decimal:
      if (const auto v = parse_decimal(text)) return Value::decimal(*v);
      break;
    case Function::ip:
      if (const auto v = parse_ip(text)) return Value::ip(*v, arena);
      break;
    case Function::datetime:
      if (const auto v = parse_datetime(text)) return Value::datetime(*v);
      break;
    default:
      if (const auto v = parse_duration(text)) return Value::duration(*v);
  }
  return failed();
}

// 0 <= x < one day, also before 1970.
std::int64_t time_of_day(std::int64_t time) {
  const std::int64_t rest = time % day;
  return rest < 0 ? rest + day : rest;
}

std::expected<Value, Misuse> apply(Function method, const Value& self, const Value& argument) {
  std::int64_t result = 0;
  switch (method) {
    case Function::less_than: return Value::boolean(self.integer() < argument.integer());
    case Function::less_than_or_equal: return Value::boolean(self.integer() <= argument.integer());
    case Function::greater_than: return Value::boolean(self.integer() > argument.integer());
    case Function::greater_than_or_equal:
      return Value::boolean(self.integer() >= argument.integer());
    case Function::is_ipv4: return Value::boolean(!self.range().v6);
    case Function::is_ipv6: return Value::boolean(self.range().v6);
    case Function::is_loopback: return Value::boolean(is_loopback(self.range()));
    case Function::is_multicast: return Value::boolean(is_multicast(self.range()));
    case Function::is_in_range: return Value::boolean(in_range(self.range(), argument.range()));
    case Function::offset:
      if (__builtin_add_overflow(self.integer(), argument.integer(), &result)) return failed();
      return Value::datetime(result);
    case Function::duration_since:
      if (__builtin_sub_overflow(self.integer(), argument.integer(), &result)) return failed();
      return Value::duration(result);
    case Function::to_date:
      if (__builtin_sub_overflow(self.integer(), time_of_day(self.integer()), &result))
        return failed();
      return Value::datetime(result);
    case Function::to_time: return Value::duration(time_of_day(self.integer()));
    case Function::to_milliseconds: return Value::integer(self.integer());
    case Function::to_seconds: return Value::integer(self.integer() / 1'000);
    case Function::to_minutes: return Value::integer(self.integer() / 60'000);
    case Function::to_hours: return Value::integer(self.integer() / 3'600'000);
    case Function::to_days: return Value::integer(self.integer() / day);
    case Function::decimal:
    case Function::ip:
    case Function::datetime:
    case Function::duration: break;
  }
  std::unreachable();
}

}  // namespace

std::expected<Value, Misuse> call(Function function, std::span<const Value> operands,
                                  Arena& arena) {
  if (operands.size() != arity_of(function)) return std::unexpected(Misuse{ErrorClass::arity});
  if (!is_method(function)) {
    if (!operands[0].is(Kind::string)) return misfit(Kind::string, 0);
    return construct(function, operands[0].text(), arena);
  }
  const auto [self, argument] = operands_of(function);
  if (!operands[0].is(self)) return misfit(self, 0);
  if (argument == Kind::none) return apply(function, operands[0], {});
  if (!operands[1].is(argument)) return misfit(argument, 1);
  return apply(function, operands[0], operands[1]);
}

// Greedy from the left: each stretch of text at its first place after the one before, the last one
// at the end.
bool matches(std::string_view text, std::span<const PatternPart> pattern) {
  if (pattern.empty()) return text.empty();
  if (!pattern.front().wildcard) {
    if (!text.starts_with(pattern.front().text)) return false;
    text.remove_prefix(pattern.front().text.size());
    pattern = pattern.subspan(1);
    if (pattern.empty()) return text.empty();
  }
  if (!pattern.back().wildcard) {
    if (!text.ends_with(pattern.back().text)) return false;
    text.remove_suffix(pattern.back().text.size());
    pattern = pattern.first(pattern.size() - 1);
  }
  for (const PatternPart& part : pattern) {
    if (part.wildcard) continue;
    const std::size_t found = text.find(part.text);
    if (found == std::string_view::npos) return false;
    text.remove_prefix(found + part.text.size());
  }
  return true;
}

}  // namespace latticegate::cedar
