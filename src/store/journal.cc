#include "store/journal.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <format>
#include <iterator>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "audit/envelope.h"
#include "audit/segment.h"
#include "store/body_file.h"
#include "store/detail/lock.h"
#include "store/detail/thread.h"
#include "store/packer.h"
#include "store/posted.h"
#include "store/query_reader.h"
#include "store/recovery.h"
#include "store/rotation.h"
#include "store/sealer.h"
#include "store/segment_writer.h"
#include "store/spill.h"

namespace latticegate::store {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t enough = 64;         // appends that are worth a commit, whoever comes next
constexpr std::size_t post_soon = 65'536;  // posted bytes that are worth a commit of their own

std::string node_of(const std::string& origin) { return origin.substr(origin.rfind('/') + 1); }

}  // namespace

class Journal::Writer {
 public:
  Writer(JournalOptions options, const base::Clock& clock, Files& files, Notifier notifier,
         Lock lock)
      : options_(std::move(options)),
        clock_(clock),
        files_(files),
        notifier_(std::move(notifier)),
        lock_(std::move(lock)),
        records_(node_of(options_.origin)),
        segment_(options_.directory, options_.origin, files),
        body_file_(options_.directory, files),
        spill_(options_.spill, files),
        heads_(options_.homes, nullptr),
        tails_(options_.homes, nullptr) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  Result<void> start();
  Result<void> submit(Append& append, Commit commit);
  void commit();
  Result<void> post(audit::Leaf leaf, std::unique_ptr<const KeptBody> body);
  void use_keys(std::shared_ptr<const LogKeys> keys) {
    if (sealer_ != nullptr) sealer_->use(std::move(keys));
  }
  void prove_rotation(std::uint64_t record) {
    if (sealer_ != nullptr) sealer_->prove_rotation(record);
  }
  void forget_body_keys() { keys_changed_.store(true, std::memory_order_relaxed); }
  Status status() const;

 private:
  // What the writer thread takes at once.
  struct Batch {
    Append* first = nullptr;
    std::size_t appends = 0;
    std::uint64_t bytes = 0;  // of the queue's budget
    bool aside = false;       // it comes while the log does not work
  };

  void run();
  // Waits for work and takes all of it; false when there is none and will be none.
  bool take(Batch& batch);
  bool wait_for_work(std::unique_lock<std::mutex>& lock);
  // Whether there is something that must not wait any longer. Under the mutex.
  bool due() const { return stopping_ || due_ || posted_.text.size() > post_soon; }
  void commit(Batch& batch);
  // Puts the frames of a batch into out_ and their bodies on the disk; gives the next seq.
  Result<std::uint64_t> make_frames(const Batch& batch);
  // Seals a body and says in the leaf what came of it.
  Result<void> add_body(const KeptBody& body, std::uint64_t seq, std::span<char> leaf,
                        std::uint32_t body_at);
  // Whether there is room for a body; if not, it is left out. Under the mutex.
  bool takes_body(const std::unique_ptr<const KeptBody>& body);
  void tell(Append* first, bool durable);
  Result<void> new_segment();
  // Makes the log fit for writing again after a failure.
  Result<void> repair();
  // Commits one record of our own.
  Result<void> write_own(audit::Record record);
  // Puts the appends of a batch that cannot be written now to what is kept for later; false when
  // they have to be refused.
  bool set_aside(const Batch& batch);
  // Where next keys sign and no receipt says so: names them in a record.
  Result<void> say_rotation();
  // What an earlier process spilled comes first.
  Result<void> take_spilled();
  // Gives the durable frames in out_ to the tree.
  void seal(std::uint64_t first);

  const JournalOptions options_;
  const base::Clock& clock_;
  Files& files_;
  const Notifier notifier_;
  Lock lock_;

