// What is asked of the desk (gateway/custody.h), as JSON: by the management socket of a running
// gateway, and by commands while none runs.
//
//   reveal {"token", "record", "reason"}            -> {"bodies": [{"seq", "kind", "body" or
//   "error"}]} erase  {"token", "approval", "subject" or "user" (and "tenant"), "basis"}   -> the
//   certificate retain {"carry_out"}                            -> {"keys", "records"}
//   rotate {"finish"}                                           -> {"record", "keys"}
//
// Tokens are credentials of people, as clients of the gateway have them.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/custody.h"
#include "identity/authenticator.h"
#include "json/value.h"

namespace latticegate::gateway {

using DeskRequest = std::function<base::Result<std::string>(Desk&)>;
// Takes the secrets out of words that go into a record.
using CleanWords = std::function<std::string(std::string_view)>;
// Who asks is found out here; the rest is done at the desk. Code::not_found: nothing of that name.
[[nodiscard]] base::Result<DeskRequest> desk_request(std::string_view what, json::Value body,
                                                     const identity::Authenticator& authenticator,
                                                     const CleanWords& clean);
// The HTTP status of such an error.
int desk_status(const base::Error& error);

}  // namespace latticegate::gateway
