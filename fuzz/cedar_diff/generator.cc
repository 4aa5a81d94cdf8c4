#include "cedar_diff/generator.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <format>
#include <random>
#include <string_view>

namespace latticegate::diff {
namespace {

enum class Type : std::uint8_t {
  boolean,
  integer,
  string,
  user,  // entities of the two types
  doc,
  integers,  // sets
  strings,
  users,
  record,  // {x: Long, y: String}
  decimal,
  ip,
  datetime,
  duration,
};
constexpr std::size_t types = 13;

// The attributes that every user, every document and the context have, and their types. `opt` is
// missing here and there.
struct Attribute {
  std::string_view name;
  Type type;
};
constexpr auto attributes = std::to_array<Attribute>({
    {"n", Type::integer},
    {"s", Type::string},
    {"b", Type::boolean},
    {"set", Type::integers},
    {"strs", Type::strings},
    {"rec", Type::record},
    {"friend", Type::user},
    {"friends", Type::users},
    {"ip", Type::ip},
    {"dec", Type::decimal},
    {"dt", Type::datetime},
    {"dur", Type::duration},
    {"opt", Type::integer},
});

constexpr std::array<std::string_view, 24> texts = {
    "",        "a",       "b",          "abc",      "*",          "\\u{2a}", "\\n", "x*y",
    "\\u{e9}", "\\0",     "10.0.0.1",   "1.5",      "2024-01-01", "1d2h",    "if",  "__cedar",
    "n",       "\\'\\\"", "\\u{1F600}", "\\x41\\t", "::1",        "u0",      "a b", "\\\\"};
constexpr std::array<std::string_view, 12> patterns = {
    "*", "", "a*", "*c", "a*c", "\\*", "x\\*y", "*b*", "**", "\\u{2a}", "*\\u{e9}*", "a"};
constexpr std::array<std::string_view, 14> integers = {"0",
                                                       "1",
                                                       "2",
                                                       "3",
                                                       "5",
                                                       "007",
                                                       "-1",
                                                       "- 3",
                                                       "9223372036854775807",
                                                       "-9223372036854775808",
                                                       "4611686018427387904",
                                                       "-(9223372036854775807)",
                                                       "3037000500",
                                                       "100"};
constexpr std::array<std::string_view, 13> decimals = {"1.0",
                                                       "1.0000",
                                                       "0.5",
                                                       "-0.0",
                                                       "-1.5",
                                                       "922337203685477.5807",
                                                       "922337203685477.5808",
                                                       "-922337203685477.5808",
                                                       "1.",
                                                       ".5",
                                                       "1.23456",
                                                       "01.10",
                                                       "+1.0"};
constexpr std::array<std::string_view, 19> addresses = {
    "10.0.0.1", "10.0.0.0/8", "10.1.2.3/16", "0.0.0.0/0",     "127.0.0.1",      "127.0.0.1/7",
    "::1",      "::1/127",    "ff00::/8",    "224.0.0.1",     "::/0",           "1.2.3",
    "1.2.3.04", "1.2.3.4/33", "fe80::1",     "2001:db8::/32", "::ffff:1.2.3.4", "ABCD::1",
    "10.0.0.1/"};
constexpr std::array<std::string_view, 16> datetimes = {"2024-01-01",
                                                        "2024-02-29",
                                                        "2023-02-29",
                                                        "1969-12-31",
                                                        "2024-01-01T01:02:03Z",
                                                        "2024-01-01T01:02:03.456Z",
                                                        "2024-01-01T01:02:03+0130",
                                                        "2024-01-01T01:02:03.456-2359",
                                                        "2024-01-01T24:00:00Z",
                                                        "2024-01-01T01:02:03",
                                                        "0000-01-01",
                                                        "9999-12-31T23:59:59.999Z",
                                                        "2024-13-01",
                                                        "2024-01-01t01:02:03Z",
                                                        "2024-01-01T01:02:03-0000",
                                                        "10000-01-01"};
constexpr std::array<std::string_view, 14> durations = {"1d",
                                                        "-1d2h3m4s5ms",
                                                        "0ms",
                                                        "90s",
                                                        "-90s",
                                                        "1h1d",
                                                        "",
                                                        "-",
                                                        "9223372036854775807ms",
                                                        "-9223372036854775808ms",
                                                        "9223372036854775808ms",
                                                        "1d1d",
                                                        "+1d",
                                                        "106751991167d7h12m55s807ms"};

class Generator {
 public:
  Generator(std::uint64_t seed, Manner manner) : random_(seed), manner_(manner) {}

