// What one conversation has done so far: totals for the policy, and the lessons it taught, to be
// taken back when it is killed.
//
// A plain value, bounded (at most 1 KiB and 64 labels of each kind); the owner locks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "behaviour/baseline.h"

namespace latticegate::behaviour {

// A small sorted set of labels. Above the limit further labels are dropped and `complete` turns
// false: a policy that asks for absence can then see that the answer is not sure.
class Labels {
 public:
  static constexpr std::size_t limit = 64;
  void add(std::string_view label);
  void add(std::span<const std::string> labels);
  bool contains(std::string_view label) const;
  std::span<const std::string> all() const [[clang::lifetimebound]] { return labels_; }
  bool complete() const { return complete_; }

 private:
  std::vector<std::string> labels_;
  bool complete_ = true;
};

struct Totals {
  base::Time started{};
  base::Time last{};
  std::uint64_t calls = 0;  // made, allowed or not
  std::uint64_t denied = 0;
  std::uint64_t records = 0;  // read
  std::uint64_t bytes = 0;    // answered
  Labels taint;               // labels of untrusted sources that were read
  Labels domains;             // data domains that were read
};

// The latest lessons of a conversation; older ones stay learnt.
class Lessons {
 public:
  static constexpr std::size_t kept = 32;  // each is one of the agent and one of its group
  struct Entry {
    std::uint64_t pair = 0;  // Watch's key
    Lesson lesson;
  };
  void add(Entry entry);
  std::span<const Entry> all() const [[clang::lifetimebound]] { return entries_; }
  void clear() {
    entries_.clear();
    next_ = 0;
  }

 private:
  std::vector<Entry> entries_;  // grows when something is learnt: most open sessions are idle
  std::size_t next_ = 0;        // once there are `kept`: the oldest
};

}  // namespace latticegate::behaviour
