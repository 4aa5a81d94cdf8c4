// Where the key-encryption keys of bodies come from: a file, a credential of the service manager
// (which is a file, too), or a command that asks a vault.
//
// The text has a key a line, 64 hexadecimal digits each; the first one wraps new data keys, all of
// them unwrap, so a new one is put before the old one. Comments begin with #.
#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "audit/data_key.h"
#include "base/result.h"

namespace latticegate::store {

struct KeySource {
  std::filesystem::path file{};        // used if there is no command; mode 0600
  std::vector<std::string> command{};  // argv; prints the text
  bool may_make = false;               // a new key, where the file does not exist
};

// At least one. Code::not_found: no such file; Code::forbidden: others may read it;
// Code::malformed: no keys; Code::unavailable, Code::timeout: the command. Blocks; for the start of
// a program.
[[nodiscard]] base::Result<std::vector<audit::WrappingKey>> read_wrapping_keys(
    const KeySource& source, std::chrono::milliseconds patience = std::chrono::seconds(10));

}  // namespace latticegate::store
