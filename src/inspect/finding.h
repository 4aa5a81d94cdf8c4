// What inspection reports: findings are data, never verdicts. Module policy decides what follows
// from them.
//
// Lifetimes
//   Finding::at     a view into the scanned json::Document; valid as long as that lives
//   everything else owned
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"

namespace latticegate::inspect {

// Where a text was seen; each surface has its own compiled rules.
enum class Surface : std::uint8_t {
  arguments,     // of a call, on the way to a server
  result,        // of a call: text content, structuredContent, embedded resources
  descriptor,    // tools, prompts, resources as a server lists them
  instructions,  // of a server, for the model
  error,         // JSON-RPC error or isError text
  user_text,     // what speaks for the user: messages of prompts and of sampling
};
inline constexpr std::size_t surfaces = 6;
std::string_view name(Surface surface);

enum class FindingKind : std::uint8_t {
  secret,           // a credential
  hidden_text,      // characters that people do not see and models do
  terminal_escape,  // bytes that drive a terminal
  instruction,      // a text that tells its reader, a model, what to do
  injection,        // a text that the server behind would run or follow: SQL, shell, paths, markup
  exfiltration,     // a text that carries data out when it is shown or fetched
  personal_data,    // names a person: numbers of cards, accounts, health and state; addresses
  canary,           // a value that was planted and that nobody has a use for
  schema,           // an answer that is not what its tool promised
};
std::string_view name(FindingKind kind);

enum class Severity : std::uint8_t { info, low, medium, high, critical };
std::string_view name(Severity severity);

// How sure a rule can be: shape only; shape with entropy or context; a checksum or parse that
// cannot hold by chance.
enum class Confidence : std::uint8_t { possible, likely, verified };
std::string_view name(Confidence confidence);

struct Finding {
  std::string rule;  // "github-pat", "hidden-tag-characters", ...
  FindingKind kind{};
  Severity severity{};
  Confidence confidence{};
  // RFC 6901, from the value that was scanned: "/content/0/text"; "" is that value itself. A secret
  // inside a key stands in it as "***".
  std::string pointer;
  bool in_key = false;  // the text is the key of the member that the pointer names
  json::Value at;  // the string; for a key: the member's value. Absent when a bare text was scanned
  std::size_t begin = 0;  // bytes of the unescaped string
  std::size_t end = 0;
  // Safe to log and show: masked for secrets and personal data, decoded and printable for hidden
  // text.
  std::string excerpt;
  // What the finding belongs to beyond its kind: ids of catalogues, kinds of data ("pci").
  std::vector<std::string> labels = {};
};

// What the surface's model says of the whole message. Real numbers, higher is more suspicious.
struct Scores {
  struct Head {
    std::string_view name;  // of static storage
    float value = 0;
  };
  std::array<Head, 4> heads{};
  // What the rules that matched say together: the rarity of the rarest, and half of each other's.
  float rules = 0;
  // All of it. Of the model alone it is -log10 of the share of benign development texts that score
  // at least as high: 2 is one in a hundred.
  float all = 0;
  // What an operator's own classifier says (classifier.h), 0 to 1; nothing where none was asked. No
  // part of `all`.
  std::optional<float> own;
};

struct Findings {
  std::vector<Finding> items;  // in document order
  // What the texts say without their disguises (disguise.h) and without hidden characters; at most
  // 1 MiB or so. Whoever reads a text can read that, too.
  std::vector<std::string> revealed;
  // Taken out of `items` because an operator says that they are none; for the record.
  std::vector<Finding> excepted;
  Scores scores;
  std::uint64_t scanned = 0;  // bytes of keys and strings that were looked at
  std::uint64_t skipped = 0;  // bytes that were not, because the budget was spent
  std::uint32_t dropped = 0;  // findings above the limit that are not listed (at least; 0 = none)

  // False when something was not inspected or not listed: the absence of a finding then proves
  // nothing.
  bool complete() const { return skipped == 0 && dropped == 0; }
  bool empty() const { return items.empty(); }
  bool has(FindingKind kind) const;
  bool has(FindingKind kind, Severity at_least) const;
  // The worst severity of a kind; info when there is none.
  Severity worst(FindingKind kind) const;
  // Rule ids without repetition, sorted.
  std::vector<std::string> rules() const;
};

}  // namespace latticegate::inspect
