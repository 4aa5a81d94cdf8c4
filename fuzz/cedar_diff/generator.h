// Random policies, entities and requests for comparing with the official Cedar. The same seed gives
// the same question on every machine.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace latticegate::diff {

enum class Manner : std::uint8_t {
  typed,    // expressions of the types that operators want, over attributes that exist
  untyped,  // any operator over anything
  noisy,    // either, with some characters or tokens changed: mostly what does not parse
};

struct Question {
  std::vector<std::string> policies;  // one policy's text each
  std::string entities;               // JSON array
  std::vector<std::string> requests;  // JSON objects
};

// A schema that the entities and requests are close to; policies are validated against it.
std::string schema_text();

Question question_of(std::uint64_t seed, Manner manner);

// The text cut where tokens end: joined again they are the text.
std::vector<std::string> tokens_of(const std::string& text);

}  // namespace latticegate::diff
