// The HTTP reader: the outcome must not depend on how the bytes are cut, for requests and for
// responses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/http.h"

using namespace latticegate;
using net::HttpParser;

namespace {

struct Outcome {
  bool refused = false;
  bool done = false;
  std::string head;
  std::string body;
  std::size_t used = 0;
};

Outcome read(HttpParser::Side side, std::string_view text, std::size_t step) {
  HttpParser parser(side, {.head = {16 * 1024}, .body = {64 * 1024}});
  Outcome outcome;
  std::size_t given = 0;
  while (!parser.message_complete()) {
    if (given == outcome.used) {
      if (given == text.size()) break;
      given = given + step < text.size() ? given + step : text.size();
    }
    const auto fed = parser.feed(text.substr(outcome.used, given - outcome.used));
    if (!fed) {
      outcome.refused = true;
      return outcome;
    }
    outcome.used += fed->used;
    outcome.body += fed->body;
    if (fed->head_done) {
      outcome.head += parser.head().method;
      outcome.head += ' ';
      outcome.head += parser.head().target;
      for (const net::Header& header : parser.head().headers) {
        outcome.head += '\n';
        outcome.head += header.name;
        outcome.head += ':';
        outcome.head += header.value;
      }
    }
  }
  outcome.done = parser.message_complete();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
  for (const auto side : {HttpParser::Side::request, HttpParser::Side::response}) {
    const Outcome whole = read(side, text, text.size() + 1);
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}}) {
      const Outcome cut = read(side, text, step);
      if (cut.refused != whole.refused) std::abort();
      if (whole.refused) continue;
      if (cut.done != whole.done || cut.head != whole.head || cut.body != whole.body ||
          cut.used != whole.used)
        std::abort();
    }
  }
  return 0;
}