  // Everything down to the mutex belongs to the writer thread (before it starts: to start()).
  crypto::SystemRandom random_;
  audit::RecordWriter records_;
  SegmentWriter segment_;
  std::uint64_t next_seq_ = 0;
  std::string out_;  // the frames of a batch
  std::optional<BodyKeys> body_keys_;
  BodyFile body_file_;
  audit::EnvelopeWriter envelopes_;
  Spill spill_;
  std::size_t spilled_ = 0;     // of what is kept
  base::Instant attempt_at_{};  // the next one, while the disk fails
  std::size_t bodies_ = 0;      // in the batch
  std::atomic<bool> keys_changed_{false};
  Posted kept_;  // posted leaves of this batch, and of failed ones
  std::vector<Append*> heads_;
  std::vector<Append*> tails_;
  std::chrono::milliseconds retry_{0};  // not zero: the disk failed, next attempt after that
  bool last_attempt_ = false;           // the one that an end of the program still makes was made

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Append* first_ = nullptr;
  Append* last_ = nullptr;
  std::size_t queued_ = 0;
  Posted posted_;
  std::uint64_t queued_bytes_ =
      0;  // of leaves that are not yet durable, kept_ and the running batch included
  std::uint64_t body_bytes_ = 0;  // of their bodies
  bool due_ = false;              // appends wait that somebody wants committed
  bool waiting_ = false;          // the writer waits until something is due,
  bool want_posted_ = false;      // or until anything is posted
  bool stopping_ = false;
  std::uint64_t lost_before_ = 0;  // counts at the last log.resumed
  std::uint64_t refused_before_ = 0;
  Status status_;

  std::unique_ptr<Sealer> sealer_;
  std::unique_ptr<Packer> packer_;
  std::jthread thread_;  // last: ends before anything that it uses
};

Result<void> Journal::Writer::start() {
  auto found = recover(options_.directory, options_.origin, files_);
  if (!found) return std::unexpected(std::move(found).error());
  next_seq_ = found->next_seq;
  segment_.resume(*found);
  status_.cut_bytes = found->cut_bytes;
  if (options_.keys != nullptr) {
    auto sealer = Sealer::open({.directory = options_.directory,
                                .origin = options_.origin,
                                .age = options_.checkpoint_age,
                                .patience = options_.seal_patience},
                               next_seq_, options_.keys, clock_, files_);
    if (!sealer) return std::unexpected(std::move(sealer).error());
    sealer_ = *std::move(sealer);
  }
  if (options_.wrapping_keys != nullptr) {
    auto ring = BodyKeys::open(options_.body_keys, options_.wrapping_keys);
    if (!ring) return std::unexpected(std::move(ring).error());
    body_keys_ = *std::move(ring);
  }
  if (auto resumed = body_file_.resume(segment_.number(), next_seq_); !resumed) return resumed;
  // Continued in the last segment, if it has room; else, or if there is none, in a new one.
  if (!segment_.is_open() || segment_.size() >= options_.segment.count)
    if (auto made = new_segment(); !made) return made;

  audit::Record opened{.type = audit::Type::log_opened};
  if (found->cut_bytes > 0) opened.log_cut_bytes = static_cast<std::int64_t>(found->cut_bytes);
  opened.log_cut_file = found->cut_file;
  opened.log_cut_sha256 = found->cut_sha256;
  if (!found->last_type.empty() && found->last_type != audit::name(audit::Type::log_closed))
    opened.why = "the last run did not close the log";
  if (auto written = write_own(opened); !written) return written;
  if (auto said = say_rotation(); !said) return said;
  if (auto taken = take_spilled(); !taken) return taken;
  status_.next_seq = next_seq_;
  status_.segment = segment_.number();
  if (options_.pack) {
    packer_ = std::make_unique<Packer>(options_.directory, files_);
    packer_->complete(segment_.number());
  }
  thread_ = quiet_thread([this] { run(); });
  return {};
}

Journal::Writer::~Writer() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  packer_.reset();
  sealer_.reset();
}

Result<void> Journal::Writer::submit(Append& append, Commit commit) {
  base::check(append.state_ == Append::State::ready && append.home_ < options_.homes,
              "an append is set before it is submitted");
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    const std::uint64_t least = append.leaf_.size();
    const bool sealed = sealer_ == nullptr || !sealer_->blocked();
    const bool goes_on = options_.on_failure != OnFailure::refuse;
    const bool working = status_.working && sealed;
    const std::uint64_t most = working || !goes_on ? options_.queue.count : options_.aside.count;
    if (stopping_ || (!working && !goes_on) || queued_bytes_ + least > most) {
      ++status_.refused;
      if (stopping_) return fail(Code::closed, "the audit log is closed");
      if (!status_.working && !goes_on) return fail(Code::unavailable, status_.trouble);
      if (!sealed && !goes_on) return fail(Code::unavailable, "the audit log cannot be sealed");
      return fail(Code::overloaded, "too many records wait for the disk");
    }
    if (append.body_ != nullptr && !takes_body(append.body_)) {
      append.body_ = nullptr;
      audit::drop_body(append.leaf_, append.body_at_, append.seq_at_);
    }
    append.state_ = Append::State::queued;
    append.next_ = nullptr;
    (last_ != nullptr ? last_->next_ : first_) = &append;
    last_ = &append;
    ++queued_;
    queued_bytes_ += append.leaf_.size();
    due_ = due_ || commit == Commit::now || queued_ >= enough;
    wake = due_ && std::exchange(waiting_, false);
  }
  if (wake) wake_.notify_one();
  return {};
}

