#include <algorithm>
#include <format>
#include <functional>
#include <set>
#include <utility>

#include "base/suggest.h"
#include "config/detail/parts.h"

namespace latticegate::config::detail {

void Hierarchy::define(Section& top, std::string_view key) {
  given_ = top.find(key) != nullptr;
  for (const yaml::Node& item : top.items(key)) {
    Section section(top.findings(), &item, std::format("{}[]", key), std::string(kind_));
    std::string name;
    std::vector<std::string> in;
    const bool named = section.text("name", name);
    section.texts("in", in);
    refer(section.node().find("in"));
    if (named && !defined_.try_emplace(name, std::move(in)).second)
      top.findings().problem(item, std::format("the {} \"{}\" is defined twice", kind_, name));
  }
}

void Hierarchy::refer(const yaml::Node* list) {
  if (list == nullptr) return;
  for (const yaml::Node& item : list->items()) refer_one(&item);
}

void Hierarchy::refer_one(const yaml::Node* text) {
  if (text != nullptr && text->is_scalar() && !text->text().empty()) referred_.push_back(text);
}

std::vector<Named> Hierarchy::finish(Findings& findings) {
  std::vector<std::string_view> known;
  for (const auto& [name, in] : defined_) known.push_back(name);
  for (const yaml::Node* reference : referred_) {
    if (defined_.contains(reference->text())) continue;
    if (!given_) {
      defined_.try_emplace(reference->text());
      continue;
    }
    std::string sentence = std::format("no {} \"{}\" is defined", kind_, reference->text());
    if (const auto near = base::nearest(reference->text(), known))
      sentence += std::format("; did you mean \"{}\"?", *near);
    findings.problem(*reference, sentence);
  }

  // Names that have been seen through to the top without meeting themselves.
  std::set<std::string_view> cleared;
  std::vector<std::string_view> way;
  const std::function<bool(std::string_view)> climbs = [&](std::string_view name) {
    if (cleared.contains(name)) return true;
    if (std::ranges::contains(way, name)) return false;
    const auto at = defined_.find(name);
    if (at == defined_.end()) return true;  // reported above
    way.push_back(name);
    for (const std::string& above : at->second)
      if (!climbs(above)) return false;
    way.pop_back();
    cleared.insert(name);
    return true;
  };
  std::vector<Named> out;
  for (const auto& [name, in] : defined_) {
    if (!climbs(name)) {
      const auto place = std::ranges::find_if(
          referred_, [&](const yaml::Node* node) { return node->text() == name; });
      if (place != referred_.end())
        findings.problem(**place, std::format("the {} \"{}\" is part of itself", kind_, name));
      return {};
    }
    out.push_back({name, in});
  }
  return out;
}

}  // namespace latticegate::config::detail
