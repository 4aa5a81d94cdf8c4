// Inspection: how one event loop has messages looked at. Small ones at once; large ones on the
// thread beside the loop, because looking at a megabyte takes milliseconds, in which every other
// client of the loop would wait; so does all that an operator's own classifier judges. All strings
// of a message are looked at, however large it is: what it may weigh is said by limits.body and
// limits.answer.
//
// Belongs to one loop.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>

#include "inspect/scan.h"
#include "net/loop.h"

namespace latticegate::gateway {

class Inspection {
 public:
  // Code::unavailable when there is no memory to scan with.
  [[nodiscard]] static base::Result<std::unique_ptr<Inspection>> make(
      net::Loop& loop, std::shared_ptr<const inspect::RuleSet> rules,
      inspect::SecondOpinion opinion);
  Inspection(const Inspection&) = delete;
  Inspection& operator=(const Inspection&) = delete;

  // Changes to another snapshot of rules; on failure the old one stays.
  [[nodiscard]] base::Result<void> use(std::shared_ptr<const inspect::RuleSet> rules,
                                       inspect::SecondOpinion opinion);

  // For what is small in any case: one text, one descriptor.
  inspect::Scanner& scanner() { return here_; }

  // Awaitable; gives the findings.
  class Look {
   public:
    Look(Inspection& inspection, inspect::Surface surface, json::Value value, std::size_t most)
        : inspection_(inspection), surface_(surface), value_(value), most_(most) {}
    bool await_ready();
    void await_suspend(std::coroutine_handle<> awaiting);
    inspect::Findings await_resume();
    // Nobody needs it any more: what waits goes on without it, if it has not begun.
    void drop();
    // False after a drop that came in time.
    bool looked() const { return looked_; }

   private:
    Inspection& inspection_;
    inspect::Surface surface_;
    json::Value value_;
    std::size_t most_;
    inspect::Findings found_;
    bool looked_ = true;
    std::optional<net::Loop::Aside> aside_;
  };
  // `value` is a part of a message of so many bytes, and outlives the waiting.
  Look look(inspect::Surface surface, json::Value value, std::size_t size) {
    return {*this, surface, value, size};
  }

 private:
  // What the thread beside the loop judges by.
  struct Judges {
    std::shared_ptr<const inspect::RuleSet> rules;
    inspect::SecondOpinion opinion;
  };
  Inspection(net::Loop& loop, Judges judges, inspect::Scanner scanner);
  inspect::Findings look_aside(const Judges& judges, inspect::Surface surface, json::Value value,
                               std::size_t most);

  net::Loop& loop_;
  Judges judges_;
  inspect::Scanner here_;
  std::optional<inspect::Scanner> aside_;  // of the thread beside the loop, made by its first use
};

}  // namespace latticegate::gateway
