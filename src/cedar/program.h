// Program: a policy set compiled for deciding; the form that the gateway asks.
//
// It decides exactly as authorize() does, which stays as its plain twin: program_test.cc runs both
// on everything there is. What is different is the cost:
//   * it follows the policies whose scope matches, not the number of policies (ScopeIndex)
//   * an expression that many policies share is computed once per request (Graph)
//   * decide() takes nothing from the heap once its Slate and Answer have been used
// Compiling cannot fail: whatever parsed can be compiled.
//
// Lifetimes and threads: a Program is immutable, shares its content when copied, keeps its
// PolicySet, and is safe from any thread; a Slate belongs to one thread.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "cedar/authorize.h"
#include "cedar/entity.h"
#include "cedar/evaluate.h"
#include "cedar/policy_set.h"

namespace latticegate::cedar {

class Program {
 public:
  Program();  // of the empty set: denies everything
  static Program compile(const PolicySet& policies);

  const PolicySet& policies() const;

  // What compiling made of the set.
  struct Size {
    std::size_t policies = 0;     // that can have an effect
    std::size_t expressions = 0;  // distinct ones
    std::size_t atoms = 0;        // distinct questions that scopes ask
  };
  Size size() const;

  struct Code;
  const Code& code() const { return *code_; }

 private:
  friend class Slate;
  explicit Program(std::shared_ptr<const Code> code);
  std::shared_ptr<const Code> code_;
};

// What one thread notes while it decides, wiped for each request. Keep one per thread and use it
// with any Program; it keeps the last one alive.
class Slate {
 public:
  Slate();
  Slate(Slate&&) noexcept;
  Slate& operator=(Slate&&) noexcept;
  Slate(const Slate&) = delete;
  Slate& operator=(const Slate&) = delete;
  ~Slate();

  struct Notes;
  // Clean notes for one request to that program.
  Notes& wiped_for(const Program& program);

 private:
  std::shared_ptr<const Program::Code> code_;
  std::unique_ptr<Notes> notes_;
};

// As authorize(), except that errors carry their class only; explain() says the rest. `scratch`
// takes temporaries.
void decide(const Program& program, const Request& request, const EntityView& entities,
            Arena& scratch, Slate& slate, Answer& answer);

// As foresee() over the program's policies; looks only at those whose scope matches. `without`: as
// if these (ascending) were not there.
Outlook foresee(const Program& program, const Request& request, const EntityView& entities,
                Arena& scratch, Slate& slate, std::span<const PolicyIndex> without = {});

}  // namespace latticegate::cedar
