// An operator's own text classifier, an ONNX model run by ONNX Runtime.
//
// The model has one input, a tensor of strings of shape [1] or [1, 1] (or with an open first
// dimension): the text. Its last output that is a tensor of floats says how sure it is: the last
// element, 0 to 1. That is what scikit-learn pipelines become when they are converted without the
// map of probabilities.
//
// ONNX Runtime is loaded when the first model is opened, so whoever has none does not pay for it
// (Debian: libonnxruntime1.21). A program that was built without its header can open no model.
//
// Threads: judge() may run on several threads at once; each run uses one thread.
// Posture: the model comes from the operator, the library from the system; both are trusted like
// the program. The text is hostile.
#pragma once
#include <filesystem>
#include <memory>

#include "base/result.h"
#include "inspect/classifier.h"

namespace latticegate::onnx {

// Whether this program was built with ONNX Runtime's header.
bool is_supported();

// Code::unsupported: built without; Code::unavailable: the library is not there or another version;
// Code::invalid: no model, or one of another shape.
[[nodiscard]] base::Result<std::shared_ptr<const inspect::Classifier>> open_classifier(
    const std::filesystem::path& model);

}  // namespace latticegate::onnx
