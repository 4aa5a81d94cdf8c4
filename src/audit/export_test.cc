#include "audit/export.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "audit/record.h"
#include "json/value.h"

using namespace latticegate;
using audit::ExportForm;

namespace {

std::string exported(ExportForm form, std::string_view record) {
  const auto document = json::Document::parse(record);
  REQUIRE(document.has_value());
  std::string out;
  audit::export_record(form, document->root(), "0.1.0", out);
  REQUIRE(out.ends_with('\n'));
  CHECK(std::ranges::count(out, '\n') == 1);
  return out;
}

// A denied call whose texts are hostile.
std::string denied() {
  const std::array<std::string_view, 1> rules{"rows|limit"};
  const std::array<std::string_view, 2> labels{"pii", "financial"};
  const std::array<audit::Finding, 1> findings{
      audit::Finding{.confidence = 90, .count = 1, .id = "secret.aws", .severity = "high"}};
  audit::RecordWriter writer("node-1");
  const audit::Leaf leaf = writer.write({
      .type = audit::Type::call_decided,
      .time = base::Time(std::chrono::milliseconds(1795356131123)),
      .agent = {.name = "Billing", .ref = "=cmd()"},
      .client = {.addr = "10.0.0.7", .name = "desk", .port = 51234, .version = "2.1"},
      .decision = audit::Decision::deny,
      .effect = "read",
      .findings = findings,
      .labels_out = labels,
      .method = "tools/call",
      .outcome = audit::Outcome::denied,
      .policy_hash = "abc",
      .policy_ver = 41,
      .principal = {.cred = "jti:1", .iss = "https://idp.example", .ref = "p:k3"},
      .risk = {.rung = 1, .score = 71, .signals = rules},
      .rows_out = 5000,
      .rpc_code = -31403,
      .rpc_id = "42",
      .rules = rules,
      .server = {.addr = "crm.int", .id = "crm", .port = 443, .tls_group = "X25519MLKEM768"},
      .session = "c-1",
      .tool = "a=b\\c|d",
      .trace_id = "4bf9",
      .why = "rows, \"5000\" > 10\nand more",
  });
  return audit::with_seq(leaf, 7);
}

}  // namespace

TEST_CASE("CSV: one row, quoted, and nothing that a spreadsheet would run") {
  const std::string head = audit::export_head(ExportForm::csv);
  const std::string row = exported(ExportForm::csv, denied());
  CHECK(row.starts_with("7,2026-11-22T14:02:11.123000000Z,call.decided,node-1,,\"'=cmd()\",p:k3,"));
  CHECK(row.contains(R"("rows, ""5000"" > 10 and more")"));
  CHECK(row.contains(",pii financial,5000,"));
  // As many cells as columns, outside of quotes.
  const auto cells = [](std::string_view line) {
    bool quoted = false;
    int count = 1;
    for (const char c : line) {
      if (c == '"') quoted = !quoted;
      if (c == ',' && !quoted) ++count;
    }
    return count;
  };
  CHECK(cells(row) == cells(head));
}

TEST_CASE("OCSF: a denied call has what class 6003 requires, and its values") {
  const std::string line = exported(ExportForm::ocsf, denied());
  const auto document = json::Document::parse(line);
  REQUIRE(document.has_value());
  const json::Value e = document->root();
  for (const std::string_view field :
       {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid",
        "actor", "api", "src_endpoint"})
    CHECK_MESSAGE(e[field].exists(), field);
  CHECK(e["type_uid"].integer() == 600302);
  CHECK(e["time"].integer() == 1795356131123);
  CHECK(e["severity_id"].integer() == 3);
  CHECK(e["status_id"].integer() == 2);
  CHECK(e["action_id"].integer() == 2);
  CHECK(e["disposition_id"].integer() == 2);
  CHECK(e["metadata"]["version"].string() == "1.8.0");
  CHECK(e["metadata"]["sequence"].integer() == 7);
  CHECK(e["metadata"]["product"]["version"].string() == "0.1.0");
  CHECK(e["metadata"]["data_classifications"].size() == 2);
  CHECK(e["actor"]["app_uid"].string() == "=cmd()");
  CHECK(e["api"]["operation"].string() == "tools/call");
  CHECK(e["api"]["response"]["code"].integer() == -31403);
  CHECK(e["src_endpoint"]["ip"].string() == "10.0.0.7");
  CHECK(e["resources"].at(0)["uid"].string() == "crm/a=b\\c|d");
  CHECK(e["firewall_rule"]["uid"].string() == "rows|limit");
  CHECK(e["unmapped"]["rows_out"].integer() == 5000);
  CHECK(e["unmapped"]["risk"]["score"].integer() == 71);
  CHECK(e["unmapped"]["server_tls"]["group"].string() == "X25519MLKEM768");
  // The profile ai_operation, and what its object requires.
  CHECK(e["metadata"]["profiles"].at(1).string() == "ai_operation");
  CHECK(e["message_context"]["application"]["name"].string() == "desk");
  CHECK(e["message_context"]["uid"].string() == "c-1");
  CHECK(e["trace"]["uid"].string() == "4bf9");
}

