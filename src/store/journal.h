// The durable log: records from any thread, on disk before anybody is told so.
//
// One writer thread owned by the Journal takes everything that is queued, gives it consecutive
// seqs, and makes one write and one fdatasync of it. Each commit costs 50 us of processor time
// however many records it holds. So an event loop, which knows what else it has to do, submits
// with Commit::later and says by commit() when no more records come from it for now. A call waits
// for the disk by suspending, not by blocking: when a batch is durable the notifier gets, once per
// home (event loop), the list of that home's appends in seq order.
//
// When the disk fails (full, I/O error): the batch is cut off the file again, its waiters get an
// error, further appends are refused at once, and the writer tries to go on in a new segment, first
// after 100 ms, then less often. Posted records are kept meanwhile. Nothing is dropped unseen:
// status() tells, and the log itself says log.resumed. Who prefers calls that go on says so with
// OnFailure: then records are set aside and follow log.resumed in their order, what was spilled by
// a process that died with the next open().
//
// Bodies of calls are compressed, sealed and written beside the segments by the same thread, and
// are durable before the records that refer to them; a record is written whether there is room for
// its body or not.
//
// With keys, the log is sealed as it grows: tree, tiles and signed checkpoints (store/sealer.h), on
// a thread of its own that no commit waits for.
//
// A segment that is complete is compressed (store/packer.h), on a thread with low priority.
//
// A process that dies at any moment leaves at most a torn tail of records that nobody was told
// about; the next open() puts the torn bytes aside in a file beside the segment and goes on after
// the last valid leaf.
//
// Threads: submit, commit, post and status from any; open and destruction from the owner. The
// program ignores SIGXFSZ, so that a file size limit is an error like any other. Files:
// <directory>/seg/000001.log ... (format in audit/segment.h), one process at a time (lock file).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "audit/record.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/append.h"
#include "store/body_keys.h"
#include "store/file.h"
#include "store/log_keys.h"

namespace latticegate::store {

// What happens to records that have a waiter while the log cannot be written or sealed.
enum class OnFailure : std::uint8_t {
  refuse,   // an error at once: no record, no call
  spill,    // durable in another folder, and in the log as soon as that works again
  proceed,  // in memory, and in the log as soon as that works again: a crash loses them
};

struct JournalOptions {
  std::filesystem::path directory{};
  std::string origin{};     // <org>/<cluster>/<node>
  std::uint32_t homes = 1;  // event loops; Append homes are below this
  base::Bytes segment{std::uint64_t{64} * 1024 * 1024};
  base::Bytes queue{std::uint64_t{8} * 1024 * 1024};  // leaves that wait; above: Code::overloaded
  // The longest that a posted record waits for a batch to ride with.
  std::chrono::milliseconds post_delay{10};
  // After a failure of the disk: the first attempt to go on, and the longest pause between
  // attempts.
  std::chrono::milliseconds first_retry{100};
  std::chrono::milliseconds last_retry{5000};
  OnFailure on_failure = OnFailure::refuse;
  std::filesystem::path spill{};  // folder for OnFailure::spill, on another disk
  // The most that is set aside then; above it, records are refused.
  base::Bytes aside{std::uint64_t{64} * 1024 * 1024};
  // Signs the checkpoints. None: records only, no tree.
  std::shared_ptr<const LogKeys> keys{};
  std::chrono::milliseconds checkpoint_age{1000};  // the longest that a record stays unsigned
  // After so long without being able to seal, calls are refused.
  std::chrono::milliseconds seal_patience{10'000};
  bool pack = true;  // compress complete segments
  // What wraps the data keys of bodies, and their folder. None: no body is kept.
  std::shared_ptr<const WrappingKeys> wrapping_keys{};
  std::filesystem::path body_keys{};
  base::Bytes body_queue{std::uint64_t{32} * 1024 * 1024};  // bodies that wait; others are left out
};

// When a record that was submitted is committed.
enum class Commit : bool {
  now,    // as soon as the commit that runs is over
  later,  // with Journal::commit(), which whoever submits so owes; with any other commit before
          // it; or when 64 wait
};

class Journal {
 public:
  // Called on the writer thread, once per home and batch, with that home's appends linked by
  // next(), durable or failed. It hands the list to the event loop and returns: it must not block
  // and not throw.
  using Notifier = std::function<void(std::uint32_t home, Append* list)>;

  // Opens or creates the log, recovers from a crash, writes log.opened durably and starts the
  // writer. The clock and the files outlive the Journal. Code::conflict: another process has it;
  // Code::io, Code::unavailable: the disk; Code::malformed: the last segment is
  // none of ours, or the log is not the one that was signed.
  [[nodiscard]] static base::Result<std::unique_ptr<Journal>> open(JournalOptions options,
                                                                   const base::Clock& clock,
                                                                   Files& files, Notifier notifier);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  // Writes what is queued, tells its waiters, writes log.closed, signs the last checkpoint and ends
  // the threads.
  ~Journal();

  // Queues a record whose waiter will be told through the notifier. An error means that it was not
  // queued and nobody will be told: Code::overloaded (queue full), Code::unavailable (the disk does
  // not work now), Code::closed.
  [[nodiscard]] base::Result<void> submit(Append& append, Commit commit = Commit::now);

  // Commits what was submitted for later, as soon as the commit that runs is over. Returns at once.
  void commit();

  // Queues a copy of a record that nobody waits for. Kept over a failure of the disk;
  // Code::overloaded when the queue is full, and then counted as lost.
  [[nodiscard]] base::Result<void> post(audit::Leaf leaf,
                                        std::unique_ptr<const KeptBody> body = nullptr);

  // Other keys for the log (store/rotation.h): first they sign, then a record log.rekeyed says so,
  // then that record is proved. Journal::open does all of it where next keys lie beside the former
  // ones and the log does not say so yet. Any thread.
  void use_keys(std::shared_ptr<const LogKeys> keys);
  void prove_rotation(std::uint64_t record);

  // Data keys were destroyed: from the next batch on none of them is used. Any thread.
  void forget_body_keys();

  struct Status {
    bool working = true;
    std::string trouble;         // why not, for the operator
    std::uint64_t next_seq = 0;  // all before it are durable
    std::uint64_t queued_bytes = 0;
    std::uint64_t batches = 0;
    std::uint64_t records = 0;          // durable since open()
    std::uint64_t refused = 0;          // appends that got an error, at once or by a failed batch
    std::uint64_t aside = 0;            // records that wait beside the log for it to work again
    std::uint64_t lost = 0;             // posted records that found the queue full
    std::uint64_t bodies = 0;           // kept since open()
    std::uint64_t bodies_left_out = 0;  // that found their queue full
    std::uint64_t segment = 0;
    std::uint64_t cut_bytes = 0;       // torn tail found by open()
    std::uint64_t signed_records = 0;  // under the last checkpoint
    base::Time signed_at{};            // when that was signed; 1970: not since open()
    std::string seal_trouble;          // why no checkpoint can be made, if so
    std::string pack_trouble;          // why a complete segment is not compressed, if so
  };
  Status status() const;

 private:
  class Writer;
  explicit Journal(std::unique_ptr<Writer> writer);
  std::unique_ptr<Writer> writer_;
};

}  // namespace latticegate::store
