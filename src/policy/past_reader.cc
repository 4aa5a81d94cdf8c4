#include "policy/past_reader.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "policy/detail/asked_reader.h"
#include "policy/detail/model.h"

namespace latticegate::policy {
namespace {

using cedar::Field;
using cedar::Value;

constexpr std::size_t places = 1024;  // of each role
constexpr std::size_t tail = 64;      // bytes that decide about the place: the uid comes last

// What stands between the two, if it needs no unescaping.
std::optional<std::string_view> between(std::string_view text, std::string_view before,
                                        std::string_view after) {
  if (text.size() < before.size() + after.size() || !text.starts_with(before) ||
      !text.ends_with(after))
    return std::nullopt;
  text = text.substr(before.size(), text.size() - before.size() - after.size());
  if (text.contains('"') || text.contains('\\')) return std::nullopt;
  return text;
}
// The same of two texts with something in the middle.
std::optional<std::pair<std::string_view, std::string_view>> between(std::string_view text,
                                                                     std::string_view before,
                                                                     std::string_view after,
                                                                     std::string_view middle) {
  const std::size_t at = text.find(middle);
  if (at == std::string_view::npos) return std::nullopt;
  const auto first = between(text.substr(0, at), before, "");
  const auto second = between(text.substr(at), middle, after);
  if (!first || !second) return std::nullopt;
  return std::pair(*first, *second);
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  // "01" and "-0" are for the parser to say no to.
  if (text.size() > 1 && (text.starts_with('0') || text.starts_with("-0"))) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc() || end != text.end()) return std::nullopt;
  return number;
}

}  // namespace

// An entity of the question as it was read, and what it was read from.
struct PastReader::Known {
  std::string raw;
  json::Document document;
  cedar::Arena arena{512};
  cedar::Entity entity{};
  bool unknown_person = false;
};

PastReader::PastReader(std::shared_ptr<const Engine> engine, const People& people)
    : engine_(std::move(engine)), people_(&people), reads_(*engine_->context_reads()) {
  for (auto& of_role : known_) of_role.resize(places);
  // Whether people are known is told of every call.
  reads_.add({"approval", "approver"});
  reads_.add({"session", "user"});
}
PastReader::PastReader(PastReader&&) noexcept = default;
PastReader& PastReader::operator=(PastReader&&) noexcept = default;
PastReader::~PastReader() = default;

const PastReader::Known* PastReader::known(Role role, std::string_view raw) {
  const std::size_t place =
      cedar::hash_of(raw.substr(raw.size() - std::min(raw.size(), tail))) % places;
  std::unique_ptr<Known>& kept = known_.at(static_cast<std::size_t>(role)).at(place);
  if (kept && kept->raw == raw) return kept.get();
  auto document = json::Document::parse(raw);
  if (!document) return nullptr;
  auto made = std::make_unique<Known>(std::string(raw), *std::move(document));
  AskedReader reader(*people_, made->arena);
  const json::Value tree = made->document.root();
  auto entity = role == Role::action ? reader.action(tree) : reader.entity(tree, engine_->known());
  if (!entity) return nullptr;
  made->entity = *entity;
  made->unknown_person = reader.unknown_person;
  kept = std::move(made);
  return kept.get();
}

// No value: it has to be read whole.
Value PastReader::value(std::string_view raw, AskedReader& reader) {
  if (raw == "true" || raw == "false") return Value::boolean(raw == "true");
  if (const auto text = json::plain_string(raw)) return Value::string(*text);
  if (raw.starts_with('[')) return list(raw, reader);
  if (const auto number = whole_number(raw)) return Value::integer(*number);
  // What most contexts have: who is behind the agent, times, addresses.
  if (const auto id = between(raw, R"({"__entity":{"id":")", R"(","type":"Mcp::User"}})"))
    return Value::entity(reader.uid(model::user, *id), arena_);
  if (const auto given = between(raw, R"({"__extn":{"arg":")", R"("}})", R"(","fn":")"))
    return reader.extension(given->second, given->first).value_or(Value());
  auto document = json::Document::parse(raw);
  if (!document) return {};
  documents_.push_back(*std::move(document));
  return reader.value(documents_.back().root()).value_or(Value());
}

Value PastReader::list(std::string_view raw, AskedReader& reader) {
  std::size_t most = 0;
  json::Skim count(raw);
  for (count.enter_list(); count.element(); ++most) count.value();
  const auto elements = arena_.array<Value>(most);
  std::size_t read = 0;
  json::Skim skim(raw);
  for (skim.enter_list(); skim.element();) {
    elements[read] = value(skim.value(), reader);
    if (!elements[read++]) return {};
  }
  if (count.odd() || skim.odd()) return {};
  return Value::set(elements, arena_);
}

Value PastReader::context(json::Skim& skim, const ContextReads::Part& part, AskedReader& reader) {
  if (part.whole || skim.peek() != '{' || skim.rest().starts_with("{\"__"))
    return value(skim.value(), reader);
  const auto fields = arena_.array<Field>(part.parts.size());
  std::size_t count = 0;
  std::string_view key;
  for (skim.enter(); skim.member(key);) {
    const ContextReads::Part* const wanted = part.find(key);
    if (wanted == nullptr) {
      skim.value();
      continue;
    }
    fields[count] = {wanted->name, context(skim, *wanted, reader)};
    if (!fields[count++].value) return {};
  }
  return Value::record(fields.first(count), arena_);
}

const PastCall* PastReader::read(json::Skim& skim) {
  arena_.reset();
  documents_.clear();
  AskedReader reader(*people_, arena_);
  call_.request.context = {};
  call_.world = {};
  std::array<const Known*, 3> entities{};
  const auto entity = [&](Role role) {
    const Known* const found = known(role, skim.value());
    entities.at(static_cast<std::size_t>(role)) = found;
    return found != nullptr;
  };
  std::string_view key;
  for (skim.enter(); skim.member(key);) {
    bool good = false;
    if (key == "action") {
      good = entity(Role::action);
    } else if (key == "context") {
      call_.request.context = context(skim, reads_.root(), reader);
      good = call_.request.context.is(cedar::Kind::record);
    } else if (key == "principal") {
      good = entity(Role::principal);
    } else if (key == "resource") {
      good = entity(Role::resource);
    } else if (key == "world") {
      const auto world = json::plain_string(skim.value());
      good = world.has_value();
      if (good) call_.world = *world;
    }
    if (!good) return nullptr;
  }
  const auto [principal, action, resource] = entities;
  if (skim.odd() || principal == nullptr || action == nullptr || resource == nullptr ||
      !call_.request.context)
    return nullptr;
  call_.principal = principal->entity;
  call_.action = action->entity;
  call_.resource = resource->entity;
  call_.request.principal = call_.principal.uid;
  call_.request.action = call_.action.uid;
  call_.request.resource = call_.resource.uid;
  call_.unknown_person = reader.unknown_person || principal->unknown_person ||
                         action->unknown_person || resource->unknown_person;
  return &call_;
}

}  // namespace latticegate::policy
