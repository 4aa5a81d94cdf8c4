// What a conversation is for, as it was stated (provenance/purpose.h), and what of one call that
// names.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "behaviour/habit.h"
#include "json/value.h"
#include "mcp/message.h"
#include "provenance/purpose.h"

namespace latticegate::gateway {

// In `_meta` of a call; it goes no further than here.
inline constexpr std::string_view purpose_key = "com.latticegate/purpose";

// The words of whoever chose a prompt: its name and what was filled in.
std::string prompt_words(const mcp::Message& message);

// One call. Views.
struct NamedCall {
  std::string_view server;
  std::string_view tool{};
  std::span<const behaviour::Touched> touched{};  // tables and hosts among them
  json::Value arguments{};
};
provenance::Explained explain_call(const provenance::Purpose& purpose, const NamedCall& call);

}  // namespace latticegate::gateway
