#include "gateway/acting.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <functional>

#include "policy/destination.h"
#include "policy/sql_facts.h"

namespace latticegate::gateway {
namespace {

using behaviour::Thing;

constexpr std::size_t longest_text = std::size_t{16} * 1024;
constexpr std::uint32_t deepest = 8;
constexpr std::size_t most = 32;

// "/srv/data/x/y" -> "/srv/data"; nothing for what is no path.
std::string_view root_of(std::string_view text) {
  if (!text.starts_with('/') || text.size() < 2 || text.contains('\n')) return {};
  const std::size_t second = text.find('/', 1);
  if (second == std::string_view::npos) return text;
  return text.substr(0, text.find('/', second + 1));
}

}  // namespace

std::string_view Acting::keep(std::string text) { return kept_.emplace_front(std::move(text)); }

void Acting::add(Thing kind, std::string_view name) {
  if (name.empty() || touched_.size() >= most) return;
  for (const behaviour::Touched& known : touched_)
    if (known.kind == kind && known.name == name) return;
  touched_.push_back({kind, name});
}

void Acting::look(const config::Server& server, std::string_view tool, std::string_view uri,
                  json::Value arguments, base::Time at) {
  touched_.clear();
  given_.clear();
  kept_.clear();
  arena_.reset();
  numbers_ = 0;
  counted_ = 0;
  act_ = {};
  act_.at = at;
  std::string name = server.name;
  const std::string_view named = keep((name += '/').append(tool));
  act_.tool = std::hash<std::string_view>{}(named);
  if (!tool.empty()) add(Thing::tool, named);
  add(Thing::server, server.name);
  const auto known = server.tools.find(tool);
  const config::Tool* const own = known == server.tools.end() ? nullptr : &known->second;
  add(Thing::segment, own != nullptr && !own->segment.empty() ? own->segment : server.segment);
  for (const std::string& domain : own != nullptr && own->domains ? *own->domains : server.domains)
    add(Thing::domain, domain);
  if (!uri.empty()) take(uri);
  walk(arguments, {}, 0);
  if (numbers_ == 0 && counted_ == 1)
    act_.number = last_;  // "INV-1041"
  else if (numbers_ != 1)
    act_.number.reset();
  act_.touched = touched_;
}

void Acting::give(std::string_view name, std::string_view text, std::optional<double> number) {
  if (given_.size() < most && !name.empty()) given_.push_back({name, text, number});
}

void Acting::walk(json::Value value, std::string_view name, std::uint32_t depth) {
  const auto mix = [&](std::string_view text) {
    act_.arguments = act_.arguments * 0x9E3779B97F4A7C15U + std::hash<std::string_view>{}(text);
  };
  if (depth > deepest) return;
  if (const auto text = value.string()) {
    mix(*text);
    take(*text);
    count(*text);
    give(name, *text);
  } else if (value.is_number()) {
    mix(value.digits());
    give(name, value.digits(), value.number());
    if (const auto number = value.integer()) {
      act_.number = *number;
      ++numbers_;
    }
  } else if (const auto truth = value.boolean()) {
    give(name, *truth ? "true" : "false");
  } else if (value.is_array()) {
    for (const json::Value element : value.elements()) walk(element, name, depth + 1);
  } else {
    for (const json::Member member : value.members()) {
      mix(member.key);
      walk(member.value,
           name.empty() || given_.size() == most ? std::string_view(member.key)
                                                 : keep(std::format("{}.{}", name, member.key)),
           depth + 1);
    }
  }
}

void Acting::count(std::string_view text) {
  constexpr std::size_t longest_name = 64, longest_number = 15;
  if (text.size() > longest_name || text.contains(' ')) return;
  std::size_t begin = text.size();
  while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
  if (begin == text.size() || text.size() - begin > longest_number) return;
  if (std::from_chars(text.data() + begin, text.data() + text.size(), last_).ec == std::errc())
    ++counted_;
}

void Acting::take(std::string_view text) {
  if (text.size() > longest_text) return;
  if (policy::looks_like_url(text)) {
    add(Thing::host, policy::destination_of(text, arena_).host);
  } else if (policy::looks_like_sql(text)) {
    // A qualified name is listed in full and by its last part.
    for (const std::string_view table : policy::sql_facts(text, arena_).tables) {
      add(Thing::table, table);
      if (const std::size_t dot = table.rfind('.'); dot != std::string_view::npos)
        add(Thing::schema, table.substr(0, dot));
    }
  } else {
    add(Thing::path, root_of(text));
  }
}

}  // namespace latticegate::gateway
