#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "audit/record.h"
#include "audit/segment.h"
#include "json/value.h"
#include "json/write.h"

using namespace latticegate;
using audit::Record;
using audit::RecordWriter;

namespace {

constexpr base::Time now{std::chrono::nanoseconds(1'795'356'131'123'456'789)};

crypto::Uuid uuid(std::uint64_t seed) {
  crypto::SeededRandom random(seed);
  return crypto::uuid_v7(now, random);
}

// The leaf with its seq, after the proof that it is canonical JSON.
std::string leaf_of(const Record& record, std::uint64_t seq = 7) {
  RecordWriter writer("node-1");
  const std::string leaf = audit::with_seq(writer.write(record), seq);
  const auto document = json::Document::parse(leaf);  // also where a text held U+0000
  REQUIRE_MESSAGE(document.has_value(), leaf);
  CHECK(json::canonical(document->root()) == leaf);
  return leaf;
}

// Every field filled with the text, every list with so many elements, every number with the number.
struct Full {
  std::vector<std::string_view> texts;
  std::vector<audit::Finding> findings;
  std::vector<audit::Redaction> redactions;
  std::string asked = "{\"a\":\"" + std::string(audit::asked_limit - 8, 'q') + "\"}";
  Record record;

  Full(std::string_view t, std::size_t elements, std::int64_t n)
      : texts(elements, t),
        findings(elements, {.confidence = n, .count = n, .id = t, .path = t, .severity = t}),
        redactions(elements, {.kind = t, .count = n, .path = t}),
        record{.type = audit::Type::agent_quarantined,
               .time = now,
               .added_ns = n,
               .agent = {t, t, t, t, t},
               .approval = {now, t, t, now, n, t},
               .asked = asked,
               .bytes_in = n,
               .bytes_out = n,
               .call_uid = uuid(1),
               .client = {t, t, n, t, t, t},
               .config_hash = t,
               .decision = audit::Decision::step_up,
               .dur_ns = n,
               .effect = t,
               .error = t,
               .findings = findings,
               .inspect_ns = n,
               .inspect_truncated = true,
               .labels_in = texts,
               .labels_out = texts,
               .method = t,
               .mode = t,
               .obligations = texts,
               .outcome = audit::Outcome::upstream_error,
               .policy_hash = t,
               .policy_ver = n,
               .principal = {t, t, texts, t, t, t},
               .prompt = t,
               .proto = t,
               .redactions = redactions,
               .req = {.len = n},
               .res = {.kept = true, .len = n},
               .resource_uri = t,
               .risk = {n, n, texts},
               .rows_out = n,
               .rpc_code = -n,
               .rpc_id = t,
               .rules = texts,
               .server = {t, t, n, t, t, t, t},
               .session = t,
               .shadow = {audit::Decision::deny, texts, t},
               .span_id = t,
               .taint = texts,
               .tenant = t,
               .tool = t,
               .tool_pin = t,
               .tool_pin_was = t,
               .trace_id = t,
               .transport = t,
               .uid = uuid(2),
               .why = t,
               .would = audit::Decision::step_up,
               .approved_by = t,
               .subject = t,
               .log_keys = texts,
               .log_minimum = n,
               .log_aside = n,
               .log_bodies = n,
               .log_cut_bytes = n,
               .log_cut_file = t,
               .log_cut_sha256 = t,
               .log_lost_records = n,
               .log_refused = n,
               .log_segment = n} {}
};

}  // namespace

