// Obligation: what a policy wants done besides its yes or no, written as an annotation:
//   @obligation("kill_session, alert:soc")
//
// A list of words separated by commas. The gateway carries them out; this module only says which
// are due. A word that is not in the table is an error when policies are loaded.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latticegate::policy {

struct Obligation {
  enum class Kind : std::uint8_t {
    kill_session,  // end the conversation; it stays refused until an operator releases it
    step_up,       // step_up:LEVEL, 1..9: the forbid is lifted by an approval; see Challenge
    redact,        // secrets and hidden text are taken out of the answer
    alert,         // alert:NAME: tell the channel of that name
    quarantine,    // the agent does nothing until an operator releases it
    throttle,      // throttle:N, 1..10000: at most N calls a minute from here on
  };
  Kind kind{};
  std::int64_t number = 0;  // step_up, throttle
  std::string text{};       // alert: [a-z0-9_-]{1,64}
  bool operator==(const Obligation&) const = default;
};
std::string_view name(Obligation::Kind kind);
// As it is written in a policy: "step_up:2".
std::string to_text(const Obligation& obligation);

// Code::invalid with the word and, if one is near, what was perhaps meant.
[[nodiscard]] base::Result<std::vector<Obligation>> parse_obligations(std::string_view text);

}  // namespace latticegate::policy
