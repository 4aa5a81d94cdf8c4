// Event streams: the events must not depend on how the bytes are cut; an event written is the event
// read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/sse.h"

using namespace latticegate;

namespace {

std::vector<std::string> read(std::string_view text, std::size_t step) {
  net::SseParser parser({1 << 20});
  std::vector<std::string> events;
  for (std::size_t at = 0; at < text.size(); at += step) {
    if (!parser.feed(text.substr(at, step))) break;
    while (const auto event = parser.next())
      events.push_back(event->event + "\n" + event->id.value_or("-") + "\n" +
                       (event->retry_ms ? std::to_string(*event->retry_ms) : "-") + "\n" +
                       event->data);
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
  if (size > 64 * 1024) return 0;
  const std::vector<std::string> whole = read(text, text.size() + 1);
  if (read(text, 1) != whole || read(text, 5) != whole) std::abort();
  std::string written;
  net::write_event(text, std::nullopt, written);
  net::SseParser parser({8 << 20});
  if (!parser.feed(written)) std::abort();
  const auto event = parser.next();
  std::string expected;  // line ends become LF
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      expected += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else {
      expected += text[i];
    }
  }
  if (!event || event->data != expected) std::abort();
  return 0;
}
