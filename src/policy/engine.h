// Engine: the only place that says yes. A snapshot of policies and of the World, asked once before
// each call and once more when the answer was conspicuous or policies judge it.
//
// Immutable: a reload makes a new Engine with a higher epoch and swaps the pointer; calls under way
// keep theirs. Safe from any thread, with one Scratch per thread. Pure.
//
// Temporal conditions are asked when a call is decided, about the histories of Facts, in which the
// call itself is the latest event. One without an answer (its history is missing, full or lost) is
// an attribute that is not there: the policy fails.
//
// Posture: closed when in doubt
//   a forbid policy fails               denial `forbid_error`, whatever the permits say
//   a permit policy fails               it does not permit
//   arguments cannot be converted       denial `arguments`
//   a structured answer that policies read cannot be converted   withheld, `answer`
//   no permit is satisfied              denial `not_permitted`
//   unknown @obligation, bad policy     load() fails and names file:line:column; keep the old
//   Engine
// The policies that are built in (ids "latticegate-...") hold besides the operator's: see
// built_in_policies().
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cedar/authorize.h"
#include "policy/asked.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/tool.h"
#include "policy/world.h"

namespace latticegate::policy {

// A policy file; `file` is for messages and for the order.
struct PolicyText {
  std::string file;
  std::string text;
};

struct Question;  // policy/detail/question.h
struct Refusal;
class ContextReads;  // policy/reads.h

// What one thread (event loop) needs for deciding: memory that is used again, and what was computed
// for the callers and tools that it saw lately. Bounded; belongs to no Engine in particular. A
// Scratch keeps the Engine that used it last alive.
class Scratch {
 public:
  Scratch();
  Scratch(Scratch&&) noexcept;
  Scratch& operator=(Scratch&&) noexcept;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// What policies say of a call that nothing can be forwarded with: of a past one, or in the shadow
// of other policies.
struct Judgement {
  enum class Kind : std::uint8_t { allow, deny, step_up };
  Kind kind = Kind::deny;
  Reason reason = Reason::not_permitted;  // unless allowed
  std::int64_t level = 0;                 // step_up
  // Of the policies that hold (and, denied, of the forbids that failed): views into the Engine.
  std::vector<std::string_view> policies{};
  // Some temporal condition that could matter had no answer.
  bool unsure = false;
  // What temporal conditions said: for judge_answer(). Views into the Engine.
  std::vector<std::pair<cedar::Name, cedar::Value>> recalled{};
};
std::string_view name(Judgement::Kind kind);

// What is known of the answer of a past call.
struct PastOutput {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
};

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  struct Options {
    std::uint64_t epoch = 1;
    bool built_in = true;  // false: without the built-in policies
  };

