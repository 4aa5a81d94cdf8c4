// Twin: the compiled and the plain form of one policy set, asked the same and compared. For tests,
// fuzzing and benches; a gateway asks the compiled form alone.
#pragma once
#include <string>

#include "cedar/authorize.h"
#include "cedar/program.h"

namespace latticegate::cedar {

class Twin {
 public:
  explicit Twin(const PolicySet& policies) : program_(Program::compile(policies)) {}

  // Asks both. Empty when decision, reasons, errors (policies and classes) and outlook are the
  // same; otherwise a sentence that says what differs.
  std::string difference(const Request& request, const EntityView& entities, Arena& scratch);

  // What the plain form said last.
  const Answer& answer() const { return plain_; }

 private:
  Program program_;
  Slate slate_;
  Answer plain_;
  Answer compiled_;
};

}  // namespace latticegate::cedar
