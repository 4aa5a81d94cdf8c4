// Conditions on their way from other gateways' rules to Cedar text.
#pragma once
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"

namespace latticegate::policy {

// A condition: a constant, or Cedar text that may stand as an operand of && after parentheses.
struct Clause {
  enum class Kind : std::uint8_t { never, always, text };
  Kind kind = Kind::always;
  std::string text{};
};
Clause clause(std::string text);
Clause constant(bool truth);
Clause both(const Clause& a, const Clause& b);
Clause either(const Clause& a, const Clause& b);
Clause contrary(const Clause& a);

// Which way a part that cannot be said is rounded: to what makes less allowed.
struct Rounding {
  bool permits = true;   // the rule allows
  bool positive = true;  // the part stands under an even number of negations
  bool unknown() const { return permits != positive; }  // the constant in its place
  Rounding negated() const { return {permits, !positive}; }
};

class RuleWriter {
 public:
  explicit RuleWriter(std::string_view source) : source_(source) {}

  // The next rule; what follows is about it. `original` goes into a comment.
  void begin(std::string_view original);
  // A part that cannot be said.
  Clause missing(std::string_view what, const Rounding& rounding);
  void note(std::string text);
  // Writes the policy of the rule, or only the comment when nothing is left of it.
  void write(cedar::Effect effect, const Clause& whole);

  // The pieces. `text` reads context.input.
  static Clause argument(std::string text, const Rounding& rounding);
  Clause agent(std::string_view subject);
  Clause group(std::string_view claim, std::string_view value);
  Clause tools(std::span<const std::string> servers, std::span<const std::string> names,
               const Rounding& rounding);
  // Of what a claim says, or of the name of a tool: where its contrary would allow those who have
  // no such claim, or what is no call of a tool, it is made such that they are not allowed.
  Clause known(const Clause& claim, std::string_view what, const Rounding& rounding);
  static Clause called(const Clause& tool, const Rounding& rounding);
  static Clause of_servers(std::span<const std::string> servers);

  const std::string& text() const { return text_; }
  std::vector<std::string> take_missing() { return std::move(missing_); }
  std::vector<std::string> take_notes() { return {notes_.begin(), notes_.end()}; }

 private:
  std::string_view source_;
  std::string text_;
  std::string original_;
  std::vector<std::string> missing_;
  std::size_t missing_before_ = 0;
  std::set<std::string> notes_;
  std::size_t rules_ = 0;
};

}  // namespace latticegate::policy
