#include "policy/asked.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <format>
#include <span>
#include <utility>

#include "cedar/extension.h"
#include "cedar/from_json.h"
#include "crypto/hash.h"
#include "json/write.h"
#include "policy/detail/asked_reader.h"
#include "policy/detail/asked_writer.h"
#include "policy/detail/model.h"

namespace latticegate::policy {
namespace {

using base::Code;
using cedar::EntityUid;
using cedar::Field;
using cedar::Kind;
using cedar::Value;

constexpr std::int64_t exact = 9'007'199'254'740'991;  // the largest integer of RFC 8785
constexpr std::string_view reserved = "__";

void append_number(std::int64_t number, std::string& out) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void two(unsigned number, char* to) {
  to[0] = static_cast<char>('0' + number / 10 % 10);
  to[1] = static_cast<char>('0' + number % 10);
}

// "2026-11-22T14:02:11.123Z", or the milliseconds where there is no such text.
std::string_view time_text(std::int64_t milliseconds, std::array<char, 32>& room) {
  constexpr std::int64_t first = -62'167'219'200'000;  // of the year 0000
  constexpr std::int64_t last = 253'402'300'799'999;   // of the year 9999
  if (milliseconds < first || milliseconds > last) {
    char* const begin = std::ranges::copy(milliseconds_mark, room.data()).out;
    return {room.data(), std::to_chars(begin, room.data() + room.size(), milliseconds).ptr};
  }
  const std::chrono::sys_time<std::chrono::milliseconds> time{
      std::chrono::milliseconds(milliseconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto rest = static_cast<unsigned>((time - day).count());
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  std::ranges::copy(std::string_view("0000-00-00T00:00:00.000Z"), room.data());
  two(year / 100, room.data());
  two(year, &room[2]);
  two(static_cast<unsigned>(date.month()), &room[5]);
  two(static_cast<unsigned>(date.day()), &room[8]);
  two(rest / 3'600'000, &room[11]);
  two(rest / 60'000 % 60, &room[14]);
  two(rest / 1'000 % 60, &room[17]);
  two(rest % 1'000 / 10, &room[20]);
  room[22] = static_cast<char>('0' + rest % 10);
  return {room.data(), 24};
}

}  // namespace

bool AskedWriter::room(std::size_t more) {
  if (trouble_ == Trouble::none && out_.size() + more > end_) trouble_ = Trouble::size;
  return trouble_ == Trouble::none;
}

bool AskedWriter::open() {
  if (trouble_ == Trouble::none && ++depth_ > most_asked_depth) trouble_ = Trouble::depth;
  return trouble_ == Trouble::none;
}

void AskedWriter::extension(std::string_view function, std::string_view argument) {
  if (depth_ + 2 > most_asked_depth) trouble_ = Trouble::depth;
  if (!room(argument.size() + 40)) return;
  out_ += R"({"__extn":{"arg":")";
  out_ += argument;  // digits, letters and signs: nothing to escape
  out_ += R"(","fn":")";
  out_ += function;
  out_ += "\"}}";
}

void AskedWriter::uid(const EntityUid& uid) {
  const bool person = uid.type() == model::user;
  if (!room(uid.id().size() + uid.type().size())) return;
  out_ += R"({"id":)";
  if (!person)
    json::write_string(uid.id(), out_);
  else if (user_ != nullptr && uid == *user_)
    json::write_string(mark_, out_);
  else
    json::write_string(person_mark(person_key_, uid.id()), out_);
  out_ += R"(,"type":)";
  json::write_string(uid.type(), out_);
  out_ += '}';
}

void AskedWriter::record(std::span<const Field> fields) {
  if (!open() || !room(fields.size() * 5)) return;
  constexpr std::size_t few = 32;
  std::array<const Field*, few> near{};
  std::vector<const Field*> far;
  std::span<const Field*> sorted;
  if (fields.size() <= few) {
    sorted = std::span(near).first(fields.size());
  } else {
    far.resize(fields.size());
    sorted = far;
  }
  bool plain = true;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    sorted[i] = &fields[i];
    plain = plain && !fields[i].name.text().starts_with(reserved);
  }
  std::ranges::sort(sorted, json::canonical_less,
                    [](const Field* field) { return field->name.text(); });
  if (plain) {
    out_ += '{';
    for (const Field* field : sorted) {
      if (field != sorted.front()) out_ += ',';
      if (!room(field->name.text().size())) return;
      json::write_string(field->name.text(), out_);
      out_ += ':';
      value(field->value);
      if (trouble_ != Trouble::none) return;
    }
    out_ += '}';
  } else {
    depth_ += 2;
    out_ += R"({"__record":[)";
    for (const Field* field : sorted) {
      if (field != sorted.front()) out_ += ',';
      if (!room(field->name.text().size())) return;
      out_ += '[';
      json::write_string(field->name.text(), out_);
      out_ += ',';
      value(field->value);
      if (trouble_ != Trouble::none) return;
      out_ += ']';
    }
    out_ += "]}";
    depth_ -= 2;
  }
  --depth_;
}

void AskedWriter::value(const Value& value) {
  if (!room(0)) return;
  switch (value.kind()) {
    case Kind::boolean: out_ += value.truth() ? "true" : "false"; return;
    case Kind::integer:
      if (value.integer() >= -exact && value.integer() <= exact)
        append_number(value.integer(), out_);
      else
        extension("long", std::to_string(value.integer()));
      return;
    case Kind::string:
      if (room(value.text().size())) json::write_string(value.text(), out_);
      return;
    case Kind::entity:
      if (!open() || !open()) return;
      out_ += R"({"__entity":)";
      uid(value.uid());
      out_ += '}';
      depth_ -= 2;
      return;
    case Kind::set: {
      if (!open()) return;
      out_ += '[';
      bool first = true;
      for (const Value& element : value.elements()) {
        if (!first) out_ += ',';
        first = false;
        this->value(element);
        if (trouble_ != Trouble::none) return;
      }
      out_ += ']';
      --depth_;
      return;
    }
    case Kind::record: record(value.fields()); return;
    case Kind::decimal: extension("decimal", cedar::decimal_text(value.integer())); return;
    case Kind::datetime: {
      std::array<char, 32> text{};
      extension("datetime", time_text(value.integer(), text));
      return;
    }
    case Kind::duration: extension("duration", cedar::duration_text(value.integer())); return;
    case Kind::ip: extension("ip", cedar::ip_text(value.range())); return;
    case Kind::none:
    case Kind::unknown: break;
  }
  base::check(false, "a question holds values only");
}

void AskedWriter::entity(const cedar::Entity& entity, std::span<const EntityUid> parents) {
  if (!open()) return;
  out_ += R"({"attrs":)";
  value(entity.attributes);
  if (!open()) return;
  out_ += R"(,"parents":[)";
  bool first = true;
  for (const EntityUid& parent : parents) {
    if (!first) out_ += ',';
    first = false;
    uid(parent);
    if (trouble_ != Trouble::none) return;
  }
  --depth_;
  out_ += R"(],"uid":)";
  uid(entity.uid);
  out_ += '}';
  --depth_;
}

void AskedWriter::left_out(std::span<const LeftOut> all) {
  out_ += '[';
  bool first = true;
  for (const LeftOut& path : all) {
    if (!first) out_ += ',';
    first = false;
    out_ += '[';
    for (const std::string_view& name : path) {
      if (!room(name.size())) return;
      if (&name != path.data()) out_ += ',';
      json::write_string(name, out_);
    }
    out_ += ']';
  }
  out_ += ']';
}

std::string person_mark(std::string_view key, std::string_view user) {
  return "u-" +
         crypto::to_hex(crypto::hmac_sha256(key, std::format("user:{}", user))).substr(0, 12);
}

People people_of(const World& world) {
  People people;
  for (const identity::User& user : world.users)
    people.emplace(person_mark(world.person_key, user.id.value()), user.id.value());
  return people;
}

base::Result<PastCall> read_asked(json::Value asked, const cedar::Entities& store,
                                  const People& people, cedar::Arena& arena) {
  AskedReader reader(people, arena);
  PastCall call;
  call.missing = asked["missing"].text_or("");
  call.world = asked["world"].text_or("");
  call.redacted = asked["redacted"].integer().value_or(0);
  if (!asked["action"]) {
    if (!call.missing.empty()) return call;
    return base::fail(Code::malformed, "nothing says what was asked");
  }
  auto principal = reader.entity(asked["principal"], store);
  if (!principal) return base::within("principal", std::move(principal).error());
  auto resource = reader.entity(asked["resource"], store);
  if (!resource) return base::within("resource", std::move(resource).error());
  auto action = reader.action(asked["action"]);
  if (!action) return base::within("action", std::move(action).error());
  call.principal = *principal;
  call.resource = *resource;
  call.action = *action;
  Value context = Value::empty_record();
  if (call.missing.empty()) {
    auto read = reader.value(asked["context"]);
    if (!read) return base::within("context", std::move(read).error());
    if (!read->is(Kind::record)) return base::fail(Code::malformed, "context: no record");
    context = *read;
  }
  call.request = {.principal = call.principal.uid,
                  .action = call.action.uid,
                  .resource = call.resource.uid,
                  .context = context};
  for (const json::Value path : asked["left_out"].elements()) {
    auto& names = call.left_out.emplace_back();
    for (const json::Value name : path.elements()) names.push_back(name.text_or(""));
  }
  call.unknown_person = reader.unknown_person;
  return call;
}

}  // namespace latticegate::policy