void Journal::Writer::commit() {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    due_ = due_ || queued_ > 0;
    wake = due_ && std::exchange(waiting_, false);
  }
  if (wake) wake_.notify_one();
}

Result<void> Journal::Writer::post(audit::Leaf leaf, std::unique_ptr<const KeptBody> body) {
  base::check((leaf.body_at != 0) == (body != nullptr), "a body has its place in the leaf");
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || queued_bytes_ + leaf.text.size() > options_.queue.count) {
      ++status_.lost;
      return stopping_ ? fail(Code::closed, "the audit log is closed")
                       : fail(Code::overloaded, "too many records wait for the disk");
    }
    std::string without;
    if (body != nullptr && !takes_body(body)) {
      body = nullptr;
      without = leaf.text;
      audit::drop_body(without, leaf.body_at, leaf.seq_at);
      leaf = {.text = without, .seq_at = leaf.seq_at, .body_at = 0};
    }
    posted_.add(leaf, std::move(body));
    queued_bytes_ += leaf.text.size();
    wake = std::exchange(want_posted_, false) || posted_.text.size() > post_soon;
  }
  if (wake) wake_.notify_one();
  return {};
}

Journal::Status Journal::Writer::status() const {
  const std::scoped_lock lock(mutex_);
  Status status = status_;
  status.queued_bytes = queued_bytes_;
  if (packer_ != nullptr) status.pack_trouble = packer_->trouble();
  if (sealer_ == nullptr) return status;
  Sealer::Status sealed = sealer_->status();
  status.signed_records = sealed.signed_leaves;
  status.signed_at = sealed.signed_at;
  status.seal_trouble = std::move(sealed.trouble);
  if (status.working && sealer_->blocked()) {
    status.working = false;
    status.trouble = status.seal_trouble;
  }
  return status;
}

void Journal::Writer::run() {
  pthread_setname_np(pthread_self(), "audit-log");
  Batch batch;
  while (take(batch)) {
    if (batch.aside) {
      const bool kept = set_aside(batch);
      {
        const std::scoped_lock lock(mutex_);
        if (!kept) {
          queued_bytes_ -= batch.bytes - kept_.text.size();
          status_.refused += batch.appends;
        }
        status_.aside = kept_.pieces.size();
      }
      tell(batch.first, kept);
      continue;
    }
    if (retry_.count() != 0) {
      if (auto repaired = repair(); !repaired) {
        retry_ = std::min(retry_ * 2, options_.last_retry);
        const std::scoped_lock lock(mutex_);
        status_.trouble = base::describe(repaired.error());
        continue;
      }
      retry_ = {};
    }
    commit(batch);
  }
  // Nobody can be told of a failure here; the next open() recovers a log that was not closed well.
  // The end is signed when nothing is reserved behind it any more.
  if (retry_.count() == 0 && write_own({.type = audit::Type::log_closed}).has_value() &&
      segment_.cut().has_value())
    seal(next_seq_ - 1);
}

bool Journal::Writer::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto is_due = [this] { return due(); };
  // A posted leaf rides with the next batch; only if none comes for some time, it is one by itself.
  waiting_ = true;
  if (!due() && !wake_.wait_for(lock, options_.post_delay, is_due)) {
    want_posted_ = true;
    wake_.wait(lock, [this] { return due() || queued_ > 0 || !posted_.empty(); });
    want_posted_ = false;
  }
  waiting_ = false;
  return queued_ > 0 || !posted_.empty();
}

