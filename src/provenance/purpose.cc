#include "provenance/purpose.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"

namespace latticegate::provenance {
namespace {

constexpr std::size_t shortest = 3;

// Of text in lower case.
bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}
// Letters and digits in lower case, runs of anything else one blank; blanks around.
std::string folded(std::string_view text) {
  std::string out = " ";
  for (const char c : base::to_lower(text)) {
    if (in_word(c))
      out += c;
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
  texts_.push_back({by, std::move(words), base::to_lower(text.substr(0, longest)), now});
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

bool Purpose::says(std::string_view value, bool host) const {
  if (texts_.empty() || value.size() < shortest || value.size() > longest) return false;
  const std::string wanted = base::to_lower(value);
  if (!std::ranges::any_of(wanted, in_word)) return false;
  const std::string_view joins = host ? ".-_@" : ".-_@+/:,'%&=?#";
  // A sign at the edge goes on with the value when a letter follows it.
  const auto ends = [&](std::string_view rest) {
    return rest.empty() || (!in_word(rest[0]) &&
                            (!joins.contains(rest[0]) || rest.size() < 2 || !in_word(rest[1])));
  };
  const auto begins = [&](std::string_view before) {
    if (before.empty()) return true;
    const char last = before.back();
    return !in_word(last) &&
           (!joins.contains(last) || before.size() < 2 || !in_word(before[before.size() - 2]));
  };
  return std::ranges::any_of(texts_, [&](const Text& text) {
    const std::string_view all = text.lower;
    for (std::size_t at = all.find(wanted); at != std::string_view::npos;
         at = all.find(wanted, at + 1))
      if (begins(all.substr(0, at)) && ends(all.substr(at + wanted.size()))) return true;
    return false;
  });
}

}  // namespace latticegate::provenance
