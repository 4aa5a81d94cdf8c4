// Recording: what other modules know, as the parts of an audit record (audit/record.h). Views of
// what is given.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/record.h"
#include "config/config.h"
#include "inspect/finding.h"
#include "json/value.h"
#include "net/stream.h"
#include "policy/obligation.h"

namespace latticegate::gateway {

struct Admitted;
struct Session;
class Worker;

// In place of words that may hold a secret.
inline constexpr std::string_view hidden = "<redacted>";

// At most 32 are named, and none by its place when a name holds a secret.
std::vector<audit::Finding> record_findings(const inspect::Findings& findings);
// Of an answer: how many by each rule. Nothing of what it says, names of members neither, gets into
// a record.
std::vector<audit::Finding> counted_findings(const inspect::Findings& findings);
// Adds the kinds of data that the findings show, each once: "secret", and those of personal data
// ("personal-eu", "pci", ...).
void add_kinds_of_data(const inspect::Findings& findings, std::vector<std::string_view>& labels);

// Obligations, each once, whosever it is.
class RecordObligations {
 public:
  explicit RecordObligations(std::span<const policy::Obligation> obligations);
  std::span<const std::string_view> words() const [[clang::lifetimebound]] { return words_; }

 private:
  std::vector<std::string> texts_;
  std::vector<std::string_view> words_;
};

// Whether the whole call is to be recorded.
bool wants_all(std::span<const policy::Obligation> due);

// Who asks, for whom, and over which connection.
void record_caller(audit::Record& record, const Admitted& admitted, const net::Peer& peer);
void record_server(audit::Record& record, const config::Server& server);
// Keeps the client's name for itself (clientInfo) for the records of the session.
// What a client declares that it can do, as it is kept of a session.
std::string declared_capabilities(json::Value declared);
void name_client(Worker& worker, Session& session, json::Value info);
// A request's id, JSON text: the client chooses it, and what is long enough may be a secret.
std::string recorded_id(Worker& worker, std::string_view id);

}  // namespace latticegate::gateway
