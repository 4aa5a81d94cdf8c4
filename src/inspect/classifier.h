// A classifier that an operator brings: what inspection asks of it. It is one more opinion beside
// the rules and our own models; whose library it runs in is its owner's business (src/onnx).
//
// Threads: immutable; judge() may run on several threads at once. It may take milliseconds: what
// asks it does not belong on an event loop.
#pragma once
#include <optional>
#include <string_view>

namespace latticegate::inspect {

class Classifier {
 public:
  virtual ~Classifier() = default;
  // How sure it is that the text attacks its reader: 0 to 1. Nothing: it could not say.
  virtual std::optional<float> judge(std::string_view text) const = 0;

 protected:
  Classifier() = default;
  Classifier(const Classifier&) = default;
  Classifier& operator=(const Classifier&) = default;
};

}  // namespace latticegate::inspect
