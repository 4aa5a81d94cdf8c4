// What the parts of the management socket share about the people behind it.
#pragma once
#include <string>
#include <string_view>

namespace latticegate::gateway {

class Worker;
struct Shared;

// Whether a person of that name may be asked; any name where the configuration lists nobody.
bool knows(const Shared& shared, std::string_view person);
// What stands for a person in records; nothing for nobody.
std::string mark_of(const Shared& shared, std::string_view person);
// Words of an operator, for a record.
std::string without_secrets(Worker& worker, std::string_view words);

// An answer of the management socket, and one that says no.
struct ControlAnswer {
  int status = 200;
  std::string body;
};
std::string refusal(std::string_view sentence);

}  // namespace latticegate::gateway
