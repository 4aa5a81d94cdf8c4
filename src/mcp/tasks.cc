#include "mcp/tasks.h"

#include <algorithm>
#include <format>

#include "json/write.h"

namespace latticegate::mcp {

std::string TaskTable::text(base::Instant instant) const {
  return base::to_rfc3339(options_.wall + (instant - options_.at));
}

std::string TaskTable::members(std::string_view id, const Task& task) const {
  std::string out = R"("taskId":)";
  json::write_string(id, out);
  out += std::format(
      R"(,"status":"{}","createdAt":"{}","lastUpdatedAt":"{}","ttlMs":{},"pollIntervalMs":{})",
      task.status, text(task.created), text(task.updated), task.keep.count(), task.poll.count());
  return out;
}

std::optional<std::string> TaskTable::begin(std::shared_ptr<Call> call, Begin begin,
                                            base::Instant now) {
  forget_old(now);
  if (tasks_.size() >= most_tasks) return std::nullopt;
  const std::string id = options_.next_id();
  Task& task = tasks_[id];
  task.call = std::move(call);
  task.call->endpoint_ = nullptr;
  task.run = std::move(begin.run);
  task.created = task.updated = now;
  task.keep = begin.keep;
  task.poll = begin.poll;
  std::string created = members(id, task);
  act(id, task, task.run(*task.call), now);
  return created;
}

std::optional<std::string> TaskTable::get(std::string_view id) const {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return std::nullopt;
  const Task& task = found->second;
  std::string out = members(id, task);
  if (!task.open.empty()) {
    out += R"(,"inputRequests":)";
    json::Writer writer(out);
    write_inputs(task.open, writer);
  }
  if (!task.over.empty()) out += "," + task.over;
  return out;
}

bool TaskTable::update(std::string_view id, json::Value responses, base::Instant now) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return false;
  Task& task = found->second;
  if (task.open.empty()) return true;
  std::erase_if(task.open, [&](const Input& input) {
    const json::Value response = responses[input.key];
    if (!response.is_object()) return false;
    auto kept = json::Document::parse(json::to_string(response));
    if (!kept) return false;
    task.call->answers_.insert_or_assign(input.key, *std::move(kept));
    return true;
  });
  if (!task.open.empty()) return true;
  task.call->answered_ = true;
  task.status = "working";
  task.updated = now;
  act(found->first, task, task.run(*task.call), now);
  return true;
}

bool TaskTable::cancel(std::string_view id, base::Instant now) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return false;
  if (found->second.call) finish(found->first, found->second, "cancelled", {}, now);
  return true;
}

void TaskTable::act(const std::string& id, Task& task, Outcome outcome, base::Instant now) {
  if (auto* const wait = std::get_if<Wait>(&outcome)) {
    task.due = now + wait->time;
    task.then = std::move(wait->then);
    return;
  }
  if (auto* const ask = std::get_if<Ask>(&outcome)) {
    const bool fresh = std::ranges::all_of(
        ask->inputs, [&](const Input& input) { return task.used.insert(input.key).second; });
    if (!fresh || ask->inputs.empty())
      return finish(id, task, "failed",
                    R"("error":{"code":-32603,"message":"the task asked the same thing again"})",
                    now);
    task.open = std::move(ask->inputs);
    task.call->state_ = std::move(ask->state);
    task.status = "input_required";
    task.updated = now;
    if (options_.changed) options_.changed(id);
    return;
  }
  if (auto* const begun = std::get_if<Begin>(&outcome)) {
    task.run = std::move(begun->run);
    return act(id, task, task.run(*task.call), now);
  }
  if (auto* const done = std::get_if<Complete>(&outcome))
    return finish(id, task, "completed", R"("result":)" + done->result, now);
  const Failure& failure = std::get<Failure>(outcome);
  std::string error = std::format(R"("error":{{"code":{},"message":)", failure.code);
  json::write_string(failure.sentence, error);
  if (!failure.data.empty()) error += R"(,"data":)" + failure.data;
  finish(id, task, "failed", error + "}", now);
}

void TaskTable::finish(const std::string& id, Task& task, std::string_view status, std::string over,
                       base::Instant now) {
  task.status = status;
  task.over = std::move(over);
  task.updated = now;
  task.open.clear();
  task.due.reset();
  task.then = nullptr;
  task.call = nullptr;
  if (options_.changed) options_.changed(id);
}

void TaskTable::forget_old(base::Instant now) {
  std::erase_if(tasks_, [&](const auto& entry) {
    return !entry.second.call && entry.second.created + entry.second.keep < now;
  });
}

std::optional<base::Instant> TaskTable::due() const {
  std::optional<base::Instant> first;
  for (const auto& [id, task] : tasks_)
    if (task.due && (!first || *task.due < *first)) first = task.due;
  return first;
}

void TaskTable::advance(base::Instant now) {
  for (auto& [id, task] : tasks_) {
    if (!task.due || *task.due > now) continue;
    task.due.reset();
    auto then = std::exchange(task.then, nullptr);
    act(id, task, then(*task.call), now);
  }
}

}  // namespace latticegate::mcp
