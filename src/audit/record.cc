#include "audit/record.h"

#include <algorithm>
#include <concepts>
#include <cstring>
#include <utility>

#include "audit/detail/emit.h"
#include "audit/segment.h"
#include "base/result.h"

namespace latticegate::audit {
namespace {

using detail::Emit;

// Bytes that one string may take in the leaf, quotes and the mark of a cut not counted. Their sum
// over all fields but Record::asked, with the lists' budgets, stays below leaf_limit:
// record_test.cc fills everything to the brim.
constexpr std::size_t word = 64;    // one of few words, a version, a number in hexadecimal
constexpr std::size_t label = 160;  // a name
constexpr std::size_t sentence = 640;

constexpr std::size_t room = 2 * leaf_limit.count;  // the buffer; never filled
constexpr std::string_view no_room = R"({"missing":"size"})";
constexpr std::size_t digits_limit = 20;  // of a seq
constexpr std::size_t digest_digits = 64;
// What stands at a leaf's body_at; behind it comes "len". Zeros are 0 in every hexadecimal place.
struct BodyPlace {
  static constexpr std::string_view commit = R"("commit":")";
  static constexpr std::string_view ct_sha256 = R"(","ct_sha256":")";
  static constexpr std::string_view key = R"(","key":")";
  static constexpr std::string_view end = R"(",)";
  static constexpr std::size_t commit_at = commit.size();
  static constexpr std::size_t ct_sha256_at = commit_at + digest_digits + ct_sha256.size();
  static constexpr std::size_t key_at = ct_sha256_at + digest_digits + key.size();
  static constexpr std::size_t size = key_at + body_key_id_size + end.size();
};

// Gives where the place for a kept body begins, or null.
char* body(Emit& out, const Body& body) {
  if (!body.kept) {
    out.number(",\"len\":", body.len);
    return nullptr;
  }
  char* const place = out.at() + 1;
  out.text(",");
  out.as_it_is(BodyPlace::commit);
  out.zeros(digest_digits);
  out.as_it_is(BodyPlace::ct_sha256);
  out.zeros(digest_digits);
  out.as_it_is(BodyPlace::key);
  out.zeros(body_key_id_size);
  out.text("\"");
  out.number(",\"len\":", std::max<std::int64_t>(body.len, 0));
  return place;
}

void agent(Emit& out, const Agent& agent) {
  out.string(",\"instance\":", agent.instance, label);
  out.string(",\"model\":", agent.model, label);
  out.string(",\"name\":", agent.name, label);
  out.string(",\"ref\":", agent.ref, label);
  out.string(",\"version\":", agent.version, word);
}

void tls(Emit& out, std::string_view group, std::string_view version) {
  out.object(",\"tls\":", [&] {
    out.string(",\"group\":", group, word);
    out.string(",\"version\":", version, word);
  });
}

void client(Emit& out, const Client& client) {
  out.string(",\"addr\":", client.addr, word);
  out.string(",\"name\":", client.name, label);
  out.number(",\"port\":", client.port);
  tls(out, client.tls_group, client.tls_version);
  out.string(",\"version\":", client.version, word);
}

void principal(Emit& out, const Principal& principal) {
  out.string(",\"auth\":", principal.auth, word);
  out.string(",\"cred\":", principal.cred, label);
  out.list(",\"delegation\":", principal.delegation, 320, label);
  out.string(",\"iss\":", principal.iss, label);
  out.string(",\"kind\":", principal.kind, word);
  out.string(",\"ref\":", principal.ref, label);
}

void server(Emit& out, const Server& server) {
  out.string(",\"addr\":", server.addr, label);
  out.string(",\"id\":", server.id, label);
  out.number(",\"port\":", server.port);
  out.string(",\"residency\":", server.residency, word);
  out.string(",\"segment\":", server.segment, word);
  tls(out, server.tls_group, server.tls_version);
}

void approval(Emit& out, const Approval& approval) {
  const auto time = [&](const auto& key, base::Time at) {
    if (at != base::Time()) out.string(key, base::to_rfc3339(at), word);
  };
  time(",\"at\":", approval.at);
  out.string(",\"by\":", approval.by, word);
  out.string(",\"call_hash\":", approval.call_hash, word);
  time(",\"expires\":", approval.expires);
  out.number(",\"level\":", approval.level);
  out.string(",\"request\":", approval.request, word);
}

