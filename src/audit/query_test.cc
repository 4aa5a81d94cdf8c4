#include "audit/query.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"

using namespace latticegate;
using audit::Query;

namespace {

constexpr base::Time now{std::chrono::seconds(1'795'356'131)};  // 2026-11-22T14:02:11Z

constexpr std::string_view leaf =
    R"({"added_ms":0.021,"agent":{"name":"Billing Bot","ref":"billing-bot"},"bytes_out":2048,)"
    R"("call_uid":"0194f3c2","client":{"addr":"10.1.2.3","tls":{"group":"X25519MLKEM768","version":"TLSv1.3"}},)"
    R"("decision":"deny","dur_ns":2500000,"error":"the disk is full","findings":[{"id":"secret.aws_key","severity":"high"},)"
    R"({"id":"pii.email"}],"node":"node-1","rows_out":5000,"rpc_code":-32001,"rules":["deny-bulk","deny-night"],"seq":17,)"
    R"("risk":{"score":71,"signals":["records","new_host"]},)"
    R"("approval":{"by":"p:olga"},"server":{"id":"crm","tls":{"group":"secp256r1"}},"taint":["web"],"time":"2026-11-22T13:00:00.500000000Z","tool":"query","type":"call.decided","v":1})";

bool matches(std::string_view text, std::string_view record = leaf) {
  const auto query = Query::parse(text, now);
  REQUIRE_MESSAGE(query.has_value(), query.error().detail);
  const auto document = json::Document::parse(record);
  REQUIRE(document.has_value());
  return query->matches(document->root());
}

}  // namespace

TEST_CASE("terms that hold") {
  for (const std::string_view text : {"",
                                      "  ",
                                      "agent:billing*",
                                      "agent:BILLING-BOT",
                                      "agent:\"Billing Bot\"",
                                      "agent:*bot",
                                      "agent:b*l*b*t",
                                      "tool:crm.query",
                                      "tool:query",
                                      "tool:crm.*",
                                      "tool:other,query",
                                      "decision:deny rows:>1000 since:24h",
                                      "decision:allow,deny",
                                      "-decision:allow",
                                      "rows:5000",
                                      "rows:>=5000",
                                      "rows:<=5000",
                                      "rows:1..5000",
                                      "rows:7,5000",
                                      "rows:<5001",
                                      "-rows:<10",
                                      "code:-32001",
                                      "code:<0",
                                      "finding:secret.*",
                                      "finding:pii.email",
                                      "rule:deny-night",
                                      "-rule:allow*",
                                      "dur:>2ms",
                                      "dur:2.5ms",
                                      "dur:1ms..3ms",
                                      "added:<1ms",
                                      "added:21us",
                                      "tls:X25519MLKEM768",
                                      "tls:secp256r1",
                                      "risk:>70",
                                      "signal:new_*",
                                      "taint:web,mail",
                                      "approver:p:olga",
                                      "client:10.1.*",
                                      "client.tls.version:tlsv1.3",
                                      "findings.severity:high",
                                      "since:2026-11-22",
                                      "since:2026-11-22T13:00",
                                      "since:2026-11-22T13:00:00.5Z",
                                      "until:2026-11-22T13:00:00.6",
                                      "until:1m",
                                      "full",
                                      "FULL",
                                      "\"disk is\"",
                                      "aws",
                                      "-nothing",
                                      "error:\"the disk is full\"",
                                      "seq:17",
                                      "tool:*",
                                      "call:0194f3c2",
                                      "-session:*",
                                      "out:2048",
                                      "rows:>1e3"}) {
    CAPTURE(text);
    CHECK(matches(text));
  }
}

TEST_CASE("terms that do not hold") {
  for (const std::string_view text : {"agent:billing",
                                      "agent:ill*",
                                      "tool:crm.quer",
                                      "tool:billing.query",
                                      "decision:allow",
                                      "-decision:deny",
                                      "rows:>5000",
                                      "rows:<5000",
                                      "rows:6000..7000",
                                      "rows:10..5",
                                      "finding:secret",
                                      "rule:deny",
                                      "dur:>1s",
                                      "since:1h",
                                      "until:2026-11-22",
                                      "until:2026-11-22T13:00:00.5",
                                      "since:2026-11-22T13:00:00.500000001",
                                      "session:*",
                                      "missing",
                                      "-disk",
                                      "type:call",
                                      "since:24h since:1m",
                                      "in:>=0",
                                      "seq:18",
                                      "server.id.x:crm",
                                      "findings.id:high"}) {
    CAPTURE(text);
    CHECK_FALSE(matches(text));
  }
  for (const std::string_view record :
       {"1", "[]", "null", "\"disk\"", "{}", R"({"time":5,"rows_out":"5000","agent":[[{}]]})"})
    CHECK_FALSE(matches("rows:5000", record));
  CHECK_FALSE(matches("since:1h", R"({"time":"yesterday"})"));
}

TEST_CASE("mistakes are told with column and suggestion") {
  struct Case {
    std::string_view text;
    std::string_view told;
  };
  for (const Case& c :
       {Case{"agnet:x", "column 1: there is no field \"agnet\"; did you mean \"agent\"?"},
        Case{"tool:x zzzzzzzz:1", "column 8: there is no field \"zzzzzzzz\""},
        Case{"rows:many", "column 1: \"many\" is no number"},
        Case{"rows:>", "is no number"},
        Case{"rows:1..", "is no number"},
        Case{"rows:nan", "is no number"},
        Case{"rows:1e999", "is no number"},
        Case{"dur:5", "is no duration"},
        Case{"dur:5parsecs", "is no duration"},
        Case{"since:soon", "is no point in time"},
        Case{"since:2026-13-01", "is no point"},
        Case{"since:2026-02-30", "is no point"},
        Case{"since:2026-11-22T24:00", "is no point"},
        Case{"since:1h,2h", "is no point"},
        Case{"-since:1h", "is no point"},
        Case{"since:2026-11-22T10:00:00.1234567890", "is no point"},
        Case{"x \"open", "column 3: the quote has no end"},
        Case{"agent:", "column 1: a value is missing"},
        Case{"agent:a,", "a value is missing"},
        Case{":x", "a field's name is missing"},
        Case{"-", "a term is missing"},
        Case{"\"\"", "a term is missing"}}) {
    const auto query = Query::parse(c.text, now);
    CAPTURE(c.text);
    REQUIRE_FALSE(query.has_value());
    CHECK(query.error().code == base::Code::invalid);
    CHECK_MESSAGE(query.error().detail.contains(c.told), query.error().detail);
  }
  CHECK(Query::parse(std::string(5000, 'x'), now).error().code == base::Code::too_large);
  std::string many;
  for (int i = 0; i < 65; ++i) many += "x ";
  CHECK(Query::parse(many, now).error().code == base::Code::too_large);
}

TEST_CASE("a reader learns where to begin") {
  CHECK_FALSE(Query::parse("tool:x", now)->since().has_value());
  CHECK(Query::parse("since:24h since:1h", now)->since() == now - std::chrono::hours(1));
  CHECK(Query::parse("since:999999999d", now)->since() == base::Time{});
}

TEST_CASE("hostile patterns end in time") {
  const std::string record = R"({"tool":")" + std::string(4000, 'a') + R"("})";
  std::string pattern = "tool:";
  for (int i = 0; i < 2000; ++i) pattern += "*a";
  CHECK_FALSE(matches(pattern + "b", record));
  CHECK(matches(pattern + "*", record));
}

TEST_CASE("every field is listed with its meaning") {
  CHECK(audit::query_fields().size() > 30);
  for (const audit::QueryField& field : audit::query_fields()) {
    CHECK_FALSE(field.meaning.empty());
    const bool time = field.name == "since" || field.name == "until";
    const bool number = std::ranges::contains(
        std::initializer_list<std::string_view>{"code", "in", "out", "risk", "rows", "seq"},
        field.name);
    const bool span = field.name == "dur" || field.name == "added";
    CHECK(Query::parse(std::string(field.name) + (time || span ? ":1s"
                                                  : number     ? ":1"
                                                               : ":x"),
                       now)
              .has_value());
  }
}

TEST_CASE("the part of a record for an index has the terms of the whole") {
  const auto terms = [](std::string_view text) {
    const auto document = json::Document::parse(text);
    REQUIRE(document.has_value());
    std::vector<std::string> all;
    audit::index_terms(document->root(), [&](std::string_view field, std::string_view value) {
      all.push_back(std::string(field) + "=" + std::string(value));
    });
    return all;
  };
  constexpr std::string_view canonical =
      R"({"added_ms":0.021,"agent":{"name":"B\u0007 \"Bot\"","ref":"b-bot"},"asked":{"a":[{"b":"}]"}]},)"
      R"("call_uid":"0194f3c2","decision":"deny","findings":[{"id":"pii.email"}],"labels_out":["pii"],)"
      R"("outcome":"denied","principal":{"ref":"u-1"},"prompt":"p","redactions":[{"class":"x"}],)"
      R"("rules":["deny-bulk"],"server":{"id":"crm"},"session":"s-1","time":"2026-11-22T13:00:00Z",)"
      R"("tool":"Query","type":"session.killed","v":1,"would":["deny"]})";
  const std::string part = audit::index_part(canonical);
  CHECK(part.size() < canonical.size());
  CHECK(part.contains("2026-11-22T13:00:00Z"));
  CHECK(terms(part) == terms(canonical));
  CHECK(terms(part).size() == 17);
  CHECK(audit::index_part(leaf) == leaf);  // its members are in no order
  for (const std::string_view odd : {"", "{", "[]", "{}", "{\"a\":1}", "{\"tool\":\"x\"} ", "text"})
    CHECK(json::Document::parse(odd).has_value() ==
          json::Document::parse(audit::index_part(odd)).has_value());
}
