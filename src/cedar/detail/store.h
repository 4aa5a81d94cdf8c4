// The content of a PolicySet.
#pragma once
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "cedar/arena.h"
#include "cedar/detail/lexer.h"
#include "cedar/detail/uid_table.h"
#include "cedar/policy_set.h"

namespace latticegate::cedar {

struct PolicySet::Store {
  Arena arena{4096};
  std::vector<std::unique_ptr<const SourceFile>> files;
  std::vector<Policy> policies;
  std::vector<Policy> templates;
  std::map<std::string_view, const Policy*> by_id;  // filled by build()
  UidTable<std::vector<PolicyIndex>> action_equal;
  UidTable<std::vector<PolicyIndex>> action_in;
  std::vector<PolicyIndex> action_any;
  // While building:
  Naming naming = Naming::by_annotation;
  PolicyLimits limits;
  std::size_t read = 0;  // policies and templates read so far
  std::map<std::string_view, Location> ids;
};

}  // namespace latticegate::cedar
