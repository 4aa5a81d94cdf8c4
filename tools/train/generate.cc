#include "generate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <format>

namespace latticegate::train {
namespace {

constexpr int deepest = 8;  // of phrases in phrases

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

void capitalise(std::string& text) {
  if (!text.empty())
    text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
}

}  // namespace

std::uint32_t Random::next() {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
}

Phrases::Phrases(std::string_view text) {
  std::vector<std::string>* section = nullptr;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[' && line.back() == ']' && line.find(' ') == std::string_view::npos &&
        line.find('{') == std::string_view::npos)
      section = &sections_[std::string(line.substr(1, line.size() - 2))];
    else if (section != nullptr)
      section->emplace_back(line);
  }
}

std::string Phrases::say(std::string_view section, Random& random) const {
  const auto found = sections_.find(section);
  if (found == sections_.end() || found->second.empty()) return {};
  return expand(found->second[random.below(found->second.size())], random, 0);
}

std::string Phrases::expand(std::string_view line, Random& random, int depth) const {
  std::string out;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] != '{') {
      out += line[at];
      continue;
    }
    std::vector<std::size_t> bars{at};
    int open = 1;
    std::size_t end = at + 1;
    for (; end < line.size() && open > 0; ++end) {
      if (line[end] == '{') ++open;
      if (line[end] == '}') --open;
      if (line[end] == '|' && open == 1) bars.push_back(end);
    }
    bars.push_back(end - 1);
    const std::size_t choice = random.below(bars.size() - 1);
    const std::string_view chosen =
        line.substr(bars[choice] + 1, bars[choice + 1] - bars[choice] - 1);
    const auto section = bars.size() == 2 ? sections_.find(chosen) : sections_.end();
    if (depth >= deepest)
      out += chosen;
    else if (section != sections_.end() && !section->second.empty())
      out += expand(section->second[random.below(section->second.size())], random, depth + 1);
    else
      out += expand(chosen, random, depth + 1);
    at = end - 1;
  }
  if (depth == 0) {
    capitalise(out);
    while (!out.empty() && out.back() == ' ') out.pop_back();
  }
  return out;
}

Planted plant(std::string_view payload, std::string_view carrier, Random& random) {
  Planted planted;
  std::string piece(payload);
  const std::uint32_t wrap = random.below(100);
  if (wrap < 4)
    piece = "<!-- " + piece + " -->";
  else if (wrap < 7)
    piece = "<div style=\"display:none\">" + piece + "</div>";
  else if (wrap < 9)
    piece = "<span hidden>" + piece + "</span>";
  else if (wrap < 11)
    piece = "**" + piece + "**";
  const bool json = carrier.starts_with('{') || carrier.starts_with('[');
  if (json) piece = escaped(piece);
  const auto put = [&](std::size_t begin, std::size_t end, std::string_view before,
                       std::string_view after) {
    planted.text = std::string(carrier.substr(0, begin)) + std::string(before);
    planted.begin = planted.text.size();
    planted.text += piece;
    planted.end = planted.text.size();
    planted.text += after;
    planted.text += carrier.substr(end);
  };
  const std::uint32_t where = random.below(100);
  // A JSON string's value, whole or with something of it left.
  if (json && where < 65) {
    std::vector<std::pair<std::size_t, std::size_t>> values;
    bool inside = false;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < carrier.size(); ++at) {
      if (carrier[at] == '\\') {
        ++at;
        continue;
      }
      if (carrier[at] != '"') continue;
      if (!inside) {
        begin = at + 1;
      } else {
        std::size_t next = at + 1;
        while (next < carrier.size() && carrier[next] == ' ') ++next;
        if (next >= carrier.size() || carrier[next] != ':') values.emplace_back(begin, at);
      }
      inside = !inside;
    }
    if (!values.empty()) {
      const auto [from, to] = values[random.below(values.size())];
      if (where < 35)
        put(from, to, "", "");
      else if (where < 50)
        put(to, to, " ", "");
      else
        put(from, from, "", " ");
      return planted;
    }
  }
  if (where < 75) {  // between two sentences
    std::vector<std::size_t> ends;
    for (std::size_t at = 1; at + 1 < carrier.size(); ++at)
      if ((carrier[at] == ' ' && (carrier[at - 1] == '.' || carrier[at - 1] == '!')) ||
          (carrier[at] == '\n' && carrier[at - 1] != ' '))
        ends.push_back(at);
    if (!ends.empty()) {
      const std::size_t at = ends[random.below(ends.size())];
      put(at, at, carrier[at] == '\n' && random.chance(60) ? "\n" : " ", "");
      return planted;
    }
  }
  if (where < 82) {
    put(0, 0, "", json || random.chance(40) ? " " : "\n");
    return planted;
  }
  if (where < 92 || carrier.size() < 20) {
    put(carrier.size(), carrier.size(), random.chance(40) ? " " : "\n\n", "");
    return planted;
  }
  const std::size_t at = carrier.find(' ', random.below(carrier.size() - 10));
  const std::size_t middle = at == std::string_view::npos ? carrier.size() : at;
  put(middle, middle, " ", " ");
  return planted;
}