TEST_CASE("OCSF: a body that is kept is named by its hash") {
  const auto document = json::Document::parse(
      exported(ExportForm::ocsf,
               R"({"type":"call.finished","res":{"ct_sha256":"9f86","len":412},"time":"x"})"));
  REQUIRE(document.has_value());
  CHECK(document->root()["raw_data_hash"]["value"].string() == "9f86");
  CHECK(document->root()["raw_data_hash"]["algorithm_id"].integer() == 3);
  CHECK(document->root()["raw_data_size"].integer() == 412);
}

TEST_CASE("OCSF: every kind of record has a class, and stdio an endpoint") {
  struct Case {
    std::string record;
    std::int64_t type_uid;
  };
  for (const Case& c :
       {Case{R"({"type":"call.finished","time":"2026-11-22T14:02:11.123Z","transport":"stdio"})",
             600399},
        Case{R"({"type":"session.killed","uid":"u","why":"5000 records","time":"x"})", 200401},
        Case{R"({"type":"tool.held","time":"2026-02-30T14:02:11.123Z"})", 200401},
        Case{R"({"type":"log.opened"})", 99}, Case{R"({})", 99}, Case{R"([1])", 99}}) {
    const auto document = json::Document::parse(exported(ExportForm::ocsf, c.record));
    REQUIRE(document.has_value());
    const json::Value e = document->root();
    CHECK(e["type_uid"].integer() == c.type_uid);
    for (const std::string_view field : {"activity_id", "category_uid", "class_uid", "metadata",
                                         "severity_id", "time", "type_uid"})
      CHECK_MESSAGE(e[field].exists(), field);
    if (e["class_uid"].integer() == 6003) CHECK(e["src_endpoint"]["name"].string() == "stdio");
    if (e["class_uid"].integer() == 2004) CHECK(e["finding_info"]["uid"].exists());
  }
}

TEST_CASE("CEF: header and extension keep what separates them apart") {
  const std::string line = exported(ExportForm::cef, denied());
  CHECK(
      line.starts_with("CEF:0|Latticegate|Latticegate|0.1.0|rows\\|limit|tools/call "
                       "a=b\\\\c\\|d|5|rt=1795356131123 cat=call.decided "));
  CHECK(line.contains(" suser=\\=cmd() "));
  CHECK(line.contains(" cs1Label=tool cs1=a\\=b\\\\c|d "));
  CHECK(line.contains("reason=rows, \"5000\" > 10\\nand more "));
  CHECK(line.contains(" cn1Label=rows cn1=5000 "));
}

TEST_CASE("JSON lines are the records") {
  const std::string record = denied();
  CHECK(exported(ExportForm::jsonl, record) == record + "\n");
}

TEST_CASE("times") {
  CHECK(audit::unix_ms_of("1970-01-01T00:00:00.000Z") == 0);
  CHECK(audit::unix_ms_of("2026-11-22T14:02:11.123456789Z") == 1795356131123);
  for (const std::string_view bad :
       {"", "2026", "2026-13-01T00:00:00.000Z", "x026-01-01T00:00:00.000Z"})
    CHECK(audit::unix_ms_of(bad) == 0);
}
