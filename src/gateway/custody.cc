#include "gateway/custody.h"

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <format>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "crypto/random.h"
#include "json/value.h"
#include "store/body_file.h"
#include "store/query_reader.h"
#include "store/rotation.h"
#include "store/sealer.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t longest_reason = 500;
constexpr std::chrono::hours retain_every(1);

std::optional<crypto::Digest> digest_in(json::Value hex) {
  const auto bytes = base::from_hex(hex.text_or(""));
  crypto::Digest digest{};
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::ranges::copy(base::bytes_of(*bytes), digest.begin());
  return digest;
}

// The record that is meant, or both of its call, in the order of the log.
Result<std::vector<std::string>> find_records(const std::filesystem::path& log,
                                              std::string_view wanted) {
  store::ReadFrom from;
  const bool by_seq = !wanted.empty() && wanted.size() < 20 &&
                      wanted.find_first_not_of("0123456789") == std::string_view::npos;
  if (by_seq) from.seq = std::stoull(std::string(wanted));
  auto reader = store::LogReader::open(log, from);
  if (!reader) return std::unexpected(std::move(reader).error());
  std::vector<std::string> found;
  for (;;) {
    const auto entry = reader->next();
    if (!entry && entry.error().code != Code::malformed) return std::unexpected(entry.error());
    if (!entry) continue;  // a damaged place, told once
    if (!*entry) return found;
    if (by_seq) {
      if ((*entry)->seq == *from.seq) found.emplace_back((*entry)->leaf);
      return found;
    }
    if (!(*entry)->leaf.contains(wanted)) continue;
    const auto record = json::Document::parse((*entry)->leaf);
    if (record && (record->root()["uid"].text_or("") == wanted ||
                   record->root()["call_uid"].text_or("") == wanted))
      found.emplace_back((*entry)->leaf);
  }
}

// The segment that holds a record.
Result<std::uint64_t> segment_of(const std::filesystem::path& log, std::uint64_t seq) {
  const auto segments = store::list_segments(log);
  if (!segments) return std::unexpected(segments.error());
  std::uint64_t number = 0;
  for (const store::SegmentName& name : *segments) {
    const auto file = store::SegmentFile::open(name.path);
    if (!file || file->header().first > seq) break;
    number = name.number;
  }
  return number;
}

Result<std::string> open_body(const std::filesystem::path& log, const store::BodyKeys& keys,
                              json::Value kept, std::uint64_t seq) {
  const auto commit = digest_in(kept["commit"]);
  const auto ct_sha256 = digest_in(kept["ct_sha256"]);
  const std::string_view id = kept["key"].text_or("");
  if (!commit || !ct_sha256) return fail(Code::malformed, "the record says nothing of a body");
  const auto key = keys.find(id);
  if (!key && key.error().code == Code::not_found)
    return fail(Code::not_found, std::format("its key {} was destroyed", id));
  if (!key) return std::unexpected(key.error());
  const auto segment = segment_of(log, seq);
  if (!segment) return std::unexpected(segment.error());
  const auto envelope = store::find_envelope(log, *segment, seq);
  if (!envelope) return std::unexpected(envelope.error());
  return audit::open_envelope(*envelope, {.commit = *commit, .ct_sha256 = *ct_sha256, .key = id},
                              key->bytes());
}

}  // namespace

Result<void> Desk::has_role(const identity::Caller& who) const {
  if (!who->user) return fail(Code::forbidden, "an agent by itself is nobody: a person is needed");
  if (!std::ranges::contains(who->user->roles, parts_.audit.role))
    return fail(Code::forbidden,
                std::format("the role '{}' is needed (audit.role)", parts_.audit.role));
  return {};
}

Result<std::uint64_t> Desk::write(audit::Record record) {
  record.time = clock_.now();
  record.uid = crypto::uuid_v7(record.time, random_);
  return parts_.write(record);
}

