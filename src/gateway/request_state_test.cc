#include "gateway/request_state.h"

#include <doctest/doctest.h>

#include <string>

#include "base/bytes.h"

using namespace latticegate;
using base::Code;
using gateway::open_state;
using gateway::StateBinding;

namespace {

const std::string key(32, 'k');
const StateBinding mine{.key = key, .principal = "c-1", .server = "crm", .request = "tools/call x"};
const base::Time noon{std::chrono::hours(12)};

std::string sealed() {
  crypto::SeededRandom random(7);
  return gateway::seal_state(mine, {.replica = "r1", .handle = "h", .until = noon}, random);
}

}  // namespace

TEST_CASE("a state comes back to its own caller, server and request") {
  const std::string state = sealed();
  const auto call = open_state(mine, state, noon);
  REQUIRE(call.has_value());
  CHECK(call->replica == "r1");
  CHECK(call->handle == "h");
  CHECK(call->until == noon);
  CHECK(!base::from_base64(state)->contains("r1"));  // nobody can read it
}

TEST_CASE("whoever else brings it, or something like it, is refused") {
  const std::string state = sealed();
  const auto refused = [&](const StateBinding& binding, std::string_view text) {
    const auto call = open_state(binding, text, noon);
    return !call && call.error().code == Code::invalid;
  };
  const std::string other_key(32, 'l');
  CHECK(refused({.key = other_key, .principal = "c-1", .server = "crm", .request = "tools/call x"},
                state));
  CHECK(
      refused({.key = key, .principal = "c-2", .server = "crm", .request = "tools/call x"}, state));
  CHECK(
      refused({.key = key, .principal = "c-1", .server = "erp", .request = "tools/call x"}, state));
  CHECK(
      refused({.key = key, .principal = "c-1", .server = "crm", .request = "tools/call y"}, state));
  // Fields do not run into each other.
  CHECK(refused({.key = key, .principal = "c-1\n3:crm", .server = "", .request = "tools/call x"},
                state));
  for (std::size_t i = 0; i < state.size(); ++i) {
    std::string changed = state;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (changed != state) CHECK(refused(mine, changed));
  }
  for (const std::string& text :
       {std::string(), state + "A", std::string(5000, 'A'), std::string("not base64!")})
    CHECK(refused(mine, text));
}

TEST_CASE("what comes too late is told so") {
  const auto late = open_state(mine, sealed(), noon + std::chrono::seconds(1));
  REQUIRE(!late.has_value());
  CHECK(late.error().code == Code::timeout);
}
