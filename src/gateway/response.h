// Response: what operators stop, and let go on again: a conversation, an agent, a user, a server, a
// tool, or all calls at once.
//
// Each takes effect at once, is recorded, told (alerts.h) and remembered over a restart, and ends
// by a release, or by itself when it was given a time. With control.four_eyes two people release;
// what ends by itself was decided when it began.
//
// On the loop of the management socket.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/operators.h"
#include "gateway/worker.h"
#include "json/value.h"

namespace latticegate::gateway {

// Stops a server or tool ("crm", "crm/customers"): what is on its way back is withheld where it
// arrives; sessions and processes of a server end now. `person` ordered it. False when it is
// stopped already.
bool halt(Worker& worker, const std::string& name, Kill kill, std::string_view person,
          Tell tell = Tell::replicas);
// Lets something go on again. `one` and `second` released it.
void lift(Worker& worker, const Stopped& what, std::string_view one, std::string_view second,
          std::string_view why, Tell tell = Tell::replicas);
// The type of the record when a kill of that id begins.
audit::Type stop_type(std::string_view id);

class Response {
 public:
  explicit Response(Worker& worker) : worker_(worker) {}

  // {"conversation": ID} or {"agent": NAME}, "reason", "wait".
  net::Task<ControlAnswer> kill(json::Value body);
  // {"agent" | "user" | "server" | "tool" ("SERVER/TOOL"): NAME} or {"all": true}, "reason",
  // "seconds", "by", "wait".
  net::Task<ControlAnswer> quarantine(json::Value body);
  // Any of these; "by".
  ControlAnswer release(json::Value body);
  // What is in quarantine, and whether all is stopped.
  ControlAnswer list() const;
  // Ends what has an end. To be called now and then.
  void end_what_is_over();

 private:
  // What is named.
  static std::optional<Stopped> subject(json::Value body);
  net::Task<ControlAnswer> stopped(std::int64_t count, std::string_view word,
                                   std::vector<std::shared_ptr<Principal>> principals, bool wait);
  Worker& worker_;
  std::map<std::string, std::string, std::less<>> releasing_;  // by whom first
};

}  // namespace latticegate::gateway
