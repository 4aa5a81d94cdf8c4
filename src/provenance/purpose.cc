#include "provenance/purpose.h"

#include <algorithm>
#include <utility>

namespace latticegate::provenance {
namespace {

constexpr std::size_t shortest = 3;

// Letters and digits in lower case, runs of anything else one blank; blanks around.
std::string folded(std::string_view text) {
  std::string out = " ";
  for (const char c : text) {
    const bool capital = c >= 'A' && c <= 'Z';
    const bool word = capital || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      (static_cast<unsigned char>(c) & 0x80U) != 0;
    if (word)
      out += capital ? static_cast<char>(c + ('a' - 'A')) : c;
    else if (out.back() != ' ')
      out += ' ';
  }
  if (out.back() != ' ') out += ' ';
  return out;
}

}  // namespace

std::string_view name(Said by) {
  switch (by) {
    case Said::configuration: return "configuration";
    case Said::client: return "client";
    case Said::prompt: return "prompt";
  }
  std::unreachable();
}

bool Purpose::say(Said by, std::string_view text, bool untrusted, base::Time now) {
  std::string words = folded(text.substr(0, longest));
  if (words.size() <= shortest) return false;
  const auto known = std::ranges::find(texts_, words, &Text::folded);
  if (known != texts_.end()) {
    known->at = std::max(known->at, now);
    return true;
  }
  if (untrusted && by != Said::configuration) {
    late_ = true;
    late_at_ = now;
    return false;
  }
  if (texts_.size() == most) {
    const auto oldest =
        std::ranges::find_if(texts_, [](const Text& old) { return old.by != Said::configuration; });
    if (oldest == texts_.end()) return false;
    texts_.erase(oldest);
  }
  texts_.push_back({by, std::move(words), now});
  return true;
}

void Purpose::unsay(Said by) {
  std::erase_if(texts_, [&](const Text& text) { return text.by == by; });
}

void Purpose::expire(base::Time now, std::chrono::seconds expiry) {
  std::erase_if(texts_, [&](const Text& text) {
    return text.by != Said::configuration && now - text.at >= expiry;
  });
  if (late_ && now - late_at_ >= expiry) late_ = false;
}

bool Purpose::by(Said by) const { return std::ranges::contains(texts_, by, &Text::by); }

bool Purpose::names(std::string_view thing) const {
  if (texts_.empty() || thing.size() > longest) return false;
  const std::string words = folded(thing);
  if (words.size() < shortest + 2) return false;
  return std::ranges::any_of(texts_, [&](const Text& text) { return text.folded.contains(words); });
}

}  // namespace latticegate::provenance
