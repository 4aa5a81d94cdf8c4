// Pins: what was approved of a server's tools and instructions, and what changed since.
//
// A pin is the SHA-256 over the RFC 8785 form of the whole descriptor, with the bytes kept for the
// diff. Two descriptors are the same when their hashes agree, or when they differ only in white
// space inside texts, in the order of keys or in the order of a "required" list. The history
// survives removal: a tool that comes back is compared with what was approved, and one that returns
// to an older approved form says so.
//
// A PinBook is a plain value: no clock, no disk. Its owner persists to_json() and guards it against
// concurrent change.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "json/value.h"

namespace latticegate::inspect {

enum class PinKind : std::uint8_t { tool, instructions, prompt, resource };
std::string_view name(PinKind kind);

// What is pinned: one descriptor of one server.
struct PinSubject {
  std::string server;
  PinKind kind = PinKind::tool;
  std::string name;  // of the tool; empty for instructions
  auto operator<=>(const PinSubject&) const = default;
};

// A descriptor reduced to what is compared and kept.
struct Fingerprint {
  std::string hash;    // SHA-256 of `bytes`, hexadecimal
  std::string folded;  // the same over the form with white space folded; what decides "same"
  std::string bytes;   // RFC 8785
  bool operator==(const Fingerprint&) const = default;
};
Fingerprint fingerprint(json::Value descriptor);
// Of a bare text, for instructions.
Fingerprint fingerprint_text(std::string_view text);

enum class PinState : std::uint8_t {
  unseen,    // never approved
  same,      // as approved
  changed,   // differs from what is approved
  returned,  // differs from what is approved, but was approved earlier
};
std::string_view name(PinState state);

struct Approval {
  Fingerprint form;
  base::Time at;
  std::string by;
};

struct PinEntry {
  std::vector<Approval>
      approvals;  // oldest first; the last one counts. At most `most_approvals` are kept
  std::optional<Fingerprint> pending;  // the newest form that is not approved
  base::Time pending_since{};
  bool present = true;  // false: the server no longer lists it
};

class PinBook {
 public:
  static constexpr std::size_t most_approvals = 16;

  PinState judge(const PinSubject& subject, const Fingerprint& seen) const;
  // The same, and keeps a form that is not approved as pending. Returns the state; idempotent.
  PinState observe(const PinSubject& subject, const Fingerprint& seen, base::Time now);
  // The server stopped listing it. Its history stays.
  void removed(const PinSubject& subject);
  // Approves a form directly (first use by configuration) or the pending one, if its hash is still
  // `hash`: Code::conflict when another form came in between, Code::not_found without a pending
  // form.
  void approve(const PinSubject& subject, const Fingerprint& form, std::string_view by,
               base::Time now);
  [[nodiscard]] base::Result<void> approve_pending(const PinSubject& subject, std::string_view hash,
                                                   std::string_view by, base::Time now);

  // Takes the last approval back if it is `by`, and of `since` or later: its form is then pending,
  // and was never approved.
  bool revoke(const PinSubject& subject, std::string_view by, base::Time since, base::Time now);

  // Null when nothing is known.
  const PinEntry* find(const PinSubject& subject) const [[clang::lifetimebound]];
  // The form that is approved now, or null.
  const Fingerprint* approved(const PinSubject& subject) const [[clang::lifetimebound]];
  const std::map<PinSubject, PinEntry>& entries() const [[clang::lifetimebound]] {
    return entries_;
  }

  std::string to_json() const;
  [[nodiscard]] static base::Result<PinBook> from_json(std::string_view text);

 private:
  std::map<PinSubject, PinEntry> entries_;
};

// What changed, for people, a line each and safe for a terminal: "description: ... [-old words-]
// {+new words+} ...", "parameter \"cc\" added (string, required)", "parameter \"limit\": maximum 10
// -> 5000". Empty when nothing did.
std::vector<std::string> pin_diff(const Fingerprint& before, const Fingerprint& after);

}  // namespace latticegate::inspect
