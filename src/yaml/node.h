// YAML as strict data: a small tree with positions, for files that people write (configuration,
// rules, scenarios).
//
// Posture: the file is written by an operator, but is read as if it were hostile. Accepted is one
// document of plain maps, lists and scalars. Refused: duplicate keys, keys that are not texts,
// anchors, aliases, merge keys, explicit tags, more than one document, invalid UTF-8, control
// characters, and whatever passes the limits. Every error reads "file:line:column: sentence".
// yaml-cpp and its exceptions never leave this module. Fuzz target: fuzz/yaml_fuzz.cc.
//
// Scalars stay texts: nothing is guessed while reading, so that "no", "1.10" and "012" mean what
// the reader of the key says they mean. Only `to_json` (json_text.h) resolves them, by the core
// schema of YAML 1.2.
//
// A Node is a value: it owns everything below it, may be copied, and is readable from any thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::yaml {

enum class Kind : std::uint8_t { null, scalar, list, map };
// "nothing", "a text", "a list", "a map".
std::string_view name(Kind kind);

// What a parse accepts; above a limit: Code::too_large.
struct Limits {
  base::Bytes size{std::uint64_t{4} * 1024 * 1024};
  std::uint32_t depth = 32;       // nested lists and maps, the root counts as one
  std::uint32_t nodes = 500'000;  // values
};

struct Entry;

class Node {
 public:
  Node() = default;

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_scalar() const { return kind_ == Kind::scalar; }
  bool is_list() const { return kind_ == Kind::list; }
  bool is_map() const { return kind_ == Kind::map; }

  // The scalar as it was written (unescaped when quoted); empty for other kinds.
  const std::string& text() const [[clang::lifetimebound]] { return text_; }
  // True when the scalar was quoted or a block scalar: it is then a text whatever it looks like.
  bool quoted() const { return quoted_; }
  const std::vector<Node>& items() const [[clang::lifetimebound]] { return items_; }  // of a list
  const std::vector<Entry>& entries() const [[clang::lifetimebound]] {
    return entries_;
  }  // of a map, in order
  // The value of that key of a map, or null.
  const Node* find(std::string_view key) const [[clang::lifetimebound]];

  // A value that came from elsewhere, verbatim: `source` stands in messages where a file would.
  static Node scalar(std::string_view text, std::string_view source);
  // Puts a value where a path of keys leads, in the place of what is there; maps on the way are
  // made. False when something else than a map is on the way.
  bool put(std::span<const std::string_view> path, Node value);

  // Where it stands; both count from 1. The column counts bytes.
  std::uint32_t line() const { return line_; }
  std::uint32_t column() const { return column_; }
  // "file:line:column".
  std::string place() const;
  // An error at this place: "file:line:column: sentence".
  [[nodiscard]] std::unexpected<base::Error> error(
      std::string_view sentence, base::Code code = base::Code::invalid,
      std::source_location where = std::source_location::current()) const;

  // The value as a type; the error says what was expected and what stands there.
  [[nodiscard]] base::Result<std::string> as_string() const;  // any scalar, verbatim
  [[nodiscard]] base::Result<bool> as_bool() const;           // true or false, unquoted
  [[nodiscard]] base::Result<std::int64_t> as_int() const;    // decimal digits, unquoted
  [[nodiscard]] base::Result<double> as_number() const;       // decimal, finite, unquoted
  // "250ms", "5s", "10m", "1h30m", "7d", "0". Units: us ms s m h d w. Never negative.
  [[nodiscard]] base::Result<std::chrono::nanoseconds> as_duration() const;
  // "512", "512B", "64KiB", "4MiB", "1GiB"; also the decimal KB, MB, GB.
  [[nodiscard]] base::Result<base::Bytes> as_size() const;
  [[nodiscard]] base::Result<std::vector<std::string>> as_strings() const;  // a list of scalars

 private:
  friend class Builder;
  Kind kind_ = Kind::null;
  bool quoted_ = false;
  std::uint32_t line_ = 0;
  std::uint32_t column_ = 0;
  std::string text_;
  std::vector<Node> items_;
  std::vector<Entry> entries_;
  std::shared_ptr<const std::string> file_;
};

struct Entry {
  std::string key;
  Node value;
  std::uint32_t line = 0;  // of the key
  std::uint32_t column = 0;
};

// Reads one document. `file` is only for the messages. An empty document is a null node.
[[nodiscard]] base::Result<Node> parse(std::string_view text, std::string_view file,
                                       const Limits& limits = {});

}  // namespace latticegate::yaml
