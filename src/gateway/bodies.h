// What of a call's bodies is kept beside the record: the request's params and the answer's result,
// each without the secrets that inspection found in it. The journal seals them (store/journal.h).
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "config/config.h"
#include "inspect/finding.h"
#include "json/value.h"
#include "store/journal.h"

namespace latticegate::gateway {

enum class BodyKind : std::uint8_t { request, answer };
// Whether the configuration keeps such bodies.
bool keeps(config::Bodies bodies, BodyKind kind);

// What the key is for that seals bodies of that subject; a label that is empty is "general".
audit::KeyPurpose body_purpose(std::string_view subject, std::string_view label, base::Time at);

struct BodyOrder {
  const inspect::Findings* findings = nullptr;  // of all of it
  std::string_view redaction_key{};
  std::uint64_t limit = 0;     // bytes
  std::string_view subject{};  // pseudonym
  std::string_view label{};    // data domain; empty: "general"
  base::Time at{};
};
// Null when it is not kept: longer than the limit, or not all of it was inspected, so that a secret
// could be left.
std::unique_ptr<const store::KeptBody> kept_body(json::Value body, const BodyOrder& order);

}  // namespace latticegate::gateway
