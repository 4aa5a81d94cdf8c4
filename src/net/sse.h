// Server-sent events (WHATWG HTML, section 9.2), sans-IO, both directions.
//
// Posture: hostile input. A line or an event above the limit is an error; unknown fields and
// comments are ignored; CR, LF and CRLF all end lines. Fuzz target: fuzz/sse_fuzz.cc.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::net {

struct ServerEvent {
  std::string event;  // empty means "message"
  std::string data;   // lines joined by LF
  std::optional<std::string> id;
  std::optional<std::uint64_t> retry_ms;
};

class SseParser {
 public:
  explicit SseParser(base::Bytes limit) : limit_(limit) {}
  // Adds bytes. Complete events are then taken with next() until there is none.
  base::Result<void> feed(std::string_view bytes);
  // The next event that was completed by an empty line. Events without data but with an id or a
  // retry time are given too: they carry the stream's position (priming events).
  std::optional<ServerEvent> next();

 private:
  void line(std::string_view text);
  base::Bytes limit_;
  std::string buffer_;  // bytes of an unfinished line, and whole lines not yet taken
  std::size_t start_ = 0;
  bool first_ = true;     // a byte order mark may stand at the very beginning
  bool skip_lf_ = false;  // the last line ended in CR
  ServerEvent event_;
  bool has_data_ = false;
  bool has_any_ = false;
};

// Appends one event; newlines in the data become several data lines.
void write_event(const ServerEvent& event, std::string& out);
// The same for plain data without event name.
void write_event(std::string_view data, std::optional<std::string_view> id, std::string& out);

}  // namespace latticegate::net
