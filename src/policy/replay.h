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
// Answers are judged again on demand (Settings::answers), by what the record has of them: how many
// records and bytes, and the risk. Where policies look at what is not recorded (what an answer
// said, what was found in it), or look back, the answer is counted as unsure.
//
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
  // What policies said of it; nothing where that is not recorded (observe mode), or something else
  // than policies kept it back.
  std::optional<bool> let_out{};
  std::size_t findings = 0;  // in it
  json::Value risk{};        // with it, as recorded
};

enum class Change : std::uint8_t {
  refused,   // what was allowed would be refused, or need an approval
  allowed,   // what was refused would be allowed
  other,     // refused with an approval that would help, then or now
  withheld,  // the answer, which was let out, would be withheld
  released,  // the answer, which was withheld, would be let out
};
inline constexpr std::size_t changes = 5;
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
  std::uint64_t answers = 0;  // that count: of calls that were allowed, and would be again
  std::uint64_t answers_same = 0;
  std::uint64_t answers_unsure = 0;

  std::uint64_t changed() const;   // questions and answers
  std::uint64_t compared() const;  // questions
  void merge(ReplayReport other, std::size_t examples);
};

class Replay {
 public:
  struct Settings {
    std::size_t examples = 3;  // per group
    bool answers = false;      // are judged again, too: give it those, in their order
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
  // The quick way, where no condition looks back: a call whose question PastReader could read, and
  // which counts. First take_same(): true when the call comes out as `decided` then, and with that
  // it is counted. Else take_changed(), right after: true when it was counted, because the groups
  // that it belongs to have their examples already. What neither takes, take() does; all of them
  // together say what take() alone would.
  bool take_same(const PastCall& call, Judgement::Kind decided);
  bool take_changed(const PastCall& call, Judgement::Kind decided, std::string_view agent,
                    std::string_view target);

  // What happened between the last record and this time is not known: the log begins here, or has
  // a gap.
  void lost(base::Time at);

  ReplayReport& report() [[clang::lifetimebound]] { return report_; }

 private:
  struct Past;     // the histories
  struct Waiting;  // calls that wait for their answers
  struct WaitingCall;
  void compare(const RecordedCall& call, const PastCall& past, std::string& why);
  // Among the groups, what came out otherwise.
  void add_change(Change change, const RecordedCall& call, const PastCall& past,
                  Judgement::Kind before, const std::string& why);
  void wait(const RecordedCall& call, const Histories& histories, bool counts);
  void judge_answer(const WaitingCall& call, const RecordedAnswer& answer);
  void count(const PastCall& past);
  // Visits each group that the judgement belongs to, by its policy.
  template <class Visit>
  void for_each_policy(const Visit& visit) const;
  std::shared_ptr<const Engine> engine_;
  People people_;
  Settings settings_;
  Scratch scratch_;
  cedar::Arena arena_;
  Judgement judgement_;
  ReplayReport report_;
  std::uint64_t explained_ = 0;
  std::unique_ptr<Past> past_;        // null: no condition looks back
  std::unique_ptr<Waiting> waiting_;  // null: nobody asks about answers
  // What of an answer's findings and content policies look at.
  bool sees_findings_ = false;
  bool sees_content_ = false;
};

}  // namespace latticegate::policy
