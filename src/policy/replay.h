// Replay: recorded calls decided again under another set of policies, and what would change.
//
// Give it the calls of a log in their order, and tell which of them count: all are needed, because
// temporal conditions ask about what happened before. Each is judged (Engine::judge) and compared
// with what was decided then. What cannot be compared is counted by its reason, never taken for
// equal:
//   missing      the question was not recorded, or not whole: by the word of policy/asked.h, or
//                "question" for a call that was refused before any policy was asked
//   unsure       a temporal condition that mattered had no answer, because what it asks about was
//                not recorded, or lies before the record begins
// What was compared and should be read with care is counted besides: questions with strings that
// were replaced because they held secrets, questions about people whom the World does not know, and
// questions of another World than the Engine's.
//
// Without temporal conditions the order does not matter: have one Replay per thread and merge them.
// Pure; one thread each. Memory: the examples, the histories (1 GiB at most) and up to 100,000
// calls that wait for their answers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/engine.h"

namespace latticegate::policy {

// A record call.decided, as views.
struct RecordedCall {
  std::uint64_t seq = 0;
  base::Time at{};
  std::string_view call{};  // its id
  std::string_view agent{};
  std::string_view tenant{};
  std::string_view conversation{};           // of the principal
  std::string_view target{};                 // "crm/search", or what else was named
  std::optional<Judgement::Kind> decided{};  // by the policies of then
  std::vector<std::string_view> rules{};
  std::string_view why{};
  json::Value asked{};
};
// A record call.finished, of a call that was answered.
struct RecordedAnswer {
  std::string_view call{};
  base::Time at{};
  bool failed = false;
  PastOutput output{};
};

enum class Change : std::uint8_t {
  refused,  // what was allowed would be refused, or need an approval
  allowed,  // what was refused would be allowed
  other,    // refused with an approval that would help, then or now
};
inline constexpr std::size_t changes = 3;
std::string_view name(Change change);  // "would be refused", "would be allowed", ...

struct Flip {
  std::uint64_t seq = 0;
  std::string time{};  // RFC 3339
  std::string call{};
  std::string agent{};
  std::string target{};
  Judgement::Kind before{};
  Judgement::Kind after{};
  std::vector<std::string> rules_before{};
  std::vector<std::string> rules_after{};
  std::string why{};      // of the refusal, then or now
  bool redacted = false;  // a string that held a secret was replaced
};

struct ReplayReport {
  using Counts = std::map<std::string, std::uint64_t, std::less<>>;
  struct Group {
    std::uint64_t count = 0;
    Counts agents;
    Counts targets;
    std::vector<Flip> examples;  // the first ones
  };
  // By change and by the policy that brings it about: of a refusal the forbid, of what is allowed
  // the permit; "" for the default denial. A call with several counts for each.
  std::map<std::pair<Change, std::string>, Group> groups;
  std::array<std::uint64_t, changes> flips{};
  std::uint64_t calls = 0;  // that count
  std::uint64_t same = 0;
  std::uint64_t unsure = 0;
  Counts missing;
  std::uint64_t redacted = 0;
  std::uint64_t strangers = 0;
  std::uint64_t other_world = 0;

  std::uint64_t changed() const;
  std::uint64_t compared() const { return same + changed(); }
  void merge(ReplayReport other, std::size_t examples);
};

class Replay {
 public:
  struct Settings {
    std::size_t examples = 3;  // per group
  };
  Replay(std::shared_ptr<const Engine> engine, const World& world, const Settings& settings);
  Replay(Replay&&) noexcept;
  Replay& operator=(Replay&&) noexcept;
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;
  ~Replay();

  // `counts`: whether it is compared; otherwise it only is something that happened.
  void take(const RecordedCall& call, bool counts);
  void take(const RecordedAnswer& answer);
  // What happened between the last record and this time is not known: the log begins here, or has
  // a gap.
  void lost(base::Time at);

  ReplayReport& report() [[clang::lifetimebound]] { return report_; }

 private:
  struct Past;  // the histories
  void compare(const RecordedCall& call, const PastCall& past, std::string& why);
  std::shared_ptr<const Engine> engine_;
  People people_;
  Settings settings_;
  Scratch scratch_;
  cedar::Arena arena_;
  Judgement judgement_;
  ReplayReport report_;
  std::uint64_t explained_ = 0;
  std::unique_ptr<Past> past_;  // null: no condition looks back
};

}  // namespace latticegate::policy
