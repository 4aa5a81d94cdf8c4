// One audit record as bytes: a leaf of the log, RFC 8785 canonical JSON of at most 16 KiB.
//
// A call leaves two records, joined by call_uid: call.decided is durable before anything is
// forwarded, call.finished follows; a crash in between shows as a decision without outcome. A
// refused call is a call.decided with an outcome.
//
// The caller hands in values that hold no secret and no body: redacted names, pseudonyms, hashes
// and counts. Every string has a limit; a longer one is cut and ends in "[cut 1234]", the number of
// bytes that are missing, and a list ends in "[cut 12]", the number of elements. Bytes that are no
// UTF-8, and U+0000, which many readers of JSON refuse, become U+FFFD. So any input gives a leaf
// that everybody can read.
//
// Fields stand in the order of their JSON names, because that is the order of the bytes. Empty
// text, empty lists and negative numbers mean "not known" and are left out.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/envelope.h"
#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/random.h"

namespace latticegate::audit {

// Bytes of Record::asked. In a record that is full of other things there is no room for it.
inline constexpr std::size_t asked_limit = 8'192;

enum class Type : std::uint8_t {
  call_decided,
  call_finished,
  caller_refused,  // no valid credential: there is no call yet
  session_killed,
  session_released,
  agent_quarantined,
  agent_released,
  user_quarantined,
  user_released,
  server_quarantined,
  server_released,
  tool_quarantined,
  tool_released,
  calls_stopped,        // all of them
  calls_released,       // from that
  credential_given_up,  // a server's token, because of a stop (gateway/broker.h)
  agent_tightened,      // a step up the ladder (behaviour/ladder.h)
  agent_relaxed,        // and down
  objective_burns,      // its budget; and not any more
  objective_holds,
  approval_answered,  // by a person: decision allow or deny
  tool_held,
  tool_approved,
  config_reloaded,
  policy_loaded,
  log_opened,
  log_closed,
  log_resumed,  // after a time in which the disk did not take records
  log_pruned,   // records below log_minimum are given up by retention
  body_revealed,
  bodies_expired,  // keys were destroyed by retention
  erasure_decided,
  erasure_done,  // keys were destroyed
  log_rekeyed,   // checkpoints have other keys from here on
};
// "call.decided", ...
std::string_view name(Type type);

enum class Decision : std::uint8_t { none, allow, deny, modify, step_up, kill };
std::string_view name(Decision decision);

enum class Outcome : std::uint8_t {
  none,
  ok,
  tool_error,      // the tool itself said isError
  rpc_error,       // the server answered with a JSON-RPC error
  upstream_error,  // no usable answer from the server
  timeout,
  cancelled,
  denied,    // never forwarded
  withheld,  // forwarded, but the answer was not let through
};
std::string_view name(Outcome outcome);

struct Agent {
  std::string_view instance{};
  std::string_view model{};
  std::string_view name{};
  std::string_view ref{};  // our id of the workload
  std::string_view version{};
};

// A person's answer to a request for one (gateway/approvals.h), or that it is asked for.
struct Approval {
  base::Time at{};               // answered; none: nobody has
  std::string_view by{};         // pseudonym
  std::string_view call_hash{};  // SHA-256, hexadecimal, of whose call with which arguments it is
  base::Time expires{};
  std::int64_t level = -1;
  std::string_view request{};
};

struct Client {
  std::string_view addr{};
  std::string_view name{};
  std::int64_t port = -1;
  std::string_view tls_group{};    // "X25519MLKEM768"
  std::string_view tls_version{};  // "TLSv1.3"
  std::string_view version{};
};

struct Principal {
  std::string_view auth{};  // how it was proved: "bearer", "mtls", ...
  std::string_view cred{};  // jti or hash of the credential's public part
  std::span<const std::string_view> delegation{};
  std::string_view iss{};
  std::string_view kind{};
  std::string_view ref{};  // pseudonym
};

struct Server {
  std::string_view addr{};
  std::string_view id{};
  std::int64_t port = -1;
  std::string_view residency{};
  std::string_view segment{};
  std::string_view tls_group{};  // of the connection that the answer came over
  std::string_view tls_version{};
};

// What behaviour says of a call (behaviour/risk.h): of its question in call.decided, and with its
// answer in call.finished.
struct Risk {
  std::int64_t rung = -1;   // of the ladder
  std::int64_t score = -1;  // 0 to 100
  std::span<const std::string_view> signals{};
};

struct Finding {
  std::int64_t confidence = -1;  // percent
  std::int64_t count = -1;
  std::string_view id{};
  std::string_view path{};  // JSON pointer
  std::string_view severity{};
};

struct Redaction {
  std::string_view kind{};  // "aws_key"; the JSON name is "class"
  std::int64_t count = -1;
  std::string_view path{};
};

// A body that is not in the leaf.
struct Body {
  // It is kept beside the log: commit, ct_sha256 and key (audit/envelope.h) are put into the leaf
  // later, by whoever makes the envelope. At most one of a record's two bodies.
  bool kept = false;
  std::int64_t len = -1;
};

// What a second set of policies says about a call, where that differs from the first.
struct Shadow {
  Decision decision = Decision::none;
  std::span<const std::string_view> rules{};
  std::string_view why{};
};

struct Record {
  Type type{};
  base::Time time{};  // written with nanoseconds

