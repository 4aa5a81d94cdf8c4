// The pieces of policy/asked.h that Engine puts together.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cedar/entity.h"
#include "cedar/value.h"
#include "policy/argument.h"

namespace latticegate::policy {

// Writes values until a limit is passed; what was written then is of no use.
class AskedWriter {
 public:
  enum class Trouble : std::uint8_t { none, size, depth };

  // `out` grows to `end` bytes at most, and a little. `depth`: of what is open already.
  // `person_key`: the World's.
  AskedWriter(std::string& out, std::size_t end, std::uint32_t depth, std::string_view person_key)
      : out_(out), end_(end), depth_(depth), person_key_(person_key) {}
  // The mark of a user that need not be computed.
  void know(const cedar::EntityUid* user, std::string_view mark) {
    user_ = user;
    mark_ = mark;
  }

  void value(const cedar::Value& value);
  void entity(const cedar::Entity& entity, std::span<const cedar::EntityUid> parents);
  void left_out(std::span<const LeftOut> all);
  Trouble trouble() const { return trouble_; }

 private:
  void record(std::span<const cedar::Field> fields);
  void extension(std::string_view function, std::string_view argument);
  void uid(const cedar::EntityUid& uid);
  bool room(std::size_t more);
  bool open();

  std::string& out_;
  std::size_t end_;
  std::uint32_t depth_;
  std::string_view person_key_;
  Trouble trouble_ = Trouble::none;
  const cedar::EntityUid* user_ = nullptr;
  std::string_view mark_;
};

}  // namespace latticegate::policy
