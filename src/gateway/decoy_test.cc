#include "gateway/decoy.h"

#include <doctest/doctest.h>

#include "inspect/planted.h"
#include "inspect/schema.h"

using namespace latticegate;

namespace {

constexpr std::string_view key = "a key";

json::Document made(std::string_view schema, std::size_t* marks = nullptr) {
  crypto::SeededRandom random(3);
  const auto parsed = json::Document::parse(schema.empty() ? "{}" : schema);
  REQUIRE(parsed.has_value());
  const gateway::Decoy decoy =
      gateway::make_decoy(schema.empty() ? json::Value() : parsed->root(), key, random);
  if (marks != nullptr) *marks = decoy.marks;
  auto out = json::Document::parse(decoy.result);
  REQUIRE(out.has_value());
  return *std::move(out);
}

}  // namespace

TEST_CASE("without a schema it is a short list with planted values") {
  std::size_t marks = 0;
  const json::Document out = made("", &marks);
  CHECK(marks == 8);
  const auto text = out.root()["content"].at(0)["text"].text_or({});
  CHECK(text.contains("@mail.example"));
  CHECK(inspect::has_planted(key, text));
  CHECK_FALSE(out.root()["structuredContent"].exists());
}

TEST_CASE("it has the form of the tool's answers") {
  struct Row {
    std::string_view schema;
    bool marked;
  };
  for (const Row& row : {
           Row{R"({"type":"object","properties":{"customers":{"type":"array","minItems":2,"items":
               {"type":"object","properties":{"id":{"type":"string","format":"uuid"},"name":
               {"type":"string"},"email":{"type":"string","format":"email"},"balance":{"type":
               "number","minimum":10,"maximum":20},"status":{"enum":["open","closed"]},"vip":
               {"type":"boolean"}},"required":["id","name","email"]}},"total":{"type":"integer",
               "minimum":0}},"required":["customers","total"]})",
               true},
           Row{R"({"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"required":["a"],
               "$defs":{"x":{"type":["null","string"]}}})",
               true},
           Row{R"({"type":"object","properties":{"n":{"type":"integer","multipleOf":5,"minimum":1,
               "maximum":99},"when":{"type":"string","format":"date-time"},"at":{"type":"string",
               "format":"ipv4"}},"required":["n","when","at"],"additionalProperties":false})",
               false},
           Row{R"({"type":"object","properties":{"u":{"type":"string","format":"uri"}}})", true},
           Row{R"({"type":"object"})", false},
       }) {
    CAPTURE(row.schema);
    const json::Document out = made(row.schema);
    const json::Value structured = out.root()["structuredContent"];
    REQUIRE(structured.is_object());
    const auto schema = json::Document::parse(row.schema);
    CHECK(inspect::Schema::compile(schema->root())->validate(structured).valid());
    CHECK(inspect::has_planted(key, structured, {}) == row.marked);
  }
}

TEST_CASE("what cannot be met is a list: hostile schemas end soon") {
  for (const std::string_view schema :
       {R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})",
        R"({"type":"object","properties":{"a":{"type":"string","pattern":"^[xyz]{3}$"}},
          "required":["a"]})",
        R"({"type":"array","items":{"type":"string"}})",
        R"({"type":"object","properties":{"a":{"type":"array","minItems":1000,"items":{}}},
          "required":["a"]})",
        R"({"type":"object","properties":{"a":{"$ref":"https://x.example/s"}},"required":["a"]})",
        R"({"type":7})"}) {
    CAPTURE(schema);
    const json::Document out = made(schema);
    CHECK(inspect::has_planted(key, out.root(), {}));
    CHECK_FALSE(out.root()["structuredContent"].exists());
  }
}
