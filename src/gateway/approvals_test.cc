#include "gateway/approvals.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace latticegate;
using namespace latticegate::gateway;
using namespace std::chrono_literals;
using State = ApprovalRequest::State;

namespace {

const base::Time start = base::Time(std::chrono::hours(24 * 365 * 50));

struct Desk {
  std::map<std::string, std::string> disk;
  crypto::SeededRandom random{7};
  Approvals approvals{[this](const std::string& id, std::optional<std::string> text) {
    if (text)
      disk[id] = *text;
    else
      disk.erase(id);
  }};

  ApprovalRequest ask(std::string digest, std::string who = "c-1") {
    ApprovalRequest request;
    request.digest = std::move(digest);
    request.conversation = std::move(who);
    request.level = 2;
    request.until = start + 15min;
    auto opened = approvals.open(std::move(request), start, random);
    REQUIRE(opened.has_value());
    return *opened;
  }
};

std::string digest_of(std::string_view arguments, std::string_view who = "c-1",
                      std::string_view tool = "send", std::string_view pin = "p") {
  const auto document = json::Document::parse(arguments);
  REQUIRE(document.has_value());
  return approval_digest(who, "post", tool, pin, document->root());
}

}  // namespace

TEST_CASE("an approval is good for one call, once, for a while") {
  Desk desk;
  const ApprovalRequest asked = desk.ask("d");
  CHECK(asked.id.starts_with("a-"));
  CHECK(desk.ask("d").id == asked.id);  // the same call again
  CHECK(!desk.approvals.use(asked.id, "call", start));
  REQUIRE(desk.approvals.answer(asked.id, true, "ana", "fine", 10min, start + 1min).has_value());
  CHECK(!desk.approvals.answer(asked.id, true, "bob", "", 10min, start + 1min).has_value());
  CHECK(desk.approvals.find("d", start + 2min)->by == "ana");
  CHECK(!desk.approvals.find("other", start + 2min));
  CHECK(desk.approvals.use(asked.id, "call", start + 2min));
  CHECK(!desk.approvals.use(asked.id, "again", start + 2min));
  CHECK(!desk.approvals.find("d", start + 2min));
  CHECK(desk.ask("d").id != asked.id);  // to be asked anew
}

TEST_CASE("it expires, open, refused or approved") {
  Desk desk;
  const std::string open = desk.ask("open").id;
  CHECK(desk.approvals.find("open", start + 14min));
  CHECK(!desk.approvals.find("open", start + 15min));
  CHECK(!desk.approvals.answer(open, true, "ana", "", 10min, start + 15min).has_value());
  CHECK(desk.disk.empty());

  const std::string approved = desk.ask("approved").id;
  REQUIRE(desk.approvals.answer(approved, true, "ana", "", 10min, start + 1min).has_value());
  CHECK(!desk.approvals.use(approved, "call", start + 11min));

  const std::string refused = desk.ask("refused").id;
  REQUIRE(desk.approvals.answer(refused, false, "ana", "no", 10min, start + 1min).has_value());
  CHECK(desk.approvals.find("refused", start + 2min)->state == State::refused);
  CHECK(!desk.approvals.use(refused, "call", start + 2min));
  CHECK(desk.ask("refused").state == State::refused);
}

TEST_CASE("somebody whom the policy does not accept reopens it") {
  Desk desk;
  const std::string id = desk.ask("d").id;
  REQUIRE(desk.approvals.answer(id, true, "self", "", 10min, start).has_value());
  desk.approvals.reopen(id, 3, start + 15min);
  CHECK(desk.approvals.find("d", start)->state == State::open);
  CHECK(desk.approvals.find("d", start)->level == 3);
  CHECK(desk.approvals.answer(id, true, "ana", "", 10min, start).has_value());
}

TEST_CASE("it survives a restart as it was") {
  Desk before;
  const std::string id = before.ask("d").id;
  REQUIRE(before.approvals.answer(id, true, "ana", "fine", 10min, start).has_value());
  before.ask("open");
  Desk after;
  std::vector<ApprovalRequest> saved;
  for (const auto& [key, text] : before.disk) {
    const auto document = json::Document::parse(text);
    REQUIRE(document.has_value());
    const auto request = ApprovalRequest::read(document->root());
    REQUIRE(request.has_value());
    CHECK(request->text() == text);
    saved.push_back(*request);
  }
  after.approvals.restore(saved);
  CHECK(after.approvals.all(start).size() == 2);
  CHECK(after.approvals.use(id, "call", start + 1min));
  CHECK(!ApprovalRequest::read(json::Document::parse("{}")->root()));
}

TEST_CASE("one principal cannot fill the desk") {
  Desk desk;
  for (int i = 0; i < 16; ++i) desk.ask(std::to_string(i));
  ApprovalRequest more;
  more.digest = "more";
  more.conversation = "c-1";
  more.until = start + 1min;
  CHECK(!desk.approvals.open(more, start, desk.random).has_value());
  more.conversation = "c-2";
  CHECK(desk.approvals.open(more, start, desk.random).has_value());
}

TEST_CASE("the digest is of exactly these arguments of this caller") {
  const std::string one = digest_of(R"({"to":"ana","amount":5})");
  CHECK(one == digest_of(R"({ "amount": 5.0, "to": "\u0061na" })"));
  CHECK(one != digest_of(R"({"to":"ana","amount":6})"));
  CHECK(one != digest_of(R"({"to":"ana","amount":"5"})"));
  CHECK(one != digest_of(R"({"to":"ana","amount":5,"x":null})"));
  CHECK(one != digest_of(R"({"to":"ana","amount":5})", "c-2"));
  CHECK(one != digest_of(R"({"to":"ana","amount":5})", "c-1", "sendx"));
  CHECK(one != digest_of(R"({"to":"ana","amount":5})", "c-1", "send", "q"));
}