TEST_CASE("a kept body has its place in the record, which is filled in or taken out later") {
  RecordWriter writer("node-1");
  const std::string zeros(64, '0');
  for (const bool request : {true, false}) {
    audit::Record record{.type = audit::Type::call_decided, .time = now, .tool = "query"};
    (request ? record.req : record.res) = {.kept = true, .len = 402};
    const audit::Leaf leaf = writer.write(record);
    std::string text(leaf.text);
    REQUIRE(text.substr(leaf.body_at).starts_with(R"("commit":"000)"));
    const audit::BodyReference body{
        .commit = crypto::sha256("a"), .ct_sha256 = crypto::sha256("b"), .key = "0123456789abcdef"};
    audit::put_body(text, leaf.body_at, body);
    const std::string filled =
        audit::with_seq({.text = text, .seq_at = leaf.seq_at, .body_at = 0}, 5);
    const auto parsed = json::Document::parse(filled);
    REQUIRE(parsed.has_value());
    const json::Value said = parsed->root()[request ? "req" : "res"];
    CHECK(said["commit"].string() == crypto::to_hex(crypto::sha256("a")));
    CHECK(said["ct_sha256"].string() == crypto::to_hex(crypto::sha256("b")));
    CHECK(said["key"].string() == "0123456789abcdef");
    CHECK(said["len"].integer() == 402);
    std::uint32_t seq_at = leaf.seq_at;
    audit::drop_body(text, leaf.body_at, seq_at);
    record.req.kept = record.res.kept = false;
    CHECK(text == writer.write(record).text);
    CHECK(seq_at == writer.write(record).seq_at);
  }
}

TEST_CASE("a decided call reads as the format says") {
  const std::vector<std::string_view> rules{"deny-bulk-export"};
  const std::vector<audit::Finding> findings{
      {.confidence = 90, .count = 1, .id = "secret.aws_key", .path = "/q", .severity = "high"}};
  const std::string leaf = leaf_of({.type = audit::Type::call_decided,
                                    .time = now,
                                    .agent = {.ref = "billing-bot"},
                                    .bytes_in = 612,
                                    .call_uid = uuid(3),
                                    .client = {.addr = "127.0.0.1",
                                               .port = 50000,
                                               .tls_group = "X25519MLKEM768",
                                               .tls_version = "TLSv1.3"},
                                    .decision = audit::Decision::deny,
                                    .effect = "read",
                                    .findings = findings,
                                    .method = "tools/call",
                                    .mode = "enforce",
                                    .outcome = audit::Outcome::denied,
                                    .policy_ver = 4,
                                    .req = {.len = 88},
                                    .rpc_id = "\"a\"",
                                    .rules = rules,
                                    .server = {.id = "crm"},
                                    .tool = "query",
                                    .uid = uuid(3),
                                    .why = "context.input.limit <= 100 (was 5000)"});
  const std::string id = '"' + crypto::to_string(uuid(3)) + '"';
  const std::string expected =
      R"x({"agent":{"ref":"billing-bot"},"bytes_in":612,"call_uid":)x" + id +
      R"x(,"client":{"addr":"127.0.0.1","port":50000,"tls":{"group":"X25519MLKEM768")x"
      R"x(,"version":"TLSv1.3"}},"decision":"deny","effect":"read","findings":[{"confidence":90)x"
      R"x(,"count":1,"id":"secret.aws_key","path":"/q","severity":"high"}],"method":"tools/call")x"
      R"x(,"mode":"enforce","node":"node-1","outcome":"denied","policy_ver":4,"req":{"len":88})x"
      R"x(,"rpc_id":"\"a\"","rules":["deny-bulk-export"],"seq":7,"server":{"id":"crm"})x"
      R"x(,"time":"2026-11-22T14:02:11.123456789Z","tool":"query","type":"call.decided","uid":)x" +
      id + R"x(,"v":1,"why":"context.input.limit <= 100 (was 5000)"})x";
  CHECK(leaf == expected);
}

TEST_CASE("the least record is still one") {
  CHECK(
      leaf_of({.type = audit::Type::log_closed, .time = {}}) ==
      R"({"node":"node-1","seq":7,"time":"1970-01-01T00:00:00.000000000Z","type":"log.closed","v":1})");
  const std::vector<std::string_view> nothing(2);
  CHECK(leaf_of({.type = audit::Type::log_closed, .time = {}, .rules = nothing})
            .contains(R"("rules":["",""])"));
  CHECK(leaf_of({.type = audit::Type::log_closed, .time = base::Time::min()}).contains("1970"));
  CHECK(leaf_of({.type = audit::Type::log_closed, .time = base::Time::max()})
            .contains("2262-04-11T23:47:16.85477580"));
}

