#include "cedar/coverage.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"

using namespace latticegate::cedar;

namespace {

// What was seen of each clause, as "text yes/no/failed", after requests with these values of
// context.n (0 stands for none).
std::vector<std::string> clauses_of(std::string_view text, std::vector<std::int64_t> numbers) {
  const auto policies = parse_policies(text);
  REQUIRE_MESSAGE(policies.has_value(), (policies ? "" : policies.error().detail));
  const auto entities = Entities::Builder().build();
  REQUIRE(entities.has_value());
  Coverage coverage(*policies);
  Arena arena;
  for (const std::int64_t number : numbers) {
    Request request{{"U", "ada"}, {"Action", "read"}, {"D", "plan"}, Value::empty_record()};
    RecordBuilder record(arena);
    if (number != 0) record.add("n", Value::integer(number));
    request.context = record.finish();
    coverage.add(request, *entities, arena);
  }
  std::vector<std::string> out;
  const PolicyCoverage& policy = coverage.policies().front();
  const auto words = [](std::string_view what, const Outcomes& of) {
    return std::format("{} {}/{}/{}", what, of.yes, of.no, of.failed);
  };
  for (const ClauseCoverage& clause : policy.clauses)
    out.push_back(words(clause.text, clause.outcomes));
  out.push_back(words("whole", policy.outcomes));
  out.push_back(std::format("{} of {}", policy.seen(), policy.possible()));
  return out;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("clauses count where evaluation reaches them") {
  CHECK(clauses_of("permit (principal, action, resource);", {1}) == Lines{"whole 1/0/0", "1 of 1"});
  CHECK(clauses_of("permit (principal, action, resource) when { context has n && context.n > 5 };",
                   {0, 3, 9}) ==
        Lines{"context has n 2/1/0", "context.n > 5 1/1/0", "whole 1/2/0", "6 of 6"});
  CHECK(clauses_of("permit (principal, action, resource)\nwhen { context.n  >\n 5 };", {0, 3}) ==
        Lines{"context.n > 5 0/1/1", "whole 0/1/1", "2 of 4"});
  CHECK(
      clauses_of("permit (principal, action, resource) unless { context.n > 5 || context.n < 2 };",
                 {1, 9}) ==
      Lines{"context.n > 5 1/1/0", "context.n < 2 1/0/0", "whole 0/2/0", "4 of 6"});
  CHECK(clauses_of("permit (principal is U, action == Action::\"read\", resource == D::\"x\")"
                   " when { true };",
                   {1}) == Lines{"principal is U 1/0/0", "action == Action::\"read\" 1/0/0",
                                 "resource == D::\"x\" 0/1/0", "true 0/0/0", "whole 0/1/0",
                                 "4 of 10"});
}

TEST_CASE("branches that were not taken are not reached") {
  const std::string_view text =
      "permit (principal, action, resource)"
      " when { if context.n > 5 then context.n > 7 else !(context.n < 3) } unless { context.n == 4 "
      "};";
  CHECK(clauses_of(text, {9, 4, 0}) == Lines{"context.n > 5 1/1/1", "context.n > 7 1/0/0",
                                             "context.n < 3 0/1/0", "context.n == 4 1/1/0",
                                             "whole 1/1/1", "8 of 10"});
  // A test that fails leaves both branches untried.
  CHECK(clauses_of(text, {0}) == Lines{"context.n > 5 0/0/1", "context.n > 7 0/0/0",
                                       "context.n < 3 0/0/0", "context.n == 4 0/0/0", "whole 0/0/1",
                                       "0 of 10"});
}
