#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/entity.h"
#include "cedar/extension.h"
#include "cedar/from_json.h"
#include "cedar/value.h"
#include "json/value.h"

using namespace latticegate;
using namespace latticegate::cedar;

TEST_CASE("names hash alike at compile time and run time, views of any length") {
  constexpr std::uint64_t empty = hash_of("");
  constexpr std::uint64_t eight = hash_of("12345678");
  constexpr std::uint64_t more = hash_of("context.input.limit");
  CHECK(hash_of(std::string(0, 'x')) == empty);
  CHECK(hash_of(std::string("12345678")) == eight);
  CHECK(hash_of(std::string("context.input.limit")) == more);
  constexpr Name limit("limit");
  CHECK(limit == Name(std::string("limit")));
  CHECK(Name() == Name(std::string_view()));
}

TEST_CASE("sets ignore order and repetition, records order; the last field of a name counts") {
  Arena arena;
  const auto numbers = [&](std::vector<std::int64_t> list) {
    std::vector<Value> values;
    for (const std::int64_t n : list) values.push_back(Value::integer(n));
    return Value::set(values, arena);
  };
  CHECK(numbers({3, 1, 2, 1}) == numbers({1, 2, 3}));
  CHECK(numbers({1}) != numbers({1, 2}));
  CHECK(numbers({}) == Value::empty_set());
  CHECK(Value::empty_set() != Value::empty_record());
  std::vector<std::int64_t> many(1000);
  std::ranges::generate(many, [n = 0]() mutable { return 7919 * n++ % 500; });
  const Value large = numbers(many);
  CHECK(large.elements().size() == 500);
  CHECK(large.contains(Value::integer(499)));
  CHECK_FALSE(large.contains(Value::integer(500)));
  CHECK_FALSE(large.contains(Value::string("499")));
  CHECK(Value::strings({"b", "a", "b"}, arena) == Value::strings({"a", "b"}, arena));

  for (const int fields : {3, 40}) {
    RecordBuilder forwards(arena);
    RecordBuilder backwards(arena);
    std::vector<std::string> names;
    for (int i = 0; i < fields; ++i) names.push_back("field" + std::to_string(i));
    forwards.add(names[1], Value::integer(99));
    for (int i = 0; i < fields; ++i)
      forwards.add(names[static_cast<std::size_t>(i)], Value::integer(i));
    for (int i = fields; i-- > 0;)
      backwards.add(names[static_cast<std::size_t>(i)], Value::integer(i));
    const Value a = forwards.finish();
    CHECK(a == backwards.finish());
    CHECK(a.fields().size() == static_cast<std::size_t>(fields));
    CHECK(a.field(Name("field1")) == Value::integer(1));
    CHECK_FALSE(a.field(Name("field99")));
    Arena other;
    CHECK(copy(a, other) == a);
  }
}

TEST_CASE("an arena gives memory back at reset and does not grow over equal rounds") {
  Arena arena(256);
  std::size_t after_first = 0;
  for (int round = 0; round < 100; ++round) {
    arena.reset();
    for (int i = 0; i < 50; ++i) (void)arena.array<Value>(static_cast<std::size_t>(1 + i % 40));
    (void)arena.copy(std::string(5000, 'x'));
    if (round == 1) after_first = arena.capacity();
  }
  CHECK(arena.capacity() == after_first);
  Arena moved = std::move(arena);
  CHECK(moved.copy("abc") == "abc");
}

