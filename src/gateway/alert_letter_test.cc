#include <doctest/doctest.h>

#include "base/bytes.h"
#include "gateway/alert_sender.h"

using namespace latticegate;
using namespace latticegate::gateway;

TEST_CASE("a letter says what happened, and nothing of it gets into its head as a line") {
  config::AlertChannel channel;
  channel.from = "gate@ours.example";
  channel.to = {"soc@ours.example", "boss@ours.example"};
  const AlertText text{
      .id = "019a",
      .at = base::Time(std::chrono::seconds(1'795'359'731)),
      .severity = Alert::Severity::critical,
      .event = "kill",
      .node = "n",
      .body =
          "{\"apiVersion\":\"v1\",\"sentence\":\"stopped: 5,000 records, usually 5 \u00e9\","
          "\"agent\":\"crm\\r\\nBcc: x@evil.example\",\"repeated\":3}"};
  const std::string letter = alert_letter(text, channel);
  const std::size_t end = letter.find("\r\n\r\n");
  const std::string head = letter.substr(0, end);
  CHECK(
      head.starts_with("Date: Sun, 22 Nov 2026 15:02:11 +0000\r\nFrom: gate@ours.example\r\n"
                       "To: soc@ours.example,\r\n boss@ours.example\r\n"
                       "Subject: [latticegate critical] kill: crm??Bcc: x@evil.example\r\n"));
  CHECK(!head.contains("\nBcc"));
  std::string encoded = letter.substr(end + 4);
  CHECK(encoded.find("\r\n") <= 76);
  std::erase_if(encoded, [](char c) { return c == '\r' || c == '\n'; });
  const std::string body = base::from_base64(encoded).value_or("");
  CHECK(body.starts_with("stopped: 5,000 records, usually 5 \u00e9\n\nagent: crm"));
  CHECK(body.ends_with("repeated: 3\n"));
  for (const char c : letter) CHECK(static_cast<unsigned char>(c) < 0x80);
}
