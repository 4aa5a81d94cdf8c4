// Diagnostics as SARIF 2.1.0, the format that code scanning of forges and editors reads.
//
// Columns count Unicode code points there; file names become relative URI references, absolute
// paths `file:` URIs. What is no UTF-8 in a source line is left out. Pure.
#pragma once
#include <span>
#include <string>

#include "policy/diagnostic.h"

namespace latticegate::policy {

// One line of JSON.
std::string to_sarif(std::span<const Diagnostic> diagnostics, std::span<const PolicyText> texts,
                     std::string_view version);

}  // namespace latticegate::policy
