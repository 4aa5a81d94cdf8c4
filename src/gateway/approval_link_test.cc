#include "gateway/approval_link.h"

#include <doctest/doctest.h>

#include <string>

using namespace latticegate;
using namespace std::chrono_literals;

namespace {

const base::Time now = base::Time(std::chrono::sys_days(std::chrono::year(2026) / 3 / 2));
constexpr std::string_view key = "a key";

std::string target_of(const std::string& link) {
  return link.substr(std::string_view("https://gate.example").size());
}

}  // namespace

TEST_CASE("a link names one request and one person, until it ends") {
  const std::string link = gateway::approval_link(
      "https://gate.example", {"a-1f0a93b24c5d", "ana o'neil", now + 15min}, key);
  CHECK(link.starts_with("https://gate.example/approvals/a-1f0a93b24c5d?by=ana%20o%27neil&until="));
  const auto read = gateway::read_approval_link(target_of(link), key, now + 14min);
  REQUIRE(read.has_value());
  CHECK(read->request == "a-1f0a93b24c5d");
  CHECK(read->by == "ana o'neil");
  const auto late = gateway::read_approval_link(target_of(link), key, now + 15min);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == base::Code::timeout);
}

TEST_CASE("whatever is changed, or signed by another key, is none") {
  const std::string target =
      target_of(gateway::approval_link("https://gate.example", {"a-1", "ana", now + 15min}, key));
  const auto code = [](std::string_view text, std::string_view with = key) {
    const auto read = gateway::read_approval_link(text, with, now);
    return read ? base::Code{} : read.error().code;
  };
  CHECK(gateway::read_approval_link(target, key, now).has_value());
  CHECK(code(target, "another key") == base::Code::forbidden);
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = target;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const std::string& text :
       {changed("a-1", "a-2"), changed("by=ana", "by=ann"), changed("by=ana", "by=ana%"),
        changed("until=", "until=9"), changed("until=", "until=-"), changed("&sig=", "&gis="),
        changed("/approvals/", "/approval/"), target.substr(0, target.size() - 1), target + "0",
        target.substr(0, target.find('?')), std::string("/approvals/"), std::string(),
        target + std::string(2'000, 'x')}) {
    CAPTURE(text);
    CHECK(code(text) == base::Code::forbidden);
  }
  // Who may answer one may not answer another by moving a letter from one part to the next.
  const std::string moved =
      target_of(gateway::approval_link("https://gate.example", {"a-1\nana", "", now + 15min}, key));
  CHECK(moved.substr(moved.find("&sig=")) != target.substr(target.find("&sig=")));
}
