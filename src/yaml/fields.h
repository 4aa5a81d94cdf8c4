// Reading a map into a struct: each key is asked for by name, and what nobody asked for is an error
// with a suggestion.
//
//   Fields fields(node, "a server");
//   fields.need("url", server.url);
//   fields.read("timeout", server.timeout);          // keeps its default when the key is absent
//   fields.read("tls", server.tls, read_tls);        // base::Result<Tls> read_tls(const Node&)
//   if (auto done = fields.finish(); !done) return std::unexpected(done.error());
//
// All problems of the map are collected; `finish` returns them as one error, a line each
// ("file:line:column: ..."), at most `most_problems`. A key with the value null counts as absent.
// One thread.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <format>
#include <limits>
#include <optional>
#include <ratio>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "yaml/node.h"

namespace latticegate::yaml {

template <class T>
concept Duration = requires {
  typename T::period;
  typename T::rep;
};

// A word of the file and what it stands for.
template <class T>
struct Choice {
  std::string_view word;
  T value;
};

// Conversions by target type.
template <class T>
[[nodiscard]] base::Result<T> as(const Node& node) {
  if constexpr (std::same_as<T, std::string>) {
    return node.as_string();
  } else if constexpr (std::same_as<T, bool>) {
    return node.as_bool();
  } else if constexpr (std::integral<T>) {
    const auto number = node.as_int();
    if (!number) return std::unexpected(number.error());
    if (!std::in_range<T>(*number))
      return node.error(std::format("{} is out of range ({} to {})", *number,
                                    std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    return static_cast<T>(*number);
  } else if constexpr (std::floating_point<T>) {
    const auto number = node.as_number();
    if (!number) return std::unexpected(number.error());
    return static_cast<T>(*number);
  } else if constexpr (Duration<T>) {
    const auto time = node.as_duration();
    if (!time) return std::unexpected(time.error());
    return std::chrono::duration_cast<T>(*time);
  } else if constexpr (std::same_as<T, base::Bytes>) {
    return node.as_size();
  } else {
    static_assert(std::same_as<T, std::vector<std::string>>,
                  "give a function that reads this type");
    return node.as_strings();
  }
}

class Fields {
 public:
  static constexpr std::size_t most_problems = 20;

  // `what` names the thing in messages: "a server", "the configuration". The node must outlive this
  // object.
  Fields(const Node& node [[clang::lifetimebound]], std::string_view what);

  // The value of a key, which is known from now on; null when absent.
  const Node* find(std::string_view key);
  // The same, but its absence is a problem.
  const Node* need(std::string_view key);
  // Entries of a map whose keys are free (names of servers, ...): marks all of them as known.
  const std::vector<Entry>& all();

  // Reads a key into `into`, which keeps its value when the key is absent or bad; true when it was
  // set.
  template <class T>
  bool read(std::string_view key, T& into) {
    return store(key, find(key), into, as<T>);
  }
  template <class T>
  bool read(std::string_view key, std::optional<T>& into) {
    T value{};
    if (!read(key, value)) return false;
    into = std::move(value);
    return true;
  }
  template <class T>
  bool need(std::string_view key, T& into) {
    return store(key, need(key), into, as<T>);
  }
  // With a function Result<T>(const Node&).
  template <class T, class Read>
    requires std::invocable<Read, const Node&>
  bool read(std::string_view key, T& into, Read&& convert) {
    return store(key, find(key), into, std::forward<Read>(convert), true);
  }
  template <class T, class Read>
    requires std::invocable<Read, const Node&>
  bool need(std::string_view key, T& into, Read&& convert) {
    return store(key, need(key), into, std::forward<Read>(convert), true);
  }
  // One of a few words; an unknown one is a problem with a suggestion.
  template <class T>
  bool choose(std::string_view key, T& into, std::span<const Choice<T>> choices) {
    const Node* const node = find(key);
    if (node == nullptr) return false;
    std::vector<std::string_view> words;
    for (const Choice<T>& choice : choices) {
      if (node->is_scalar() && node->text() == choice.word) {
        into = choice.value;
        return true;
      }
      words.push_back(choice.word);
    }
    refuse_word(key, *node, words);
    return false;
  }

  // Adds a problem found by the caller; `at` gives the place.
  void problem(const Node& at, std::string_view sentence);
  void problem(base::Error error);

  // Reports the keys that nobody asked for, then everything that went wrong.
  [[nodiscard]] base::Result<void> finish();

 private:
  template <class T, class Read>
  bool store(std::string_view key, const Node* node, T& into, Read&& convert, bool nested = false) {
    if (node == nullptr) return false;
    auto value = convert(*node);
    if (!value) {
      add(nested ? std::string_view() : key, std::move(value).error());
      return false;
    }
    into = *std::move(value);
    return true;
  }
  void add(std::string_view key, base::Error error);
  void refuse_word(std::string_view key, const Node& node, std::span<const std::string_view> words);

  const Node& node_;
  std::string what_;
  std::vector<std::string_view> known_;
  std::vector<base::Error> problems_;
  bool all_ = false;
};

// "expected one of a, b, c, found \"x\"; did you mean \"y\"?" for any word list.
std::string unknown_word(std::string_view word, std::span<const std::string_view> words);

}  // namespace latticegate::yaml
