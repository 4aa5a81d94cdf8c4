#include "rows.h"

#include <array>
#include <cstdio>
#include <format>
#include <memory>
#include <print>

#include "json/value.h"

namespace latticegate::train {
namespace {

struct Close {
  void operator()(std::FILE* file) const { (void)pclose(file); }
};

}  // namespace

std::vector<Row> read_rows(const std::string& path) {
  const std::unique_ptr<std::FILE, Close> pipe(
      popen(std::format("xz -dc '{}'", path).c_str(), "re"));
  std::string text;
  std::array<char, 65536> block{};
  while (pipe)
    if (const std::size_t n = std::fread(block.data(), 1, block.size(), pipe.get()))
      text.append(block.data(), n);
    else
      break;
  if (text.empty()) std::println(stderr, "train: nothing in {}", path);
  std::vector<Row> rows;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto document = json::Document::parse(line, {.allow_nul = true});
    if (!document) continue;
    const json::Value root = document->root();
    rows.push_back({.text = std::string(root["text"].text_or("")),
                    .family = std::string(root["family"].text_or("")),
                    .source = std::string(root["source"].text_or("")),
                    .attack = root["label"].text_or("") == "attack"});
  }
  return rows;
}

}  // namespace latticegate::train
