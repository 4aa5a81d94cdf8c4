// Findings -> edits that take what was found out of a message while everything else stays as it is.
//
// A secret becomes "<redacted:rule-id:last4:tag>": the tag is a short keyed HMAC of the secret, so
// that the same secret has the same mark in every message of one deployment and cannot be guessed
// back; last4 only where the secret has at least 20 characters. Without a key there is no tag.
// Pure; any thread.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "inspect/finding.h"
#include "json/value.h"
#include "json/write.h"

namespace latticegate::inspect {

struct Redaction {
  bool secrets = true;
  Confidence at_least = Confidence::possible;  // secrets below stay
  bool hidden = false;                         // also strip hidden characters and terminal escapes
  bool links = false;                          // also images and links whose address carries data
  std::string_view key = {};                   // for the tags; secret, 32 bytes
};

// Edits for json::write over any tree that contains `root`: in document order, not nested. `root`
// is the value that was scanned. A secret inside a key replaces the object that has the key.
std::vector<json::Edit> redact(json::Value root, const Findings& findings, const Redaction& how);

// The same for one text that went through scan_text.
std::string redact_text(std::string_view text, const Findings& findings, const Redaction& how);

// The mark that stands for a secret.
std::string redaction_mark(std::string_view rule, std::string_view secret, std::string_view key);

}  // namespace latticegate::inspect
