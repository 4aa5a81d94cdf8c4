// Strong identifiers: two kinds of id never mix, and neither converts from or to a plain string by
// accident.
#pragma once
#include <compare>
#include <cstddef>
#include <format>
#include <functional>
#include <string>
#include <utility>

namespace latticegate::base {

template <class Tag, class Rep = std::string>
class Id {
 public:
  Id() = default;
  explicit Id(Rep value) : value_(std::move(value)) {}
  const Rep& value() const [[clang::lifetimebound]] { return value_; }
  auto operator<=>(const Id&) const = default;

 private:
  Rep value_{};
};

}  // namespace latticegate::base

template <class Tag, class Rep>
struct std::hash<latticegate::base::Id<Tag, Rep>> {
  std::size_t operator()(const latticegate::base::Id<Tag, Rep>& id) const {
    return std::hash<Rep>{}(id.value());
  }
};

template <class Tag, class Rep>
struct std::formatter<latticegate::base::Id<Tag, Rep>> : std::formatter<Rep> {
  auto format(const latticegate::base::Id<Tag, Rep>& id, auto& context) const {
    return std::formatter<Rep>::format(id.value(), context);
  }
};
