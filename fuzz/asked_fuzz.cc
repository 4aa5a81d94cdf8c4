// Questions of a log that anybody may have written: they are read or refused; what was read can be
// judged, and is the same however it was written, and read quickly (policy/past_reader.h) or whole.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "json/value.h"
#include "json/write.h"
#include "policy/asked.h"
#include "policy/engine.h"
#include "policy/past_reader.h"

using namespace latticegate;
using namespace latticegate::policy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PolicyText file{
      "fuzz.cedar",
      "permit (principal, action, resource) when { context has input && context.input has a };"};
  static const auto engine = Engine::load({.servers = {{.name = "crm"}}}, {&file, 1}, {});
  if (!engine) std::abort();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = json::Document::parse(text);
  if (!document) return 0;
  cedar::Arena arena;
  const auto past = (*engine)->read_asked(document->root(), {}, arena);
  if (!past || past->request.action.id().empty()) return 0;
  Scratch scratch;
  Judgement judgement;
  (*engine)->judge(*past, "1", {}, {}, scratch, judgement);

  // What was read does not depend on how it was written.
  const auto again = json::Document::parse(json::canonical(document->root()));
  if (!again) std::abort();
  cedar::Arena second;
  const auto same = (*engine)->read_asked(again->root(), {}, second);
  if (!same || same->request.context != past->request.context) std::abort();
  const Judgement::Kind kind = judgement.kind;
  (*engine)->judge(*same, "1", {}, {}, scratch, judgement);
  if (judgement.kind != kind) std::abort();

  static const People nobody;
  static PastReader reader(*engine, nobody);
  json::Skim skim(text);
  const PastCall* const quick = reader.read(skim);
  if (quick == nullptr || !skim.rest().empty()) return 0;
  if (!past->missing.empty() || !past->left_out.empty()) std::abort();
  (*engine)->judge(*quick, "1", {}, {}, scratch, judgement);
  if (judgement.kind != kind) std::abort();
  return 0;
}