bool Journal::Writer::take(Batch& batch) {
  std::unique_lock lock(mutex_);
  batch.aside = false;
  if (retry_.count() != 0) {
    // Only time is worth a new attempt. Appends that are queued meanwhile are set aside; most often
    // there are none, because submit() refuses them.
    waiting_ = true;
    want_posted_ = options_.on_failure == OnFailure::spill;
    const base::Instant now = clock_.instant();
    if (attempt_at_ < now) attempt_at_ = now + retry_;
    const auto news = [&] {
      return stopping_ || queued_ > 0 ||
             (options_.on_failure == OnFailure::spill && !posted_.empty());
    };
    batch.aside = wake_.wait_for(lock, attempt_at_ - now, news) && !stopping_;
    waiting_ = false;
    want_posted_ = false;
    if (stopping_ && std::exchange(last_attempt_, true)) return false;
    if (!batch.aside) attempt_at_ = {};
  } else if (!wait_for_work(lock)) {
    return false;
  }
  batch = {.first = std::exchange(first_, nullptr),
           .appends = std::exchange(queued_, 0),
           .bytes = queued_bytes_,
           .aside = batch.aside};
  last_ = nullptr;
  due_ = false;
  if (kept_.empty())
    std::swap(kept_, posted_);
  else
    kept_.append(posted_);
  posted_.clear();
  return true;
}

bool Journal::Writer::takes_body(const std::unique_ptr<const KeptBody>& body) {
  if (body == nullptr) return false;
  if (body_keys_ && body_bytes_ + body->text.size() <= options_.body_queue.count) {
    body_bytes_ += body->text.size();
    return true;
  }
  ++status_.bodies_left_out;
  return false;
}

Result<void> Journal::Writer::add_body(const KeptBody& body, std::uint64_t seq,
                                       std::span<char> leaf, std::uint32_t body_at) {
  const auto key = body_keys_->key_for(body.purpose);
  if (!key) return base::within("the key of a body", key.error());
  std::string& out = body_file_.buffer();
  const audit::BodyReference reference =
      envelopes_.write(body.text, (*key)->bytes(), (*key)->id(), random_, out);
  body_file_.added(seq);
  audit::put_body(leaf, body_at, reference);
  ++bodies_;
  return {};
}

Result<std::uint64_t> Journal::Writer::make_frames(const Batch& batch) {
  if (body_keys_ && keys_changed_.exchange(false, std::memory_order_relaxed)) body_keys_->forget();
  bodies_ = 0;
  body_file_.discard();
  out_.clear();
  std::uint64_t seq = next_seq_;
  std::string_view rest = kept_.text;
  for (const Posted::Piece& piece : kept_.pieces) {
    const std::string_view leaf = rest.substr(0, piece.size);
    rest.remove_prefix(piece.size);
    if (piece.body == nullptr) {
      audit::write_frame(leaf, piece.seq_at, seq++, out_);
      continue;
    }
    std::string filled(leaf);
    if (auto added = add_body(*piece.body, seq, filled, piece.body_at); !added)
      return std::unexpected(std::move(added).error());
    audit::write_frame(filled, piece.seq_at, seq++, out_);
  }
  for (Append* append = batch.first; append != nullptr; append = append->next_) {
    append->seq_ = seq;
    if (append->body_ != nullptr)
      if (auto added = add_body(*append->body_, seq, append->leaf_, append->body_at_); !added)
        return std::unexpected(std::move(added).error());
    audit::write_frame(append->leaf_, append->seq_at_, seq++, out_);
  }
  if (bodies_ > 0)
    if (auto done = body_file_.commit(); !done) return std::unexpected(std::move(done).error());
  return seq;
}

