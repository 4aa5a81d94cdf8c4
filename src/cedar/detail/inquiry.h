// Whether formulas can be true together under any circumstances: by cases, with examples, and where
// cases leave it open by the prover of the settings.
#pragma once
#include <deque>
#include <functional>
#include <span>

#include "cedar/analysis.h"
#include "cedar/detail/example.h"
#include "cedar/detail/formula.h"
#include "cedar/detail/solver.h"

namespace latticegate::cedar {

class Inquiry {
 public:
  // The formulas are complete and outlive it, and so does what the settings point to.
  Inquiry(const Formulas& formulas, const AnalysisSettings& settings);

  // Requests at random, of all circumstances, that fit the schema. What is made lives as long as
  // the Inquiry.
  void sample(const std::function<void(Example)>& take);

  // `proved`: there is no request for which all are true. `refuted`: `confirm` has seen that they
  // are for this one, which went to `take`.
  Verdict ask(std::span<const FormulaId> wanted, const std::function<bool(const Example&)>& confirm,
              const std::function<void(Example)>& take);

 private:
  const Formulas& formulas_;
  const AnalysisSettings& settings_;
  std::deque<Solver> solvers_;
  Arena arena_;
};

}  // namespace latticegate::cedar
