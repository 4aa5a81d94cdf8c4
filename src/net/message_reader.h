// MessageReader: HTTP messages one after another from a stream, with a borrowed buffer that an idle
// connection gives back.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/loop.h"
#include "net/stream.h"

namespace latticegate::net {

class MessageReader {
 public:
  MessageReader(Loop& loop, Stream& stream, HttpParser::Side side, HttpParser::Limits limits);
  ~MessageReader();
  MessageReader(const MessageReader&) = delete;
  MessageReader& operator=(const MessageReader&) = delete;

  // Waits for the first byte of the next message without holding a buffer. False at the end of the
  // stream.
  Task<base::Result<bool>> wait();
  // Reads the next head; false when the stream ended before its first byte. The head is valid until
  // the next one.
  Task<base::Result<bool>> read_head(bool response_to_head = false);
  const Head& head() const { return parser_.head(); }

  // The whole body. A view into the read buffer when it lies there in one piece, else into storage
  // of the reader; valid until the next read_head().
  Task<base::Result<std::string_view>> read_body();
  // The next piece of the body as it arrives; empty at its end. Valid until the next call.
  Task<base::Result<std::string_view>> read_piece();
  // The views of the head are not needed any more: from now on no buffer is held while bytes are
  // awaited, which is what a stream does most of its life. Its numbers and flags stay.
  void release_head();
  bool message_complete() const { return parser_.message_complete(); }
  void set_body_limit(base::Bytes limit) { parser_.set_body_limit(limit); }
  // Bytes of the next message are in the buffer already.
  bool has_more() const { return begin_ < end_; }
  // No byte of the message being read has arrived yet.
  bool untouched() const { return parser_.idle(); }

 private:
  Task<base::Result<bool>> fill();
  Loop& loop_;
  Stream& stream_;
  HttpParser parser_;
  std::unique_ptr<Buffer> buffer_;
  std::string storage_;
  std::size_t begin_ = 0;  // unread bytes of the buffer: [begin_, end_)
  std::size_t end_ = 0;
  std::size_t base_ = 0;   // the head occupies [0, base_) while its message is read
  bool released_ = false;  // it does not any more
};

}  // namespace latticegate::net
