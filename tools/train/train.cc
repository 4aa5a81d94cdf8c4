// latticegate.train SURFACE DATA PHRASES MODEL [--without WORD]: makes one model and says what it
// reached. `./dev train` calls it for every surface; README.md describes how models are made.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <print>
#include <span>
#include <string>
#include <vector>

#include "generate.h"
#include "json/value.h"
#include "learn.h"
#include "rows.h"

using namespace latticegate;
using namespace latticegate::train;

namespace {

constexpr std::size_t longest_carrier = 2500;

struct Training {
  std::string data;
  Phrases phrases;
  std::string without;  // rows whose source or family has this are left out, and only tested on
  Random random{42};
  std::vector<Row> rows{};
  std::vector<Row> test{};
  Recipe recipe{};

  bool left_out(const Row& row) const {
    return !without.empty() && (row.source.contains(without) || row.family.contains(without));
  }
  std::vector<Row> load(const std::string& name, const std::string& split) const {
    return read_rows(data + "/" + name + "." + split + ".jsonl.xz");
  }
  void add(Row row, std::array<std::int8_t, inspect::heads> wanted) {
    row.wanted = wanted;
    rows.push_back(std::move(row));
  }
  void add_own(std::string text, std::array<std::int8_t, inspect::heads> wanted) {
    add({.text = std::move(text), .family = "own", .source = "own"}, wanted);
  }
  void add_planted(std::string_view payload, std::string_view carrier,
                   std::array<std::int8_t, inspect::heads> wanted) {
    if (carrier.size() > longest_carrier)
      carrier = carrier.substr(random.below(carrier.size() - longest_carrier), longest_carrier);
    Planted planted = plant(payload, carrier, random);
    add({.text = std::move(planted.text),
         .family = "own",
         .source = "own",
         .attack = true,
         .begin = static_cast<std::uint32_t>(planted.begin),
         .end = static_cast<std::uint32_t>(planted.end)},
        wanted);
  }
};

bool mostly_foreign(std::string_view text) {
  const auto high =
      std::ranges::count_if(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  return static_cast<std::size_t>(high) * 3 > text.size();
}

// Heads: override, request, change of the answer, any.
void tool_result(Training& t) {
  std::vector<std::string> carriers, requests, overrides;
  for (Row& row : t.load("tool_result", "train")) {
    if (t.left_out(row)) {
      t.test.push_back(std::move(row));
    } else if (!row.attack) {
      carriers.push_back(row.text);
      t.add(std::move(row), {0, 0, 0, 0});
    } else if (row.family.contains("planted/request") || row.family.contains("multilingual")) {
      t.add(std::move(row), {-1, 1, -1, 1});
    } else if (row.family.starts_with("bipia")) {
      t.add(std::move(row), {-1, 1, 1, 1});
    } else {
      t.add(std::move(row), {1, 1, -1, 1});
    }
  }
  for (Row& row : t.load("tool_metadata", "train"))
    if (!row.attack) {
      // Requests for tools sound like their descriptions; in scripts with few benign rows all
      // count.
      const std::int8_t foreign = mostly_foreign(row.text) ? 0 : -1;
      t.add(std::move(row), {0, foreign, 0, foreign});
    }
  for (Row& row : t.load("user_text", "train")) {
    if (t.left_out(row)) continue;
    const bool request = !row.attack && row.source != "cyberseceval" && row.source != "synthetic";
    if (request && row.text.size() < 400) requests.push_back(row.text);
    if (row.attack && row.family == "override") overrides.push_back(row.text);
    if (!row.attack)
      t.add(std::move(row), {0, -1, -1, -1});
    else if (!row.family.starts_with("obfuscated") && row.source != "cyberseceval")
      t.add(std::move(row), {1, 1, -1, 1});
  }
  std::vector<std::string> own;
  for (int i = 0; i < 8000; ++i) own.push_back(benign_text(t.phrases, t.random));
  for (int i = 0; i < 2700; ++i) t.add_own(t.phrases.say("trigger", t.random), {0, -1, -1, -1});
  for (int i = 0; i < 20000; ++i) {
    const std::string& carrier = t.random.chance(25) ? own[t.random.below(own.size())]
                                                     : carriers[t.random.below(carriers.size())];
    const std::uint32_t kind = t.random.below(10);
    if (kind < 4)
      t.add_planted(t.phrases.say("override", t.random), carrier, {1, 1, -1, 1});
    else if (kind < 6)
      t.add_planted(t.phrases.say("polite", t.random), carrier, {-1, 1, -1, 1});
    else if (kind < 8)
      t.add_planted(t.phrases.say("change", t.random), carrier, {-1, 1, 1, 1});
    else if (kind < 9 || overrides.empty())
      t.add_planted(requests[t.random.below(requests.size())], carrier, {-1, 1, -1, 1});
    else
      t.add_planted(overrides[t.random.below(overrides.size())], carrier, {1, 1, -1, 1});
  }
  for (std::string& text : own) t.add_own(std::move(text), {0, 0, 0, 0});
}

// Heads: override, asking for what is hidden, disguise, any.
void user_text(Training& t) {
  std::vector<std::string> benign;
  for (Row& row : t.load("user_text", "train")) {
    if (t.left_out(row)) {
      t.test.push_back(std::move(row));
      continue;
    }
    if (!row.attack) {
      if (row.text.size() < 600) benign.push_back(row.text);
      t.add(std::move(row), {0, 0, 0, 0});
    } else if (row.family.starts_with("obfuscated")) {
      t.add(std::move(row), {-1, -1, 1, 1});
    } else if (row.source == "cyberseceval" || row.source == "garak" ||
               row.source == "spikee-seeds") {
      t.add(std::move(row), {-1, 1, -1, 1});
    } else {
      t.add(std::move(row), {1, -1, -1, 1});
    }
  }
  for (Row& row : t.load("tool_result", "train"))
    if (!row.attack) t.add(std::move(row), {0, 0, 0, 0});
  for (int i = 0; i < 6000; ++i) t.add_own(t.phrases.say("trigger", t.random), {0, 0, 0, 0});
  for (int i = 0; i < 600; ++i) t.add_own(t.phrases.say("short", t.random), {0, 0, 0, 0});
  for (int i = 0; i < 2000; ++i) t.add_own(t.phrases.say("polite", t.random), {0, 0, 0, 0});
  for (int i = 0; i < 2000; ++i) t.add_own(t.phrases.say("change", t.random), {0, 0, 0, 0});
  for (int i = 0; i < 2000; ++i) t.add_own(benign_text(t.phrases, t.random), {0, 0, 0, 0});
  for (int i = 0; i < 6000; ++i) {
    const std::string carrier =
        t.random.chance(60) ? std::string() : benign[t.random.below(benign.size())];
    t.add_planted(t.phrases.say("override", t.random), carrier, {1, -1, -1, 1});
  }
}

// Heads: instructions, other tools, preference, parameters.
void tool_metadata(Training& t) {
  std::vector<std::string> benign;
  for (Row& row : t.load("tool_metadata", "train")) {
    if (t.left_out(row)) {
      t.test.push_back(std::move(row));
      continue;
    }
    if (!row.attack) {
      benign.push_back(row.text);
      t.add(std::move(row), {0, 0, 0, 0});
    } else if (row.family.contains("cross_tool") || row.family.contains("t1008")) {
      t.add(std::move(row), {-1, 1, -1, -1});
    } else if (row.family.contains("preference")) {
      t.add(std::move(row), {-1, -1, 1, -1});
    } else if (row.family.contains("parameter")) {
      t.add(std::move(row), {-1, -1, -1, 1});
    } else {
      t.add(std::move(row), {1, -1, -1, -1});
    }
  }
  const auto describe = [&t] {
    std::string text = t.phrases.say("tool", t.random) + ": ";
    for (std::size_t i = 0; i < 1 + t.random.below(3); ++i)
      text += t.phrases.say("describe", t.random) + (t.random.chance(60) ? " " : "\n");
    return text;
  };
  for (int i = 0; i < 4000; ++i) t.add_own(describe(), {0, 0, 0, 0});
  for (int i = 0; i < 12000; ++i) {
    const std::string carrier =
        t.random.chance(20) ? describe() : benign[t.random.below(benign.size())];
    const std::uint32_t kind = t.random.below(10);
    if (kind < 4)
      t.add_planted(t.phrases.say(t.random.chance(75) ? "explicit" : "override", t.random), carrier,
                    {1, -1, -1, -1});
    else if (kind < 7)
      t.add_planted(t.phrases.say("cross", t.random), carrier, {-1, 1, -1, -1});
    else if (kind < 8)
      t.add_planted(t.phrases.say("preference", t.random), carrier, {-1, -1, 1, -1});
    else
      t.add_planted("\n" + t.phrases.say("parameter", t.random), carrier, {-1, -1, -1, 1});
  }
}

void flatten(json::Value value, std::string& out) {
  if (value.is_string()) {
    out += value.text_or("");
    out += "\n\n";
  }
  for (const json::Value element : value.elements()) flatten(element, out);
  for (const json::Member member : value.members()) {
    out += member.key;
    out += "\n\n";
    flatten(member.value, out);
  }
}

// Arguments as the scanner lays them out: keys and strings, without the JSON around them.
std::string flat(std::string_view text) {
  const auto document = json::Document::parse(text, {.allow_nul = true});
  if (!document || !document->root().is_object()) return std::string(text);
  std::string out;
  flatten(document->root(), out);
  return out;
}

// Heads: SQL and its kin, commands and paths, markup and templates, any.
void argument(Training& t) {
  t.recipe.reading = inspect::Reading::code;
  t.recipe.bits = 16;
  for (Row& row : t.load("argument", "train")) {
    row.text = flat(row.text);
    if (t.left_out(row)) {
      t.test.push_back(std::move(row));
      continue;
    }
    const std::string_view family = row.family;
    const bool rule = family.starts_with("crs/");
    if (!row.attack)
      t.add(std::move(row), {0, 0, 0, 0});
    else if (family.starts_with("sql") || family.starts_with("nosql") ||
             family.starts_with("ldap") || (rule && family.starts_with("crs/942")))
      t.add(std::move(row), {1, -1, -1, 1});
    else if (family.starts_with("command") || family.starts_with("directory") ||
             family.starts_with("file") ||
             (rule && (family.starts_with("crs/930") || family.starts_with("crs/932"))))
      t.add(std::move(row), {-1, 1, -1, 1});
    else
      t.add(std::move(row), {-1, -1, 1, 1});
  }
  for (Row& row : t.load("user_text", "train"))
    if (!row.attack) t.add(std::move(row), {0, 0, 0, 0});
  for (int i = 0; i < 3000; ++i) t.add_own(benign_text(t.phrases, t.random), {0, 0, 0, 0});
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char* const> given(argv, static_cast<std::size_t>(argc));
  if (given.size() != 5 && !(given.size() == 7 && std::string_view(given[5]) == "--without")) {
    std::println(stderr, "usage: latticegate.train SURFACE DATA PHRASES MODEL [--without WORD]");
    return 2;
  }
  const std::string surface = given[1];
  Training training{.data = given[2],
                    .phrases = Phrases(text_of(given[3])),
                    .without = given.size() == 7 ? given[6] : ""};
  if (surface == "tool_result")
    tool_result(training);
  else if (surface == "user_text")
    user_text(training);
  else if (surface == "tool_metadata")
    tool_metadata(training);
  else if (surface == "argument")
    argument(training);
  else {
    std::println(stderr, "train: no surface {}", surface);
    return 2;
  }
  if (training.rows.empty()) return 1;
  Learned learned = learn(training.rows, training.recipe);
  std::vector<Row> calibration = training.load(surface, "dev");
  const std::vector<Row> as_given = calibration;
  if (surface == "argument")
    for (Row& row : calibration) row.text = flat(row.text);
  learned.parts.blend = calibrate(inspect::Model(learned.parts), calibration);
  calibrate_together(surface, as_given, learned.parts);
  const inspect::Model model(learned.parts);
  const std::string bytes = model.write();
  std::ofstream(given[4], std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::println(stderr, "train: {} from {} rows, {} bytes", surface, training.rows.size(),
               bytes.size());
  if (training.without.empty()) return 0;
  // Rows of the source that was left out, against the development rows that it was calibrated on.
  std::vector<inspect::Word> words;
  std::size_t found = 0, attacks = 0;
  for (const Row& row : training.test) {
    if (!row.attack) continue;
    ++attacks;
    if (model.judge(row.text, words).score >= 2) ++found;
  }
  std::println("{} without {}: {} of {} attack rows at 1 % of benign development rows", surface,
               training.without, found, attacks);
  return 0;
}
