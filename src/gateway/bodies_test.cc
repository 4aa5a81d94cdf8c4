#include "gateway/bodies.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "inspect/detail/example.h"  // tidy: the texts that rules say they find
#include "inspect/rules.h"
#include "inspect/scan.h"
#include "json/write.h"
#include "yaml/node.h"

using namespace latticegate;

namespace {

struct Example {
  std::string rule;
  std::string text;
};

// Every text that a rule of the program says it finds.
std::vector<Example> examples() {
  std::vector<Example> found;
  for (const inspect::RuleFile& file : inspect::built_in_files()) {
    const auto parsed = yaml::parse(file.text, file.name);
    REQUIRE(parsed.has_value());
    for (const yaml::Entry& top : parsed->entries()) {
      if (top.key != "rules") continue;
      for (const yaml::Node& rule : top.value.items()) {
        std::string id;
        for (const yaml::Entry& entry : rule.entries()) {
          if (entry.key == "id") id = entry.value.text();
          if (entry.key != "match") continue;
          for (const yaml::Node& example : entry.value.items())
            found.push_back({id, inspect::expand_example(example.text(), id)});
        }
      }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("no secret that a rule finds is in a body that is kept, wherever it stood") {
  auto scanner = inspect::Scanner::create(inspect::RuleSet::built_in().value());
  REQUIRE(scanner.has_value());
  std::set<std::string> rules;
  const std::vector<Example> all = examples();
  REQUIRE(all.size() > 150);
  for (const inspect::Surface surface : {inspect::Surface::arguments, inspect::Surface::result}) {
    for (const Example& example : all) {
      // What of the text is the secret.
      const inspect::Findings alone = inspect::scan_text(*scanner, surface, example.text);
      std::vector<std::string> secrets;
      for (const inspect::Finding& finding : alone.items)
        if (finding.kind == inspect::FindingKind::secret)
          secrets.push_back(example.text.substr(finding.begin, finding.end - finding.begin));
      if (secrets.empty()) continue;  // found on another surface
      rules.insert(example.rule);
      std::string text;
      json::Writer(text)
          .begin_object()
          .key("arguments")
          .begin_object()
          .member("text", example.text)
          .key("deep")
          .begin_array()
          .string(example.text)
          .string("nothing")
          .end_array()
          .key("named")
          .begin_object()
          .member(example.text, "a name")
          .end_object()
          .end_object()
          .member("name", "tool")
          .end_object();
      const auto document = json::Document::parse(text);
      REQUIRE(document.has_value());
      const inspect::Findings findings = inspect::scan(*scanner, surface, document->root());
      const auto body = gateway::kept_body(document->root(), {.findings = &findings,
                                                              .redaction_key = "key",
                                                              .limit = 1'000'000,
                                                              .subject = "p:one",
                                                              .at = base::Time()});
      if (body == nullptr) continue;  // then nothing is kept at all
      const auto kept = json::Document::parse(body->text);
      REQUIRE(kept.has_value());
      for (const std::string& secret : secrets) {
        std::string quoted;
        json::Writer(quoted).string(secret);
        CHECK_MESSAGE(!body->text.contains(quoted.substr(1, quoted.size() - 2)), example.rule);
      }
      CHECK(body->text.contains("nothing"));
    }
  }
  CHECK(rules.size() > 80);
}

TEST_CASE("a body is kept whole or not at all") {
  auto scanner = inspect::Scanner::create(inspect::RuleSet::built_in().value());
  const auto document = json::Document::parse(R"({"text":"words"})");
  inspect::Findings findings =
      inspect::scan(*scanner, inspect::Surface::arguments, document->root());
  gateway::BodyOrder order{.findings = &findings,
                           .redaction_key = "key",
                           .limit = 100,
                           .subject = "p:one",
                           .label = "phi",
                           .at = base::Time(std::chrono::seconds(1'795'356'131))};
  const auto body = gateway::kept_body(document->root(), order);
  REQUIRE(body != nullptr);
  CHECK(body->text == R"({"text":"words"})");
  CHECK(body->purpose == audit::KeyPurpose{"p:one", "phi", "2026-11"});
  order.limit = 5;
  CHECK(gateway::kept_body(document->root(), order) == nullptr);
  order.limit = 100;
  findings.skipped = 1;  // a part that nobody looked at may hold a secret
  CHECK(gateway::kept_body(document->root(), order) == nullptr);
  CHECK(gateway::kept_body(json::Value(), order) == nullptr);
}

TEST_CASE("the configuration says which bodies are kept") {
  using config::Bodies;
  using gateway::BodyKind;
  using gateway::keeps;
  CHECK_FALSE(keeps(Bodies::none, BodyKind::request));
  CHECK_FALSE(keeps(Bodies::none, BodyKind::answer));
  CHECK(keeps(Bodies::requests, BodyKind::request));
  CHECK_FALSE(keeps(Bodies::requests, BodyKind::answer));
  CHECK(keeps(Bodies::answers, BodyKind::answer));
  CHECK(keeps(Bodies::all, BodyKind::request));
  CHECK(keeps(Bodies::all, BodyKind::answer));
}
