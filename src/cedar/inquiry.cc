#include <algorithm>
#include <cstdint>
#include <utility>

#include "cedar/detail/inquiry.h"
#include "cedar/detail/smt.h"

namespace latticegate::cedar {
namespace {

constexpr std::uint32_t most_variations = 60;
constexpr std::size_t fewest_samples = 16;  // of one kind of request

}  // namespace

Inquiry::Inquiry(const Formulas& formulas, const AnalysisSettings& settings)
    : formulas_(formulas), settings_(settings) {
  for (const Circumstances& one : circumstances_of(settings)) solvers_.emplace_back(formulas, one);
}

void Inquiry::sample(const std::function<void(Example)>& take) {
  Dice dice;
  for (const Solver& solver : solvers_) {
    ExampleMaker maker(formulas_, solver, arena_);
    const std::size_t share =
        std::max<std::size_t>(fewest_samples, settings_.samples / solvers_.size());
    for (std::size_t i = 0; i < share; ++i)
      if (auto example = maker.at_random(dice)) take(*std::move(example));
  }
}

Verdict Inquiry::ask(std::span<const FormulaId> wanted,
                     const std::function<bool(const Example&)>& confirm,
                     const std::function<void(Example)>& take) {
  bool open = false;
  for (Solver& solver : solvers_) {
    if (std::ranges::any_of(wanted, [&](FormulaId id) { return solver.excluded(id); })) continue;
    ExampleMaker maker(formulas_, solver, arena_);
    Dice dice;
    const auto accept = [&](const Case& chosen, std::span<const States> masks) {
      auto example = maker.make(chosen, masks);
      for (std::uint32_t i = 0; i < most_variations && !(example && confirm(*example)); ++i)
        example = maker.vary(chosen, masks, dice);
      if (!example || !confirm(*example)) return false;
      take(*std::move(example));
      return true;
    };
    switch (solver.search(wanted, settings_.steps, accept)) {
      case Solver::Outcome::impossible: break;
      case Solver::Outcome::accepted: return Verdict::refuted;
      case Solver::Outcome::open:
        // One that stays open is enough for not knowing.
        open = open || formulas_.too_large() || settings_.schema == nullptr || !settings_.prover ||
               !settings_.prover(smt_script(formulas_, solver, wanted));
    }
  }
  return open ? Verdict::unknown : Verdict::proved;
}

}  // namespace latticegate::cedar