Result<std::vector<Revealed>> Desk::reveal(const identity::Caller& who, std::string_view record,
                                           std::string_view reason) {
  if (auto allowed = has_role(who); !allowed) return std::unexpected(std::move(allowed).error());
  if (reason.empty() || reason.size() > longest_reason)
    return fail(Code::invalid, "a reason is needed, of at most 500 bytes");
  const auto leaves = find_records(parts_.audit.directory, record);
  if (!leaves) return std::unexpected(leaves.error());
  if (leaves->empty()) return fail(Code::not_found, "there is no such record");
  std::vector<Revealed> revealed;
  const std::string by = identity::pseudonym(parts_.person_key, who.profile());
  for (const std::string& leaf : *leaves) {
    const auto document = json::Document::parse(leaf);
    if (!document) return std::unexpected(document.error());
    const json::Value root = document->root();
    for (const std::string_view name : {"req", "res"}) {
      const json::Value kept = root[name];
      if (!kept["ct_sha256"].exists()) continue;
      const auto seq = static_cast<std::uint64_t>(root["seq"].integer().value_or(0));
      const std::vector<std::string_view> keys{kept["key"].text_or("")};
      const std::string uid(root["uid"].text_or(""));
      auto written = write(
          {.type = audit::Type::body_revealed,
           .agent = {.ref = who->agent.value()},
           .call_uid = crypto::uuid_from(root["call_uid"].text_or("")).value_or(crypto::Uuid{}),
           .principal = {.auth = identity::name(who->method), .cred = who->fingerprint, .ref = by},
           .why = reason,
           .subject = root["principal"]["ref"].text_or(""),
           .log_keys = keys});
      if (!written)
        return base::within("reading a body has to be recorded", std::move(written).error());
      auto body = open_body(parts_.audit.directory, parts_.keys, kept, seq);
      revealed.push_back({.seq = seq,
                          .kind = name == "req" ? "request" : "answer",
                          .body = body ? *body : std::string(),
                          .error = body ? std::string() : body.error().detail});
    }
  }
  if (revealed.empty()) return fail(Code::not_found, "no body of it was kept");
  return revealed;
}

Result<void> Desk::destroy(const std::vector<std::string>& ids) {
  for (const std::string& id : ids)
    if (auto done = parts_.keys.destroy(id); !done) return done;
  parts_.keys.forget();
  if (parts_.keys_changed) parts_.keys_changed();
  return {};
}

Result<std::uint64_t> Desk::write_keys(audit::Record record, const std::vector<std::string>& ids) {
  Result<std::uint64_t> last = 0;
  for (std::size_t at = 0; at < std::max<std::size_t>(ids.size(), 1); at += store::keys_in_record) {
    const std::size_t end = std::min(ids.size(), at + store::keys_in_record);
    const std::vector<std::string_view> piece(ids.begin() + static_cast<std::ptrdiff_t>(at),
                                              ids.begin() + static_cast<std::ptrdiff_t>(end));
    record.log_keys = piece;
    last = write(record);
    if (!last) return last;
  }
  return last;
}

Result<Erased> Desk::erase(const identity::Caller& who, const identity::Caller& second,
                           std::string_view subject, std::string_view basis) {
  for (const identity::Caller* person : {&who, &second})
    if (auto allowed = has_role(*person); !allowed)
      return std::unexpected(std::move(allowed).error());
  if (who->user->id == second->user->id)
    return fail(Code::forbidden, "a second person has to approve");
  if (basis.empty() || basis.size() > longest_reason)
    return fail(Code::invalid, "a basis is needed, of at most 500 bytes");
  if (parts_.audit.retention.hold)
    return fail(Code::conflict, "audit.retention.hold: nothing is erased");
  auto keys = parts_.keys.list();
  if (!keys) return std::unexpected(std::move(keys).error());
  Erased erased{.subject = std::string(subject),
                .keys = {},
                .requested_by = identity::pseudonym(parts_.person_key, who.profile()),
                .approved_by = identity::pseudonym(parts_.person_key, second.profile()),
                .at = clock_.now()};
  for (audit::KeyInfo& info : *keys)
    if (info.purpose.subject == subject) erased.keys.push_back(std::move(info.id));
  if (erased.keys.empty())
    return fail(Code::not_found,
                "there is no key of this subject: nothing is kept, or it was "
                "erased already");
  std::ranges::sort(erased.keys);
  audit::Record record{.type = audit::Type::erasure_decided,
                       .agent = {.ref = who->agent.value()},
                       .principal = {.auth = identity::name(who->method),
                                     .cred = who->fingerprint,
                                     .ref = erased.requested_by},
                       .why = basis,
                       .approved_by = erased.approved_by,
                       .subject = subject};
  auto decided = write_keys(record, erased.keys);
  if (!decided) return std::unexpected(std::move(decided).error());
  erased.decided = *decided;
  if (auto done = destroy(erased.keys); !done) return std::unexpected(std::move(done).error());
  record.type = audit::Type::erasure_done;
  auto done = write_keys(record, erased.keys);
  if (!done) return std::unexpected(std::move(done).error());
  erased.done = *done;
  return erased;
}

