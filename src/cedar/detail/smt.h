// A question of the analysis as a script in SMT-LIB 2.6, for a prover that knows more than cases:
// arithmetic, attributes compared with each other, sets within sets.
//
// The script admits every request that there may be in the circumstances of the solver, and more
// where something is not carried over (records as values, IP addresses, what an `in` of sets says):
// that is left free. So a script that cannot be satisfied proves the claim, and one that can proves
// nothing. One exception: texts with characters beyond U+2FFFF, which the theory of strings does
// not have, are not among the requests.
//
// Theories: integers, strings with regular expressions, finite sets (the dialect of cvc5), and
// uninterpreted functions for what entities lie in.
#pragma once
#include <span>
#include <string>

#include "cedar/detail/formula.h"
#include "cedar/detail/solver.h"

namespace latticegate::cedar {

// That all formulas are true: declarations and assertions, without (check-sat). The circumstances
// have a schema.
std::string smt_script(const Formulas& formulas, const Solver& solver,
                       std::span<const FormulaId> wanted);

}  // namespace latticegate::cedar