  Question question() {
    Question out;
    out.entities = entities();
    for (int i = 0; i < 24; ++i) out.policies.push_back(policy());
    for (int i = 0; i < 3; ++i) out.requests.push_back(request());
    return out;
  }

 private:
  std::size_t below(std::size_t limit) { return random_() % limit; }
  bool chance(std::size_t percent) { return below(100) < percent; }
  template <class Array>
  auto pick(const Array& array) {
    return array[below(array.size())];
  }

  // ---- JSON: entities and requests

  std::string uid(Type type) {
    static constexpr std::array<std::string_view, 6> users = {"u0",  "u1",    "u2",
                                                              "a b", "ghost", "u\\\"x"};
    static constexpr std::array<std::string_view, 4> docs = {"d0", "d1", "folder", "ghost"};
    return type == Type::doc ? std::format("Doc::\"{}\"", pick(docs))
                             : std::format("NS::User::\"{}\"", pick(users));
  }
  static std::string json_uid(std::string_view text) {
    const auto quote = text.find('"');
    return std::format(R"({{"type": "{}", "id": {}}})", text.substr(0, quote - 2),
                       text.substr(quote));
  }
  std::string json(Type type) {
    const auto extension = [](std::string_view function, std::string_view text) {
      return std::format(R"({{"__extn": {{"fn": "{}", "arg": "{}"}}}})", function, text);
    };
    const auto list = [&](Type element) {
      std::string out = "[";
      const std::size_t count = below(4);
      for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ", ") + json(element);
      return out + "]";
    };
    switch (type) {
      case Type::boolean: return chance(50) ? "true" : "false";
      case Type::integer:
        return std::format("{}", static_cast<std::int64_t>(below(8)) - (chance(20) ? 5 : 0));
      case Type::string: {
        static constexpr std::array<std::string_view, 8> all = {
            "", "a", "abc", "x*y", "b", "1.5", "10.0.0.1", "\\u00e9\\n"};
        return std::format("\"{}\"", pick(all));
      }
      case Type::user:
      case Type::doc: return std::format(R"({{"__entity": {}}})", json_uid(uid(type)));
      case Type::integers: return list(Type::integer);
      case Type::strings: return list(Type::string);
      case Type::users: return list(Type::user);
      case Type::record:
        return std::format(R"({{"x": {}{}}})", json(Type::integer),
                           chance(70) ? ", \"y\": " + json(Type::string) : "");
      case Type::decimal: return extension("decimal", chance(50) ? "1.0" : "-1.5");
      case Type::ip: return extension("ip", chance(50) ? "10.0.0.1" : "2001:db8::/32");
      case Type::datetime:
        return extension("datetime", chance(50) ? "2024-01-01" : "1969-12-31T01:02:03Z");
      case Type::duration: return extension("duration", chance(50) ? "1d2h" : "-90s");
    }
    return "0";
  }
  std::string record() {
    std::string out = "{";
    for (const Attribute& attribute : attributes) {
      if (attribute.name == "opt" && chance(40)) continue;
      if (out.size() > 1) out += ", ";
      out += std::format(R"("{}": {})", attribute.name, json(attribute.type));
    }
    return out + "}";
  }
  std::string entities() {
    std::string out = "[";
    const auto add = [&](std::string_view entity, std::string_view parents, bool tagged) {
      if (out.size() > 1) out += ",\n";
      out += std::format(R"({{"uid": {}, "attrs": {}, "parents": [{}])", json_uid(entity),
                         entity.contains("User") || entity.starts_with("Doc") ? record() : "{}",
                         parents);
      if (tagged) out += std::format(R"(, "tags": {{"a": "abc", "n": {}}})", json(Type::string));
      out += "}";
    };
    const auto maybe = [&](std::string_view parent) {
      return chance(70) ? json_uid(parent) : std::string();
    };
    add("Group::\"g1\"", maybe("Group::\"g2\""), false);
    add("Group::\"g2\"", "", false);
    add("NS::User::\"u0\"", maybe("Group::\"g1\""), true);
    add("NS::User::\"u1\"", maybe("Group::\"g2\""), chance(50));
    add("NS::User::\"u2\"", maybe("NS::User::\"u1\""), false);
    add("NS::User::\"a b\"", maybe("Group::\"missing\""), true);
    add("Doc::\"folder\"", "", false);
    add("Doc::\"d0\"", maybe("Doc::\"folder\""), chance(50));
    add("Doc::\"d1\"", "", true);
    add("Action::\"read\"", maybe("Action::\"any\""), false);
    add("Action::\"any\"", "", false);
    return out + "]";
  }
  std::string request() {
    return std::format(R"({{"principal": {}, "action": {}, "resource": {}, "context": {}}})",
                       json_uid(chance(90) ? uid(Type::user) : uid(Type::doc)),
                       json_uid(chance(80) ? "Action::\"read\"" : "Action::\"write\""),
                       json_uid(uid(Type::doc)), record());
  }