Result<GivenUp> Desk::retain(bool carry_out) {
  const config::Retention& retention = parts_.audit.retention;
  GivenUp given;
  if (retention.hold) return given;
  if (retention.bodies || !retention.domains.empty()) {
    auto keys = parts_.keys.list();
    if (!keys) return std::unexpected(std::move(keys).error());
    std::vector<std::string> ids;
    for (audit::KeyInfo& info :
         store::expired(*std::move(keys), {.bodies = retention.bodies, .labels = retention.domains},
                        clock_.now()))
      ids.push_back(std::move(info.id));
    std::ranges::sort(ids);
    given.keys = ids.size();
    if (carry_out && !ids.empty()) {
      // A crash between the two leaves keys that the log calls destroyed: the next time they are.
      auto written = write_keys({.type = audit::Type::bodies_expired}, ids);
      if (!written) return std::unexpected(std::move(written).error());
      if (auto done = destroy(ids); !done) return std::unexpected(std::move(done).error());
    }
  }
  if (retention.records) {
    const auto found = store::prunable(parts_.audit.directory, *retention.records, clock_.now());
    if (!found) return std::unexpected(found.error());
    if (*found) {
      given.records = (*found)->records;
      if (carry_out) {
        auto written = write({.type = audit::Type::log_pruned,
                              .log_minimum = static_cast<std::int64_t>((*found)->minimum),
                              .log_segment = static_cast<std::int64_t>((*found)->segment)});
        if (!written) return std::unexpected(std::move(written).error());
        if (auto done = store::prune(parts_.audit.directory, **found, files_); !done)
          return std::unexpected(std::move(done).error());
      }
    }
  }
  return given;
}

Result<Rotated> Desk::rotate(bool finish) {
  const config::Audit& audit = parts_.audit;
  const auto keys_now = [&]() -> Result<std::shared_ptr<const store::LogKeys>> {
    auto keys = store::LogKeys::open(audit.keys, audit.origin, false);
    if (!keys) return base::within("audit.keys", std::move(keys).error());
    return std::make_shared<const store::LogKeys>(*std::move(keys));
  };
  if (!finish) {
    if (auto made = store::LogKeys::make_next(audit.keys); !made)
      return std::unexpected(std::move(made).error());
    const auto both = keys_now();
    if (!both) return std::unexpected(both.error());
    parts_.sign_with(*both);
    const std::string signers = store::signers_json(**both);
    const auto record = write({.type = audit::Type::log_rekeyed, .log_signers = signers});
    if (!record) return std::unexpected(record.error());
    parts_.prove_rotation(*record);
    return Rotated{.record = *record, .keys = (*both)->public_text()};
  }
  const auto both = keys_now();
  if (!both) return std::unexpected(both.error());
  if (!(*both)->changing()) return fail(Code::not_found, "the log is not getting other keys");
  // Nobody could follow to keys that nothing signed names, nor we go on under them.
  const auto found = store::read_rotations(audit.directory);
  if (!found) return std::unexpected(found.error());
  const auto next = store::read_verifier_keys((*both)->public_text());
  const auto note =
      store::read_file(store::checkpoint_path(audit.directory), audit::note_limit.count);
  if (!next || !note || found->rotations.empty() ||
      found->rotations.back().after != (*both)->public_text() ||
      !audit::open_checkpoint(*note, *next, audit.origin))
    return fail(Code::conflict, "nothing is signed by the next keys yet: ask again in a second");
  const std::uint64_t record = found->rotations.back().record;
  if (auto dropped = store::LogKeys::drop_former(audit.keys); !dropped)
    return std::unexpected(std::move(dropped).error());
  const auto latest = keys_now();
  if (!latest) return std::unexpected(latest.error());
  parts_.sign_with(*latest);
  return Rotated{.record = record, .keys = (*latest)->public_text()};
}

Custody::Custody(std::unique_ptr<Desk> desk, const base::Clock& clock,
                 std::function<void(const Result<GivenUp>&)> told)
    : desk_(std::move(desk)),
      clock_(clock),
      told_(std::move(told)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Custody::~Custody() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Custody::run(const std::stop_token& stop) {
  base::Instant next{};
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (clock_.instant() >= next) {
      lock.unlock();
      told_(desk_->retain(true));
      next = clock_.instant() + retain_every;
      lock.lock();
    }
    if (!wake_.wait_for(lock, stop, next - clock_.instant(), [&] { return !work_.empty(); }))
      continue;
    auto work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work(*desk_);
    lock.lock();
  }
}

net::Task<void> Custody::at_desk(net::Loop& loop, std::function<void(Desk&)> work) {
  struct Visit {
    Custody& custody;
    net::Loop& loop;
    std::function<void(Desk&)> work;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) {
      {
        const std::scoped_lock lock(custody.mutex_);
        custody.work_.push_back([&loop = loop, awaiting, work = std::move(work)](Desk& desk) {
          work(desk);
          loop.post([awaiting] { awaiting.resume(); });
        });
      }
      custody.wake_.notify_one();
    }
    void await_resume() const noexcept {}
  };
  co_await Visit{*this, loop, std::move(work)};
}

}  // namespace latticegate::gateway
