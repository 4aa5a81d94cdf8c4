// OpenCalls: what is open for somebody and must be able to end at once, whichever loop it runs on:
// calls and streams of a principal, of a session.
//
// Safe from any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "net/loop.h"

namespace latticegate::gateway {

class OpenCalls {
 public:
  // Why: its principal is killed, the gateway stops, its client cancelled it or ended the session.
  enum class End : std::uint8_t { killed, stopping, cancelled, session_over };

 private:
  struct Entry {
    net::Loop* loop = nullptr;
    std::function<void(End)> end;
    std::string name;
  };

 public:
  // The registration ends when the handle dies, on the loop that it was made for; the list outlives
  // it.
  class Handle {
   public:
    Handle() = default;
    Handle(Handle&& other) noexcept;
    Handle& operator=(Handle&& other) noexcept;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { release(); }
    void release();

   private:
    friend class OpenCalls;
    std::shared_ptr<Entry> entry_;
    OpenCalls* owner_ = nullptr;
    std::list<std::shared_ptr<Entry>>::iterator place_;
  };

  OpenCalls() = default;
  OpenCalls(const OpenCalls&) = delete;
  OpenCalls& operator=(const OpenCalls&) = delete;

  // `end` is called at most once, on the loop given. `name`: for ending this one; need not be
  // unique.
  Handle open(net::Loop& loop, std::function<void(End)> end, std::string name = {});
  std::size_t size() const;
  // Ends everything, or what has that name; how many these are.
  std::size_t end(End why);
  std::size_t end(End why, std::string_view name);

 private:
  static void end(const std::shared_ptr<Entry>& entry, End why);

  mutable std::mutex mutex_;
  std::list<std::shared_ptr<Entry>> entries_;
};

}  // namespace latticegate::gateway
