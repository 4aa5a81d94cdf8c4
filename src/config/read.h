// From the text of a configuration to the checked value, or to a list of everything that is wrong
// with it.
//
// Every problem is one line "file:line:column: sentence" of the error's detail, in the order of the
// file, at most 20; an unknown key gets a suggestion. Nothing is taken over in part: there is a
// Config or there is an error.
//
// What reading needs from the outside (secrets in files and variables) comes in as functions, so
// that the same text always means the same. Secrets are never part of a message.
//
// Posture: the file is the operator's, and is read as if it were hostile (limits and refusals of
// module yaml; secret files up to 64 KiB). Fuzz target: fuzz/config_fuzz.cc. One thread at a time
// per call; no global state.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "config/config.h"

namespace latticegate::config {

inline constexpr base::Bytes longest_secret{64 * 1024};
inline constexpr std::string_view override_prefix = "LATTICEGATE_";

struct FileText {
  std::string text;
  bool readable_by_others = false;  // by users outside the owner and the owning group
};

enum class Kind : std::uint8_t { nothing, file, directory };

// One setting from outside the file.
struct Override {
  std::string variable;  // LATTICEGATE_LIMITS__BODY, for limits.body
  std::string value;     // verbatim; a list as in the file: "[a, b]". Empty: as if not set
};

struct Surroundings {
  // The text of a file of at most longest_secret bytes.
  std::function<base::Result<FileText>(const std::filesystem::path&)> read_file;
  // An environment variable, if it is set.
  std::function<std::optional<std::string>(const std::string&)> variable;
  // What a path leads to. Empty: whether files exist is not checked.
  std::function<Kind(const std::filesystem::path&)> look;
  // Environment variables that begin with `override_prefix` and have a "__" further on. One that
  // names no key of the table with a value of its own is an error.
  std::vector<Override> overrides{};
};

struct Source {
  std::string_view text;
  std::string name;                 // for messages
  std::filesystem::path directory;  // that relative paths start from; absolute
};

// Where the file or a variable gives a value: "gate.yaml:3:9", "LATTICEGATE_LIMITS__BODY:1:1".
struct Origin {
  std::string place;
  bool map = false;  // of further values, which have origins of their own
};
using Origins = std::map<std::string, Origin, std::less<>>;  // by path: "servers.crm.url"

struct Loaded {
  std::shared_ptr<const Config> config;
  std::vector<std::string>
      warnings;     // "file:line:column: sentence", each worth a line on the terminal
  Origins origins;  // what is not here is a default
};

// describe() of the configuration with the origin behind each line:
// "limits.body: 1048576B  # gate.yaml:3:9".
std::string describe(const Loaded& loaded);

// Code::invalid, or the code of module yaml for what is no YAML.
[[nodiscard]] base::Result<Loaded> read(const Source& source, const Surroundings& surroundings);

}  // namespace latticegate::config
