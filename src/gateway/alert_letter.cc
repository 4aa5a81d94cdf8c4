#include <format>

#include "base/bytes.h"
#include "gateway/alert_sender.h"
#include "json/value.h"

namespace latticegate::gateway {
namespace {

constexpr std::size_t longest_subject = 120;
constexpr std::size_t line_length = 76;

// Printable ASCII only: nothing can begin another line of the head.
std::string subject_of(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, longest_subject)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

std::string in_lines(std::string_view text) {
  const std::string encoded = base::to_base64(base::bytes_of(text));
  std::string out;
  for (std::size_t at = 0; at < encoded.size(); at += line_length)
    out += encoded.substr(at, line_length) + "\r\n";
  return out;
}

}  // namespace

std::string alert_letter(const AlertText& text, const config::AlertChannel& channel) {
  const auto document = json::Document::parse(text.body);
  const json::Value alert = document ? document->root() : json::Value();
  const std::string_view who = alert["agent"].text_or(alert["server"].text_or({}));
  std::string body = std::format("{}\n\n", alert["sentence"].text_or({}));
  for (const json::Member member : alert.members())
    if (member.key != "sentence" && member.key != "apiVersion")
      body +=
          std::format("{}: {}\n", member.key,
                      member.value.is_string() ? member.value.text_or({}) : member.value.digits());
  std::string to;
  for (const std::string& address : channel.to) to += (to.empty() ? "" : ",\r\n ") + address;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(text.at);
  return std::format(
      "Date: {:%a, %d %b %Y %H:%M:%S} +0000\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\n"
      "Message-ID: <{}@latticegate>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
      seconds, channel.from, to,
      subject_of(std::format("[latticegate {}] {}{}{}", name(text.severity), text.event,
                             who.empty() ? "" : ": ", who)),
      text.id, in_lines(body));
}

}  // namespace latticegate::gateway
