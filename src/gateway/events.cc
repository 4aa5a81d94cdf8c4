#include "gateway/events.h"

#include <charconv>
#include <format>

namespace latticegate::gateway {
namespace {

constexpr std::size_t most_listening = 64;

// "3.17": stream and number.
std::optional<std::pair<std::uint64_t, std::uint64_t>> parts(std::string_view id) {
  std::uint64_t stream = 0;
  std::uint64_t number = 0;
  const char* const end = id.data() + id.size();
  const auto first = std::from_chars(id.data(), end, stream);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, number);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return std::pair(stream, number);
}

}  // namespace

std::uint64_t Events::begin(bool listening) {
  const std::scoped_lock lock(mutex_);
  open_.insert(++streams_);
  if (listening) listening_.insert(streams_);
  if (listening_.size() > most_listening) listening_.erase(listening_.begin());
  return streams_;
}

std::string Events::add(std::uint64_t stream, std::string_view text) {
  const std::scoped_lock lock(mutex_);
  kept_.push_back({stream, ++numbers_, std::string(text)});
  bytes_ += text.size();
  while (kept_.size() > most_events || bytes_ > most_event_bytes) {
    bytes_ -= kept_.front().text.size();
    lost_ = kept_.front().number;
    kept_.pop_front();
  }
  return std::format("{}.{}", stream, numbers_);
}

void Events::end(std::uint64_t stream) {
  const std::scoped_lock lock(mutex_);
  open_.erase(stream);
}

std::optional<Events::Rest> Events::after(std::string_view id) const {
  const auto named = parts(id);
  if (!named) return std::nullopt;
  const auto [stream, number] = *named;
  const std::scoped_lock lock(mutex_);
  // Whatever was lost behind it may have been of this stream.
  Rest rest;
  rest.listening = listening_.contains(stream);
  if (stream == 0 || stream > streams_ || number > numbers_ || (number < lost_ && !rest.listening))
    return std::nullopt;
  for (const Kept& event : kept_)
    if (event.stream == stream && event.number > number)
      rest.events.push_back({std::format("{}.{}", stream, event.number), event.text});
  rest.over = !open_.contains(stream);
  return rest;
}

}  // namespace latticegate::gateway