  // Code::invalid for a policy that does not parse, an unknown obligation, an id that occurs twice
  // or begins with "latticegate-", a cycle among groups or segments. Every error of the texts is in
  // the detail, one per line, each beginning with `file:line:column: `.
  [[nodiscard]] static base::Result<std::shared_ptr<const Engine>> load(
      const World& world, std::span<const PolicyText> texts, const Options& options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Before the call.
  Decision decide(const Facts& facts, Mode mode, Scratch& scratch) const;

  // The question of that call for the record (policy/asked.h), appended to `out`. Right after
  // decide() with the same Facts and Scratch it costs about as much as copying it; it may also be
  // asked without.
  void write_asked(const Facts& facts, const Recording& recording, Scratch& scratch,
                   std::string& out) const;
  // A question that was recorded, in the World of this Engine.
  [[nodiscard]] base::Result<PastCall> read_asked(json::Value asked, const People& people,
                                                  cedar::Arena& arena) const;
  // What the World knows: what is above the parents of those who ask and are asked.
  const cedar::Entities& known() const [[clang::lifetimebound]];

  // What of a question's context the policies can see; nothing when they look back. Valid as long
  // as the Engine.
  std::optional<ContextReads> context_reads() const;

  // As decide() in enforce mode, for what nothing follows from. `why`, if not null, gets the
  // explanation for operators of what is not allowed, without values of a call that holds a secret.
  void judge(const Facts& facts, Scratch& scratch, Judgement& judgement,
             std::string* why = nullptr) const;
  // The answer to the call that this Engine judged before, in that Judgement: as release() in
  // enforce mode. What only redacts allows.
  void judge_answer(const Facts& after, Scratch& scratch, Judgement& judgement,
                    std::string* why = nullptr) const;
  // Of a question that was recorded whole. `call` and `now` are those of the record, the histories
  // those of a replay.
  void judge(const PastCall& past, std::string_view call, base::Time now,
             const Histories& histories, Scratch& scratch, Judgement& judgement,
             std::string* why = nullptr) const;
  // The answer to a past call that this Engine allows: as judge_answer() above. `past` has in its
  // context what is known of the answer (policy/replay.h). Not for an Engine that looks back.
  void judge_answer(const PastCall& past, Scratch& scratch, Judgement& judgement,
                    std::string* why = nullptr) const;
  // Whether a policy whose scope admits the call looks at answers.
  bool judges_answer(const PastCall& past) const;
  // The event alone, for a call that is not judged again. What is missing may have been anything.
  void pass(const PastCall& past, std::string_view call, base::Time now, const Histories& histories,
            Scratch& scratch) const;
  // The answer to a past call (no `output`: it was an error). What the answer said is not recorded,
  // so conditions on it have no answer for as long as it is in their window.
  void remember(const PastCall& past, std::string_view call,
                const std::optional<PastOutput>& output, base::Time at, const Histories& histories,
                Scratch& scratch) const;

  // Whether some arguments at some time could be allowed: what is not worth listing is not listed.
  // Reads of Facts only caller, quarantined and target, so the answer can be kept for as long as
  // the Engine, the caller's profile, the target and the two flags stay the same. Costs about as
  // much as decide().
  bool may_see(const Facts& facts, Scratch& scratch) const;

  // Whether there are temporal conditions: only then remember() has to be called.
  bool looks_back() const;
  // Whether a policy plants values (@obligation("honeypot")): only then they have to be looked for.
  bool plants() const;
  // After the call: the server answered, with `after.output`, or with an error (without). For the
  // histories of `after`; conditions of this call are not asked again.
  void remember(const Facts& after, Scratch& scratch) const;

  // Why a tool that is listed cannot be used under these policies: one whose scope admits it does
  // not type-check for its arguments, so that it would fail in calls instead of deciding them. With
  // the place; nothing when all fit. What is wrong with a policy whatever the tool is no reason.
  // Costs a validation of the policies whose scope admits the tool: once per listed descriptor.
  std::optional<std::string> misfit(const Tool& tool) const;

  // Whether a policy whose scope admits the call looks at answers: then release() has to be asked
  // about each.
  bool judges_answer(const Facts& facts, Scratch& scratch) const;
  // After the call, for an answer that raised risk or findings or that policies judge: the same
  // policies over the facts as they are now, with `after.output` set. `after` names the same call.
  // In observe mode always Released. A forbid with the obligation `redact` does not withhold but
  // redacts.
  Release release(const Permit& permit, const Facts& after, Scratch& scratch) const;

  std::uint64_t epoch() const;
  // SHA-256 over file names and texts, in hexadecimal; the same for the same policies.
  const std::string& hash() const [[clang::lifetimebound]];
  std::size_t policies() const;
  // The first 16 hexadecimal digits of a SHA-256 over everything in the World that decisions read.
  const std::string& world() const [[clang::lifetimebound]];
  // Likely mistakes that are not errors: a policy that names a group, segment, server, user, role
  // or agent that the World does not know. `file:line:column: ...`, for people.
  const std::vector<std::string>& warnings() const [[clang::lifetimebound]];

 private:
  struct Snapshot;
  // Adds what temporal conditions say to the question's context.
  void recall(std::string_view call, base::Time now, const Histories& histories,
              Scratch::State& state, Question& question) const;
  void complete(const cedar::Answer& answer, Challenge& refused) const;
  void conclude(Scratch::State& state, const Question& question, Judgement& judgement,
                std::string* why, bool values = true) const;
  std::int64_t lifting_level(const cedar::Answer& answer) const;
  using Remembered = std::span<const std::pair<cedar::Name, cedar::Value>>;
  // Asks about an answer; the decision is in the state. False: it cannot be asked.
  bool ask_again(const Facts& after, Remembered recalled, Scratch::State& state, Question& question,
                 Refusal& refusal) const;
  // Whether the answer goes out, if only redacted.
  bool lets_out(const cedar::Answer& answer) const;
  void take(const PastCall& past, std::string_view call, std::string_view kind,
            const std::optional<PastOutput>& output, base::Time at, const Histories& histories,
            Scratch& scratch) const;
  void note(const Facts& facts, Scratch::State& state, const Question& question) const;
  explicit Engine(std::unique_ptr<const Snapshot> snapshot);
  std::unique_ptr<const Snapshot> snapshot_;
};

// The text of the policies that are built in; and without those that the operator does without.
std::string_view built_in_policies();
std::string built_in_policies(const World* world);

}  // namespace latticegate::policy