void Journal::Writer::commit(Batch& batch) {
  const std::uint64_t first = next_seq_;
  std::uint64_t seq = first;
  // Bodies lie beside the segment that their records come to lie in.
  const auto room = segment_.size() < options_.segment.count ? Result<void>() : new_segment();
  const auto written =
      room.and_then([&] { return make_frames(batch); }).and_then([&](std::uint64_t end) {
        seq = end;
        return segment_.append(out_);
      });
  const bool aside = !written && set_aside(batch);
  std::uint64_t freed = 0;
  for (Append* append = batch.first; append != nullptr; append = append->next_)
    if (const auto body = std::exchange(append->body_, nullptr)) freed += body->text.size();
  if (written) {
    const std::uint64_t records = seq - first;
    next_seq_ = seq;
    for (const Posted::Piece& piece : kept_.pieces)
      if (piece.body != nullptr) freed += piece.body->text.size();
    kept_.clear();
    if (spilled_ > 0) {
      // One that stays is read again by the next open(), which finds its records in the log.
      static_cast<void>(spill_.clear().has_value());
      spilled_ = 0;
    }
    const std::scoped_lock lock(mutex_);
    status_.aside = 0;
    queued_bytes_ -= batch.bytes;
    body_bytes_ -= freed;
    status_.bodies += bodies_;
    ++status_.batches;
    status_.records += records;
    status_.next_seq = seq;
    status_.segment = segment_.number();
  } else {
    retry_ = options_.first_retry;
    const std::scoped_lock lock(mutex_);
    queued_bytes_ -= batch.bytes - kept_.text.size();  // what was posted is kept and still counts
    body_bytes_ -= freed;
    if (!aside) status_.refused += batch.appends;
    status_.aside = options_.on_failure == OnFailure::refuse ? 0 : kept_.pieces.size();
    status_.working = false;
    status_.trouble = base::describe(written.error());
  }
  tell(batch.first, written.has_value() || aside);
  if (written) seal(first);
}

bool Journal::Writer::set_aside(const Batch& batch) {
  if (options_.on_failure == OnFailure::refuse) return false;
  if (options_.on_failure == OnFailure::spill) {
    std::string_view rest = kept_.text;
    for (std::size_t i = 0; i < kept_.pieces.size(); ++i) {
      const Posted::Piece& piece = kept_.pieces[i];
      if (i >= spilled_)
        spill_.add({.text = rest.substr(0, piece.size),
                    .seq_at = piece.seq_at,
                    .body_at = piece.body != nullptr ? piece.body_at : 0});
      rest.remove_prefix(piece.size);
    }
    for (const Append* append = batch.first; append != nullptr; append = append->next_)
      spill_.add({.text = append->leaf_,
                  .seq_at = append->seq_at_,
                  .body_at = append->body_ != nullptr ? append->body_at_ : 0});
    if (!spill_.commit()) return false;
  }
  for (Append* append = batch.first; append != nullptr; append = append->next_) {
    kept_.add({.text = append->leaf_, .seq_at = append->seq_at_, .body_at = append->body_at_},
              std::exchange(append->body_, nullptr));
    append->seq_ = 0;
  }
  if (options_.on_failure == OnFailure::spill) spilled_ = kept_.pieces.size();
  return true;
}

Result<void> Journal::Writer::say_rotation() {
  if (sealer_ == nullptr || !options_.keys->changing()) return {};
  const auto known = read_rotations(options_.directory);
  if (!known) return std::unexpected(known.error());
  if (!known->rotations.empty() && known->rotations.back().after == options_.keys->public_text())
    return {};
  const std::string signers = signers_json(*options_.keys);
  if (auto written = write_own({.type = audit::Type::log_rekeyed, .log_signers = signers});
      !written)
    return written;
  sealer_->prove_rotation(next_seq_ - 1);
  return {};
}

Result<void> Journal::Writer::take_spilled() {
  if (options_.spill.empty()) return {};
  auto left = spill_.read();
  if (!left) return base::within("what was spilled", left.error());
  if (left->empty()) return {};
  if (auto dropped = Spill::drop_known(options_.directory, *left); !dropped) return dropped;
  if (left->empty()) return spill_.clear();
  if (auto written = write_own({.type = audit::Type::log_resumed,
                                .why = "an earlier process set records aside",
                                .log_aside = static_cast<std::int64_t>(left->size())});
      !written)
    return written;
  for (const Spill::Kept& kept : *left) {
    out_.clear();
    audit::write_frame(kept.text, kept.seq_at, next_seq_, out_);
    if (auto written = segment_.append(out_); !written) return written;
    ++next_seq_;
    seal(next_seq_ - 1);
  }
  return spill_.clear();
}

void Journal::Writer::seal(std::uint64_t first) {
  if (sealer_ != nullptr) sealer_->offer(first, next_seq_ - first, out_);
}

void Journal::Writer::tell(Append* first, bool durable) {
  for (Append* append = first; append != nullptr;) {
    Append* const next = std::exchange(append->next_, nullptr);
    append->state_ = durable ? Append::State::durable : Append::State::failed;
    Append*& tail = tails_[append->home_];
    (tail != nullptr ? tail->next_ : heads_[append->home_]) = append;
    tail = append;
    append = next;
  }
  // From its notification on, an append belongs to its home again.
  for (std::uint32_t home = 0; home < options_.homes; ++home) {
    tails_[home] = nullptr;
    if (Append* const list = std::exchange(heads_[home], nullptr); list != nullptr)
      notifier_(home, list);
  }
}

