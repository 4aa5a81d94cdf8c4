// What a legacy session's streams sent, for a client that lost its connection and comes back
// with Last-Event-ID (2025-03-26 and later, basic/transports). Kept per session, so that nobody
// else can ask for it; a session holds at most most_events events and most_event_bytes bytes of
// them, the oldest go first. Nothing is decided or recorded again when they are sent again. Any
// thread.
#pragma once
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace latticegate::gateway {

inline constexpr std::size_t most_events = 1'000;
inline constexpr std::size_t most_event_bytes = std::size_t{1024} * 1024;

class Events {
 public:
  // A new stream. One for what belongs to no request is `listening`: it goes on when its client
  // comes back, with a new stream.
  std::uint64_t begin(bool listening = false);
  // The id under which the event leaves.
  std::string add(std::uint64_t stream, std::string_view text);
  // Nothing more comes on it.
  void end(std::uint64_t stream);

  struct Event {
    std::string id;
    std::string text;
  };
  struct Rest {
    std::vector<Event> events;
    bool over = false;       // nothing will follow
    bool listening = false;  // then there may be a hole: it is about changes, not answers
  };
  // What the stream of that event sent behind it. Nothing when the id is none of this session, or
  // when something behind it is not kept any more: an answer never comes with a hole.
  std::optional<Rest> after(std::string_view id) const;

 private:
  struct Kept {
    std::uint64_t stream;
    std::uint64_t number;
    std::string text;
  };
  mutable std::mutex mutex_;
  std::uint64_t streams_ = 0;
  std::uint64_t numbers_ = 0;  // of events, over all streams
  std::list<Kept> kept_;
  std::size_t bytes_ = 0;
  std::uint64_t lost_ = 0;  // the number of the last event that went
  std::set<std::uint64_t> open_;
  std::set<std::uint64_t> listening_;  // the newest 64
};

}  // namespace latticegate::gateway