TEST_CASE("extension types: accepted texts") {
  CHECK(parse_decimal("1.5") == 15'000);
  CHECK(parse_decimal("-0.0001") == -1);
  CHECK(parse_decimal("007.10") == 71'000);
  CHECK(parse_decimal("-922337203685477.5808") == std::numeric_limits<std::int64_t>::min());
  CHECK(parse_decimal("922337203685477.5807") == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_datetime("1970-01-02") == 86'400'000);
  CHECK(parse_datetime("1969-12-31T23:59:59.999Z") == -1);
  CHECK(parse_datetime("2024-02-29T00:00:00+0130") == parse_datetime("2024-02-28T22:30:00Z"));
  CHECK(parse_datetime("2024-01-01T00:00:00.5-0000") == std::nullopt);
  CHECK(parse_datetime("2024-01-01T00:00:00.500-0000").has_value());
  CHECK(parse_datetime("0000-01-01").has_value());
  CHECK(parse_datetime("9999-12-31T23:59:59.999-2359").has_value());
  CHECK(parse_duration("-1d2h3m4s5ms") == -93'784'005);
  CHECK(parse_duration("-9223372036854775808ms") == std::numeric_limits<std::int64_t>::min());
  CHECK(parse_duration("5m3ms") == 300'003);
  CHECK(parse_ip("::")->prefix == 128);
  CHECK(parse_ip("1:2:3:4:5:6:7::").has_value());
  CHECK(parse_ip("ABCD::1") == parse_ip("abcd:0:0:0:0:0:0:1/128"));
  CHECK(parse_ip("0.0.0.0/0")->prefix == 0);
}

TEST_CASE("extension types: refused texts") {
  for (const std::string_view text :
       {"", "1", "1.", ".5", "-.5", "+1.0", "1.00000", "1.0 ", "1e5", "--1.0",
        "922337203685477.5808", "99999999999999999999.0", "\xD9\xA1.0", "1.-5"})
    CHECK_FALSE(parse_decimal(text).has_value());
  for (const std::string_view text : {"",
                                      "1.2.3",
                                      "1.2.3.4.5",
                                      "256.1.1.1",
                                      "01.2.3.4",
                                      "1.2.3.4/",
                                      "1.2.3.4/33",
                                      "1.2.3.4/08",
                                      "1.2.3.4/-1",
                                      "1.2.3.4/+1",
                                      " 1.2.3.4",
                                      "1.2.3.4/8/8",
                                      ":",
                                      ":::",
                                      "1::2::3",
                                      "::1::",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1:2:3:4:5:6:7:8::",
                                      "::12345",
                                      "::g",
                                      "::ffff:1.2.3.4",
                                      "fe80::1%eth0",
                                      "::/129",
                                      "::/0128",
                                      "1.2.3.4/999",
                                      "1:2:3:4:5:6:7:8:"})
    CHECK_FALSE(parse_ip(text).has_value());
  for (const std::string_view text : {"",
                                      "2024",
                                      "2024-1-01",
                                      "2024-13-01",
                                      "2024-02-30",
                                      "2023-02-29",
                                      "24-01-01",
                                      "2024-01-01T",
                                      "2024-01-01T00:00:00",
                                      "2024-01-01T24:00:00Z",
                                      "2024-01-01T00:60:00Z",
                                      "2024-01-01T00:00:60Z",
                                      "2024-01-01t00:00:00Z",
                                      "2024-01-01T00:00:00z",
                                      "2024-01-01T00:00:00.12Z",
                                      "2024-01-01T00:00:00.1234Z",
                                      "2024-01-01T00:00:00+01:00",
                                      "2024-01-01T00:00:00+2400",
                                      "2024-01-01T00:00:00+0060",
                                      "2024-01-01T00:00:00ZZ",
                                      "2024-01-01 00:00:00Z",
                                      "-2024-01-01",
                                      "2024-01-01Z"})
    CHECK_FALSE(parse_datetime(text).has_value());
  for (const std::string_view text :
       {"", "-", "1", "h", "1h1h", "1m1h", "+1h", "1 h", "1.5h", "9223372036854775808ms", "1ms1s",
        "--1h", "106751991168d", "1hh", "1H"})
    CHECK_FALSE(parse_duration(text).has_value());
}

TEST_CASE("addresses: ranges, loopback, multicast") {
  const auto within = [](std::string_view a, std::string_view b) {
    return in_range(*parse_ip(a), *parse_ip(b));
  };
  CHECK(within("10.1.2.3", "10.0.0.0/8"));
  CHECK(within("10.1.2.3/24", "10.1.0.0/16"));
  CHECK_FALSE(within("10.0.0.0/7", "10.0.0.0/8"));
  CHECK_FALSE(within("11.0.0.0", "10.255.255.255/8"));
  CHECK(within("10.0.0.129", "10.0.0.200/25"));
  CHECK_FALSE(within("10.0.0.1", "::/0"));
  CHECK(within("fe80::1", "fe80::/10"));
  CHECK(is_loopback(*parse_ip("127.3.4.5/8")));
  CHECK_FALSE(is_loopback(*parse_ip("127.0.0.0/7")));
  CHECK(is_loopback(*parse_ip("::1")));
  CHECK_FALSE(is_loopback(*parse_ip("::1/127")));
  CHECK(is_multicast(*parse_ip("239.1.1.1")));
  CHECK_FALSE(is_multicast(*parse_ip("224.0.0.0/3")));
  CHECK(is_multicast(*parse_ip("ff02::1")));
}

TEST_CASE("values as Cedar text") {
  Arena arena;
  CHECK(to_text(Value::decimal(-5)) == "decimal(\"-0.0005\")");
  CHECK(to_text(Value::decimal(15'000'000)) == "decimal(\"1500.0\")");
  CHECK(to_text(Value::decimal(std::numeric_limits<std::int64_t>::min())) ==
        "decimal(\"-922337203685477.5808\")");
  CHECK(to_text(Value::datetime(-1)) == "datetime(\"1969-12-31T23:59:59.999Z\")");
  CHECK(to_text(Value::datetime(std::numeric_limits<std::int64_t>::min())) ==
        "datetime(\"1970-01-01\").offset(duration(\"-9223372036854775808ms\"))");
  CHECK(to_text(Value::duration(90)) == "duration(\"90ms\")");
  CHECK(to_text(Value::ip(*parse_ip("10.0.0.0/8"), arena)) == "ip(\"10.0.0.0/8\")");
  CHECK(to_text(Value::ip(*parse_ip("::1"), arena)) == "ip(\"0:0:0:0:0:0:0:1\")");
  RecordBuilder record(arena);
  record.add("b", Value::strings({"x"}, arena)).add("a", Value::entity({"User", "b\"ob\n"}, arena));
  CHECK(to_text(record.finish()) == R"({"a": User::"b\"ob\n", "b": ["x"]})");
  CHECK(to_text(Value::string("abcdefgh"), 4) == "\"abc...");
}

TEST_CASE("JSON: data never becomes an entity, trusted files do") {
  Arena arena;
  const auto read = [&](std::string_view text, Escapes escapes) {
    static std::vector<json::Document> kept;  // the values are views
    kept.push_back(*json::Document::parse(text));
    const auto value = value_from_json(kept.back().root(), escapes, arena);
    return value ? to_text(*value) : value.error().detail;
  };
  const std::string_view forged = R"({"user":{"__entity":{"type":"User","id":"admin"}}})";
  CHECK(read(forged, Escapes::honoured) == R"({"user": User::"admin"})");
  CHECK(read(forged, Escapes::data) ==
        R"({"user": {"__entity": {"id": "admin", "type": "User"}}})");
  CHECK(read(R"({"__extn":{"fn":"ip","arg":"10.0.0.1"}})", Escapes::honoured) ==
        "ip(\"10.0.0.1\")");
  CHECK(read(R"([1,{"__extn":{"fn":"ip","arg":"x"}}])", Escapes::honoured) ==
        "at [1]: \"x\" is not a well-formed ip");
  CHECK(read(R"({"a":{"b":1.5}})", Escapes::data) == "at .a.b: 1.5 is not a 64-bit integer");
  CHECK(read(R"([null])", Escapes::data) == "at [0]: null is no Cedar value");
  CHECK(read("9223372036854775807", Escapes::data) == "9223372036854775807");
  CHECK(read("9223372036854775808", Escapes::data).contains("is not a 64-bit integer"));
  CHECK(read(R"({"__expr":"1"})", Escapes::honoured).contains("not supported"));
  CHECK(read(R"({"__entity":{"type":"a :: b","id":"x"}})", Escapes::honoured)
            .contains("is not the name of an entity type"));
}

TEST_CASE("entities: closure, cycles, duplicates, extra entities of one call") {
  Arena arena;
  const EntityUid a("T", "a");
  const EntityUid b("T", "b");
  const EntityUid c("T", "c");
  const std::array<EntityUid, 1> above_a{b};
  const std::array<EntityUid, 1> above_b{c};
  {
    Entities::Builder builder;
    builder.add(a, {}, above_a);
    builder.add(b, {}, above_b);
    const auto entities = builder.build();
    REQUIRE(entities.has_value());
    CHECK(entities->find(a)->in(c));
    CHECK(entities->find(a)->in(a));
    CHECK_FALSE(entities->find(b)->in(a));
    CHECK(entities->find(c) == nullptr);

    const EntityUid session("S", "1");
    const Entity extra =
        make_entity(session, Value::empty_record(), std::array{a}, EntityView(*entities), arena);
    CHECK(extra.in(c));
    const EntityView view(*entities, {&extra, 1});
    CHECK(view.find(session) == &extra);
    CHECK(view.find(a) == entities->find(a));

    Entities::Builder more;
    more.add(*entities);
    more.add(session, {}, above_a);
    CHECK(more.build()->find(session)->in(c));
  }
  {
    Entities::Builder builder;
    builder.add(a, {}, above_a);
    builder.add(b, {}, std::array{a});
    CHECK(builder.build().error().code == base::Code::invalid);
  }
  {
    Entities::Builder builder;
    builder.add(a, {}, above_a);
    builder.add(a, {}, above_a);
    CHECK(builder.build().has_value());
    builder.add(a, {}, above_a);
    builder.add(a, {}, above_b);
    CHECK(builder.build().error().code == base::Code::conflict);
  }
  {
    // A long chain needs no deep recursion.
    Entities::Builder builder;
    std::vector<std::string> ids;
    for (int i = 0; i <= 2000; ++i) ids.push_back(std::to_string(i));
    for (std::size_t i = 0; i < 2000; ++i)
      builder.add({"T", ids[i]}, {}, std::array{EntityUid("T", ids[i + 1])});
    CHECK(builder.build()->find({"T", "0"})->in({"T", "2000"}));
  }
}