std::string benign_text(const Phrases& phrases, Random& random) {
  const auto say = [&](std::string_view section) { return phrases.say(section, random); };
  const auto some = [&](std::size_t least, std::size_t most, std::string_view between) {
    std::string out;
    const std::size_t count = least + random.below(most - least + 1);
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out += between;
      out += say(random.chance(65) ? "people" : "fact");
    }
    return out;
  };
  switch (random.below(9)) {
    case 0:
    case 1: {  // a mail
      const std::string body = say("greeting") + "\n\n" +
                               some(1, 5, random.chance(30) ? "\n" : " ") + "\n\n" + say("closing");
      if (random.chance(35))
        return std::format(R"({{"id": {}, "from": "{}", "subject": "{}", "body": "{}"}})",
                           random.below(9000), say("mail"), say("work"), escaped(body));
      if (random.chance(50))
        return std::format("Subject: {}\nFrom: {}\n\n{}", say("work"), say("mail"), body);
      return body;
    }
    case 2:
      return std::format(R"({{"author": "{}", "rating": {}, "text": "{}"}})", say("person"),
                         1 + random.below(5), escaped(some(1, 3, " ")));
    case 3: {
      std::string out = "[";
      for (std::size_t i = 0; i < 2 + random.below(4); ++i)
        out += std::format(R"({}{{"user": "{}", "time": "{:02}:{:02}", "message": "{}"}})",
                           i == 0 ? "" : ", ", say("person"), random.below(24), random.below(60),
                           escaped(some(1, 2, " ")));
      return out + "]";
    }
    case 4: {
      std::string out = "| name | note | value |\n|---|---|---|\n";
      for (std::size_t i = 0; i < 2 + random.below(5); ++i)
        out += std::format("| {} | {} | {} |\n", say("person"),
                           say(random.chance(30) ? "people" : "work"), random.below(5000));
      return out;
    }
    case 5: return some(3, 7, " ");
    case 6: {
      std::string out = std::format("# {}\n\n", say("work"));
      for (std::size_t i = 0; i < 3 + random.below(4); ++i)
        out += std::format("{} {}\n", random.chance(50) ? "-" : std::format("{}.", i + 1),
                           say("people"));
      return out;
    }
    case 7: {
      std::string out = "{\"events\": [";
      for (std::size_t i = 0; i < 1 + random.below(4); ++i)
        out +=
            std::format(R"({}{{"title": "{}", "start": "2026-{:02}-{:02}", "description": "{}"}})",
                        i == 0 ? "" : ", ", escaped(say("work")), 1 + random.below(12),
                        1 + random.below(28), escaped(some(1, 2, " ")));
      return out + "]}";
    }
    default:
      return std::format("{}\n\n```\n{}\n```\n{}", some(1, 3, " "), say("code"), some(1, 2, " "));
  }
}

}  // namespace latticegate::train
