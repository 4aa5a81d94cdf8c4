// Condition: one temporal condition, compiled.
//
// Accepted is what Dogwood accepts (chapter 5.4 of its specification): every variable is bound by
// `exists` or a `for` list and restricted by an event, `tp` or an equality before it is filtered or
// counted; every part looks at events; counts and sums are compared and nothing else. Refused
// besides: a wildcard that is compared, ordering of what is no Long, more than 64 variables.
//
// What each operator costs when an event comes and when the condition is asked (State):
//   formerly, previous, since, count, sum over one event with fields, filters that look at that
//   event only, tp                                                     one table look-up each
//   the same with variables that the operator itself binds             the rows that it remembers
//   anything else below an operator (operators in operators, values of the request in filters, two
//   events at once)                              by the definition over all events in the window
// Immutable; safe from any thread. Pure.
#pragma once
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "cedar/temporal.h"

namespace latticegate::temporal {

// The longest window, and the longest sum of windows inside each other.
inline constexpr std::chrono::hours longest_window(24);

// What is wrong, and where in the text of the policy.
struct Complaint {
  cedar::Span span{};
  std::string message{};
};

class Condition {
 public:
  // Keeps nothing of the formula.
  [[nodiscard]] static std::expected<std::shared_ptr<const Condition>, Complaint> compile(
      const cedar::TemporalFormula& formula);
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  ~Condition();

  // Two conditions with the same text share a history.
  const std::string& text() const [[clang::lifetimebound]];
  // How far back it looks.
  std::chrono::nanoseconds horizon() const;
  // Whether it keeps every event of its window, because it is judged by the definition.
  bool keeps_events() const;

  struct Code;
  const Code& code() const [[clang::lifetimebound]] { return *code_; }

 private:
  explicit Condition(std::unique_ptr<const Code> code);
  std::unique_ptr<const Code> code_;
};

}  // namespace latticegate::temporal
