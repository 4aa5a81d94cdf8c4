// What the tests of the journal share: leaves that name themselves, somebody who waits for them,
// and reading it all back.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <format>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/record.h"
#include "base/result.h"
#include "json/value.h"
#include "store/journal.h"
#include "store/log_keys.h"
#include "store/query_reader.h"

namespace latticegate::store {

// The same ones in every run.
inline std::shared_ptr<const LogKeys> test_keys(std::string_view origin) {
  auto made = LogKeys::from_seeds(origin, std::string(32, 1), std::string(32, 2));
  base::check(made.has_value(), "seeds give keys");
  return std::make_shared<const LogKeys>(*std::move(made));
}

// Counts what the notifier brings and lets a test wait for it.
class Waiting {
 public:
  Journal::Notifier notifier() {
    return [this](std::uint32_t home, Append* list) {
      const std::scoped_lock lock(mutex_);
      ++calls_;
      for (; list != nullptr; list = list->next()) done_.emplace_back(home, list);
      arrived_.notify_all();
    };
  }
  // Blocks until so many appends came back since the last call, and returns all that did.
  std::vector<std::pair<std::uint32_t, Append*>> take(std::size_t at_least) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return done_.size() >= at_least; });
    return std::exchange(done_, {});
  }
  std::uint64_t calls() const {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::pair<std::uint32_t, Append*>> done_;
  std::uint64_t calls_ = 0;
};

// A record that carries its own name in `why`.
class Named {
 public:
  audit::Leaf operator()(std::string_view name) {
    return writer_.write({.type = audit::Type::call_decided, .time = base::Time{}, .why = name});
  }

 private:
  audit::RecordWriter writer_{"test"};
};

struct Read {
  std::vector<std::string> names;  // of records made by Named
  std::vector<std::string> types;  // of all
  std::uint64_t leaves = 0;
};

// The whole log. Seqs without gap, each leaf carrying its own, are checked on the way.
inline Read read_all(const std::filesystem::path& log) {
  Read read;
  auto reader = LogReader::open(log);
  base::check(reader.has_value(), "the log opens");
  for (;;) {
    const auto entry = reader->next();
    base::check(entry.has_value(), entry ? "" : entry.error().detail);
    if (!*entry) return read;
    const auto leaf = json::Document::parse((*entry)->leaf);
    base::check(leaf.has_value(), "a leaf is JSON");
    base::check((*entry)->seq == read.leaves,
                std::format("record {} follows record {}", (*entry)->seq, read.leaves));
    base::check(leaf->root()["seq"].integer() == static_cast<std::int64_t>(read.leaves),
                "a leaf carries its seq");
    ++read.leaves;
    read.types.emplace_back(leaf->root()["type"].text_or(""));
    if (read.types.back() == "call.decided")
      read.names.emplace_back(leaf->root()["why"].text_or(""));
  }
}

}  // namespace latticegate::store
