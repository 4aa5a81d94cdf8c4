// HTTP/1.1, sans-IO: bytes in, heads and body pieces out; and heads as bytes.
//
// Posture: hostile input. llhttp in strict mode reads the syntax; on top of it our own framing
// rules refuse whatever two readers could understand differently (RFC 9112 sections 6 and 11):
// version other than 1.0 and 1.1, missing or double Host, target authority that is not the Host,
// Content-Length with Transfer-Encoding, repeated or non-digit lengths, any transfer coding but one
// "chunked", chunked in HTTP/1.0, folded lines, bare LF or CR. A request that is refused closes the
// connection. Limits: head size, header count, body size. Fuzz target: fuzz/http_fuzz.cc.
//
// Lifetimes: a Head's views point into the buffer that was fed; they are valid until the parser is
// reset or the head released.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace latticegate::net {

inline constexpr std::size_t max_headers = 64;

struct Header {
  std::string_view name;   // as it came
  std::string_view value;  // without surrounding white space
};

struct Head {
  // Requests
  std::string_view method;
  std::string_view target;  // origin form: "/mcp/files?x"; an absolute URI is cut to this after the
                            // authority check
  std::string_view host;
  // Responses
  int status = 0;
  // Both
  std::uint8_t minor = 1;  // HTTP/1.minor
  bool keep_alive = true;
  bool chunked = false;
  std::optional<std::uint64_t> length;  // Content-Length
  std::vector<Header> headers;          // at most max_headers

  // The value of the header of that (lower-case) name; nothing if absent.
  std::optional<std::string_view> find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

// Compares ASCII without case; `lower` is lower-case already.
bool same_name(std::string_view name, std::string_view lower);

class HttpParser {
 public:
  enum class Side : std::uint8_t { request, response };
  struct Limits {
    base::Bytes head{std::uint64_t{16} * 1024};
    std::size_t fields = max_headers;  // of a head; more than max_headers counts as that
    base::Bytes body{std::uint64_t{4} * 1024 * 1024};
  };

  HttpParser(Side side, Limits limits);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Starts a new message. For a response: whether the request was HEAD.
  void reset(bool response_to_head = false);
  void set_body_limit(base::Bytes limit);
  // The views of the head are not needed any more; its numbers and flags stay.
  void release_head();

  // What a feed brought about.
  struct Fed {
    std::size_t used = 0;    // bytes consumed
    bool head_done = false;  // the head is complete now (told once)
    bool message_done = false;
    std::string_view body;  // body bytes of this feed, when they are one piece in place
  };
  // Reads from the bytes; stops after the head, after one piece of body, and after the message. All
  // bytes of a head must lie in one buffer that does not move until the head was used. Errors:
  // malformed (400), too_large (413/431), unsupported (501 or 505).
  base::Result<Fed> feed(std::string_view bytes);
  // The connection ended. Fine for a response whose body runs to the end; otherwise an error.
  base::Result<void> end_of_stream();

  const Head& head() const { return head_; }
  bool head_complete() const { return head_complete_; }
  bool message_complete() const { return message_complete_; }
  // Nothing of a message was seen yet.
  bool idle() const;

 private:
  struct Machine;
  friend struct Machine;
  base::Result<void> check_framing();
  Side side_;
  Limits limits_;
  Head head_;
  std::unique_ptr<Machine> machine_;
  bool head_complete_ = false;
  bool message_complete_ = false;
};

// Whether a Content-Type names this media type (lower case); parameters do not matter.
bool is_media_type(std::string_view value, std::string_view type);

// The standard reason phrase.
std::string_view reason_phrase(int status);
// The status that answers an error of feed().
int status_of(const base::Error& error);

}  // namespace latticegate::net