void risk(Emit& out, const Risk& risk) {
  if (risk.rung > 0) out.number(",\"rung\":", risk.rung);
  out.number(",\"score\":", risk.score);
  out.list(",\"signals\":", risk.signals, 240, label);
}

void finding(Emit& out, const Finding& finding) {
  char* const open = out.at();
  out.number(",\"confidence\":", finding.confidence);
  out.number(",\"count\":", finding.count);
  out.string(",\"id\":", finding.id, label);
  out.string(",\"path\":", finding.path, label);
  out.string(",\"severity\":", finding.severity, word);
  if (out.at() == open) out.text("{");
  *open = '{';
  out.text("}");
}

void redaction(Emit& out, const Redaction& redaction) {
  char* const open = out.at();
  out.string(",\"class\":", redaction.kind, label);
  out.number(",\"count\":", redaction.count);
  out.string(",\"path\":", redaction.path, label);
  if (out.at() == open) out.text("{");
  *open = '{';
  out.text("}");
}

void shadow(Emit& out, const Shadow& shadow) {
  out.string(",\"decision\":", name(shadow.decision), word);
  out.list(",\"rules\":", shadow.rules, 480, label);
  out.string(",\"why\":", shadow.why, label);
}

void log(Emit& out, const Record& record) {
  out.number(",\"aside\":", record.log_aside);
  out.number(",\"bodies\":", record.log_bodies);
  out.number(",\"cut_bytes\":", record.log_cut_bytes);
  out.string(",\"cut_file\":", record.log_cut_file, label);
  out.string(",\"cut_sha256\":", record.log_cut_sha256, label);
  out.list(",\"keys\":", record.log_keys, 2048, label);
  out.number(",\"lost\":", record.log_lost_records);
  out.number(",\"minimum\":", record.log_minimum);
  out.number(",\"refused\":", record.log_refused);
  out.number(",\"segment\":", record.log_segment);
  out.raw(",\"signers\":", record.log_signers);
}

void two_digits(unsigned number, char* out) {
  out[0] = static_cast<char>('0' + number / 10 % 10);
  out[1] = static_cast<char>('0' + number % 10);
}

// "2026-11-22T14:02:11."
void date(std::int64_t second, std::array<char, 20>& out) {
  const std::chrono::sys_seconds time{std::chrono::seconds(second)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day ymd(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const auto year = static_cast<unsigned>(static_cast<int>(ymd.year()));
  std::ranges::copy(std::string_view("0000-00-00T00:00:00."), out.begin());
  two_digits(year / 100, out.data());
  two_digits(year, &out[2]);
  two_digits(static_cast<unsigned>(ymd.month()), &out[5]);
  two_digits(static_cast<unsigned>(ymd.day()), &out[8]);
  two_digits(static_cast<unsigned>(clock.hours().count()), &out[11]);
  two_digits(static_cast<unsigned>(clock.minutes().count()), &out[14]);
  two_digits(static_cast<unsigned>(clock.seconds().count()), &out[17]);
}

}  // namespace

std::string_view name(Type type) {
  switch (type) {
    case Type::call_decided: return "call.decided";
    case Type::call_finished: return "call.finished";
    case Type::caller_refused: return "caller.refused";
    case Type::session_killed: return "session.killed";
    case Type::session_released: return "session.released";
    case Type::agent_quarantined: return "agent.quarantined";
    case Type::agent_released: return "agent.released";
    case Type::user_quarantined: return "user.quarantined";
    case Type::user_released: return "user.released";
    case Type::server_quarantined: return "server.quarantined";
    case Type::server_released: return "server.released";
    case Type::tool_quarantined: return "tool.quarantined";
    case Type::tool_released: return "tool.released";
    case Type::calls_stopped: return "calls.stopped";
    case Type::calls_released: return "calls.released";
    case Type::credential_given_up: return "credential.given_up";
    case Type::agent_tightened: return "agent.tightened";
    case Type::agent_relaxed: return "agent.relaxed";
    case Type::objective_burns: return "objective.burns";
    case Type::objective_holds: return "objective.holds";
    case Type::approval_answered: return "approval.answered";
    case Type::tool_held: return "tool.held";
    case Type::tool_approved: return "tool.approved";
    case Type::config_reloaded: return "config.reloaded";
    case Type::policy_loaded: return "policy.loaded";
    case Type::log_opened: return "log.opened";
    case Type::log_closed: return "log.closed";
    case Type::log_resumed: return "log.resumed";
    case Type::log_pruned: return "log.pruned";
    case Type::body_revealed: return "body.revealed";
    case Type::bodies_expired: return "bodies.expired";
    case Type::erasure_decided: return "erasure.decided";
    case Type::erasure_done: return "erasure.done";
    case Type::log_rekeyed: return "log.rekeyed";
  }
  std::unreachable();
}

std::string_view name(Decision decision) {
  switch (decision) {
    case Decision::none: return "";
    case Decision::allow: return "allow";
    case Decision::deny: return "deny";
    case Decision::modify: return "modify";
    case Decision::step_up: return "step_up";
    case Decision::kill: return "kill";
  }
  std::unreachable();
}

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::none: return "";
    case Outcome::ok: return "ok";
    case Outcome::tool_error: return "tool_error";
    case Outcome::rpc_error: return "rpc_error";
    case Outcome::upstream_error: return "upstream_error";
    case Outcome::timeout: return "timeout";
    case Outcome::cancelled: return "cancelled";
    case Outcome::denied: return "denied";
    case Outcome::withheld: return "withheld";
  }
  std::unreachable();
}

