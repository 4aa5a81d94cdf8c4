#include "gateway/recording.h"

#include <algorithm>

#include "gateway/operators.h"
#include "gateway/worker.h"

namespace latticegate::gateway {

std::vector<audit::Finding> record_findings(const inspect::Findings& findings) {
  const bool in_names = std::ranges::any_of(findings.items, &inspect::Finding::in_key);
  std::vector<audit::Finding> list;
  for (const inspect::Finding& finding : findings.items) {
    if (list.size() == 32) break;
    list.push_back({.count = 1,
                    .id = finding.rule,
                    .path = in_names ? std::string_view() : std::string_view(finding.pointer),
                    .severity = inspect::name(finding.severity)});
  }
  for (const inspect::Finding& finding : findings.excepted) {
    if (list.size() == 32) break;
    list.push_back({.count = 1, .id = finding.rule, .path = {}, .severity = "excepted"});
  }
  return list;
}

std::vector<audit::Finding> counted_findings(const inspect::Findings& findings) {
  std::vector<audit::Finding> list;
  for (const audit::Finding& finding : record_findings(findings)) {
    const auto same = std::ranges::find_if(list, [&](const audit::Finding& other) {
      return other.id == finding.id && other.severity == finding.severity;
    });
    if (same != list.end()) {
      ++same->count;
      continue;
    }
    list.push_back(finding);
    list.back().path = {};
  }
  return list;
}

void add_kinds_of_data(const inspect::Findings& findings, std::vector<std::string_view>& labels) {
  const auto add = [&](std::string_view label) {
    if (!std::ranges::contains(labels, label)) labels.push_back(label);
  };
  for (const inspect::Finding& finding : findings.items) {
    if (finding.kind == inspect::FindingKind::secret) add("secret");
    if (finding.kind == inspect::FindingKind::personal_data)
      for (const std::string& label : finding.labels) add(label);
  }
}

RecordObligations::RecordObligations(std::span<const policy::Obligation> obligations) {
  for (const policy::Obligation& obligation : obligations) {
    std::string text = policy::to_text(obligation);
    if (!std::ranges::contains(texts_, text)) texts_.push_back(std::move(text));
  }
  words_.assign(texts_.begin(), texts_.end());
}

bool wants_all(std::span<const policy::Obligation> due) {
  return std::ranges::contains(due, policy::Obligation::Kind::log_full, &policy::Obligation::kind);
}

void record_caller(audit::Record& record, const Admitted& admitted, const net::Peer& peer) {
  const identity::Caller& caller = admitted.caller;
  record.agent.ref = caller->agent.value();
  record.principal.ref = admitted.principal->ref();
  record.principal.kind = caller->user ? "user" : "agent";
  record.principal.auth = identity::name(caller->method);
  record.principal.cred = caller->fingerprint;
  if (caller->user) record.principal.delegation = admitted.delegation;
  record.tenant = caller->tenant.value();
  record.session = admitted.principal->id();
  record.client.addr = peer.address;
  record.client.port = peer.port;
  record.client.tls_group = peer.tls_group;
  record.client.tls_version = peer.tls_version;
}

void record_server(audit::Record& record, const config::Server& server) {
  record.server.id = server.name;
  record.server.segment = server.segment;
  record.server.residency = server.region;
  record.transport = "stdio";
  if (const auto* const http = std::get_if<config::Http>(&server.transport)) {
    record.server.addr = http->host;
    record.server.port = http->port;
    record.transport = "http";
  }
}

std::string declared_capabilities(json::Value declared) {
  constexpr std::size_t longest = 4'096;
  std::string text = json::to_string(declared);
  return declared.is_object() && text.size() <= longest ? text : "{}";
}

void name_client(Worker& worker, Session& session, json::Value info) {
  session.client = without_secrets(worker, info["name"].text_or({}));
  session.client_version = without_secrets(worker, info["version"].text_or({}));
}

std::string recorded_id(Worker& worker, std::string_view id) {
  constexpr std::size_t shortest_secret = 16;
  return id.size() < shortest_secret ? std::string(id) : without_secrets(worker, id);
}

}  // namespace latticegate::gateway
