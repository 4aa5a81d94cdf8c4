#include "gateway/replicas.h"

#include <doctest/doctest.h>

#include <format>
#include <map>
#include <string>
#include <vector>

using namespace latticegate;
using base::Code;
using gateway::Handed;
using gateway::Replicas;

namespace {

const base::Time noon{std::chrono::hours(12)};

std::shared_ptr<const Replicas> named(std::string self, std::vector<std::string> members,
                                      char digit = 'a') {
  config::Replicas config;
  config.self = std::move(self);
  config.key = config::Secret{crypto::Secret(std::string(64, digit)), "text"};
  for (const std::string& member : members) config.members[member].url = "http://127.0.0.1:1";
  auto made = Replicas::make(config);
  REQUIRE(made.has_value());
  return *made;
}

bool nobody(const std::string&) { return false; }

net::Head head(std::string_view sealed, std::string_view session = "s-1",
               std::string_view target = "/mcp/crm") {
  net::Head made;
  made.method = "POST";
  made.target = target;
  made.headers = {{"Mcp-Session-Id", session}, {"Latticegate-Handed", sealed}};
  return made;
}

const Handed ada{.from = {},
                 .method = identity::Method::certificate,
                 .fingerprint = "00112233",
                 .agent = "ada",
                 .address = "10.0.0.7",
                 .tls_version = "TLSv1.3",
                 .tls_group = "X25519MLKEM768",
                 .body = {}};

std::string sealed(const Replicas& from, std::string_view to, std::string_view body = "{}") {
  crypto::SeededRandom random(7);
  return from.seal(to, ada, head({}), body, noon, random);
}

}  // namespace

TEST_CASE("without members a gateway is alone") {
  const auto made = Replicas::make({});
  REQUIRE(made.has_value());
  CHECK(*made == nullptr);
}

TEST_CASE("all replicas find the same home, and each has its share") {
  const std::vector<std::string> names = {"a", "b", "c"};
  const auto a = named("a", names);
  const auto b = named("b", names);
  std::map<std::string, int> share;
  for (int i = 0; i < 3000; ++i) {
    const std::string principal = std::format("c-{}", i);
    const std::string home = a->home(principal, nobody);
    CHECK(b->home(principal, nobody) == home);
    ++share[home];
  }
  for (const std::string& name : names) CHECK(share[name] > 850);
}

TEST_CASE("when one is away or gone, only its own conversations move") {
  const auto three = named("a", {"a", "b", "c"});
  const auto two = named("a", {"a", "b"});
  const auto without_c = [](const std::string& name) { return name == "c"; };
  for (int i = 0; i < 300; ++i) {
    const std::string principal = std::format("c-{}", i);
    const std::string home = three->home(principal, nobody);
    if (home != "c") CHECK(three->home(principal, without_c) == home);
    CHECK(three->home(principal, without_c) == two->home(principal, nobody));
  }
  // It is never away for itself.
  CHECK(three->home("c-1", [](const std::string&) { return true; }) == "a");
}

TEST_CASE("the id of a session leads to the replica that opened it") {
  const auto a = named("a", {"a", "b-2"});
  const auto b = named("b-2", {"a", "b-2"});
  CHECK(*a->home_of_session(b->session_prefix() + "00ff") == "b-2");
  CHECK(*a->home_of_session(a->session_prefix() + "00ff") == "a");
  for (const char* const id : {"", "00ff", "c.00ff", ".00ff", "b-2", "b-2x.00ff"})
    CHECK(a->home_of_session(id) == nullptr);
  CHECK(a->find("b-2") != nullptr);
  CHECK(a->find("a") == nullptr);  // nothing is passed on to itself
}

TEST_CASE("what one seals the other reads, for that request only") {
  const auto a = named("a", {"a", "b", "c"});
  const auto b = named("b", {"a", "b", "c"});
  const auto c = named("c", {"a", "b", "c"});
  const std::string text = sealed(*a, "b");
  const auto handed = b->open(head(text), noon + std::chrono::seconds(59));
  REQUIRE(handed.has_value());
  CHECK(handed->from == "a");
  CHECK(handed->method == identity::Method::certificate);
  CHECK(handed->fingerprint == "00112233");
  CHECK(handed->agent == "ada");
  CHECK(handed->address == "10.0.0.7");
  CHECK(handed->tls_version == "TLSv1.3");
  CHECK(handed->tls_group == "X25519MLKEM768");

  CHECK(gateway::is_its_body(*handed, "{}"));
  CHECK(!gateway::is_its_body(*handed, "{ }"));

  const auto refused = [&](const Replicas& by, const net::Head& of, base::Time now) {
    const auto opened = by.open(of, now);
    return !opened && opened.error().code == Code::forbidden;
  };
  CHECK(refused(*c, head(text), noon));         // meant for another one
  CHECK(refused(*a, head(text), noon));         // its own
  CHECK(refused(*b, head(text, "s-2"), noon));  // another session
  CHECK(refused(*b, head(text, "s-1", "/mcp"), noon));
  CHECK(refused(*b, head(text), noon + std::chrono::seconds(61)));
  CHECK(refused(*b, head(text), noon - std::chrono::seconds(61)));
  CHECK(refused(*named("b", {"a", "b"}, 'b'), head(text), noon));  // another key
  CHECK(refused(*named("b", {"b", "c"}), head(text), noon));       // no member any more
  CHECK(refused(*b, head(std::string(5000, 'A')), noon));
  net::Head twice = head(text);
  twice.headers.push_back({"Latticegate-Handed", text});
  CHECK(refused(*b, twice, noon));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (changed != text) CHECK(refused(*b, head(changed), noon));
  }
}
