// The reader's tools: a map of the file read against the rows of the key table, and everything that
// went wrong so far.
#pragma once
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "config/keys.h"
#include "config/read.h"
#include "yaml/fields.h"
#include "yaml/node.h"

namespace latticegate::config::detail {

// What reading one file has found out; every part of the reader holds a reference to the same one.
class Findings {
 public:
  Findings(const Source& source, const Surroundings& surroundings)
      : source_(source), surroundings_(surroundings) {}

  void problem(const yaml::Node& at, std::string_view sentence);
  void problem(const yaml::Entry& at, std::string_view sentence);  // points at the key
  void problem(const base::Error& lines);
  void warning(const yaml::Node& at, std::string_view sentence);

  bool good() const { return problems_.empty(); }
  base::Error error() const;  // all problems, in the order of the file
  std::vector<std::string> warnings() const { return warnings_; }

  const Source& source() const { return source_; }
  const Surroundings& surroundings() const { return surroundings_; }

 private:
  const Source& source_;
  const Surroundings& surroundings_;
  std::vector<std::string> problems_;
  std::vector<std::string> warnings_;
};

// One map of the file. Every key that is asked for has to be a row of the table, with the type that
// is asked for. When the object dies, keys that nobody asked for are reported.
class Section {
 public:
  // `path` as in the table ("servers.*"); `what` for people ("server crm"); `node` may be null: an
  // empty map.
  Section(Findings& findings, const yaml::Node* node, std::string path, std::string what);
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;
  ~Section();

  // The map of the key below.
  Section section(std::string_view key);
  // The elements of a list of maps; empty when absent.
  std::span<const yaml::Node> items(std::string_view key);
  // The entries of a map with free names; empty when absent.
  std::span<const yaml::Entry> names(std::string_view key, Type type = Type::names);
  // The node of a key of whatever type, or null.
  const yaml::Node* find(std::string_view key);

  // Each leaves `into` alone when the key is absent or wrong, and is true when it was set.
  bool text(std::string_view key, std::string& into);
  // A paragraph or several, at most 4 KiB; what hides from a reader is refused.
  void prose(std::string_view key, std::string& into);
  bool texts(std::string_view key, std::vector<std::string>& into);
  bool path(std::string_view key, std::filesystem::path& into);
  // The same, and what it leads to has to be there.
  bool path(std::string_view key, std::filesystem::path& into, Kind kind);
  bool flag(std::string_view key, bool& into);
  bool real(std::string_view key, double& into);
  bool size(std::string_view key, base::Bytes& into);
  template <std::unsigned_integral T>
  bool number(std::string_view key, T& into) {
    std::int64_t value = 0;
    if (!whole(key, value)) return false;
    into = static_cast<T>(value);
    return true;
  }
  bool number(std::string_view key, std::int64_t& into) { return whole(key, into); }
  template <class Duration>
  bool duration(std::string_view key, Duration& into) {
    std::chrono::nanoseconds value{};
    if (!span_of_time(key, value)) return false;
    into = std::chrono::duration_cast<Duration>(value);
    return true;
  }
  // The enumerators stand in the order of the row's words.
  template <class E>
  bool word(std::string_view key, E& into) {
    const auto index = word_index(key);
    if (!index) return false;
    into = static_cast<E>(*index);
    return true;
  }
  // A mask: bit i is the i-th of the row's words.
  bool words(std::string_view key, std::uint32_t& into);

  const std::string& what() const { return what_; }
  Findings& findings() { return findings_; }
  const yaml::Node& node() const { return node_; }

 private:
  const Key& row(std::string_view key, Type type);
  const yaml::Node* find(std::string_view key, Type type);
  bool whole(std::string_view key, std::int64_t& into);
  bool span_of_time(std::string_view key, std::chrono::nanoseconds& into);
  std::optional<std::size_t> word_index(std::string_view key);
  bool in_range(const Key& key, const yaml::Node& at, double value, std::string_view shown);

  Findings& findings_;
  const yaml::Node& node_;
  std::string path_;
  std::string what_;
  yaml::Fields fields_;
};

// `key` is for the messages. A relative path starts at the source's directory. "~" is refused:
// nothing expands it.
base::Result<std::filesystem::path> absolute(const Findings& findings, const yaml::Node& at,
                                             std::string_view key);

// One word for people and machines: 1 to 256 bytes without control or invisible characters and
// without spaces at the ends.
base::Result<std::string> plain_text(const yaml::Node& at, std::string_view key);

// {env: NAME} or {file: path}.
base::Result<Secret> read_secret(Findings& findings, const yaml::Node& at);

// Letters, digits and underscore, no digit first.
bool is_variable_name(std::string_view name);

std::vector<std::string_view> split_words(std::string_view words);

}  // namespace latticegate::config::detail
