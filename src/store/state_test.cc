#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "store/detail/scratch.h"
#include "store/state.h"

using namespace latticegate;
using store::State;
using Entries = std::vector<State::Entry>;

namespace {
State opened(const std::filesystem::path& path) {
  auto state = State::open(path);
  REQUIRE_MESSAGE(state.has_value(), state.error().detail);
  return *std::move(state);
}
}  // namespace

TEST_CASE("what was put is there after a restart, byte for byte") {
  const store::Scratch scratch;
  const auto path = scratch.path() / "deep" / "state.db";
  const std::string bytes("a\0b\xFF", 4);
  {
    State state = opened(path);
    CHECK(state.put("kill", "c1", bytes).has_value());
    CHECK(state.put("kill", "c1", bytes + "x").has_value());
    CHECK(state.put("pin", "c1", "").has_value());
    CHECK(state.put("pin", std::string("k\0y", 3), "z").has_value());
  }
  State state = opened(path);
  CHECK(state.get("kill", "c1").value() == bytes + "x");
  CHECK(state.get("pin", "c1").value() == "");
  CHECK(state.get("pin", std::string("k\0y", 3)).value() == "z");
  CHECK_FALSE(state.get("pin", "c2").value().has_value());
  CHECK_FALSE(state.get("other", "c1").value().has_value());
  CHECK(state.remove("kill", "c1").has_value());
  CHECK(state.remove("kill", "c1").has_value());
  CHECK_FALSE(state.get("kill", "c1").value().has_value());
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("lists go by name space, prefix and key") {
  const store::Scratch scratch;
  State state = opened(scratch.path() / "state.db");
  for (const std::string_view key : {"b/2", "a/1", "b/1", "c", "b0", "b"})
    REQUIRE(state.put("s", key, key).has_value());
  REQUIRE(state.put("t", "b/3", "").has_value());
  CHECK(state.list("s", "b/").value() == Entries{{"b/1", "b/1"}, {"b/2", "b/2"}});
  CHECK(state.list("s").value().size() == 6);
  CHECK(state.list("s").value().front().key == "a/1");
  CHECK(state.list("none").value().empty());
}

TEST_CASE("changes are made together or not at all") {
  const store::Scratch scratch;
  State state = opened(scratch.path() / "state.db");
  REQUIRE(state.put("s", "old", "1").has_value());
  const std::string large(store::state_value_limit.count + 1, 'x');
  const std::vector<State::Change> bad{
      {"s", "old", std::nullopt}, {"s", "new", "2"}, {"s", "large", large}};
  const auto refused = state.apply(bad);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == base::Code::too_large);
  CHECK(state.list("s").value() == Entries{{"old", "1"}});
  CHECK(state.apply(std::vector<State::Change>{bad[0], bad[1]}).has_value());
  CHECK(state.list("s").value() == Entries{{"new", "2"}});
}

TEST_CASE("a second process sees the changes, and that there were some") {
  const store::Scratch scratch;
  State daemon = opened(scratch.path() / "state.db");
  State command = opened(scratch.path() / "state.db");
  const auto before = daemon.version().value();
  CHECK(daemon.version().value() == before);
  REQUIRE(command.put("kill", "c1", "x").has_value());
  CHECK(daemon.version().value() != before);
  CHECK(daemon.get("kill", "c1").value() == "x");
  const auto between = daemon.version().value();
  REQUIRE(daemon.put("kill", "c2", "x").has_value());
  CHECK(daemon.version().value() != between);
}

TEST_CASE("what is no state of ours is refused with the path in the sentence") {
  const store::Scratch scratch;
  const auto path = scratch.path() / "state.db";
  std::ofstream(path) << std::string(5000, 'n');
  const auto garbage = State::open(path);
  REQUIRE_FALSE(garbage.has_value());
  CHECK(garbage.error().code == base::Code::malformed);
  CHECK(garbage.error().detail.contains("state.db"));
  CHECK(State::open(scratch.path()).error().code == base::Code::io);
}