TEST_CASE("every field comes out in canonical order and under its limit, whatever it holds") {
  for (const std::size_t elements : {0UL, 1UL, 3UL, 1000UL})
    for (const std::int64_t number : {std::int64_t{0}, std::int64_t{1}, INT64_MAX}) {
      for (const std::string& text :
           {std::string("x"), std::string("quote \" backslash \\ tab \t nul \0 end", 34),
            std::string(100'000, '\x01'), std::string(100'000, 'a'), std::string(100'000, '"'),
            std::string("\xFF\xC0\xAF\xED\xA0\x80\xF4\x90"), std::string(100'000, '\xFE')}) {
        const Full full(text, elements, number);
        CHECK(leaf_of(full.record, UINT64_MAX / 1024 / 2).size() <= audit::leaf_limit.count);
      }
    }
}

TEST_CASE("what was asked is there as a whole, or a word says that it is not") {
  const auto asked = [](Record record) {
    const std::string leaf = leaf_of(record, UINT64_MAX / 1024 / 2);
    return json::to_string(json::Document::parse(leaf)->root()["asked"]);
  };
  const std::string large = "{\"a\":\"" + std::string(audit::asked_limit - 8, 'q') + "\"}";
  CHECK(asked({.type = audit::Type::call_decided, .time = now, .asked = large}) == large);
  Full full("\x01", 1000, 1);
  full.record.asked = R"({"context":{}})";
  CHECK(asked(full.record) == R"({"context":{}})");
  const std::string text(100'000, '"');
  Full fuller(text, 1000, INT64_MAX);
  fuller.record.asked = large;
  CHECK(asked(fuller.record) == R"({"missing":"size"})");
}

TEST_CASE("approval, risk, taint and the server's connection read as the format says") {
  const std::vector<std::string_view> signals{"records", "new_host"};
  const std::vector<std::string_view> taint{"web"};
  const std::string leaf = leaf_of({.type = audit::Type::call_finished,
                                    .time = now,
                                    .approval = {.at = now,
                                                 .by = "p:olga",
                                                 .call_hash = "9f86",
                                                 .expires = now + std::chrono::minutes(5),
                                                 .level = 2,
                                                 .request = "a-1"},
                                    .risk = {.rung = 1, .score = 71, .signals = signals},
                                    .server = {.addr = "crm.internal",
                                               .id = "crm",
                                               .port = 443,
                                               .tls_group = "X25519MLKEM768",
                                               .tls_version = "TLSv1.3"},
                                    .taint = taint});
  CHECK(leaf ==
        R"({"approval":{"at":"2026-11-22T14:02:11.123Z","by":"p:olga","call_hash":"9f86")"
        R"(,"expires":"2026-11-22T14:07:11.123Z","level":2,"request":"a-1"},"node":"node-1")"
        R"(,"risk":{"rung":1,"score":71,"signals":["records","new_host"]},"seq":7)"
        R"(,"server":{"addr":"crm.internal","id":"crm","port":443,"tls":{"group":"X25519MLKEM768")"
        R"(,"version":"TLSv1.3"}},"taint":["web"],"time":"2026-11-22T14:02:11.123456789Z")"
        R"(,"type":"call.finished","v":1})");
  // Nothing unusual is said, an absence is not.
  CHECK(leaf_of({.type = audit::Type::call_decided, .time = now, .risk = {.rung = 0, .score = 0}})
            .contains(R"("risk":{"score":0})"));
  CHECK_FALSE(leaf_of({.type = audit::Type::log_closed, .time = now}).contains("risk"));
}

TEST_CASE("what a shadow says stands beside the decision") {
  const std::vector<std::string_view> rules{"no-exports"};
  const std::string leaf = leaf_of({.type = audit::Type::call_decided,
                                    .time = now,
                                    .decision = audit::Decision::allow,
                                    .shadow = {.decision = audit::Decision::deny, .rules = rules},
                                    .would = audit::Decision::step_up});
  CHECK(leaf.contains(R"("shadow":{"decision":"deny","rules":["no-exports"]})"));
  CHECK(leaf.contains(R"("would":"step_up")"));
}

TEST_CASE("a long text is cut where a character ends, and says so") {
  const auto why = [](std::string_view text) {
    const std::string leaf = leaf_of({.type = audit::Type::log_opened, .time = now, .why = text});
    const auto document = json::Document::parse(leaf);
    return std::string(*document->root()["why"].string());
  };
  CHECK(why(std::string(640, 'a')) == std::string(640, 'a'));
  CHECK(why(std::string(641, 'a')).starts_with(std::string(600, 'a')));
  CHECK(why(std::string(1640, 'a')).ends_with("a[cut 1005]"));
  std::string umlauts;
  for (int i = 0; i < 1000; ++i) umlauts += "\xC3\xA4";
  const std::string cut = why(umlauts);
  CHECK(base::is_utf8(cut));
  CHECK(cut.ends_with("\xC3\xA4[cut 1364]"));
  CHECK(why("a\xFFz") == "a\xEF\xBF\xBDz");
}

TEST_CASE("a long list is cut and says how many are missing") {
  const std::vector<std::string_view> rules(500, "0123456789");
  const std::string leaf =
      leaf_of({.type = audit::Type::call_decided, .time = now, .rules = rules});
  CHECK(leaf.contains(R"("0123456789","[cut 427]"])"));
}

TEST_CASE("times and durations are exact") {
  const auto added = [](std::int64_t ns) {
    const std::string leaf =
        leaf_of({.type = audit::Type::call_finished, .time = now, .added_ns = ns});
    return leaf.substr(12, leaf.find(',') - 12);
  };
  CHECK(added(0) == "0");
  CHECK(added(1) == "0.000001");
  CHECK(added(21'500) == "0.0215");
  CHECK(added(1'000'000) == "1");
  CHECK(added(12'000'000'001) == "12000.000001");
  RecordWriter writer("n");
  for (const std::int64_t day : {0LL, 11016LL, 11017LL, 19782LL, 20000LL, 73049LL}) {
    const base::Time time{std::chrono::days(day) + std::chrono::milliseconds(86'399'999)};
    const audit::Leaf leaf = writer.write({.type = audit::Type::log_opened, .time = time});
    std::string expected = base::to_rfc3339(time);
    expected.insert(expected.size() - 1, "000000");
    CHECK(leaf.text.contains("\"time\":\"" + expected + "\""));
  }
}

TEST_CASE("the cost of a record, printed") {
  const std::vector<std::string_view> rules{"allow-billing-read"};
  const Record record{
      .type = audit::Type::call_decided,
      .time = now,
      .agent = {.name = "billing bot", .ref = "spiffe://acme/agents/billing"},
      .bytes_in = 612,
      .call_uid = uuid(5),
      .client = {.addr = "10.1.2.3",
                 .name = "claude-code",
                 .port = 50123,
                 .tls_group = "X25519MLKEM768",
                 .tls_version = "TLSv1.3",
                 .version = "2.0.1"},
      .decision = audit::Decision::allow,
      .effect = "read",
      .method = "tools/call",
      .mode = "enforce",
      .policy_hash = "3f0a9c51d2e4b7a6f0e1d2c3b4a59687786a5b4c3d2e1f00112233445566778",
      .policy_ver = 12,
      .principal = {.auth = "bearer",
                    .cred = "5f70aa01",
                    .iss = "https://idp.example",
                    .kind = "user",
                    .ref = "p:k3jd93kfj39fk3jf93kd"},
      .proto = "2025-11-25",
      .req = {.kept = true, .len = 402},
      .rpc_id = "42",
      .rules = rules,
      .server = {.id = "crm", .segment = "sales"},
      .session = "c_01hf3k2j3h4k5j6h7k8j9h",
      .tenant = "acme",
      .tool = "query_customers",
      .tool_pin = "9c51d2e4b7a6f0e1d2c3b4a59687786a5b4c3d2e1f0011223344556677889900",
      .transport = "http",
      .uid = uuid(6)};
  RecordWriter writer("acme/prod/node-1");
  constexpr int count = 20'000;
  const auto start = std::chrono::steady_clock::now();
  std::size_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += writer.write(record).text.size();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  const double each = took.count() / count;
  MESSAGE(each, " ns for a record of ", bytes / count, " bytes");
}
