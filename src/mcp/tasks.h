// Tasks: calls of a server that are answered later (extension io.modelcontextprotocol/tasks), as a
// machine without I/O. A handler that returns Begin goes on here, behind the end of its request;
// the client asks how it stands, answers its questions and cancels it by the task's id.
//
// Whoever knows an id may ask: ids are given by `next_id`, which nobody can guess, and a table
// serves one principal only, or principals that may see each other's tasks.
//
// Threads: one, that of the endpoints which share the table. Limits: at most most_tasks at a time;
// what is older than its ttl makes room, nothing else does.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "mcp/server.h"

namespace latticegate::mcp {

class TaskTable {
 public:
  static constexpr std::size_t most_tasks = 1024;
  struct Options {
    base::Time wall{};   // what the wall clock says
    base::Instant at{};  // at this instant
    std::function<std::string()> next_id;
    std::function<void(std::string_view id)> changed;  // a task's status is another one
  };
  explicit TaskTable(Options options) : options_(std::move(options)) {}

  // Takes the call over. The task's members for the answer, JSON text without braces; nothing when
  // there are too many tasks.
  std::optional<std::string> begin(std::shared_ptr<Call> call, Begin begin, base::Instant now);
  // How a task stands, likewise; nothing for one that does not exist.
  std::optional<std::string> get(std::string_view id) const;
  // False when there is no such task. Keys that nobody asked for are passed over.
  bool update(std::string_view id, json::Value responses, base::Instant now);
  bool cancel(std::string_view id, base::Instant now);

  std::optional<base::Instant> due() const;
  void advance(base::Instant now);

 private:
  struct Task {
    std::shared_ptr<Call> call;  // null when it is over
    Handler run;
    std::string_view status = "working";
    base::Instant created;
    base::Instant updated;
    std::chrono::milliseconds keep{};
    std::chrono::milliseconds poll{};
    std::vector<Input> open;                  // questions without an answer
    std::set<std::string, std::less<>> used;  // keys of all questions
    std::string over;                         // "result": or "error": with its value
    std::optional<base::Instant> due;
    std::move_only_function<Outcome(Call&)> then;
  };
  using Table = std::map<std::string, Task, std::less<>>;
  std::string members(std::string_view id, const Task& task) const;
  std::string text(base::Instant instant) const;
  void act(const std::string& id, Task& task, Outcome outcome, base::Instant now);
  void finish(const std::string& id, Task& task, std::string_view status, std::string over,
              base::Instant now);
  void forget_old(base::Instant now);

  Options options_;
  Table tasks_;
};

}  // namespace latticegate::mcp
