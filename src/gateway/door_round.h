// Parts of a Doorway's files: questions to several servers at once, and their streams.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/doorway.h"
#include "net/channel.h"

namespace latticegate::gateway {

struct Doorway::Part {
  const DoorServer* server = nullptr;
  std::optional<std::string> cursor{};
  std::shared_ptr<Session> session{};
  std::vector<mcp::Message> answers{};  // of the method, page by page; then of other questions
  std::size_t pages = 0;                // how many of them are pages
  std::optional<base::Error> error{};
  bool done = false;
  bool taken_in = false;
};

// Held by the tasks that ask, so that one that is late harms nobody. All on one loop.
struct Doorway::Round {
  Round(Worker& the_worker, mcp::Method the_method)
      : worker(the_worker),
        method(the_method),
        finished(std::make_shared<net::Channel<std::size_t>>(the_worker.loop(), 4096)) {}

  Worker& worker;
  mcp::Method method;
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<Principal> principal;
  mcp::Era era{};
  std::shared_ptr<Session> door;  // legacy
  std::string params;             // JSON text of an object's members, without braces
  std::string meta;               // modern: the client's own, JSON text of an object
  std::size_t most_pages = 1;
  std::vector<Part> parts;
  std::shared_ptr<net::Channel<std::size_t>> finished;

  net::Task<base::Result<std::shared_ptr<Session>>> session_at(const ServerRoute& route) {
    if (era == mcp::Era::modern) return worker.modern_session(snapshot, route, principal);
    return worker.member_session(snapshot, route, door);
  }
  bool complete() const {
    for (const Part& part : parts)
      if (!part.done || part.error) return false;
    return true;
  }
};

// The name of a method in the table.
std::string_view name_of(mcp::Method method);

}  // namespace latticegate::gateway