  // ---- policies

  std::string scope(std::string_view variable) {
    const bool principal = variable == "principal";
    const std::string entity = chance(70) ? uid(principal ? Type::user : Type::doc)
                                          : (chance(50) ? "Group::\"g1\"" : "Group::\"g2\"");
    const std::string_view type = principal == chance(80) ? "NS::User" : "Doc";
    switch (below(8)) {
      case 0: return std::format("{} == {}", variable, entity);
      case 1: return std::format("{} in {}", variable, entity);
      case 2: return std::format("{} is {}", variable, type);
      case 3: return std::format("{} is {} in {}", variable, type, entity);
      default: return std::string(variable);
    }
  }
  std::string action() {
    switch (below(9)) {
      case 0: return "action == Action::\"read\"";
      case 1: return "action in Action::\"any\"";
      case 2: return "action in [Action::\"any\", Action::\"write\"]";
      case 3: return "action in []";
      default: return "action";
    }
  }
  std::string policy() {
    std::string out;
    if (chance(15)) out += "@id(\"a\") ";
    if (chance(5)) out += "// a comment\n@if ";
    out += chance(85) ? "permit" : "forbid";
    out += std::format("({}, {}, {}{})", chance(70) ? "principal" : scope("principal"),
                       chance(70) ? "action" : action(),
                       chance(70) ? "resource" : scope("resource"), chance(5) ? "," : "");
    const std::size_t conditions = chance(80) ? 1 : below(3);
    for (std::size_t i = 0; i < conditions; ++i)
      out += std::format(" {} {{ {} }}", chance(85) ? "when" : "unless",
                         expression(Type::boolean, 1 + below(4)));
    out += ";";
    if (manner_ == Manner::noisy) disturb(out);
    return out;
  }
  void disturb(std::string& text) {
    static constexpr std::array<std::string_view, 40> pieces = {
        "(",        ")",        "[",    "]",    "{",         "}",          ",",      ";",
        ":",        "::",       ".",    "==",   "!=",        "<",          "&&",     "||",
        "!",        "-",        "+",    "*",    "in",        "is",         "has",    "like",
        "if",       "then",     "else", "true", "\"a\"",     "1",          "when",   "unless",
        "\\u{4_1}", "\xC2\xA0", "//",   "\r",   "principal", "?principal", "Action", "="};
    const std::size_t changes = 1 + below(3);
    for (std::size_t i = 0; i < changes; ++i) {
      std::vector<std::string> tokens = tokens_of(text);
      const std::size_t at = below(tokens.size());
      switch (below(4)) {
        case 0: tokens[at].clear(); break;
        case 1: tokens[at] = pick(pieces); break;
        case 2: tokens[at] += pick(pieces); break;
        default: std::swap(tokens[at], tokens[below(tokens.size())]);
      }
      text.clear();
      for (const std::string& token : tokens) text += token;
    }
  }

  // ---- expressions

  std::string expression(Type type, std::size_t depth) {
    const bool free = manner_ == Manner::untyped || (manner_ == Manner::noisy && chance(30));
    if (free && chance(35)) type = static_cast<Type>(below(types));
    return depth == 0 ? leaf(type) : inner(type, depth - 1);
  }
  // An operand: mostly in parentheses, else as it binds.
  std::string operand(Type type, std::size_t depth) {
    std::string text = expression(type, depth);
    const bool single = tokens_of(text).size() == 1 && !text.starts_with('-');
    return single || chance(8) ? text : std::format("({})", text);
  }
  std::string quoted(std::string_view text) { return std::format("\"{}\"", text); }

