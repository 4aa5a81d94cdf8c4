// Cursors of merged lists: where each server's list goes on. They are kept nowhere: the client
// carries them, and a tag binds each to the key of this gateway, the principal that it was given
// to, the door and the method. Replicas that share the key take each other's.
//
// Posture: what comes back is hostile until the tag says otherwise; longest_cursor bounds it. The
// servers' own cursors inside can be read by the client, as without a door.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace latticegate::gateway {

inline constexpr std::size_t longest_cursor = 64 * std::size_t{1024};

// What is left of one server's list.
struct Leg {
  std::string server;
  std::string cursor;
  bool operator==(const Leg&) const = default;
};

struct CursorBinding {
  std::string_view key;        // at least 32 bytes
  std::string_view principal;  // its id
  std::string_view door;
  std::string_view method;
};

std::string seal_cursor(const CursorBinding& binding, std::span<const Leg> legs);
// Code::invalid for everything that seal_cursor() did not make with this binding.
[[nodiscard]] base::Result<std::vector<Leg>> open_cursor(const CursorBinding& binding,
                                                         std::string_view text);

}  // namespace latticegate::gateway
