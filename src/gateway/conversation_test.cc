#include "gateway/conversation.h"

#include <doctest/doctest.h>

#include <format>
#include <string>

#include "crypto/random.h"
#include "gateway/session.h"
#include "identity/pseudonym.h"

using namespace latticegate;
using namespace std::chrono_literals;
using gateway::Principals;
using gateway::Sessions;

namespace {

identity::Caller caller(std::string_view agent) {
  auto profile = std::make_shared<identity::CallerProfile>();
  profile->agent = identity::AgentId(std::string(agent));
  return identity::Caller(std::move(profile));
}

constexpr base::Instant start{1h};

Principals forgetful() {
  return Principals(
      [](const std::string&, const std::optional<gateway::Kill>&) { return base::Result<void>(); },
      "key", "ids");
}

gateway::Kill by_hand() { return {base::Time{}, "", "", "operator", "test"}; }

std::shared_ptr<gateway::Session> session_of(const std::shared_ptr<gateway::Principal>& principal,
                                             std::int64_t used) {
  auto session = std::make_shared<gateway::Session>();
  session->principal = principal;
  session->server = "tools";
  session->last_used_ns = used;
  return session;
}

}  // namespace

TEST_CASE("a full table forgets the principal that was not asked for longest") {
  Principals principals = forgetful();
  const std::string first = principals.find(caller("a"), 3, start)->id();
  const std::string second = principals.find(caller("b"), 3, start + 1s)->id();
  const std::string third = principals.find(caller("c"), 3, start + 2s)->id();
  CHECK(principals.find(caller("a"), 3, start + 3s) != nullptr);  // now b is the oldest
  CHECK(principals.find(caller("d"), 3, start + 4s) != nullptr);
  CHECK(principals.all().size() == 3);
  CHECK(principals.find_by_id(first) != nullptr);
  CHECK(principals.find_by_id(second) == nullptr);
  CHECK(principals.find_by_id(third) != nullptr);
}

TEST_CASE("a principal that is in use or killed stays, and newcomers are refused") {
  Principals principals = forgetful();
  const auto held = principals.find(caller("held"), 2, start);
  const std::string killed = principals.find(caller("killed"), 2, start)->id();
  CHECK(principals.kill(*principals.find_by_id(killed), by_hand()));
  CHECK(principals.find(caller("new"), 2, start + 1s) == nullptr);
  CHECK(principals.find(caller("held"), 2, start + 1s) == held);  // who is known is not refused
  CHECK(principals.find_by_id(killed)->is_killed());
  CHECK(principals.release(killed));
  CHECK(principals.find(caller("new"), 2, start + 2s) != nullptr);
  CHECK(principals.find_by_id(killed) == nullptr);
}

TEST_CASE("who was forgotten and is killed meanwhile comes back killed") {
  Principals principals = forgetful();
  const auto gone = std::make_shared<gateway::Principal>(
      identity::conversation_pseudonym("ids", caller("a").profile()), "", "a", "");
  CHECK(principals.find(caller("a"), 1, start) != nullptr);
  CHECK(principals.find(caller("b"), 1, start + 1s) != nullptr);
  CHECK(principals.find_by_id(gone->id()) == nullptr);
  CHECK(principals.kill(*gone, by_hand()));
  CHECK(principals.find(caller("a"), 1, start + 2s)->is_killed());
}

TEST_CASE("a lower limit after a reload is reached with the next newcomer") {
  Principals principals = forgetful();
  for (int i = 0; i < 10; ++i)
    CHECK(principals.find(caller(std::format("a{}", i)), 10, start + i * 1s) != nullptr);
  CHECK(principals.find(caller("new"), 4, start + 20s) != nullptr);
  CHECK(principals.all().size() == 4);
  CHECK(principals.find_by_id(identity::conversation_pseudonym("ids", caller("a9").profile())) !=
        nullptr);
}

TEST_CASE("sessions: the longest idle go first, those in use never") {
  Principals principals = forgetful();
  crypto::SystemRandom random;
  const auto a = principals.find(caller("a"), 10, start);
  const auto b = principals.find(caller("b"), 10, start);
  Sessions sessions;
  const auto add = [&](const auto& of, std::int64_t used) {
    return sessions.add(session_of(of, used), random)->id;
  };
  const std::string oldest = add(a, 1);
  const std::string streaming = add(a, 2);
  const std::string working = add(b, 3);
  const std::string older = add(b, 4);
  const std::string newest = add(a, 5);
  sessions.find(streaming, *a, "tools")->streams = 1;
  sessions.find(working, *b, "tools")->requests->add("1", {"u1", nullptr, ""});
  sessions.put_modern(*b, session_of(b, 6));

  auto taken = sessions.take_oldest(1, b.get());  // b's own, although a has an older one
  REQUIRE(taken.size() == 1);
  CHECK(taken.front()->id == older);
  {
    const auto held = sessions.find(oldest, *a, "tools");  // an exchange has it in hand
    taken = sessions.take_oldest(1, nullptr);
    REQUIRE(taken.size() == 1);
    CHECK(taken.front()->id == newest);
  }
  taken = sessions.take_oldest(100, nullptr);
  REQUIRE(taken.size() == 2);
  CHECK(taken.front()->id == oldest);
  CHECK(taken.back()->id.empty());  // b's modern access
  CHECK(sessions.size() == 2);
  CHECK(sessions.find(streaming, *a, "tools") != nullptr);
  CHECK(sessions.find(working, *b, "tools") != nullptr);
}