  std::string leaf(Type type) {
    if (chance(45)) return path(type);
    switch (type) {
      case Type::boolean: return chance(50) ? "true" : "false";
      case Type::integer: return std::string(pick(integers));
      case Type::string: return quoted(pick(texts));
      case Type::user: return chance(40) ? "principal" : uid(Type::user);
      case Type::doc: return chance(40) ? "resource" : uid(Type::doc);
      case Type::integers: return chance(30) ? "[]" : std::format("[1, {}]", pick(integers));
      case Type::strings: return std::format("[{}, \"a\"]", quoted(pick(texts)));
      case Type::users: return std::format("[{}, {}]", uid(Type::user), "Group::\"g1\"");
      case Type::record: return std::format("{{x: {}, \"y\": \"a\"}}", pick(integers));
      case Type::decimal: return std::format("decimal(\"{}\")", pick(decimals));
      case Type::ip: return std::format("ip(\"{}\")", pick(addresses));
      case Type::datetime: return std::format("datetime(\"{}\")", pick(datetimes));
      case Type::duration: return std::format("duration(\"{}\")", pick(durations));
    }
    return "0";
  }
  // An attribute of that type, of something that has attributes.
  std::string path(Type type) {
    std::string from;
    switch (below(6)) {
      case 0: from = "context"; break;
      case 1:
      case 2: from = "principal"; break;
      case 3: from = "resource"; break;
      case 4: from = "principal.friend"; break;
      default: from = uid(Type::user);
    }
    std::vector<std::string_view> names;
    for (const Attribute& attribute : attributes)
      if (attribute.type == type) names.push_back(attribute.name);
    if (names.empty()) return type == Type::doc ? "resource" : "principal";
    const std::string_view name = pick(names);
    if (type == Type::integer && chance(20)) return from + ".rec.x";
    if (type == Type::string && chance(20)) return from + ".rec.y";
    return chance(85) ? std::format("{}.{}", from, name) : std::format("{}[\"{}\"]", from, name);
  }
  Type any_entity() { return chance(60) ? Type::user : Type::doc; }

  std::string inner(Type type, std::size_t depth) {
    if (chance(6))
      return std::format("if {} then {} else {}", expression(Type::boolean, depth),
                         expression(type, depth), expression(type, depth));
    const auto a = [&](Type of) { return operand(of, depth); };
    switch (type) {
      case Type::boolean: return truth(depth);
      case Type::integer:
        switch (below(7)) {
          case 0: return std::format("-{}", a(Type::integer));
          case 1: return std::format("{} * {}", a(Type::integer), a(Type::integer));
          case 2: return std::format("{} - {}", a(Type::integer), a(Type::integer));
          case 3: {
            static constexpr std::array<std::string_view, 5> methods = {
                "toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"};
            return std::format("{}.{}()", a(Type::duration), pick(methods));
          }
          case 4:
            return std::format("{} + {} - {}", a(Type::integer), a(Type::integer),
                               a(Type::integer));
          default: return std::format("{} + {}", a(Type::integer), a(Type::integer));
        }
      case Type::string:
        return chance(50) ? std::format("{}.getTag({})", a(any_entity()), a(Type::string))
                          : leaf(type);
      case Type::integers:
        return std::format("[{}, {}]", expression(Type::integer, depth),
                           expression(Type::integer, depth));
      case Type::strings:
        return std::format("[{}, {},]", expression(Type::string, depth),
                           expression(Type::string, depth));
      case Type::users: return std::format("[{}]", expression(any_entity(), depth));
      case Type::record:
        return std::format("{{\"x\": {}, y: {}}}", expression(Type::integer, depth),
                           expression(Type::string, depth));
      case Type::decimal: return std::format("decimal({})", expression(Type::string, depth));
      case Type::ip: return std::format("ip({})", expression(Type::string, depth));
      case Type::datetime:
        switch (below(3)) {
          case 0: return std::format("{}.offset({})", a(Type::datetime), a(Type::duration));
          case 1: return std::format("{}.toDate()", a(Type::datetime));
          default: return std::format("datetime({})", expression(Type::string, depth));
        }
      case Type::duration:
        switch (below(3)) {
          case 0: return std::format("{}.durationSince({})", a(Type::datetime), a(Type::datetime));
          case 1: return std::format("{}.toTime()", a(Type::datetime));
          default: return std::format("duration({})", expression(Type::string, depth));
        }
      case Type::user:
      case Type::doc: return leaf(type);
    }
    return "0";
  }

