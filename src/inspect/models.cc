// The model files of src/inspect/models, embedded. LG_MODELS is their folder (CMakeLists.txt, which
// also makes this source depend on them).
#include "inspect/models.h"

#include <algorithm>
#include <utility>

// clang-format off
asm(".pushsection .rodata\n"
    ".balign 64\n"
    "lg_model_tool_result:   .incbin \"" LG_MODELS "/tool_result.model\"\n"
    "lg_model_tool_metadata: .incbin \"" LG_MODELS "/tool_metadata.model\"\n"
    "lg_model_user_text:     .incbin \"" LG_MODELS "/user_text.model\"\n"
    "lg_model_argument:      .incbin \"" LG_MODELS "/argument.model\"\n"
    "lg_model_end:           .byte 0\n"
    ".popsection\n");
// clang-format on

extern "C" {
[[gnu::visibility("hidden")]] extern const char lg_model_tool_result[];
[[gnu::visibility("hidden")]] extern const char lg_model_tool_metadata[];
[[gnu::visibility("hidden")]] extern const char lg_model_user_text[];
[[gnu::visibility("hidden")]] extern const char lg_model_argument[];
[[gnu::visibility("hidden")]] extern const char lg_model_end[];
}

namespace latticegate::inspect {

namespace {

const Model none{Model::Parts{}};
const std::array<NamedModel, 4> names = {{
    {none,
     "tool_result",
     {"override", "request", "task", "any"},
     {"model-result-override", "model-result-request", "model-result-task", "model-result-any"},
     FindingKind::instruction},
    {none,
     "tool_metadata",
     {"instruction", "other_tool", "preference", "parameter"},
     {"model-metadata-instruction", "model-metadata-other-tool", "model-metadata-preference",
      "model-metadata-parameter"},
     FindingKind::instruction},
    {none,
     "user_text",
     {"override", "extraction", "disguise", "any"},
     {"model-user-override", "model-user-extraction", "model-user-disguise", "model-user-any"},
     FindingKind::instruction},
    {none,
     "argument",
     {"query", "command", "markup", "any"},
     {"model-argument-query", "model-argument-command", "model-argument-markup",
      "model-argument-any"},
     FindingKind::injection},
}};

}  // namespace

base::Result<std::shared_ptr<const Models>> Models::built_in() {
  // In the order of the kinds.
  const std::array<const char*, kinds + 1> bytes = {lg_model_tool_result, lg_model_tool_metadata,
                                                    lg_model_user_text, lg_model_argument,
                                                    lg_model_end};
  auto models = std::make_shared<Models>();
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    auto model = Model::read({bytes[kind], bytes[kind + 1]});
    if (!model) return base::within(names[kind].name, std::move(model).error());
    models->models_[kind] = names[kind];
    models->models_[kind]->model = *model;
  }
  return models;
}

std::shared_ptr<const Models> Models::only(std::string_view name, const Model& model) {
  const auto named = std::ranges::find(names, name, &NamedModel::name);
  if (named == names.end()) return nullptr;
  auto models = std::make_shared<Models>();
  for (auto& each : models->models_) {
    each = *named;
    each->model = model;
  }
  return models;
}

const NamedModel& Models::of(Surface surface) const {
  switch (surface) {
    case Surface::arguments: return *models_[argument];
    case Surface::result:
    case Surface::error: return *models_[tool_result];
    case Surface::descriptor:
    case Surface::instructions: return *models_[tool_metadata];
    case Surface::user_text: return *models_[user_text];
  }
  std::unreachable();
}

}  // namespace latticegate::inspect
