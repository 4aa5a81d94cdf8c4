// Check digits of payment cards, bank accounts and numbers of persons.
#pragma once
#include <string_view>

#include "inspect/rules.h"

namespace latticegate::inspect {

// Whether the number (with or without separators) passes the check; false for the checks of tokens.
bool number_holds(TokenCheck check, std::string_view token);

}  // namespace latticegate::inspect
