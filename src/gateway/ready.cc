#include "gateway/ready.h"

#include <limits>

namespace latticegate::gateway {
namespace {

class ReadyReply final : public Reply {
 public:
  explicit ReadyReply(mcp::Message message) : message_(std::move(message)) {}
  net::Task<base::Result<std::optional<mcp::Message>>> next() override {
    co_return std::exchange(message_, std::nullopt);
  }
  void cancel() override { message_.reset(); }

 private:
  std::optional<mcp::Message> message_;
};

}  // namespace

mcp::Message own_message(std::string_view text) {
  // What is in it came through the limits of whoever sent it, which are all far below these.
  auto message = mcp::Message::parse(text, {.size = {std::uint64_t{1} << 40},
                                            .depth = 1024,
                                            .nodes = std::numeric_limits<std::uint32_t>::max(),
                                            .allow_nul = true});
  base::check(message.has_value(), "a message of our own is none");
  return *std::move(message);
}

std::unique_ptr<Reply> ready_reply(std::string_view text) {
  return std::make_unique<ReadyReply>(own_message(text));
}

}  // namespace latticegate::gateway
