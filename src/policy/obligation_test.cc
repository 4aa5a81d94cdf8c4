#include "policy/obligation.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace latticegate::policy;

namespace {

std::string read(std::string_view text) {
  const auto obligations = parse_obligations(text);
  if (!obligations) return "error: " + obligations.error().detail;
  std::string all;
  for (const Obligation& obligation : *obligations)
    all += (all.empty() ? "" : " ") + to_text(obligation);
  return all;
}

}  // namespace

TEST_CASE("obligations are read and written") {
  CHECK(read("kill_session") == "kill_session");
  CHECK(read("step_up:2") == "step_up:2");
  CHECK(read("alert:soc") == "alert:soc");
  CHECK(read("redact") == "redact");
  CHECK(read("quarantine") == "quarantine");
  CHECK(read("log_full") == "log_full");
  CHECK(read("honeypot") == "honeypot");
  CHECK(read("kill") == "kill_session");
  CHECK(read("kill, kill_session") == "kill_session");
  CHECK(read("redact:secret, redact:hidden_text") == "redact:secret redact:hidden_text");
  CHECK(read("throttle:30") == "throttle:30/m");
  CHECK(read("throttle:5/s,throttle:30/m,throttle:100/h") ==
        "throttle:5/s throttle:30/m throttle:100/h");
  CHECK(read(" kill_session ,alert:soc, alert:soc") == "kill_session alert:soc");
}

TEST_CASE("what is no obligation is an error that helps") {
  CHECK(read("kill_sesion") ==
        "error: unknown obligation \"kill_sesion\" (did you mean kill_session?)");
  CHECK(read("") == "error: unknown obligation \"\"");
  CHECK(read("redact,") == "error: unknown obligation \"\"");
  CHECK(read("explode").starts_with("error: unknown obligation \"explode\""));
  for (const std::string_view text :
       {"step_up",         "step_up:",       "step_up:0",      "step_up:10",   "step_up:x",
        "step_up:2x",      "throttle:-1",    "throttle:10001", "alert",        "alert:",
        "alert:two words", "alert:SOC",      "kill_session:1", "redact:",      "redact:secrets",
        "throttle",        "throttle:",      "throttle:5/",    "throttle:5/d", "throttle:/s",
        "throttle:0/s",    "throttle:5/sec", "throttle:5.5/s"}) {
    CAPTURE(text);
    CHECK(read(text).starts_with("error: obligation "));
  }
}
