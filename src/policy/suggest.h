// Suggest: the least that would have allowed what was allowed, as policies to be reviewed.
//
// From recorded calls that the policies of then allowed: one permit for each agent, or each group
// of agents, with each tool that was called, resource server that was read and prompt that was
// used. Each says in a comment what it rests on. Arguments are constrained where what was seen
// justifies it:
//   one of few texts    enough calls, at most Settings::most_values different texts
//   a folder            texts that are paths, all below one folder, none with ".."
//   a maximum           integers that repeat; the least and the greatest that were seen
//   one of two          a boolean that was always the same, in enough calls
//   a set of few texts  as for one
// and where the argument always was given, that it is. Everything else is said to be free. Nothing
// is taken from strings that were replaced because they held a secret.
//
// What is written comes from clients and servers; it is quoted, so that no argument, name or agent
// writes policy text of its own. Whoever sends calls decides what is evidence: the text is for
// review, not for use as it is.
//
// Pure; one thread. Memory: bounded by the agents, tools and arguments that there are, at most 64
// arguments for each.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/engine.h"
#include "policy/replay.h"

namespace latticegate::policy {

class Suggest {
 public:
  struct Settings {
    bool by_group = false;      // of the agents' own groups, where they have one
    std::uint64_t enough = 20;  // calls, for "always" and "only"
    std::size_t most_values = 8;
  };
  // `engine`: of the policies in force, whose unused permits are told; and its World.
  Suggest(std::shared_ptr<const Engine> engine, const World& world, const Settings& settings);
  Suggest(const Suggest&) = delete;
  Suggest& operator=(const Suggest&) = delete;
  ~Suggest();

  void take(const RecordedCall& call);

  struct Counts {
    std::uint64_t allowed = 0;  // calls that the text rests on
    std::uint64_t refused = 0;  // by the policies of then: no evidence
    std::uint64_t missing = 0;  // allowed, and not recorded whole: nothing rests on them
    std::size_t grants = 0;     // permits in the text
  };
  const Counts& counts() const { return counts_; }

  // Cedar text, laid out. `plain`: ids of permits without conditions on arguments.
  std::string text(const std::set<std::string, std::less<>>& plain) const;
  // The ids of permits about a target ("crm/search", a URI).
  std::vector<std::string> ids_about(std::string_view target) const;
  // Ids of the permits that allowed a call, then or now.
  const std::set<std::string, std::less<>>& used() const { return used_; }

 private:
  struct Grant;
  std::shared_ptr<const Engine> engine_;
  People people_;
  Settings settings_;
  Scratch scratch_;
  cedar::Arena arena_;
  Judgement judgement_;
  Counts counts_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Grant>> grants_;  // who, what
  std::set<std::string, std::less<>> used_;
};

// Of the policies in force, the permits that allowed nothing.
struct UnusedGrant {
  std::string policy;
  std::string place;  // "policies.cedar:31:1"
};
[[nodiscard]] base::Result<std::vector<UnusedGrant>> unused_grants(
    std::span<const PolicyText> texts, const std::set<std::string, std::less<>>& used);

}  // namespace latticegate::policy
