// The inside of a RuleSet: Vectorscan databases over the rules' anchors. Only rules.cc and scan.cc
// include it.
#pragma once
#include <hs.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inspect/rules.h"

namespace latticegate::inspect {

struct FreeDatabase {
  void operator()(hs_database_t* database) const { hs_free_database(database); }
};
struct FreeScratch {
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};

// A literal that Vectorscan looks for, and the rules that want to see its occurrences.
struct Anchor {
  std::string text;
  bool ignore_case = false;
  std::vector<std::uint32_t> rules;
};

struct RuleSet::Compiled {
  std::vector<Rule> rules;
  std::vector<std::string> placeholders;  // lower case; a secret that contains one is documentation
  std::vector<std::string> values;        // lower case; whole secrets that are none
  std::vector<Anchor> anchors;            // the pattern id of an anchor is its index
  // Surfaces with the same rules share a database; null for a surface without rules.
  std::array<std::shared_ptr<hs_database_t>, surfaces> databases;
  std::string digest;
  std::string fingerprint;  // of what the databases are made of
  bool kept = false;        // the databases were not compiled here
};

}  // namespace latticegate::inspect
