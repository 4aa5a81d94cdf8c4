// Recorder: the audit journal as the loops use it: write a record, wait for the disk without
// blocking.
#pragma once
#include <memory>
#include <vector>

#include "audit/record.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/task.h"
#include "store/awaited.h"
#include "store/journal.h"

namespace latticegate::gateway {

class Recorder {
 public:
  // The loops are those of the program in order of their index; they outlive the journal. The
  // options' homes are one more: that of threads that block.
  [[nodiscard]] static base::Result<std::unique_ptr<Recorder>> open(store::JournalOptions options,
                                                                    const base::Clock& clock,
                                                                    store::Files& files,
                                                                    std::vector<net::Loop*> loops);

  // Writes the decision about one call and waits until it is durable. The Append is the caller's,
  // reused call by call.
  net::Task<base::Result<store::Ticket>> begin(net::Loop& loop, store::Append& append,
                                               audit::Leaf leaf, const crypto::Uuid& call_uid,
                                               std::unique_ptr<const store::KeptBody> body);
  // Writes a record that nobody waits for. One that is lost is counted by the journal and said in
  // the log itself.
  void post(audit::Leaf leaf, std::unique_ptr<const store::KeptBody> body = nullptr);
  // Writes a record and blocks until it is durable; gives its seq. Any thread but a loop's, one at
  // a time.
  base::Result<std::uint64_t> write(audit::Leaf leaf);
  // See Journal.
  void use_keys(std::shared_ptr<const store::LogKeys> keys) { journal_->use_keys(std::move(keys)); }
  void prove_rotation(std::uint64_t record) { journal_->prove_rotation(record); }
  void forget_body_keys() { journal_->forget_body_keys(); }
  store::Journal::Status status() const { return journal_->status(); }

 private:
  Recorder() = default;
  // Records of a loop are committed together: when it has nothing else to do.
  struct alignas(64) Home {
    bool commits = false;  // the loop will say so; on the loop only
  };

  store::Awaited awaited_;
  std::vector<Home> homes_;  // by loop
  std::uint32_t blocking_home_ = 0;
  std::unique_ptr<store::Journal> journal_;  // last: tells the others until it ends
};

}  // namespace latticegate::gateway
