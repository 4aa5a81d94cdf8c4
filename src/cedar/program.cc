#include "cedar/program.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cedar/detail/computation.h"
#include "cedar/detail/graph.h"
#include "cedar/detail/scope_index.h"

namespace latticegate::cedar {
namespace {

// A literal as decide() reads it: the place of its truth, and whether that has to be yes.
std::uint32_t packed(std::uint32_t place, bool wanted) {
  return (place << 1U) | (wanted ? 1U : 0U);
}

}  // namespace

struct Program::Code {
  PolicySet policies;
  Graph graph;
  ScopeIndex index;
  std::vector<std::uint32_t> literals;
};

struct Slate::Notes {
  AtomMarks marks;
  NodeNotes nodes;
};

Program::Program() : code_(std::make_shared<const Code>()) {}
Program::Program(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
const PolicySet& Program::policies() const { return code_->policies; }
Program::Size Program::size() const {
  return {.policies = code_->index.size(),
          .expressions = code_->graph.size(),
          .atoms = code_->index.atoms()};
}

Program Program::compile(const PolicySet& policies) {
  const auto code = std::make_shared<Code>();
  code->policies = policies;
  for (PolicyIndex i = 0; i < policies.size(); ++i) {
    const Lowered lowered = code->graph.lower(policies[i]);
    if (!lowered.possible) continue;
    code->index.add({.policy = i,
                     .effect = policies[i].effect,
                     .literals = static_cast<std::uint32_t>(code->literals.size()),
                     .literal_count = static_cast<std::uint32_t>(lowered.literals.size())},
                    lowered.scope);
    for (const Literal& literal : lowered.literals)
      code->literals.push_back(packed(code->graph.truth_of(literal.node), literal.wanted));
  }
  code->graph.finish();
  code->index.finish();
  return Program(code);
}

Slate::Slate() : notes_(std::make_unique<Notes>()) {}
Slate::Slate(Slate&&) noexcept = default;
Slate& Slate::operator=(Slate&&) noexcept = default;
Slate::~Slate() = default;

Slate::Notes& Slate::wiped_for(const Program& program) {
  if (code_ != program.code_) {
    code_ = program.code_;
    notes_->marks.fit(code_->index.atoms());
    notes_->nodes.fit(code_->graph.truths(), code_->graph.slots());
  }
  notes_->marks.clear();
  notes_->nodes.clear();
  return *notes_;
}

void decide(const Program& program, const Request& request, const EntityView& entities,
            Arena& scratch, Slate& slate, Answer& answer) {
  answer.reasons.clear();
  answer.errors.clear();
  answer.forbid_failed = false;
  const Program::Code& code = program.code();
  Slate::Notes& notes = slate.wiped_for(program);
  const std::array<const Entity*, 3> asked = {entities.find(request.principal),
                                              entities.find(request.action),
                                              entities.find(request.resource)};
  code.index.mark(request, asked, notes.marks);
  Computation computation(code.graph, request, entities, asked, scratch, notes.nodes);

  bool forbidden = false;
  code.index.for_each_match(notes.marks, [&](const Candidate& candidate) {
    const bool forbid = candidate.effect == Effect::forbid;
    for (const std::uint32_t literal :
         std::span(code.literals).subspan(candidate.literals, candidate.literal_count)) {
      Truth truth = notes.nodes.truth(literal >> 1U);
      if (truth == Truth::unnoted) truth = computation.truth(code.graph.truth_node(literal >> 1U));
      if (truth == ((literal & 1U) != 0 ? Truth::yes : Truth::no)) continue;
      if (truth != Truth::fails) return;
      answer.errors.push_back({candidate.policy, {.error = notes.nodes.error(literal >> 1U)}});
      answer.forbid_failed = answer.forbid_failed || forbid;
      return;
    }
    if (forbidden && !forbid) return;
    if (forbid && !forbidden) {
      answer.reasons.clear();
      forbidden = true;
    }
    answer.reasons.push_back(candidate.policy);
  });
  answer.decision = !forbidden && !answer.reasons.empty() ? Decision::allow : Decision::deny;
  if (!std::ranges::is_sorted(answer.reasons)) std::ranges::sort(answer.reasons);
  if (answer.errors.size() > 1) std::ranges::sort(answer.errors, {}, &PolicyFailure::policy);
}

Outlook foresee(const Program& program, const Request& request, const EntityView& entities,
                Arena& scratch, Slate& slate, std::span<const PolicyIndex> without) {
  const Program::Code& code = program.code();
  Slate::Notes& notes = slate.wiped_for(program);
  code.index.mark(request,
                  {entities.find(request.principal), entities.find(request.action),
                   entities.find(request.resource)},
                  notes.marks);
  Outlook outlook;
  Evaluator evaluator(request, entities, scratch, true);
  code.index.for_each_match(notes.marks, [&](const Candidate& candidate) {
    if (std::ranges::binary_search(without, candidate.policy)) return;
    outlook.add(candidate.effect, evaluator.conditions(code.policies[candidate.policy]));
  });
  return outlook;
}

}  // namespace latticegate::cedar
