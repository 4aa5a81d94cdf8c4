// Obligation: what a policy wants done besides its yes or no, written as an annotation:
//   @obligation("kill_session, alert:soc")
//
// A list of words separated by commas. The gateway carries them out; this module only says which
// are due. A word that is not in the table is an error when policies are loaded.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latticegate::policy {

struct Obligation {
  enum class Kind : std::uint8_t {
    kill_session,  // end the conversation; it stays refused until an operator releases it; also
                   // written `kill`
    step_up,       // of a forbid. step_up:LEVEL, 1..9: it is lifted by an approval; see Challenge
    redact,        // redact, redact:secret, redact:hidden_text: taken out of the answer
    alert,         // alert:NAME: tell the channel of that name
    quarantine,    // the agent does nothing until an operator releases it
    throttle,      // of a permit. throttle:N/s, /m or /h, N 1..10000 (throttle:N: a minute): it
                   // permits that many calls of one agent for one user
    ask_client,  // of a forbid with step_up:1: the client's own user may be asked, in the protocol
    honeypot,  // of a forbid: who asked gets a made-up answer with planted values in it, instead of
               // the refusal; never with step_up, kill_session or quarantine, which say themselves
    log_full,  // what the decision read and both bodies are recorded, whatever audit.context and
               // audit.bodies say
  };
  Kind kind{};
  std::int64_t number = 0;     // step_up, throttle
  std::string text{};          // alert: [a-z0-9_-]{1,64}; redact: "secret", "hidden_text" or all
  std::chrono::seconds per{};  // throttle
  std::string policy{};        // the id of whose it is; empty when nobody said
  bool operator==(const Obligation&) const = default;
};
std::string_view name(Obligation::Kind kind);
// As it is written in a policy: "step_up:2".
std::string to_text(const Obligation& obligation);

// Code::invalid with the word and, if one is near, what was perhaps meant.
[[nodiscard]] base::Result<std::vector<Obligation>> parse_obligations(std::string_view text);

}  // namespace latticegate::policy
