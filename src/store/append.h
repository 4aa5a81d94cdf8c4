// An append: one record on its way to the disk, and the proof that it got there. Made by whoever
// waits, completed by the journal (store/journal.h) alone.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "audit/record.h"
#include "base/result.h"
#include "crypto/random.h"
#include "store/body_keys.h"

namespace latticegate::store {

// Proof that the decision about one call is on disk. Only a Journal makes one, from an append that
// it completed; it can be moved and used up, not copied.
class Ticket {
 public:
  Ticket(Ticket&&) noexcept = default;
  Ticket& operator=(Ticket&&) noexcept = default;
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() = default;

  const crypto::Uuid& call_uid() const [[clang::lifetimebound]] { return call_uid_; }
  std::uint64_t seq() const { return seq_; }

 private:
  friend class Append;
  Ticket(const crypto::Uuid& call_uid, std::uint64_t seq) : call_uid_(call_uid), seq_(seq) {}
  crypto::Uuid call_uid_;
  std::uint64_t seq_;
};

// A body on its way into its envelope (audit/envelope.h), made on the writer's thread.
struct KeptBody {
  std::string text;  // at most audit::body_limit
  audit::KeyPurpose purpose;
};

// One record on its way to the disk, and the place where its waiter finds the result. Lives with
// the waiter, which must not touch or destroy it between submit() and the notification; can be used
// again afterwards (its text keeps its capacity).
class Append {
 public:
  Append() = default;
  Append(const Append&) = delete;
  Append& operator=(const Append&) = delete;
  ~Append();

  // Takes a copy of the leaf. `home` is the event loop to be told, `waiter` whatever that loop
  // needs to go on. There is a body exactly when the leaf has a place for one.
  void set(audit::Leaf leaf, const crypto::Uuid& call_uid, std::uint32_t home, void* waiter,
           std::unique_ptr<const KeptBody> body = nullptr);

  // In the notifier and after it: the next append of the same batch and home, or null. Read it
  // before resuming.
  Append* next() const { return next_; }
  void* waiter() const { return waiter_; }
  // Once, after the notification: the proof, or why there is none (Code::unavailable: the disk).
  [[nodiscard]] base::Result<Ticket> take_ticket();

 private:
  friend class Journal;
  enum class State : std::uint8_t { idle, ready, queued, durable, failed };
  std::string leaf_;
  std::unique_ptr<const KeptBody> body_;
  crypto::Uuid call_uid_;
  std::uint64_t seq_ = 0;
  Append* next_ = nullptr;
  void* waiter_ = nullptr;
  std::uint32_t seq_at_ = 0;
  std::uint32_t body_at_ = 0;
  std::uint32_t home_ = 0;
  State state_ = State::idle;
};

}  // namespace latticegate::store
