// Custody: what people and retention do to the record, each time with a record of it: reading a
// body, erasing a person's bodies, giving up what is too old, exchanging the log's keys.
//
// Reading takes a person with the role (audit.role) and a reason; erasing takes two different ones.
// Who they are, the caller has found out by their credentials. The record of a reading is durable
// before the body is handed out, that of an erasure before a key is destroyed, and once more after
// it.
//
// A Desk blocks for the disk: it belongs to a thread of its own (Custody, in a running gateway) or
// to a command while no gateway runs.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "audit/record.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/config.h"
#include "identity/caller.h"
#include "identity/pseudonym.h"
#include "net/loop.h"
#include "net/task.h"
#include "store/body_keys.h"
#include "store/file.h"
#include "store/log_keys.h"
#include "store/retention.h"

namespace latticegate::gateway {

// Makes a record durable; blocks until it is. Gives its seq.
using WriteRecord = std::function<base::Result<std::uint64_t>(const audit::Record&)>;

struct Revealed {
  std::uint64_t seq = 0;
  std::string kind;   // "request", "answer"
  std::string body;   // JSON
  std::string error;  // why there is none
};

struct Erased {
  std::string subject;
  std::vector<std::string> keys;
  std::string requested_by;  // pseudonyms
  std::string approved_by;
  std::uint64_t decided = 0;  // seqs of its records
  std::uint64_t done = 0;
  base::Time at{};
};

struct Rotated {
  std::uint64_t record = 0;  // that names the next keys
  std::string keys;          // the latest, one a line
};

struct GivenUp {
  std::uint64_t keys = 0;
  std::uint64_t records = 0;
};

class Desk {
 public:
  struct Parts {
    config::Audit audit;  // of it: directory, role, retention
    store::BodyKeys keys;
    std::string person_key;
    WriteRecord write;
    std::function<void()> keys_changed;  // after keys were destroyed
    // Of the journal: other keys sign from now on; the record that says so.
    std::function<void(std::shared_ptr<const store::LogKeys>)> sign_with;
    std::function<void(std::uint64_t)> prove_rotation;
  };
  // Clock and files outlive it.
  Desk(Parts parts, const base::Clock& clock, store::Files& files)
      : parts_(std::move(parts)), clock_(clock), files_(files) {}

  // `record`: a seq, uid or call_uid. Code::forbidden: not with this role; Code::invalid: no
  // reason; Code::not_found: no such record, or none that keeps a body.
  [[nodiscard]] base::Result<std::vector<Revealed>> reveal(const identity::Caller& who,
                                                           std::string_view record,
                                                           std::string_view reason);
  // Code::conflict: a legal hold.
  [[nodiscard]] base::Result<Erased> erase(const identity::Caller& who,
                                           const identity::Caller& second, std::string_view subject,
                                           std::string_view basis);
  std::string pseudonym_of(std::string_view tenant, std::string_view user) const {
    return identity::person_pseudonym(parts_.person_key, tenant, user);
  }
  // Gives the log other keys (store/rotation.h): `finish` false makes them, and from now on both
  // sign; true ends that, when the former ones have signed a checkpoint that names the next, and
  // destroys the former. Code::conflict, Code::not_found: not now.
  [[nodiscard]] base::Result<Rotated> rotate(bool finish);
  // What retention demands now; without `carry_out` only what that would be.
  [[nodiscard]] base::Result<GivenUp> retain(bool carry_out);

 private:
  [[nodiscard]] base::Result<void> has_role(const identity::Caller& who) const;
  base::Result<std::uint64_t> write(audit::Record record);
  [[nodiscard]] base::Result<void> destroy(const std::vector<std::string>& ids);
  [[nodiscard]] base::Result<std::uint64_t> write_keys(audit::Record record,
                                                       const std::vector<std::string>& ids);
  Parts parts_;
  const base::Clock& clock_;
  store::Files& files_;
  crypto::SystemRandom random_;
};

// The desk of a running gateway, on its thread.
class Custody {
 public:
  // Also does what retention demands, at the beginning and then every hour.
  // The clock outlives it.
  Custody(std::unique_ptr<Desk> desk, const base::Clock& clock,
          std::function<void(const base::Result<GivenUp>&)> told);
  Custody(const Custody&) = delete;
  Custody& operator=(const Custody&) = delete;
  ~Custody();

  // Runs `work` on that thread and resumes on the loop.
  net::Task<void> at_desk(net::Loop& loop, std::function<void(Desk&)> work);

 private:
  void run(const std::stop_token& stop);
  std::unique_ptr<Desk> desk_;
  const base::Clock& clock_;
  std::function<void(const base::Result<GivenUp>&)> told_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::function<void(Desk&)>> work_;
  std::jthread thread_;
};

}  // namespace latticegate::gateway
