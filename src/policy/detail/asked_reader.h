// The pieces of policy/asked.h that were written, as values again. Errors name the place.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cedar/arena.h"
#include "cedar/entity.h"
#include "cedar/value.h"
#include "json/value.h"
#include "policy/asked.h"

namespace latticegate::policy {

// Before a datetime that has no text: its milliseconds follow.
inline constexpr std::string_view milliseconds_mark = "ms:";

class AskedReader {
 public:
  // Both outlive it; values lie in the arena and are views of the JSON.
  AskedReader(const People& people, cedar::Arena& arena) : people_(people), arena_(arena) {}

  base::Result<cedar::Value> value(json::Value tree);
  // A principal or resource; `store` has what is above its direct parents.
  base::Result<cedar::Entity> entity(json::Value tree, const cedar::Entities& store);
  base::Result<cedar::Entity> action(json::Value tree);
  // By the name of its constructor and the text that it was made of.
  base::Result<cedar::Value> extension(std::string_view function, std::string_view text);
  // By type and id; people by their marks.
  cedar::EntityUid uid(std::string_view type, std::string_view id);

  bool unknown_person = false;  // some person was one whom the World does not know

 private:
  base::Result<cedar::EntityUid> uid(json::Value tree);
  base::Result<std::vector<cedar::EntityUid>> parents(json::Value list);
  base::Result<cedar::Value> pairs(json::Value given);
  const People& people_;
  cedar::Arena& arena_;
};

}  // namespace latticegate::policy
