#include "yaml/fields.h"

#include <algorithm>
#include <format>

#include "base/log.h"
#include "base/suggest.h"

namespace latticegate::yaml {

Fields::Fields(const Node& node, std::string_view what) : node_(node), what_(what) {
  if (node.is_map() || node.is_null()) return;
  problem(node, std::format("{} is a map, found {}", what_, name(node.kind())));
}

const Node* Fields::find(std::string_view key) {
  known_.push_back(key);
  const Node* const value = node_.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const Node* Fields::need(std::string_view key) {
  const Node* const value = find(key);
  if (value == nullptr && (node_.is_map() || node_.is_null()))
    problem(node_, std::format("{} needs the key \"{}\"", what_, key));
  return value;
}

const std::vector<Entry>& Fields::all() {
  all_ = true;
  return node_.entries();
}

void Fields::problem(const Node& at, std::string_view sentence) {
  problem(at.error(sentence).error());
}

void Fields::problem(base::Error error) {
  if (problems_.size() < most_problems) problems_.push_back(std::move(error));
}

void Fields::add(std::string_view key, base::Error error) {
  // The key goes behind the place: "file:3:5: port: expected a whole number, found ...".
  if (!key.empty()) {
    const std::size_t place = error.detail.find(": ");
    if (place != std::string::npos) error.detail.insert(place + 2, std::format("{}: ", key));
  }
  problem(std::move(error));
}

void Fields::refuse_word(std::string_view key, const Node& node,
                         std::span<const std::string_view> words) {
  if (!node.is_scalar())
    add(key, node.error(std::format("expected a text, found {}", name(node.kind()))).error());
  else
    add(key, node.error(unknown_word(node.text(), words)).error());
}

base::Result<void> Fields::finish() {
  if (!all_) {
    for (const Entry& entry : node_.entries()) {
      if (std::ranges::find(known_, entry.key) != known_.end()) continue;
      Node place = entry.value;  // for the file name; the message points at the key
      std::string sentence = std::format("{} has no key \"{}\"", what_, base::printable(entry.key));
      if (const auto near = base::nearest(entry.key, known_))
        sentence += std::format("; did you mean \"{}\"?", *near);
      const std::string full = place.place();
      const std::size_t column = full.rfind(':');
      const std::size_t line = full.rfind(':', column - 1);
      problem(
          {base::Code::invalid, std::format("{}:{}:{}: {}", std::string_view(full).substr(0, line),
                                            entry.line, entry.column, sentence)});
    }
  }
  if (problems_.empty()) return {};
  base::Error joined = problems_.front();
  for (std::size_t i = 1; i < problems_.size(); ++i) joined.detail += "\n" + problems_[i].detail;
  return std::unexpected(std::move(joined));
}

std::string unknown_word(std::string_view word, std::span<const std::string_view> words) {
  std::string sentence = "expected one of ";
  for (std::size_t i = 0; i < words.size(); ++i)
    sentence += std::format("{}{}", i == 0 ? "" : ", ", words[i]);
  sentence += std::format(", found \"{}\"", base::printable(word.substr(0, 40)));
  if (const auto near = base::nearest(word, words))
    sentence += std::format("; did you mean \"{}\"?", *near);
  return sentence;
}

}  // namespace latticegate::yaml