Result<void> Journal::Writer::new_segment() {
  if (auto made = segment_.next(next_seq_, clock_.now()); !made) return made;
  if (packer_ != nullptr) packer_->complete(segment_.number());
  body_file_.begin(segment_.number());
  return {};
}

Result<void> Journal::Writer::repair() {
  // What the failed batch left behind must be gone before its seqs are given to others. After that
  // a new segment, because the pages of a file that failed to sync are in an unknown state; but not
  // one empty segment after the other.
  if (segment_.first() == next_seq_) {
    if (auto done = segment_.cut(); !done) return done;
    body_file_.begin(segment_.number());
  } else if (auto made = new_segment(); !made) {
    return made;
  }
  audit::Record resumed{.type = audit::Type::log_resumed};
  std::string trouble;
  {
    const std::scoped_lock lock(mutex_);
    resumed.log_refused = static_cast<std::int64_t>(status_.refused - refused_before_);
    resumed.log_lost_records = static_cast<std::int64_t>(status_.lost - lost_before_);
    trouble = status_.trouble;
  }
  resumed.why = trouble;
  if (options_.on_failure != OnFailure::refuse)
    resumed.log_aside = static_cast<std::int64_t>(kept_.pieces.size());
  if (auto written = write_own(resumed); !written) return written;
  const std::scoped_lock lock(mutex_);
  refused_before_ += static_cast<std::uint64_t>(resumed.log_refused);
  lost_before_ += static_cast<std::uint64_t>(resumed.log_lost_records);
  status_.working = true;
  status_.trouble.clear();
  return {};
}

Result<void> Journal::Writer::write_own(audit::Record record) {
  record.time = clock_.now();
  record.uid = crypto::uuid_v7(record.time, random_);
  record.log_segment = static_cast<std::int64_t>(segment_.number());
  const audit::Leaf leaf = records_.write(record);
  out_.clear();
  audit::write_frame(leaf.text, leaf.seq_at, next_seq_, out_);
  if (auto written = segment_.append(out_); !written) return written;
  ++next_seq_;
  if (record.type != audit::Type::log_closed) seal(next_seq_ - 1);
  const std::scoped_lock lock(mutex_);
  ++status_.records;
  status_.next_seq = next_seq_;
  status_.segment = segment_.number();
  return {};
}

Result<std::unique_ptr<Journal>> Journal::open(JournalOptions options, const base::Clock& clock,
                                               Files& files, Notifier notifier) {
  base::check(options.homes > 0 && options.queue.count >= audit::leaf_limit.count,
              "a journal has a home and room for one record");
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error)
    return fail(Code::io,
                std::format("cannot create {}: {}", options.directory.string(), error.message()));
  auto lock = Lock::take(options.directory / "lock");
  if (!lock && lock.error().code == Code::conflict)
    return fail(Code::conflict, std::format("another process writes the audit log in {}",
                                            options.directory.string()));
  if (!lock) return std::unexpected(std::move(lock).error());
  auto writer = std::make_unique<Writer>(std::move(options), clock, files, std::move(notifier),
                                         *std::move(lock));
  if (auto started = writer->start(); !started) return std::unexpected(std::move(started).error());
  return std::unique_ptr<Journal>(new Journal(std::move(writer)));
}

Journal::Journal(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {}
Journal::~Journal() = default;
Result<void> Journal::submit(Append& append, Commit commit) {
  return writer_->submit(append, commit);
}
void Journal::commit() { writer_->commit(); }
Result<void> Journal::post(audit::Leaf leaf, std::unique_ptr<const KeptBody> body) {
  return writer_->post(leaf, std::move(body));
}
void Journal::use_keys(std::shared_ptr<const LogKeys> keys) { writer_->use_keys(std::move(keys)); }
void Journal::prove_rotation(std::uint64_t record) { writer_->prove_rotation(record); }
void Journal::forget_body_keys() { writer_->forget_body_keys(); }
Journal::Status Journal::status() const { return writer_->status(); }

}  // namespace latticegate::store
