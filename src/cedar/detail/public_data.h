// For tests: the public data that lies outside of the project (see CONTRIBUTING).
#pragma once
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"

namespace latticegate::cedar {

namespace fs = std::filesystem;

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline fs::path project() {
  const char* const root = std::getenv("LATTICEGATE_SOURCE");
  return root != nullptr && *root != '\0' ? root : ".";
}

// A file of the public data, or nothing (and a word about it).
inline std::optional<fs::path> shared(std::string_view name) {
  const char* const given = std::getenv("LATTICEGATE_SHARED_DATA");
  const fs::path base =
      given != nullptr && *given != '\0' ? fs::path(given) : project() / "../shared/data";
  const fs::path path = base / "cedar" / name;
  if (fs::exists(path)) return path;
  MESSAGE("SKIPPED: " << path.string()
                      << " is not here (LATTICEGATE_SHARED_DATA names its folder)");
  return std::nullopt;
}

// The files of a .tar.xz by name.
inline std::map<std::string, std::string> unpack(const fs::path& archive) {
  std::FILE* const pipe = ::popen(std::format("xz -dc '{}'", archive.string()).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string tar;
  std::vector<char> buffer(std::size_t{1} << 20U);
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    tar.append(buffer.data(), n);
  REQUIRE_MESSAGE(::pclose(pipe) == 0, "xz is needed to read " << archive.string());
  std::map<std::string, std::string> files;
  for (std::size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    const std::string name(&tar[at], ::strnlen(&tar[at], 100));
    const std::size_t size = std::strtoull(std::string(&tar[at + 124], 12).c_str(), nullptr, 8);
    const char type = tar[at + 156];
    if (type == '0' || type == '\0') files.emplace(name, tar.substr(at + 512, size));
    at += 512 + (size + 511) / 512 * 512;
  }
  return files;
}

inline constexpr json::Limits generous{.depth = 64, .allow_nul = true};

// The json module refuses U+0000 inside keys, the corpus has it. There it is written as U+E000
// throughout, in policies and in JSON, which changes no answer.
inline std::string without_nul(std::string_view text, bool is_json) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (is_json && rest.starts_with("\\u0000")) {
      out += "\\ue000";
      i += 5;
    } else if (!is_json && (rest.starts_with("\\0") || rest.starts_with("\\u{0}"))) {
      out += "\\u{e000}";
      i += rest[1] == '0' ? 1U : 4U;
    } else {
      out += rest[0];
      if (rest[0] == '\\' && rest.size() > 1) out += text[++i];
    }
  }
  return out;
}

}  // namespace latticegate::cedar
