// Every key that a configuration may have: the one table behind the reader, the reference in
// docs/guide/configuration.md and the JSON Schema.
//
// Paths are written with dots; '*' stands for a name that the operator chooses, "[]" for the
// elements of a list. The reader refuses to look for a key that is not here, and a test refuses a
// row that the reader does not know.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace latticegate::config {

enum class Type : std::uint8_t {
  section,  // a map of the keys below it
  list,     // of maps of the keys below it
  names,    // a map from chosen names to maps of the keys below it
  text,
  texts,    // a list of texts
  path,     // relative ones start at the configuration file's directory
  address,  // host:port
  number,
  real,
  flag,       // true or false
  duration,   // 250ms, 5s, 10m, 1h30m, 7d
  size,       // 512, 64KiB, 4MiB
  word,       // one of `words`
  words,      // a list of `words`, or one of them
  secret,     // {env: NAME} or {file: path}
  variables,  // a map from names to texts or secrets
};
std::string_view name(Type type);

struct Key {
  std::string_view path;
  Type type{};
  // As it would be written; empty: nothing, or the key is needed. "<a.b>/c" is derived from another
  // key.
  std::string_view fallback{};
  std::string_view words{};  // "a|b|c", for word and words; for a section: a word that may stand
                             // instead of the map
  std::string_view sentence{};
  bool needed = false;
  // For number, real, size (bytes) and duration (milliseconds); both included.
  std::int64_t least = 0;
  std::int64_t most = 0;  // 0: no bound
};

// A bound as it would be written: "4MiB", "1h", "100".
std::string shown_bound(const Key& key, std::int64_t bound);

// In the order of the reference; a section before what is in it.
std::span<const Key> keys();
// The row of that path, or null.
const Key* find_key(std::string_view path);

}  // namespace latticegate::config
