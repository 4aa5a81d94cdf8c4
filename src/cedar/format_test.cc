#include "cedar/format.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "cedar/detail/public_data.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

std::string formatted(std::string_view text) {
  auto out = format_policies(text);
  REQUIRE_MESSAGE(out.has_value(), (out ? "" : out.error().detail), "\n", text);
  const auto again = format_policies(*out);
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().detail), "\n", *out);
  CHECK(*again == *out);
  return *out;
}

}  // namespace

TEST_CASE("one line where it fits") {
  CHECK(formatted("") == "");
  CHECK(formatted("permit(principal,action,resource);") ==
        "permit (principal, action, resource);\n");
  CHECK(formatted("@id ( \"x\" )@foo forbid ( principal is A :: B in A::B::\"c\",action in "
                  "[ Action::\"a\" ,Action::\"b\" ],resource==?resource ) when{context . a[\"b c\"]"
                  ".contains( 1+ -2 )&&! ( true )}unless{ {a:1,\"b\":[ ]} has a . b };") ==
        "@id(\"x\")\n"
        "@foo\n"
        "forbid (principal is A::B in A::B::\"c\", action in [Action::\"a\", Action::\"b\"], "
        "resource == ?resource)\n"
        "when { context.a[\"b c\"].contains(1 + -2) && !(true) }\n"
        "unless { {a: 1, \"b\": []} has a.b };\n");
  CHECK(formatted(
            "permit(principal,action,resource)when{if true then ip(\"a\")==1 else -1 in [--1]};") ==
        "permit (principal, action, resource)\n"
        "when { if true then ip(\"a\") == 1 else -1 in [--1] };\n");
}

TEST_CASE("long conditions break at the weakest operator") {
  CHECK(formatted(
            "forbid(principal,action,resource) when {(context.input has limit && "
            "context.input.limit > 500) || (context.derived has estimatedRecords && "
            "context.derived.estimatedRecords > 500) || context.session.recordsRead >= 2000};") ==
        "forbid (principal, action, resource)\n"
        "when {\n"
        "  (context.input has limit && context.input.limit > 500) ||\n"
        "  (context.derived has estimatedRecords && context.derived.estimatedRecords > 500) ||\n"
        "  context.session.recordsRead >= 2000\n"
        "};\n");
}

TEST_CASE("comments stay") {
  const std::string_view text =
      "// of the file\n\n\n// of the policy\n@id(\"a\") // its name\n"
      "permit(principal, // who\n action, resource)\nwhen {\n  // why\n  context.a && // first\n"
      "  context.b // second\n  // at the end\n} // after\n; // last\n// of nothing";
  const std::string out = formatted(text);
  CHECK(out ==
        "// of the file\n\n// of the policy\n@id(\"a\") // its name\npermit (\n"
        "  principal, // who\n  action,\n  resource\n)\nwhen {\n  // why\n  context.a && // first\n"
        "  context.b // second\n  // at the end\n  // after\n}; // last\n\n// of nothing\n");
  CHECK(std::ranges::count(out, '/') == std::ranges::count(text, '/'));
  CHECK(
      formatted("permit(principal, action, resource) when { 1 + // one\n 2 == \"// no comment\" };")
          .contains("// one"));
}

TEST_CASE("what does not parse is not formatted") {
  const auto out = format_policies("permit(principal, action);", "x.cedar");
  REQUIRE_FALSE(out.has_value());
  CHECK(out.error().detail.starts_with("x.cedar:1:"));
}

TEST_CASE("every policy of the corpus can be formatted") {
  const auto path = shared("cedar-corpus-2026-03-13.tar.xz");
  if (!path) return;
  for (const auto& [name, text] : unpack(*path)) {
    if (!name.ends_with(".cedar")) continue;
    CAPTURE(name);
    formatted(text);
  }
}
