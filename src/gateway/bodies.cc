#include "gateway/bodies.h"

#include <string>
#include <utility>

#include "inspect/redact.h"
#include "json/write.h"

namespace latticegate::gateway {

bool keeps(config::Bodies bodies, BodyKind kind) {
  return bodies == config::Bodies::all ||
         bodies == (kind == BodyKind::request ? config::Bodies::requests : config::Bodies::answers);
}

audit::KeyPurpose body_purpose(std::string_view subject, std::string_view label, base::Time at) {
  return {.subject = std::string(subject),
          .label = std::string(label.empty() ? "general" : label),
          .month = audit::month_of(at)};
}

std::unique_ptr<const store::KeptBody> kept_body(json::Value body, const BodyOrder& order) {
  const inspect::Findings& findings = *order.findings;
  if (!body.exists() || !findings.complete() || findings.scanned > order.limit) return nullptr;
  std::string text;
  json::write(body, inspect::redact(body, findings, {.key = order.redaction_key}), text);
  if (text.size() > order.limit) return nullptr;
  return std::make_unique<const store::KeptBody>(store::KeptBody{
      .text = std::move(text), .purpose = body_purpose(order.subject, order.label, order.at)});
}

}  // namespace latticegate::gateway
