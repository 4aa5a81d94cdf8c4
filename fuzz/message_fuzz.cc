// JSON-RPC messages and the classification by era: no input may crash, and what is taken as a
// message is one again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mcp/message.h"
#include "mcp/revision.h"

using namespace latticegate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
  const auto message =
      mcp::Message::parse(text, {.size = {1 << 20}, .depth = 32, .nodes = 100'000});
  if (!message) return 0;
  (void)mcp::classify(*message, {});
  (void)mcp::classify(*message, {"2026-07-28", std::string(message->method_name()),
                                 std::string(mcp::subject_of(*message))});
  const auto again = mcp::Message::parse(message->text());
  if (!again || again->kind() != message->kind() || again->id_text() != message->id_text() ||
      again->method() != message->method())
    std::abort();
  const std::string encoded = mcp::encode_header_value(mcp::subject_of(*message));
  if (mcp::decode_header_value(encoded) != mcp::subject_of(*message)) std::abort();
  return 0;
}
