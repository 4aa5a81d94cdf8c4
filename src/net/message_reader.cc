#include "net/message_reader.h"

#include <cstring>

#include "base/storage.h"

namespace latticegate::net {

using base::Code;
using base::fail;
using base::Result;

MessageReader::MessageReader(Loop& loop, Stream& stream, HttpParser::Side side,
                             HttpParser::Limits limits)
    : loop_(loop), stream_(stream), parser_(side, limits) {}

MessageReader::~MessageReader() { loop_.buffers().give(std::move(buffer_)); }

Task<Result<bool>> MessageReader::wait() {
  if (begin_ < end_) co_return true;
  loop_.buffers().give(std::move(buffer_));
  begin_ = end_ = base_ = 0;
  if (storage_.capacity() > buffer_size) base::free_storage(storage_);
  CO_CHECK(co_await stream_.wait_readable());
  co_return true;
}

// Reads more bytes behind those that are there. False at the end of the stream.
Task<Result<bool>> MessageReader::fill() {
  if (begin_ == end_) begin_ = end_ = base_;
  if (released_ && begin_ == end_) {
    loop_.buffers().give(std::move(buffer_));
    CO_CHECK(co_await stream_.wait_readable());
  }
  if (!buffer_) buffer_ = loop_.buffers().take();
  if (end_ == buffer_size) co_return fail(Code::too_large, "the head is larger than the buffer");
  CO_TRY(const std::size_t count,
         co_await stream_.read({buffer_->bytes + end_, buffer_size - end_}));
  end_ += count;
  co_return count > 0;
}

Task<Result<bool>> MessageReader::read_head(bool response_to_head) {
  parser_.reset(response_to_head);
  base_ = 0;
  released_ = false;
  if (begin_ > 0) {  // the head must start at the front, because it must fit in one piece
    std::memmove(buffer_->bytes, buffer_->bytes + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (!parser_.head_complete()) {
    if (begin_ == end_) {
      base_ = begin_;  // what was read of the head stays where it is
      CO_TRY(const bool more, co_await fill());
      if (!more) {
        if (parser_.idle()) co_return false;
        co_return fail(Code::closed, "the connection ended inside a head");
      }
    }
    CO_TRY(const HttpParser::Fed fed, parser_.feed({buffer_->bytes + begin_, end_ - begin_}));
    begin_ += fed.used;
  }
  base_ = begin_;
  storage_.clear();
  co_return true;
}

void MessageReader::release_head() {
  parser_.release_head();
  released_ = true;
  base_ = 0;
  if (begin_ != end_) return;
  begin_ = end_ = 0;
  loop_.buffers().give(std::move(buffer_));
}

Task<Result<std::string_view>> MessageReader::read_piece() {
  while (!parser_.message_complete()) {
    if (begin_ == end_) {
      CO_TRY(const bool more, co_await fill());
      if (!more) {
        CO_CHECK(parser_.end_of_stream());
        break;
      }
    }
    CO_TRY(const HttpParser::Fed fed, parser_.feed({buffer_->bytes + begin_, end_ - begin_}));
    begin_ += fed.used;
    if (!fed.body.empty()) co_return fed.body;
  }
  co_return std::string_view();
}

Task<Result<std::string_view>> MessageReader::read_body() {
  storage_.clear();
  CO_TRY(const std::string_view first, co_await read_piece());
  if (first.empty()) co_return first;
  if (parser_.head().length == first.size()) {
    // All of it lies in the buffer; reading the end of the message touches no further byte.
    CO_TRY(const std::string_view rest, co_await read_piece());
    base::check(rest.empty(), "a body is longer than its length");
    co_return first;
  }
  storage_.reserve(parser_.head().length.value_or(0));
  storage_ = first;
  for (;;) {
    CO_TRY(const std::string_view piece, co_await read_piece());
    if (piece.empty()) co_return storage_;
    storage_ += piece;
  }
}

}  // namespace latticegate::net
