#include "policy/detail/asked_reader.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <string>
#include <utility>

#include "cedar/extension.h"
#include "policy/detail/model.h"

namespace latticegate::policy {

using base::Code;
using cedar::EntityUid;
using cedar::Field;
using cedar::Kind;
using cedar::Value;

namespace {

base::Result<Value> wrong(std::string_view words) {
  return base::fail(Code::malformed, std::string(words));
}

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc() || end != text.end()) return std::nullopt;
  return number;
}

}  // namespace

base::Result<Value> AskedReader::value(json::Value tree) {
  if (const auto truth = tree.boolean()) return Value::boolean(*truth);
  if (const auto number = tree.integer()) return Value::integer(*number);
  if (const auto text = tree.string()) return Value::string(*text);
  if (tree.is_array()) {
    const auto elements = arena_.array<Value>(tree.size());
    std::size_t count = 0;
    for (const json::Value element : tree.elements()) {
      auto read = value(element);
      if (!read) return read;
      elements[count++] = *read;
    }
    return Value::set(elements, arena_);
  }
  if (!tree.is_object()) return wrong("no value");
  if (tree.size() == 1) {
    if (const json::Value given = tree["__entity"]) {
      auto read = uid(given);
      if (!read) return std::unexpected(std::move(read).error());
      return Value::entity(*read, arena_);
    }
    if (const json::Value given = tree["__extn"])
      return extension(given["fn"].text_or(""), given["arg"].text_or(""));
    if (const json::Value given = tree["__record"]) return pairs(given);
  }
  const auto fields = arena_.array<Field>(tree.size());
  std::size_t count = 0;
  for (const json::Member member : tree.members()) {
    auto read = value(member.value);
    if (!read) return base::within(member.key, std::move(read).error());
    fields[count++] = {cedar::Name(member.key), *read};
  }
  return Value::record(fields, arena_);
}

base::Result<EntityUid> AskedReader::uid(json::Value tree) {
  const auto type = tree["type"].string();
  const auto id = tree["id"].string();
  if (!type || !id) return base::fail(Code::malformed, "an entity without type and id");
  return uid(*type, *id);
}

EntityUid AskedReader::uid(std::string_view type, std::string_view id) {
  if (type != model::user) return {type, id};
  const auto known = people_.find(id);
  if (known != people_.end()) return {type, known->second};
  unknown_person = true;
  return {type, id};
}

base::Result<std::vector<EntityUid>> AskedReader::parents(json::Value list) {
  std::vector<EntityUid> all;
  for (const json::Value one : list.elements()) {
    auto read = uid(one);
    if (!read) return std::unexpected(std::move(read).error());
    all.push_back(*read);
  }
  return all;
}

base::Result<cedar::Entity> AskedReader::entity(json::Value tree, const cedar::Entities& store) {
  auto attributes = value(tree["attrs"]);
  if (!attributes) return base::within("attrs", std::move(attributes).error());
  if (!attributes->is(Kind::record)) return base::fail(Code::malformed, "attrs: no record");
  auto above = parents(tree["parents"]);
  if (!above) return base::within("parents", std::move(above).error());
  auto who = uid(tree["uid"]);
  if (!who) return base::within("uid", std::move(who).error());
  return cedar::make_entity(*who, *attributes, arena_.copy(std::span<const EntityUid>(*above)),
                            store, arena_);
}

base::Result<cedar::Entity> AskedReader::action(json::Value tree) {
  auto who = uid(tree["uid"]);
  if (!who) return std::unexpected(std::move(who).error());
  auto groups = parents(tree["parents"]);
  if (!groups) return std::unexpected(std::move(groups).error());
  std::ranges::sort(*groups);
  cedar::Entity action;
  action.uid = *who;
  action.parents = action.ancestors = arena_.copy(std::span<const EntityUid>(*groups));
  return action;
}

base::Result<Value> AskedReader::extension(std::string_view function, std::string_view text) {
  std::optional<std::int64_t> number;
  if (function == "ip") {
    if (const auto range = cedar::parse_ip(text)) return Value::ip(*range, arena_);
  } else if (function == "long") {
    if ((number = whole(text))) return Value::integer(*number);
  } else if (function == "decimal") {
    if ((number = cedar::parse_decimal(text))) return Value::decimal(*number);
  } else if (function == "duration") {
    if ((number = cedar::parse_duration(text))) return Value::duration(*number);
  } else if (function == "datetime") {
    number = text.starts_with(milliseconds_mark) ? whole(text.substr(milliseconds_mark.size()))
                                                 : cedar::parse_datetime(text);
    if (number) return Value::datetime(*number);
  }
  return wrong("an __extn that is none of ours");
}

base::Result<Value> AskedReader::pairs(json::Value given) {
  const auto fields = arena_.array<Field>(given.size());
  std::size_t count = 0;
  for (const json::Value pair : given.elements()) {
    const auto name = pair.at(0).string();
    if (!name || pair.size() != 2) return wrong("a __record that is none of ours");
    auto read = value(pair.at(1));
    if (!read) return base::within(*name, std::move(read).error());
    fields[count++] = {cedar::Name(*name), *read};
  }
  return Value::record(fields, arena_);
}

}  // namespace latticegate::policy
