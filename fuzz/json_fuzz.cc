// The JSON reader: whatever is accepted is written back as one line, read again, and is the same;
// canonical text is a fixed point; replacing a scalar by copying around it gives what replacing it
// value by value gives; json/skim.h finds in canonical text what the tree has.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "json/skim.h"
#include "json/value.h"
#include "json/write.h"

using namespace latticegate;

namespace {

// The canonical form of the text after its scalar at `index` (a node of its tree) became 7; empty
// where there is none.
std::string edited(const std::string& text, std::size_t index) {
  const auto document =
      json::Document::parse(text, {.size = {8 << 20}, .depth = 64, .nodes = 100'000});
  if (!document) return {};
  const json::Node* const root = document->root().node();
  if (index == 0 || index >= root->span) return {};
  // A key has no value of its own to be replaced: only what stands in an array or behind a key.
  bool is_value = false;
  const auto visit = [&](const auto& self, json::Value value) -> void {
    is_value = is_value || value.node() == root + index;
    for (const json::Value element : value.elements()) self(self, element);
    for (const json::Member member : value.members()) self(self, member.value);
  };
  visit(visit, document->root());
  const json::Value at(root + index);
  if (!is_value || at.is_array() || at.is_object()) return {};
  const json::Edit edits[] = {{at, "7"}};
  std::string out;
  json::write(document->root(), edits, out);
  if (out.find('\n') != std::string::npos || out.find('\r') != std::string::npos) std::abort();
  const auto again = json::Document::parse(out, {.size = {8 << 20}, .depth = 64, .nodes = 100'000});
  if (!again) std::abort();
  return json::canonical(again->root());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
  const auto document = json::Document::parse(
      text, {.size = {1 << 20}, .depth = 64, .nodes = 100'000, .allow_nul = size % 2 == 0});
  if (!document) return 0;
  const std::string written = json::to_string(document->root());
  const auto again = json::Document::parse(
      written, {.size = {8 << 20}, .depth = 64, .nodes = 100'000, .allow_nul = size % 2 == 0});
  if (!again || json::to_string(again->root()) != written) std::abort();
  if (written.find('\n') != std::string::npos || written.find('\r') != std::string::npos)
    std::abort();
  if (document->root().is_object() || document->root().is_array()) {
    std::string broken = written;
    broken.insert(1, "\n");  // so that it is written value by value
    for (const std::size_t index : {size % 7, size % 31, std::size_t{2}})
      if (edited(written, index) != edited(broken, index)) std::abort();
  }
  const std::string canonical = json::canonical(document->root());
  const auto fixed = json::Document::parse(
      canonical, {.size = {8 << 20}, .depth = 64, .nodes = 100'000, .allow_nul = size % 2 == 0});
  if (!fixed || json::canonical(fixed->root()) != canonical) std::abort();

  // Walking over text that is no JSON ends; over canonical text it finds its members.
  json::Skim any(text);
  std::string_view key;
  for (any.enter(); any.member(key);) (void)any.value();
  json::Skim skim(canonical);
  std::size_t members = 0;
  key = {};
  for (skim.enter(); skim.member(key); ++members)
    if (json::canonical(fixed->root()[key]) != skim.value()) std::abort();
  if (!skim.odd() && (members != fixed->root().size() || !skim.rest().empty())) std::abort();
  return 0;
}
