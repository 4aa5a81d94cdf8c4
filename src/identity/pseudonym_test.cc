#include "identity/pseudonym.h"

#include <doctest/doctest.h>

#include <set>

using namespace latticegate;

TEST_CASE("a pseudonym tells people, agents and deployments apart, and nothing else") {
  identity::CallerProfile agent{.agent = identity::AgentId("bot")};
  identity::CallerProfile ada = agent;
  ada.user = identity::User{.id = identity::UserId("ada")};
  identity::CallerProfile other_agent = ada;
  other_agent.agent = identity::AgentId("other");
  const std::string key = "key";
  const std::string mark = identity::pseudonym(key, ada);
  CHECK(mark.size() == 22);
  CHECK(mark.starts_with("p:"));
  CHECK(mark == identity::person_pseudonym(key, "", "ada"));
  CHECK(mark == identity::pseudonym(key, other_agent));  // the person, whatever acts for them
  CHECK(identity::pseudonym(key, agent).starts_with("w:"));
  identity::CallerProfile elsewhere = ada;
  elsewhere.tenant = identity::TenantId("acme");
  const std::set<std::string> all{mark, identity::pseudonym("key2", ada),
                                  identity::pseudonym(key, elsewhere),
                                  identity::pseudonym(key, agent)};
  CHECK(all.size() == 4);
  const std::set<std::string> conversations{identity::conversation_pseudonym(key, agent),
                                            identity::conversation_pseudonym(key, ada),
                                            identity::conversation_pseudonym(key, other_agent),
                                            identity::conversation_pseudonym("key2", ada)};
  CHECK(conversations.size() == 4);
  CHECK(conversations.begin()->size() == 14);
}
