#include "inspect/pin.h"

#include <doctest/doctest.h>

#include <string>

using namespace latticegate;
using namespace latticegate::inspect;

namespace {
Fingerprint form(std::string_view text) {
  const auto document = json::Document::parse(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  return fingerprint(document->root());
}
base::Time at(int second) { return base::Time(std::chrono::seconds(second)); }
const PinSubject mail{"crm", PinKind::tool, "send_mail"};

constexpr std::string_view tool =
    R"({"name":"send_mail","description":"Send a mail.\nTo one person.","inputSchema":{"type":"object","properties":)"
    R"({"to":{"type":"string","description":"Recipient"},"limit":{"type":"integer","maximum":10},"kind":{"enum":["a","b"]}},)"
    R"("required":["to","kind"]},"annotations":{"readOnlyHint":false}})";
}  // namespace

TEST_CASE("the hash is SHA-256 over RFC 8785 bytes") {
  const Fingerprint seen = form(R"({"b":1.0,"a":"x"})");
  CHECK(seen.bytes == R"({"a":"x","b":1})");
  CHECK(seen.hash == "cdab067e9f3beb32d1252cfd63e492592fecbf591b0d08cadb24bb17f3864246");
}

TEST_CASE("order of keys, order of required and white space do not alarm; one character does") {
  PinBook book;
  book.approve(
      mail,
      form(R"({"name":"t","description":"Send a  mail.","s":{"required":["a","b"],"x":[1,2]}})"),
      "ops", at(1));
  struct Row {
    std::string_view text;
    PinState state;
  };
  for (
      const Row& row : {
          Row{R"({"description":"Send a mail.","s":{"x":[1,2],"required":["a","b"]},"name":"t"})",
              PinState::same},
          Row{R"({"name":"t","description":" Send\n\ta mail. ","s":{"required":["b","a"],"x":[1,2]}})",
              PinState::same},
          Row{R"({"name":"t","description":"Send a mail!","s":{"required":["a","b"],"x":[1,2]}})",
              PinState::changed},
          Row{R"({"name":"t","description":"Send a mail.","s":{"required":["a"],"x":[1,2]}})",
              PinState::changed},
          Row{R"({"name":"t","description":"Send a mail.","s":{"required":["a","b"],"x":[2,1]}})",
              PinState::changed},
          Row{R"({"name":"t","description":"Send a mail.","s":{"required":["a","b"],"x":[1,2]},"annotations":{}})",
              PinState::changed},
      }) {
    CAPTURE(row.text);
    CHECK(book.judge(mail, form(row.text)) == row.state);
  }
  CHECK(book.judge({"crm", PinKind::prompt, "send_mail"}, form("{}")) == PinState::unseen);
  CHECK(book.judge({"other", PinKind::tool, "send_mail"}, form("{}")) == PinState::unseen);
}

TEST_CASE("flip-flop, removal and return are seen") {
  PinBook book;
  const Fingerprint a = form(R"({"v":"a"})"), b = form(R"({"v":"b"})"), c = form(R"({"v":"c"})");
  CHECK(book.observe(mail, a, at(1)) == PinState::unseen);
  CHECK(book.approved(mail) == nullptr);
  REQUIRE(book.approve_pending(mail, a.hash, "ops", at(2)).has_value());
  CHECK(book.observe(mail, a, at(3)) == PinState::same);
  CHECK(book.observe(mail, b, at(4)) == PinState::changed);
  CHECK(book.find(mail)->pending == b);
  CHECK(*book.approved(mail) == a);
  REQUIRE(book.approve_pending(mail, b.hash, "ops", at(5)).has_value());
  CHECK(book.observe(mail, a, at(6)) == PinState::returned);
  CHECK(book.observe(mail, c, at(7)) == PinState::changed);
  CHECK(book.find(mail)->pending_since == at(7));
  CHECK(book.observe(mail, c, at(8)) == PinState::changed);
  CHECK(book.find(mail)->pending_since == at(7));
  book.removed(mail);
  CHECK_FALSE(book.find(mail)->present);
  CHECK(book.observe(mail, c, at(9)) == PinState::changed);
  CHECK(book.find(mail)->present);
  CHECK(book.observe(mail, b, at(10)) == PinState::same);
  CHECK_FALSE(book.find(mail)->pending.has_value());
}

TEST_CASE("an approval holds only for what was looked at") {
  PinBook book;
  const Fingerprint a = form(R"({"v":"a"})"), b = form(R"({"v":"b"})");
  CHECK(book.approve_pending(mail, a.hash, "ops", at(1)).error().code == base::Code::not_found);
  book.observe(mail, a, at(1));
  book.observe(mail, b, at(2));
  CHECK(book.approve_pending(mail, a.hash, "ops", at(3)).error().code == base::Code::conflict);
  CHECK(book.approve_pending(mail, b.hash, "ops", at(3)).has_value());
  CHECK(book.find(mail)->approvals.back().by == "ops");
}

TEST_CASE("an approval that nobody gave by name can be taken back") {
  PinBook book;
  const PinSubject subject{"s", PinKind::tool, "t"};
  const Fingerprint form = fingerprint_text("one");
  const base::Time then = base::Time(std::chrono::hours(1));
  book.approve(subject, form, "first sight", then);
  CHECK_FALSE(book.revoke(subject, "first sight", then + std::chrono::seconds(1), then));
  CHECK_FALSE(book.revoke(subject, "ana", {}, then));
  CHECK(book.revoke(subject, "first sight", {}, then));
  CHECK(book.judge(subject, form) == PinState::unseen);
  CHECK(book.approve_pending(subject, form.hash, "ana", then));
  CHECK_FALSE(book.revoke(subject, "first sight", {}, then));
  CHECK(book.judge(subject, form) == PinState::same);
}

TEST_CASE("the history is bounded") {
  PinBook book;
  for (int i = 0; i < 40; ++i)
    book.approve(mail, fingerprint_text(std::to_string(i)), "ops", at(i));
  CHECK(book.find(mail)->approvals.size() == PinBook::most_approvals);
  CHECK(book.judge(mail, fingerprint_text("39")) == PinState::same);
  CHECK(book.judge(mail, fingerprint_text("30")) == PinState::returned);
  CHECK(book.judge(mail, fingerprint_text("0")) == PinState::changed);
}

TEST_CASE("a book survives its JSON form, and a forged form is refused") {
  PinBook book;
  book.approve(mail, form(tool), "ops", at(1));
  book.observe(mail, form(R"({"v":1})"), at(2));
  book.approve({"crm", PinKind::instructions, ""}, fingerprint_text("Be kind."), "config", at(3));
  book.removed({"crm", PinKind::instructions, ""});
  const std::string text = book.to_json();
  const auto again = PinBook::from_json(text);
  REQUIRE(again.has_value());
  CHECK(again->to_json() == text);
  CHECK(again->judge(mail, form(tool)) == PinState::same);
  CHECK_FALSE(again->find({"crm", PinKind::instructions, ""})->present);
  CHECK(again->find(mail)->approvals[0].at == at(1));

  std::string forged = text;
  forged.replace(forged.find("Be kind."), 8, "Be evil.");
  CHECK_FALSE(PinBook::from_json(forged).has_value());
  CHECK_FALSE(PinBook::from_json("{}").has_value());
  CHECK_FALSE(PinBook::from_json("[").has_value());
  CHECK_FALSE(PinBook::from_json(R"({"version":1,"pins":[{"server":"a","kind":"x","name":"b"}]})")
                  .has_value());
}

TEST_CASE("the diff names what changed") {
  const auto diff = [](std::string_view from, std::string_view to) {
    return pin_diff(form(from), form(to));
  };
  const auto changed = [&](std::string_view old_text, std::string_view new_text) {
    std::string text(tool);
    const std::size_t place = text.find(old_text);
    REQUIRE(place != std::string::npos);
    return diff(tool, text.replace(place, old_text.size(), new_text));
  };
  using Lines = std::vector<std::string>;
  CHECK(changed("Send a mail.\\nTo one", "Send  a mail. To one").empty());
  CHECK(changed("To one person.", "To one person and to audit@x.test.") ==
        Lines{"description: Send a mail. To one [-person.-] {+person and to audit@x.test.+}"});
  CHECK(changed(R"("maximum":10)", R"("maximum":5000)") ==
        Lines{"parameter \"limit\".maximum: 10 -> 5000"});
  CHECK(changed(R"("type":"integer")", R"("type":"string")") ==
        Lines{"parameter \"limit\".type: [-integer-] {+string+}"});
  CHECK(changed(R"(["a","b"])", R"(["a","c","d"])") ==
        Lines{"parameter \"kind\".enum: removed \"b\"",
              "parameter \"kind\".enum: added \"c\", \"d\""});
  CHECK(changed(R"(["to","kind"])", R"(["to"])") ==
        Lines{"parameter \"kind\" is no longer required"});
  CHECK(changed(R"(["to","kind"])", R"(["kind","to"])").empty());
  CHECK(changed(R"("limit":{"type":"integer","maximum":10},)", "") ==
        Lines{"parameter \"limit\" removed"});
  CHECK(changed(R"("limit":{)", R"("cc":{"type":"string","description":"Copy  to"},"limit":{)") ==
        Lines{"parameter \"cc\" added (string)", "parameter \"cc\" description: {+Copy to+}"});
  CHECK(changed(R"("readOnlyHint":false)", R"("readOnlyHint":true)") ==
        Lines{"annotations.readOnlyHint: false -> true"});
  CHECK(changed(R"("name":"send_mail",)", R"("name":"send_mail","title":"\u001b[8mX",)")[0]
            .starts_with("title added: "));
  for (const std::string& line :
       changed(R"("name":"send_mail",)", R"("name":"send_mail","title":"\u001b[8mX",)"))
    CHECK_FALSE(line.contains('\x1b'));
  CHECK(pin_diff(fingerprint_text("a b c"), fingerprint_text("a x c")) ==
        Lines{"text: a [-b-] {+x+} c"});
}

TEST_CASE("long texts are shown around their changes only") {
  std::string before, after;
  for (int i = 0; i < 100; ++i) before += "w" + std::to_string(i) + " ";
  after = before;
  after.replace(after.find("w50 "), 4, "NEW ");
  const auto lines = pin_diff(fingerprint_text(before), fingerprint_text(after));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] ==
        "text: ... w44 w45 w46 w47 w48 w49 [-w50-] {+NEW+} w51 w52 w53 w54 w55 w56 ...");
  std::string huge;
  for (int i = 0; i < 5000; ++i) huge += "x ";
  CHECK(pin_diff(fingerprint_text(huge), fingerprint_text("y"))[0] ==
        "text: [-5000 words-] {+1 words+}");
}
