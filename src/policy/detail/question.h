// From Facts to the question that Cedar is asked: request, context and the entities that exist only
// for this call.
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <unordered_map>

#include "cedar/authorize.h"
#include "cedar/entity.h"
#include "cedar/program.h"
#include "policy/argument.h"
#include "policy/detail/temporal_rules.h"
#include "policy/engine.h"

namespace latticegate::policy {

// The parts of a caller and of a tool that depend on the World, computed at the first sight, and
// what the record says of them, written at the first need.
struct KnownCaller {
  std::shared_ptr<const identity::CallerProfile> profile;
  std::array<cedar::Entity, 2> agent;  // by `quarantined`
  cedar::Value user;                   // none: the agent acts for itself
  std::array<std::string, 2> asked{};
  std::string mark{};  // of the user
};
struct KnownTool {
  std::shared_ptr<const Tool> tool;
  std::array<cedar::Entity, 2> entity;  // by `pinned`
  OutputReaders::Reading reading;
  std::array<std::string, 2> asked{};
  std::string asked_action{};
};

// What questions are asked of.
struct Rules {
  const cedar::PolicySet& policies;
  const cedar::Entities& store;
  const Reads& reads;
  const OutputReaders& readers;
};

struct Question {
  cedar::Request request;
  std::array<cedar::Entity, 3> extra;  // principal, resource, action
};

struct Scratch::State {
  cedar::Arena arena{std::size_t{32} * 1024};  // of one call
  cedar::Slate slate;
  cedar::Answer answer;
  Sightings seen;
  std::vector<Recalled> recalled;  // by temporal conditions
  // The latest question, without what was recalled; until the next begin().
  bool asked = false;
  std::string asked_call;
  Question asked_question;

  // Kept from call to call, for one Engine.
  std::shared_ptr<const Engine> engine;
  cedar::Arena kept{std::size_t{16} * 1024};
  std::unordered_map<const identity::CallerProfile*, KnownCaller> callers;
  std::unordered_map<const Tool*, KnownTool> tools;

  // Makes ready for a call of that engine.
  void begin(const Engine& engine);
};

// False when the arguments, or the answer, cannot be converted; `refusal` then says why. The
// question views `facts` and `state`.
bool ask(const Rules& rules, const Facts& facts, Scratch::State& state, Question& question,
         Refusal& refusal);

// What policies look at in an answer to this.
OutputReaders::Reading reading_of(const Rules& rules, const Facts& facts, Scratch::State& state);

// The caller and the tool of a call that was asked about.
KnownCaller& known_caller(const cedar::Entities& store, const identity::Caller& caller,
                          Scratch::State& state);
KnownTool& known_tool(const Rules& rules, const Tool& tool, Scratch::State& state);

// The same with everything unknown that may change from call to call.
void ask_ahead(const Rules& rules, const Facts& facts, Scratch::State& state, Question& question);

}  // namespace latticegate::policy
