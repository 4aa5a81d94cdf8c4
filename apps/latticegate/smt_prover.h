// A prover for `policy analyse`: cvc5 as a child process that is asked in SMT-LIB 2.6.
//
// One process answers all questions, one after the other. It gets a time limit for each; one that
// does not answer at all, dies or speaks garbage is not asked again: what it would have proved
// stays unknown. Nothing of the policies but names and constants reaches it, on its standard input;
// it is started without a shell.
#pragma once
#include <chrono>
#include <string>

#include "base/result.h"
#include "cedar/analysis.h"

namespace latticegate::app {

// `program` is a path, or a name that PATH knows. Code::not_found when it does not start.
[[nodiscard]] base::Result<cedar::Prover> start_prover(const std::string& program,
                                                       std::chrono::milliseconds limit);

}  // namespace latticegate::app