  std::int64_t added_ns = -1;  // time that we added to the call; JSON added_ms, with decimals
  Agent agent{};
  Approval approval{};
  // What was asked, for deciding it again (policy/asked.h): an object as canonical JSON, of at most
  // asked_limit bytes and 24 levels. Written as it is, or as {"missing":"size"} where the leaf has
  // no room for it.
  std::string_view asked{};
  std::int64_t bytes_in = -1;   // from the client
  std::int64_t bytes_out = -1;  // to the client
  crypto::Uuid call_uid{};      // nil: none
  Client client{};
  std::string_view config_hash{};
  Decision decision = Decision::none;
  std::int64_t dur_ns = -1;
  std::string_view effect{};  // read, write, delete, send, pay, admin
  std::string_view error{};   // for the operator; no secret, no body
  std::span<const Finding> findings{};
  std::int64_t inspect_ns = -1;
  bool inspect_truncated = false;
  std::span<const std::string_view> labels_in{};
  std::span<const std::string_view> labels_out{};
  std::string_view method{};
  std::string_view mode{};  // enforce, observe
  std::span<const std::string_view> obligations{};
  Outcome outcome = Outcome::none;
  std::string_view policy_hash{};
  std::int64_t policy_ver = -1;
  Principal principal{};
  std::string_view prompt{};
  std::string_view proto{};  // protocol revision
  std::span<const Redaction> redactions{};
  Body req{};
  Body res{};
  std::string_view resource_uri{};
  Risk risk{};
  std::int64_t rows_out = -1;
  std::optional<std::int64_t> rpc_code{};
  std::string_view rpc_id{};  // as JSON text: 7 and "7" differ
  std::span<const std::string_view> rules{};
  Server server{};
  std::string_view session{};  // our conversation
  Shadow shadow{};
  std::string_view parent_span_id{};  // of the span that called, as its client said
  std::string_view span_id{};
  std::span<const std::string_view> taint{};  // of the conversation, then
  std::string_view tenant{};
  std::string_view tool{};
  std::string_view tool_pin{};
  std::string_view tool_pin_was{};  // tool.held, tool.approved: the pin before
  std::string_view trace_id{};
  std::string_view transport{};  // http, stdio
  crypto::Uuid uid{};
  std::string_view why{};  // one sentence: the clause and the values that it read
  // What the policies said of the question, where that is not what came of it: in observe mode what
  // would have been refused, and what was allowed and throttled.
  Decision would = Decision::none;

  // What was done to the log: retention, erasure, revealing.
  std::string_view approved_by{};                // the second person
  std::string_view subject{};                    // whose bodies
  std::span<const std::string_view> log_keys{};  // ids of data keys
  std::int64_t log_minimum = -1;                 // the first record that is left
  // log.opened and log.resumed: what was found. log.pruned: the first segment that is left.
  std::int64_t log_aside = -1;  // records that follow, which were set aside meanwhile
  std::int64_t log_bodies = -1;
  std::int64_t log_cut_bytes = -1;  // torn tail that was put aside
  std::string_view log_cut_file{};
  std::string_view log_cut_sha256{};  // of that file, hexadecimal
  std::int64_t log_lost_records =
      -1;  // records that were to be posted and were not, while the disk failed
  std::int64_t log_refused = -1;  // appends refused meanwhile
  std::int64_t log_segment = -1;
  // log.rekeyed: {"after":[...],"before":[...]}, verifier keys as canonical JSON of at most
  // asked_limit bytes. Such a record holds little else.
  std::string_view log_signers{};
};

// A leaf whose seq is still missing: the journal knows it and puts the digits in at `seq_at`. Where
// a body is kept, zeros hold the place of what the record says about it, at `body_at` (0: none).
struct Leaf {
  std::string_view text;
  std::uint32_t seq_at = 0;
  std::uint32_t body_at = 0;
};

// Writes records for one node. Holds one buffer; belongs to one thread (have one per event loop).
// About 1 us a record.
class RecordWriter {
 public:
  // The node's name goes into every record.
  explicit RecordWriter(std::string_view node);
  // Valid until the next call.
  Leaf write(const Record& record) [[clang::lifetimebound]];

 private:
  std::string buffer_;
  std::string node_;             // as a JSON string
  std::int64_t second_ = -1;     // of which date_ is the text
  std::array<char, 20> date_{};  // "2026-11-22T14:02:11."
};

// The leaf with its seq in place.
std::string with_seq(Leaf leaf, std::uint64_t seq);

// Puts what is to be said about the body into its place in the leaf's text.
void put_body(std::span<char> leaf, std::uint32_t body_at, const BodyReference& body);
// The same text without that place: the body is not kept after all. seq_at moves with it.
void drop_body(std::string& leaf, std::uint32_t body_at, std::uint32_t& seq_at);

}  // namespace latticegate::audit
