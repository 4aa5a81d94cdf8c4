#include "gateway/tracing.h"

#include <algorithm>

namespace latticegate::gateway {

Labels labels_of(const config::Server& server, std::string_view tool, std::int64_t private_from) {
  Labels labels{.taint = server.taint,
                .domains = server.domains,
                .sensitive = server.sensitivity >= private_from};
  if (const auto known = server.tools.find(tool); known != server.tools.end()) {
    if (known->second.taint) labels.taint = *known->second.taint;
    if (known->second.domains) labels.domains = *known->second.domains;
    if (known->second.sensitivity) labels.sensitive = *known->second.sensitivity >= private_from;
  }
  labels.sensitive = labels.sensitive || !labels.domains.empty();
  return labels;
}

bool has_labels(const config::Config& config) {
  const std::int64_t from = config.provenance.private_from;
  const auto labelled = [&](const config::Server& server, std::string_view tool) {
    const Labels labels = labels_of(server, tool, from);
    return labels.sensitive || !labels.taint.empty();
  };
  if (config.provenance.limits.prints == 0) return false;
  return std::ranges::any_of(config.servers, [&](const auto& entry) {
    const config::Server& server = entry.second;
    return labelled(server, {}) || std::ranges::any_of(server.tools, [&](const auto& tool) {
             return labelled(server, tool.first);
           });
  });
}

void add_labels(behaviour::Totals& totals, std::span<const std::string> taint,
                std::span<const std::string> domains, bool sensitive) {
  totals.taint.add(taint);
  totals.domains.add(domains);
  // Private by its sensitivity alone.
  if (sensitive && domains.empty()) totals.domains.add("private");
}

provenance::Origins Tracing::before(json::Value arguments, const provenance::Sink& sink,
                                    base::Time now) {
  const std::scoped_lock lock(mutex_);
  changed_ = true;
  return trail_.before(arguments, sink, now);
}

bool Tracing::after(json::Value answer, const provenance::Source& source, base::Time now,
                    std::span<const std::string> revealed) {
  const std::scoped_lock lock(mutex_);
  const std::size_t sources = trail_.sources_read();
  trail_.after(answer, source, now, revealed);
  changed_ = true;
  return trail_.sources_read() > sources;
}

// Said again now and then, so that it does not expire.
void Tracing::purpose_of_operator(std::string_view text, base::Time now) {
  const std::scoped_lock lock(mutex_);
  if (text == of_operator_ && (text.empty() || now - of_operator_at_ < expiry_ / 2)) return;
  if (text != of_operator_) purpose_.unsay(provenance::Said::configuration);
  of_operator_ = text;
  of_operator_at_ = now;
  if (text.empty()) return;
  trail_.say(text, true, now);
  (void)purpose_.say(provenance::Said::configuration, text, false, now);
}

void Tracing::say(provenance::Said by, std::string_view text, bool untrusted, base::Time now) {
  const std::scoped_lock lock(mutex_);
  text = text.substr(0, provenance::Purpose::longest);
  if (!purpose_.say(by, text, untrusted || trail_.read_untrusted(now), now)) return;
  trail_.say(text, false, now);
  changed_ = true;
}

std::optional<std::string> Tracing::changes(base::Time now) {
  const std::scoped_lock lock(mutex_);
  if (!std::exchange(changed_, false)) return std::nullopt;
  return trail_.save(now);
}

void Tracing::add_sources(behaviour::Totals& totals, base::Time now) const {
  const std::scoped_lock lock(mutex_);
  trail_.sources(now, [&](const provenance::Trail::Read& read) {
    add_labels(totals, read.taint, read.domains, read.sensitive);
  });
}

}  // namespace latticegate::gateway