RecordWriter::RecordWriter(std::string_view node) : buffer_(room, '\0') {
  Emit out(buffer_.data());
  out.string(node, label);
  node_.assign(buffer_.data(), out.at());
}

Leaf RecordWriter::write(const Record& r) {
  const std::int64_t ns = r.time.time_since_epoch().count();
  const std::int64_t second =
      ns >= 0 ? ns / 1'000'000'000 : 0;  // there were no audit logs before 1970
  if (second != second_) {
    date(second, date_);
    second_ = second;
  }

  Emit out(buffer_.data());
  out.milliseconds(",\"added_ms\":", r.added_ns);
  out.object(",\"agent\":", [&] { agent(out, r.agent); });
  out.object(",\"approval\":", [&] { approval(out, r.approval); });
  out.string(",\"approved_by\":", r.approved_by, label);
  base::check(r.asked.size() <= asked_limit && r.log_signers.size() <= asked_limit,
              "what was asked keeps within its limit");
  out.raw(",\"asked\":", r.asked);
  out.number(",\"bytes_in\":", r.bytes_in);
  out.number(",\"bytes_out\":", r.bytes_out);
  out.uuid(",\"call_uid\":", r.call_uid);
  out.object(",\"client\":", [&] { client(out, r.client); });
  out.string(",\"config_hash\":", r.config_hash, label);
  out.string(",\"decision\":", name(r.decision), word);
  out.number(",\"dur_ns\":", r.dur_ns);
  out.string(",\"effect\":", r.effect, word);
  out.string(",\"error\":", r.error, sentence);
  out.list(",\"findings\":", r.findings, 1600, [&](const Finding& f) { finding(out, f); });
  out.object(",\"inspect\":", [&] {
    out.milliseconds(",\"ms\":", r.inspect_ns);
    if (r.inspect_truncated) out.text(",\"truncated\":true");
  });
  out.list(",\"labels_in\":", r.labels_in, 320, label);
  out.list(",\"labels_out\":", r.labels_out, 320, label);
  out.object(",\"log\":", [&] { log(out, r); });
  out.string(",\"method\":", r.method, label);
  out.string(",\"mode\":", r.mode, word);
  out.text(",\"node\":");
  std::memcpy(out.at(), node_.data(), node_.size());
  out = Emit(out.at() + node_.size());
  out.list(",\"obligations\":", r.obligations, 480, label);
  out.string(",\"outcome\":", name(r.outcome), word);
  out.string(",\"parent_span_id\":", r.parent_span_id, word);
  out.string(",\"policy_hash\":", r.policy_hash, label);
  out.number(",\"policy_ver\":", r.policy_ver);
  out.object(",\"principal\":", [&] { principal(out, r.principal); });
  out.string(",\"prompt\":", r.prompt, label);
  out.string(",\"proto\":", r.proto, word);
  out.list(",\"redactions\":", r.redactions, 800, [&](const Redaction& x) { redaction(out, x); });
  base::check(!r.req.kept || !r.res.kept, "a record keeps one body");
  const char* place = nullptr;
  out.object(",\"req\":", [&] { place = body(out, r.req); });
  out.object(",\"res\":", [&] {
    if (const char* const at = body(out, r.res); at != nullptr) place = at;
  });
  out.string(",\"resource_uri\":", r.resource_uri, sentence);
  out.object(",\"risk\":", [&] { risk(out, r.risk); });
  out.number(",\"rows_out\":", r.rows_out);
  if (r.rpc_code) {
    out.text(",\"rpc_code\":");
    out.digits(*r.rpc_code);
  }
  out.string(",\"rpc_id\":", r.rpc_id, label);
  out.list(",\"rules\":", r.rules, 960, label);
  out.text(",\"seq\":");
  const auto seq_at = static_cast<std::uint32_t>(out.at() - buffer_.data());
  out.object(",\"server\":", [&] { server(out, r.server); });
  out.string(",\"session\":", r.session, label);
  out.object(",\"shadow\":", [&] { shadow(out, r.shadow); });
  out.string(",\"span_id\":", r.span_id, word);
  out.string(",\"subject\":", r.subject, label);
  out.list(",\"taint\":", r.taint, 320, label);
  out.string(",\"tenant\":", r.tenant, label);
  out.text(",\"time\":\"");
  std::memcpy(out.at(), date_.data(), date_.size());
  char* fraction = out.at() + date_.size();
  auto rest = static_cast<unsigned>(ns >= 0 ? ns % 1'000'000'000 : 0);
  for (int i = 8; i >= 0; --i) {
    fraction[i] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  }
  out = Emit(fraction + 9);
  out.text("Z\"");
  out.string(",\"tool\":", r.tool, label);
  out.string(",\"tool_pin\":", r.tool_pin, label);
  out.string(",\"tool_pin_was\":", r.tool_pin_was, label);
  out.string(",\"trace_id\":", r.trace_id, word);
  out.string(",\"transport\":", r.transport, word);
  out.string(",\"type\":", name(r.type), word);
  out.uuid(",\"uid\":", r.uid);
  out.text(",\"v\":1");
  out.string(",\"why\":", r.why, sentence);
  out.string(",\"would\":", name(r.would), word);
  out.text("}");
  buffer_.front() = '{';

  const auto size = static_cast<std::size_t>(out.at() - buffer_.data());
  if (size + digits_limit > leaf_limit.count && r.asked.size() > no_room.size()) {
    Record less = r;
    less.asked = no_room;
    return write(less);
  }
  base::check(size + digits_limit <= leaf_limit.count, "a record keeps within the leaf's limit");
  return {.text = std::string_view(buffer_.data(), size),
          .seq_at = seq_at,
          .body_at = place == nullptr ? 0 : static_cast<std::uint32_t>(place - buffer_.data())};
}

void put_body(std::span<char> leaf, std::uint32_t body_at, const BodyReference& body) {
  base::check(leaf.size() >= body_at + BodyPlace::size, "a leaf has the place that it names");
  char* const place = leaf.data() + body_at;
  const auto put = [place](std::size_t at, std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) place[at + i] = text[i];
  };
  base::check(body.key.size() == body_key_id_size, "a body's key has an id");
  put(BodyPlace::commit_at, crypto::to_hex(body.commit));
  put(BodyPlace::ct_sha256_at, crypto::to_hex(body.ct_sha256));
  put(BodyPlace::key_at, body.key);
}

void drop_body(std::string& leaf, std::uint32_t body_at, std::uint32_t& seq_at) {
  leaf.erase(body_at, BodyPlace::size);
  if (seq_at > body_at) seq_at -= static_cast<std::uint32_t>(BodyPlace::size);
}

std::string with_seq(Leaf leaf, std::uint64_t seq) {
  std::string out(leaf.text.substr(0, leaf.seq_at));
  out += std::to_string(seq);
  out += leaf.text.substr(leaf.seq_at);
  return out;
}

}  // namespace latticegate::audit
