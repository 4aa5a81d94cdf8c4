// Records as syslog messages and as OTLP logs. A real receiver and a real decoder look at both in
// tests/e2e/audit_stream.test.mjs.
#include <doctest/doctest.h>

#include <string>

#include "audit/otlp.h"
#include "audit/syslog.h"
#include "base/bytes.h"
#include "json/value.h"

using namespace latticegate;
using audit::ExportForm;

namespace {

constexpr std::string_view leaf =
    R"({"agent":{"ref":"bot"},"decision":"deny","method":"tools/call","node":"node 1","seq":41,)"
    R"("time":"2026-11-22T14:02:11.123456789Z","tool":"query","trace_id":"0af7651916cd43dd8448eb211c80319c",)"
    R"("type":"call.decided","v":1,"why":"too many\nrows"})";

std::string syslog(std::string_view text, ExportForm form) {
  const auto record = json::Document::parse(text);
  std::string out;
  audit::write_syslog(record->root(), form, "0.1.0", out);
  return out;
}

}  // namespace

TEST_CASE("a syslog frame counts its octets and has the header of RFC 5424") {
  const std::string frame = syslog(leaf, ExportForm::jsonl);
  const std::size_t space = frame.find(' ');
  CHECK(std::stoul(frame.substr(0, space)) == frame.size() - space - 1);
  CHECK(frame.substr(space + 1).starts_with(
      "<108>1 2026-11-22T14:02:11.123456Z node_1 latticegate - call.decided [origin "
      "software=\"latticegate\" swVersion=\"0.1.0\"][meta sequenceId=\"42\"] {\"agent\""));
  CHECK_FALSE(frame.contains('\n'));
}

TEST_CASE("text that is not ASCII is marked as UTF-8, and severities follow the outcome") {
  CHECK(syslog("{\"type\":\"call.decided\",\"why\":\"\xC3\xA9\"}", ExportForm::jsonl)
            .contains("] \xEF\xBB\xBF{"));
  struct Case {
    std::string_view record;
    std::string_view start;
  };
  for (const Case& one : {Case{R"({"type":"call.decided","decision":"allow"})", "<110>"},
                          Case{R"({"type":"session.killed"})", "<106>"},
                          Case{R"({"type":"call.finished","outcome":"upstream_error"})", "<107>"},
                          Case{R"({"type":"erasure.done"})", "<109>"},
                          Case{R"({})", "<110>1 - - latticegate - - "}}) {
    const std::string frame = syslog(one.record, ExportForm::cef);
    CHECK_MESSAGE(frame.substr(frame.find(' ') + 1).starts_with(one.start), one.record);
  }
}

TEST_CASE("an OTLP request is the bytes that the protocol's files give") {
  audit::OtlpRequest request("n", "1");
  const auto record = json::Document::parse(R"({"seq":300,"type":"t"})");
  request.add(record->root(), base::Time(std::chrono::nanoseconds(1)));
  const std::string bytes = request.take();
  // Written down from logs.proto by hand: lengths, then fields in their order.
  const std::string body = R"({"seq":300,"type":"t"})";
  const auto field = [](char key, const std::string& value) {
    return std::string(1, key) + static_cast<char>(value.size()) + value;
  };
  const auto text_pair = [&](const std::string& name, const std::string& value) {
    return field(0x0A, field(0x0A, name) + field(0x12, field(0x0A, value)));
  };
  const std::string resource = text_pair("service.name", "latticegate") +
                               text_pair("service.version", "1") +
                               text_pair("service.instance.id", "n");
  const std::string scope = field(0x0A, "latticegate.audit") + field(0x12, "1");
  const std::string log =
      std::string("\x09") + std::string(8, '\0') + "\x10\x09" + field(0x1A, "INFO") +
      field(0x2A, field(0x0A, body)) +
      field(0x32, field(0x0A, "latticegate.seq") + field(0x12, "\x18\xAC\x02")) +
      std::string("\x59\x01") + std::string(7, '\0') + field(0x62, "t");
  const std::string scopes = field(0x0A, scope) + field(0x12, log);
  CHECK(scopes.size() < 128);
  const auto long_field = [](char key, const std::string& value) {
    std::string out(1, key);
    if (value.size() >= 128) out += static_cast<char>((value.size() & 0x7FU) | 0x80U);
    out += static_cast<char>(value.size() >= 128 ? value.size() >> 7U : value.size());
    return out + value;
  };
  CHECK(base::to_hex(base::bytes_of(bytes)) ==
        base::to_hex(base::bytes_of(
            long_field(0x0A, long_field(0x0A, resource) + long_field(0x12, scopes)))));
  CHECK(request.take().size() < bytes.size());  // begins anew
}