  std::string truth(std::size_t depth) {
    const auto a = [&](Type of) { return operand(of, depth); };
    static constexpr std::array<std::string_view, 6> relations = {"==", "!=", "<", "<=", ">", ">="};
    static constexpr std::array<Type, 3> ordered = {Type::integer, Type::datetime, Type::duration};
    const auto any = static_cast<Type>(below(types));
    switch (below(22)) {
      case 0: return std::format("!{}", a(Type::boolean));
      case 1:
      case 2: return std::format("{} && {}", a(Type::boolean), a(Type::boolean));
      case 3: return std::format("{} || {}", a(Type::boolean), a(Type::boolean));
      case 4:
        return std::format("{} && {} || {}", a(Type::boolean), a(Type::boolean), a(Type::boolean));
      case 5: return std::format("{} {} {}", a(any), chance(60) ? "==" : "!=", a(any));
      case 6:
      case 7: {
        const Type of = pick(ordered);
        return std::format("{} {} {}", a(of), pick(relations), a(of));
      }
      case 8: return std::format("{} in {}", a(any_entity()), a(any_entity()));
      case 9: return std::format("{} in {}", a(any_entity()), a(Type::users));
      case 10: return std::format("{} is {}", a(any_entity()), chance(50) ? "NS::User" : "Doc");
      case 11:
        return std::format("{} is {} in {}", a(any_entity()), chance(50) ? "NS::User" : "Doc",
                           a(chance(60) ? any_entity() : Type::users));
      case 12: {
        static constexpr std::array<std::string_view, 8> names = {
            "n", "opt", "rec.y", "rec.x.z", "\"opt\"", "friend.opt", "nope.x", "\"a b\""};
        return std::format("{} has {}", a(chance(60) ? any_entity() : Type::record), pick(names));
      }
      case 13: return std::format("context has {}", chance(50) ? "opt" : "rec.y");
      case 14: return std::format("{} like \"{}\"", a(Type::string), pick(patterns));
      case 15: return std::format("{}.contains({})", a(Type::integers), a(Type::integer));
      case 16: return std::format("{}.containsAll({})", a(Type::strings), a(Type::strings));
      case 17: return std::format("{}.containsAny({})", a(Type::integers), a(Type::integers));
      case 18: return std::format("{}.isEmpty()", a(chance(50) ? Type::strings : Type::integers));
      case 19: return std::format("{}.hasTag({})", a(any_entity()), a(Type::string));
      case 20: {
        static constexpr std::array<std::string_view, 4> methods = {
            "lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"};
        return std::format("{}.{}({})", a(Type::decimal), pick(methods), a(Type::decimal));
      }
      default: {
        static constexpr std::array<std::string_view, 4> methods = {"isIpv4", "isIpv6",
                                                                    "isLoopback", "isMulticast"};
        if (chance(50)) return std::format("{}.{}()", a(Type::ip), pick(methods));
        return std::format("{}.isInRange({})", a(Type::ip), a(Type::ip));
      }
    }
  }

  std::mt19937_64 random_;
  Manner manner_;
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

std::string schema_text() {
  constexpr std::string_view record =
      "{n: Long, s: String, b: Bool, set: Set<Long>, strs: Set<String>, rec: {x: Long, y?: "
      "String}, "
      "friend: NS::User, friends: Set<NS::User>, ip: ipaddr, dec: decimal, dt: datetime, "
      "dur: duration, opt?: Long}";
  return std::format(
      "entity Group in [Group]; entity Doc in [Doc] {0} tags String;"
      "namespace NS {{ entity User in [Group, User] {0} tags String; }}"
      "action any; action read in [any] appliesTo {{principal: [NS::User, Doc], resource: Doc, "
      "context: {0}}}; action write appliesTo {{principal: NS::User, resource: Doc, context: "
      "{0}}};",
      record);
}

Question question_of(std::uint64_t seed, Manner manner) {
  return Generator(seed, manner).question();
}

std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    if (is_word(text[i])) {
      while (end < text.size() && is_word(text[end])) ++end;
    } else if (text[i] == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2U : 1U;
      end = std::min(end + 1, text.size());
    } else if (static_cast<unsigned char>(text[i]) >= 0x80) {
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) ++end;
    }
    out.push_back(text.substr(i, end - i));
    i = end;
  }
  return out;
}

}  // namespace latticegate::diff
