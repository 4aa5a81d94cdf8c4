#include "net/sse.h"

#include <charconv>
#include <format>

namespace latticegate::net {

base::Result<void> SseParser::feed(std::string_view bytes) {
  if (start_ > 0) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  buffer_ += bytes;
  if (buffer_.size() + event_.data.size() > limit_.count)
    return base::fail(base::Code::too_large,
                      std::format("an event is larger than {} bytes", limit_.count));
  return {};
}

void SseParser::line(std::string_view text) {
  if (text.starts_with(':')) return;
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  std::string_view value =
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
    has_any_ = true;
  } else if (name == "event") {
    event_.event = value;
  } else if (name == "id") {
    if (value.find('\0') != std::string_view::npos) return;
    event_.id = std::string(value);
    has_any_ = true;
  } else if (name == "retry") {
    std::uint64_t time = 0;
    const auto [end, error] = std::from_chars(value.begin(), value.end(), time);
    if (error != std::errc() || end != value.end() || value.empty()) return;
    event_.retry_ms = time;
    has_any_ = true;
  }
}

std::optional<ServerEvent> SseParser::next() {
  for (;;) {
    std::string_view rest = std::string_view(buffer_).substr(start_);
    if (first_ && rest.size() < 3 && std::string_view("\xEF\xBB\xBF").starts_with(rest))
      return std::nullopt;
    if (std::exchange(first_, false) && rest.starts_with("\xEF\xBB\xBF")) {
      start_ += 3;
      continue;
    }
    if (skip_lf_ && !rest.empty()) {
      skip_lf_ = false;
      if (rest.front() == '\n') {
        ++start_;
        continue;
      }
    }
    const std::size_t end = rest.find_first_of("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    skip_lf_ = rest[end] == '\r';
    const std::string_view text = rest.substr(0, end);
    start_ += end + 1;
    if (!text.empty()) {
      line(text);
      continue;
    }
    if (!has_any_) {
      event_ = {};
      continue;
    }
    has_data_ = false;
    has_any_ = false;
    return std::exchange(event_, {});
  }
}

void write_event(const ServerEvent& event, std::string& out) {
  if (!event.event.empty()) out += std::format("event: {}\n", event.event);
  if (event.retry_ms) out += std::format("retry: {}\n", *event.retry_ms);
  write_event(event.data, event.id, out);
}

void write_event(std::string_view data, std::optional<std::string_view> id, std::string& out) {
  if (id) {
    out += "id: ";
    out += *id;
    out += '\n';
  }
  for (;;) {
    const std::size_t end = data.find_first_of("\r\n");
    out += "data: ";
    out += data.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) break;
    const bool both = data[end] == '\r' && end + 1 < data.size() && data[end + 1] == '\n';
    data.remove_prefix(end + (both ? 2 : 1));
  }
  out += '\n';
}

}  // namespace latticegate::net
