// Asking the desk of a log (gateway/custody.h): that of the running gateway, or one of our own
// while no gateway runs, so that it is recorded in either case.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"

namespace latticegate::app {

// The answer's JSON. `what` and `body`: gateway/desk_request.h.
[[nodiscard]] base::Result<std::string> ask_desk(const std::string& config_file,
                                                 std::string_view what, const std::string& body);

}  // namespace latticegate::app
