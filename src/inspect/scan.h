// The walk over a message: every key and every string of a JSON tree, once, against the rules of
// its surface.
//
// All strings are laid into one buffer, looked at by one Vectorscan call, read as words once and
// judged by one model: some 5 ns a byte (`bench.inspect`). A Scanner belongs to one thread (an event
// loop has its own) and keeps its buffers; the RuleSet is shared.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "inspect/classifier.h"
#include "inspect/finding.h"
#include "inspect/rules.h"
#include "json/value.h"

namespace latticegate::inspect {

// How much one message may cost. What is above is reported in Findings (skipped, dropped), never
// silently left out.
struct ScanLimits {
  base::Bytes bytes{std::uint64_t{4} * 1024 * 1024};
  std::uint32_t findings = 256;
  bool each_person = false;  // every piece of personal data; else the first of each kind
};

// An operator's classifier and where it is asked. It gets a message's strings in pieces of at most
// 4 KiB that overlap; what the surest of them says is Scores::own and, from `threshold` on, the
// finding "own-classifier". What it cannot judge, and what is behind the first 64 pieces, counts as
// skipped.
struct SecondOpinion {
  std::shared_ptr<const Classifier> classifier;  // null: nobody is asked
  std::uint8_t surface_mask = 0;                 // bit per Surface
  float threshold = 0.5F;
  bool is_asked(Surface surface) const {
    return classifier != nullptr && (surface_mask >> static_cast<unsigned>(surface) & 1) != 0;
  }
};

class Scanner {
 public:
  // Code::unavailable when there is no memory for Vectorscan's scratch space.
  [[nodiscard]] static base::Result<Scanner> create(std::shared_ptr<const RuleSet> rules);
  Scanner(Scanner&&) noexcept;
  Scanner& operator=(Scanner&&) noexcept;
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;
  ~Scanner();

  // Changes to another snapshot of rules; on failure the old one stays.
  [[nodiscard]] base::Result<void> use(std::shared_ptr<const RuleSet> rules);
  const RuleSet& rules() const [[clang::lifetimebound]];
  void ask(SecondOpinion opinion);

  struct State;
  State& state() { return *state_; }

 private:
  explicit Scanner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Scans the tree below `value` (an absent value gives no findings). Pointers are relative to
// `value`.
Findings scan(Scanner& scanner, Surface surface, json::Value value, const ScanLimits& limits = {});

// Scans one text that is not part of a tree (a line of a child's stderr, an HTTP body); `at` of the
// findings is absent.
Findings scan_text(Scanner& scanner, Surface surface, std::string_view text,
                   const ScanLimits& limits = {});

}  // namespace latticegate::inspect
