// Servers of revision 2024-11-05 over HTTP: one event stream, whose first event names where
// messages are posted, and on which everything comes back (basic/transports of that revision). Only
// towards servers, and only when the streamable transport was refused.
//
// Posture: the address for messages has to be at the stream's own origin; what is posted there
// carries our credential. A stream that ends takes its session with it.
#pragma once
#include <memory>

#include "gateway/http_sender.h"
#include "gateway/one_stream.h"

namespace latticegate::gateway {

class SseSession : public std::enable_shared_from_this<SseSession> {
 public:
  // Opens the stream, which stays on this loop. Code::unsupported: the server has none.
  static net::Task<base::Result<std::shared_ptr<SseSession>>> open(
      net::Loop& loop, std::shared_ptr<HttpSender> sender, base::Bytes answer_limit);

  net::Task<base::Result<std::unique_ptr<Reply>>> request(net::Loop& loop, const Outgoing& message,
                                                          net::Abort& abort);
  net::Task<base::Result<void>> notify(net::Loop& loop, const Outgoing& message);
  base::Result<std::unique_ptr<Reply>> listen(net::Loop& loop);
  bool alive() const { return !stream_->ended(); }
  void end();

 private:
  SseSession(net::Loop& home, std::shared_ptr<HttpSender> sender, base::Bytes limit)
      : home_(home), sender_(std::move(sender)), limit_(limit) {}
  net::Task<base::Result<void>> post(net::Loop& loop, const Outgoing& message, net::Abort* abort);
  net::Task<base::Result<void>> find_endpoint();
  static net::Task<void> pump(std::shared_ptr<SseSession> self);
  struct Inside;

  net::Loop& home_;
  std::shared_ptr<HttpSender> sender_;
  base::Bytes limit_;
  std::string path_;  // where messages are posted; set before anybody may
  std::shared_ptr<OneStream> stream_;
  std::shared_ptr<Inside> inside_;  // the stream's connection, on the home loop
};

}  // namespace latticegate::gateway
