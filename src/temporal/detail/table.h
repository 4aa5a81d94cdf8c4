// Table: what is kept of the events that one operator looks for, by key.
#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "temporal/detail/code.h"

namespace latticegate::temporal {

// A sum of Longs, whatever they are.
__extension__ using Wide = __int128;

struct Row {
  std::int64_t at = 0;  // nanoseconds
  std::uint64_t number = 0;
  std::string key;
  std::vector<Datum> values;  // of what the capture binds

  std::size_t size() const {
    std::size_t bytes = 2 * sizeof(Row) + 2 * key.size() + values.size() * sizeof(Datum);
    for (const Datum& datum : values) bytes += 2 * datum.text.size();
    return bytes;
  }
};

// How long one key has held without a break.
struct Run {
  std::string key;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

class Table {
 public:
  struct Bucket {
    std::list<Row> rows;                                              // oldest first; never empty
    std::unordered_map<std::string, std::list<Row>::iterator> known;  // of Keep::distinct
    Wide sum = 0;
    std::list<Bucket*>::iterator place;
    const std::string* key = nullptr;
  };

  explicit Table(const TablePlan& plan)
      : keep_(plan.keep), window_(plan.window), summed_(plan.summed) {}
  Table(Table&&) noexcept = default;
  Table& operator=(Table&&) noexcept = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() = default;

  // Rows come in the order of their events.
  void add(Row row);
  // Forgets what no question can ask about any more.
  void expire(std::int64_t now);
  // The rows of a key that are not older; null when there is none. Forgets the older ones.
  const Bucket* find(const std::string& key, std::int64_t oldest);
  // Keep::two: the row of that event.
  const Row* of_event(std::uint64_t number) const;
  const Run& run() const { return run_; }

  bool empty(std::int64_t now) const;
  std::size_t size() const { return bytes_; }
  // All rows, by key oldest first.
  template <class F>
  void each(const F& take) const {
    for (const Row& row : two_) take(row);
    if (run_.last > 0) {
      take(Row{.at = 0, .number = run_.first, .key = run_.key, .values = {}});
      take(Row{.at = 0, .number = run_.last, .key = run_.key, .values = {}});
    }
    for (const Bucket* const bucket : order_)
      for (const Row& row : bucket->rows) take(row);
  }

 private:
  void drop_front(Bucket& bucket);
  void trim(Bucket& bucket, std::int64_t oldest);
  void erase(Bucket& bucket);

  TablePlan::Keep keep_;
  std::int64_t window_;
  std::uint32_t summed_;
  std::unordered_map<std::string, Bucket> buckets_;
  std::list<Bucket*> order_;  // by their latest rows, oldest first
  std::list<Row> two_;
  Run run_;
  std::size_t bytes_ = 0;
};

}  // namespace latticegate::temporal
