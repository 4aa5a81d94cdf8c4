#include "inspect/question.h"

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <string_view>

using namespace latticegate;
using namespace latticegate::inspect;

namespace {

bool objects(std::string_view method, std::string_view params, const Findings& found = {}) {
  const auto document = json::Document::parse(params);
  REQUIRE_MESSAGE(document.has_value(), params);
  return objection(method, document->root(), found).has_value();
}
bool form(std::string_view field, std::string_view title = "", std::string_view more = "") {
  return objects("elicitation/create",
                 std::format(R"({{"message":"m","requestedSchema":{{"type":"object","properties":
                             {{"{}":{{"type":"string","title":"{}"{}}}}}}}}})",
                             field, title, more));
}
bool page(std::string_view url) {
  return objects("elicitation/create",
                 std::format(R"({{"mode":"url","message":"m","url":"{}"}})", url));
}

}  // namespace

TEST_CASE("no form asks for a credential") {
  for (const std::string_view field :
       {"password", "Pass-Word", "db_password", "otp", "pin", "one-time code", "seedPhrase",
        "apiKey", "API_KEY", "credit card number", "cvc", "token", "mot_de_passe", "Kennwort",
        "\u5bc6\u7801", "\u041f\u0430\u0440\u043e\u043b\u044c", "\u30d1\u30b9\u30ef\u30fc\u30c9",
        "ssn"})
    CHECK_MESSAGE(form(field), field);
  CHECK(form("field1", "Password of your mailbox"));
  CHECK(form("x", "y", R"(,"format":"password")"));
  CHECK(form("x", "y", R"(,"description":"Your password")"));
  for (const std::string_view field :
       {"name", "day", "shipping", "opinion", "order_number", "tokens_left", "country", "e-mail",
        "passport_country", "secretary", "keyword", "card_colour"})
    CHECK_MESSAGE(!form(field, field), field);
  CHECK_FALSE(
      form("x", "y", R"(,"description":"Never put a password here, we do not need any of it.")"));
}

TEST_CASE("a page is at an address that is what it seems") {
  CHECK_FALSE(page("https://login.ours.example/consent?id=77"));
  CHECK_FALSE(page("https://login.ours.example:8443/"));
  for (const std::string_view url :
       {"http://login.ours.example/", "javascript:alert(1)", "file:///x", "https://",
        "https://ours.example@evil.example/", "https://203.0.113.7/x", "https://localhost/x",
        "https://[::1]/x", "https://l\u043egin.ours.example/", "https://xn--80ak6aa92e.example/",
        "https://ours.example/a b", "https://ours.example\\\\@evil.example/",
        "HTTPS:/ours.example"})
    CHECK_MESSAGE(page(url), url);
}

TEST_CASE("orders to a model, and hidden text") {
  const auto found = [](std::string_view rule, FindingKind kind) {
    Finding finding;
    finding.rule = rule;
    finding.kind = kind;
    finding.severity = Severity::medium;
    finding.confidence = Confidence::likely;
    Findings findings;
    findings.items.push_back(finding);
    return findings;
  };
  const Findings orders = found("result-override-phrase", FindingKind::instruction);
  CHECK(objects("sampling/createMessage", "{}", orders));
  CHECK(objects("elicitation/create", "{}", orders));
  CHECK_FALSE(objects("roots/list", "{}", orders));
  const Findings guess = found("model-user-override", FindingKind::instruction);
  CHECK(objects("sampling/createMessage", "{}", guess));
  CHECK_FALSE(objects("elicitation/create", "{}", guess));  // people are told what to do
  CHECK(objects("elicitation/create", "{}", found("hidden-tags", FindingKind::hidden_text)));
  CHECK_FALSE(objects("sampling/createMessage", "{}"));
}
