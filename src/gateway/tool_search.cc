#include "gateway/tool_search.h"

#include <algorithm>
#include <utility>

namespace latticegate::gateway {
namespace {

constexpr std::size_t most_words = 32;
constexpr std::size_t longest_text = 4096;  // of a description; what follows is not searched

// Lower-case words; what is no ASCII letter or digit parts them, but bytes above 127 do not.
std::vector<std::string> words_of(std::string_view text, std::size_t most) {
  std::vector<std::string> words;
  std::string word;
  const auto end = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  char before = ' ';
  for (char c : text.substr(0, longest_text)) {
    const bool upper = c >= 'A' && c <= 'Z';
    // getCustomer has two words.
    if (upper && before >= 'a' && before <= 'z') end();
    before = c;
    if (upper) c = static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) > 127)
      word += c;
    else
      end();
    if (words.size() == most) return words;
  }
  end();
  return words;
}

std::size_t worth(const std::vector<std::string>& words, std::string_view wanted,
                  std::size_t whole) {
  std::size_t best = 0;
  for (const std::string& word : words) {
    if (word == wanted) return whole;
    if (wanted.size() >= 3 &&
        (word.starts_with(wanted) || (word.size() >= 3 && wanted.starts_with(word))))
      best = whole / 2;
  }
  return best;
}

}  // namespace

std::string_view search_tool_descriptors() {
  return R"({"name":"search_tools","description":"Finds tools by words. There are more tools than fit a list: search for what you need, read how a tool is called with describe_tools, call it with call_tool.","inputSchema":{"type":"object","properties":{"query":{"type":"string","description":"Words about what the tool should do."},"limit":{"type":"integer","minimum":1,"maximum":50,"description":"How many are told at most; 10 without it."}},"required":["query"],"additionalProperties":false},"annotations":{"readOnlyHint":true,"openWorldHint":false}},)"
         R"({"name":"describe_tools","description":"Gives the whole descriptions of tools, their input schemas included, by the names that search_tools gave.","inputSchema":{"type":"object","properties":{"names":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":50}},"required":["names"],"additionalProperties":false},"annotations":{"readOnlyHint":true,"openWorldHint":false}},)"
         R"({"name":"call_tool","description":"Calls a tool that search_tools found, with arguments that fit its input schema.","inputSchema":{"type":"object","properties":{"name":{"type":"string","description":"As search_tools gave it."},"arguments":{"type":"object","description":"What the tool takes."}},"required":["name"],"additionalProperties":false}})";
}

std::vector<std::size_t> search(std::span<const Searched> tools, std::string_view query,
                                std::size_t most) {
  const std::vector<std::string> wanted = words_of(query, most_words);
  struct Ranked {
    std::size_t place;
    std::size_t score;
  };
  std::vector<Ranked> ranked;
  for (std::size_t i = 0; i < tools.size(); ++i) {
    std::size_t score = 0;
    if (!wanted.empty()) {
      const auto name = words_of(tools[i].name, longest_text);
      const auto title = words_of(tools[i].title, longest_text);
      const auto description = words_of(tools[i].description, longest_text);
      for (const std::string& word : wanted)
        score += worth(name, word, 8) + worth(title, word, 4) + worth(description, word, 2);
      if (score == 0) continue;
    }
    ranked.push_back({i, score});
  }
  std::ranges::sort(ranked, [&](const Ranked& one, const Ranked& other) {
    return one.score != other.score ? one.score > other.score
                                    : tools[one.place].name < tools[other.place].name;
  });
  if (ranked.size() > most) ranked.resize(most);
  std::vector<std::size_t> found;
  found.reserve(ranked.size());
  for (const Ranked& one : ranked) found.push_back(one.place);
  return found;
}

}  // namespace latticegate::gateway
