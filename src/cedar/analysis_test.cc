#include "cedar/analysis.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/authorize.h"

using namespace latticegate;
using namespace latticegate::cedar;

namespace {

// What is proved (and with `all` what is not), as "claim policy other".
std::vector<std::string> said_of(std::string_view text, const AnalysisSettings& settings = {},
                                 Verdict which = Verdict::proved) {
  const auto policies = parse_policies(text);
  REQUIRE_MESSAGE(policies.has_value(), (policies ? "" : policies.error().detail));
  Analysis analysis(*policies, settings);
  std::vector<std::string> out;
  for (const Conclusion& one : analysis.conclude()) {
    if (one.verdict != which) continue;
    const Policy& policy = (*policies)[one.policy];
    std::string line = std::format("{} {}", name(one.claim), policy.id);
    if (one.other) line += std::format(" {}", (*policies)[*one.other].id);
    if (one.claim >= Claim::unreachable) line += std::format(" `{}`", policy.text(one.span));
    out.push_back(line);
  }
  return out;
}

using Lines = std::vector<std::string>;

std::string lines(const Lines& all) {
  std::string text;
  for (const std::string& line : all) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("small sets and what is proved of them, without a schema") {
  struct Case {
    std::string_view policies;
    Lines proved;
  };
  const Case cases[] = {
      {"permit (principal, action, resource);", {}},
      {"permit (principal, action, resource) when { false };", {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.n > 5 && context.n < 5 };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.n > 5 && context.n < 7 };", {}},
      {"permit (principal, action, resource) when { context.n > 5 && context.n < 6 };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.n > 5 } unless { 5 < context.n };",
       {"impossible policy0"}},
      {"permit (principal is A, action, resource) when { principal is B };",
       {"impossible policy0"}},
      {"permit (principal == A::\"x\", action, resource) when { principal == A::\"y\" };",
       {"impossible policy0"}},
      {"permit (principal == A::\"x\", action, resource) unless { principal in A::\"x\" };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.s == \"a\" && "
       "[\"b\"].contains(context.s) };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.s like \"a*\" && context.s like \"b*\" "
       "};",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.s like \"ab*\" && !(context.s like "
       "\"a*\") };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.s like \"a*b\" && !(context.s like "
       "\"a*\") };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.s like \"a*\" && !(context.s like "
       "\"ab*\") };",
       {}},
      {"permit (principal, action, resource) when { context.a > 1 && !(context has a) };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.a.b && context.a == 5 };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.t.contains(1) && context.t.isEmpty() "
       "};",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.t.containsAll([1, 2]) && "
       "!context.t.contains(2) };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.d.lessThan(decimal(\"1.0\")) && "
       "context.d.greaterThan(decimal(\"0.9999\")) };",
       {"impossible policy0"}},
      {"permit (principal, action, resource) when { context.n + 1 > 5 && context.n + 1 < 2 };",
       {"impossible policy0"}},
      // One says what the other says, or more.
      {"@id(\"a\") permit (principal, action, resource) when { context.n > 5 };\n"
       "@id(\"b\") permit (principal, action, resource) when { context.n > 3 };",
       {"shadowed a b"}},
      {"@id(\"a\") permit (principal, action, resource) when { context.n > 5 };\n"
       "@id(\"b\") permit (principal, action, resource) when { 6 <= context.n };",
       {"redundant b a"}},
      {"@id(\"a\") permit (principal is U, action, resource);\n"
       "@id(\"b\") permit (principal, action, resource);",
       {"shadowed a b"}},
      {"@id(\"a\") forbid (principal is U in G::\"g\", action, resource);\n"
       "@id(\"b\") forbid (principal in G::\"g\", action, resource) when { principal is U };",
       {"idle a", "redundant b a", "idle b"}},
      {"@id(\"a\") permit (principal, action in [Action::\"x\", Action::\"y\"], resource);\n"
       "@id(\"b\") permit (principal, action == Action::\"x\", resource);",
       {"shadowed b a"}},
      {"@id(\"a\") permit (principal, action == Action::\"x\", resource);\n"
       "@id(\"b\") permit (principal, action == Action::\"y\", resource);",
       {}},
      // A condition that may fail is not the contrary of its contrary.
      {"@id(\"a\") permit (principal, action, resource) when { context.x };\n"
       "@id(\"b\") permit (principal, action, resource) unless { context.x };\n"
       "@id(\"c\") permit (principal, action, resource);",
       {"shadowed a c", "shadowed b c"}},
      {"@id(\"a\") permit (principal, action, resource) when { principal is U };\n"
       "@id(\"b\") permit (principal, action, resource) unless { principal is U };\n"
       "@id(\"c\") permit (principal, action, resource);",
       {"shadowed a c", "shadowed b c", "shadowed_together c"}},
      {"@id(\"a\") permit (principal, action, resource) when { context has n };\n"
       "@id(\"b\") permit (principal, action, resource) when { context.n < 3 || context.n >= 3 };",
       {"shadowed b a", "always_true b `context.n >= 3`"}},
      // A text that no policy names.
      {"permit (principal, action, resource) when { context.s like \"a*\" && context.s != \"a\" &&"
       " context.s != \"ax\" && !(context.s like \"ab*\") };",
       {}},
      // Permits and forbids.
      {"@id(\"p\") permit (principal, action, resource) when { context.n > 5 };\n"
       "@id(\"f\") forbid (principal, action, resource) when { context.n > 3 };",
       {"overridden p f"}},
      {"@id(\"p\") permit (principal, action, resource) when { context.n > 5 };\n"
       "@id(\"f\") forbid (principal, action, resource) when { context.n > 3 && context.n < 8 };\n"
       "@id(\"g\") forbid (principal, action, resource) when { context.n >= 8 };",
       {"never_permits p"}},
      {"@id(\"p\") permit (principal, action, resource) when { context.n > 5 };\n"
       "@id(\"f\") forbid (principal, action, resource) when { context.n < 3 };",
       {"idle f"}},
      // Clauses.
      {"permit (principal, action, resource) when { context.n > 5 && context.n > 3 };",
       {"always_true policy0 `context.n > 3`"}},
      {"permit (principal, action, resource) when { context has n && context.n > 3 };", {}},
      {"permit (principal, action, resource) when { context.n > 5 || context.n > 7 };",
       {"never_true policy0 `context.n > 7`"}},
      {"permit (principal, action, resource) when { principal is U || (principal is U && "
       "context.x) };",
       {"never_true policy0 `principal is U`", "unreachable policy0 `context.x`"}},
      {"permit (principal, action, resource) when { if true then context.a else context.b };",
       {"unreachable policy0 `context.b`"}},
  };
  for (const Case& one : cases) {
    CAPTURE(one.policies);
    const Lines proved = said_of(one.policies);
    CHECK_MESSAGE(lines(proved) == lines(one.proved), "");
  }
}

namespace {

// "gained permit [forbid of the old set]", "lost ...", with a question mark when it is unknown.
Lines changes(std::string_view old_text, std::string_view new_text) {
  const auto old_policies = parse_policies(old_text);
  const auto new_policies = parse_policies(new_text);
  REQUIRE((old_policies && new_policies));
  Comparison comparison(*old_policies, *new_policies, {});
  Lines out;
  for (const Difference& one : comparison.conclude()) {
    if (one.verdict == Verdict::proved) continue;
    const PolicySet& mine = one.gained ? *new_policies : *old_policies;
    const PolicySet& others = one.gained ? *old_policies : *new_policies;
    std::string line = std::format("{} {}", one.gained ? "gained" : "lost", mine[one.permit].id);
    if (one.forbid) line += std::format(" {}", others[*one.forbid].id);
    if (one.verdict == Verdict::unknown) line += "?";
    if (one.example != nullptr) {
      Arena scratch;
      for (const PolicySet* const set : {&*old_policies, &*new_policies}) {
        Answer answer;
        authorize(*set, one.example->request, EntityView(one.example->entities), scratch, answer);
        const bool allowed = answer.decision == Decision::allow && !answer.forbid_failed;
        CHECK(allowed == (set == &mine));
      }
    }
    out.push_back(line);
  }
  return out;
}

}  // namespace

TEST_CASE("two sets: who gains, who loses") {
  const std::string_view small =
      "@id(\"p\") permit (principal, action, resource) when { context.n < 5 };";
  const std::string_view large =
      "@id(\"p\") permit (principal, action, resource) when { context.n < 9 };";
  const std::string_view split =
      "@id(\"p\") permit (principal, action, resource) when { context.n < 3 };\n"
      "@id(\"q\") permit (principal, action, resource) when { context.n >= 3 && 5 > context.n };";
  const std::string forbidden =
      std::string(large) +
      "@id(\"f\") forbid (principal, action, resource) when { context.n > 4 };";
  CHECK(changes(small, small) == Lines{});
  CHECK(changes(small, split) == Lines{});
  CHECK(changes(split, small) == Lines{});
  CHECK(changes(small, large) == Lines{"gained p"});
  CHECK(changes(large, small) == Lines{"lost p"});
  CHECK(changes(large, forbidden) == Lines{"lost p f"});
  CHECK(changes(forbidden, large) == Lines{"gained p f"});
  CHECK(changes(small, forbidden) == Lines{});
  CHECK(changes(small, "") == Lines{"lost p"});
  // A forbid that fails denies.
  CHECK(changes("@id(\"p\") permit (principal, action, resource);",
                "@id(\"p\") permit (principal, action, resource);\n"
                "@id(\"f\") forbid (principal, action, resource) when { context.x && false };") ==
        Lines{"lost p f"});
}
