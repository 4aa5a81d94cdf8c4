// What a Tool holds, for the Engine.
#pragma once
#include <array>
#include <span>
#include <string>

#include "cedar/arena.h"
#include "cedar/entity.h"
#include "policy/argument.h"
#include "policy/tool.h"

namespace latticegate::policy {

struct Tool::Content {
  Content(ArgumentProgram the_arguments, ArgumentProgram the_output)
      : arguments(std::move(the_arguments)), output(std::move(the_output)) {}

  std::string server;
  std::string name;
  std::string id;
  Effects effects;
  ArgumentProgram arguments;
  ArgumentProgram output;  // of structured content, by outputSchema
  std::string schema;
  cedar::Arena arena{2048};  // of all values below
  cedar::EntityUid uid;      // of the resource
  cedar::Entity action;
  std::array<cedar::Value, 2> attributes;     // by `pinned`
  std::span<const cedar::EntityUid> parents;  // of the resource
};

}  // namespace latticegate::policy
