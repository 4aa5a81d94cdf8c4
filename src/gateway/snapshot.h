// Snapshot: everything that a configuration decides, immutable, made whole before it is used and
// swapped at once on a reload. Calls under way keep the one that they began with.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "behaviour/objective.h"
#include "config/config.h"
#include "gateway/catalogue.h"
#include "gateway/door.h"
#include "gateway/replicas.h"
#include "identity/authenticator.h"
#include "inspect/rules.h"
#include "inspect/scan.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "policy/engine.h"

namespace latticegate::gateway {

class Broker;
class RulesInForce;

// One server as calls need it.
struct ServerRoute {
  const config::Server* config = nullptr;  // into the snapshot's configuration
  policy::Mode mode = policy::Mode::enforce;
  std::shared_ptr<Catalogue> catalogue;
  net::Url url;                                // HTTP servers
  std::shared_ptr<const net::TlsContext> tls;  // https servers
  std::string authorization;
  std::shared_ptr<Broker> broker;  // gets tokens for it; null: nobody needs to
  std::uint64_t key = 0;           // names the pool; changes when the transport does
};

struct Snapshot {
  std::uint64_t generation = 0;
  std::shared_ptr<const config::Config> config;
  bool traces = false;  // some server's answers are untrusted or private
  bool plants = false;  // some policy answers with planted values, which may come back
  std::shared_ptr<const identity::Authenticator> authenticator;
  std::shared_ptr<const policy::Engine> engine;
  std::shared_ptr<const policy::Engine> shadow;  // null: none, or it could not be loaded
  std::string shadow_trouble;                    // why it could not
  std::shared_ptr<const inspect::RuleSet> rules;
  inspect::SecondOpinion opinion;
  std::shared_ptr<const net::TlsContext> tls;  // of the listener; null without TLS
  std::map<std::string, ServerRoute, std::less<>> routes;
  std::map<std::string, Door, std::less<>> doors;
  // Of objectives; those that stay the same go on.
  std::vector<std::shared_ptr<behaviour::Budget>> budgets;
  std::vector<std::string> hosts;            // lower-case names that a Host header may have
  std::shared_ptr<const Replicas> replicas;  // null: this gateway is alone

  // Of the ids of legacy sessions.
  std::string session_prefix() const { return replicas ? replicas->session_prefix() : ""; }
};

// Builds a snapshot from a checked configuration: policies, rules, certificates are read from disk.
// Catalogues begin anew and fill with the next list or call; objectives of `previous` (may be null)
// that stay the same go on; `person_key`: see World. Policies of the shadow that cannot be loaded
// are no error: a change of what is in force does not wait for them.
[[nodiscard]] base::Result<std::shared_ptr<const Snapshot>> make_snapshot(
    std::shared_ptr<const config::Config> config, std::uint64_t generation, Pins& pins,
    RulesInForce& inspection_rules, const base::Clock& clock, const base::Log& log,
    std::string_view person_key, const Snapshot* previous);

// The policy files of a directory, by name; a missing directory is an error that says so.
[[nodiscard]] base::Result<std::vector<policy::PolicyText>> read_policies(
    const std::filesystem::path& directory);

// The world that policies know, from the configuration.
policy::World world_of(const config::Config& config, std::string_view person_key);

}  // namespace latticegate::gateway
