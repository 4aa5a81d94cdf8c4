// Message: one JSON-RPC message of MCP, parsed once and strictly, unknown members kept.
//
// Posture: hostile input from either side. json::Document refuses duplicate keys, depth, size and
// bad UTF-8; here the JSON-RPC shape is checked: version 2.0, one object (batches are refused), id
// a string or an integer, exactly one of method, result and error. Fuzz target:
// fuzz/message_fuzz.cc.
//
// Lifetimes: every view and Value points into the Message's own document; valid as long as the
// Message lives, also after a move.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"
#include "json/write.h"
#include "mcp/method.h"

namespace latticegate::mcp {

// What is wrong with bytes that are no message, as JSON-RPC tells it: -32700 or -32600.
struct ParseFailure {
  int rpc_code = -32700;
  base::Error error;
  std::optional<std::string> id;  // JSON text of the id, when it could be read
};

class Message {
 public:
  enum class Kind : std::uint8_t { request, notification, response };
  static std::expected<Message, ParseFailure> parse(std::string_view text,
                                                    const json::Limits& limits = {});

  Kind kind() const { return kind_; }
  bool is_request() const { return kind_ == Kind::request; }
  bool is_notification() const { return kind_ == Kind::notification; }
  bool is_response() const { return kind_ == Kind::response; }

  json::Value root() const { return document_.root(); }
  json::Value id() const { return id_; }  // absent for a notification, and for some errors
  // The id as JSON text: 7 and "7" differ. Empty when absent.
  std::string id_text() const;
  std::string_view method_name() const { return method_name_; }  // empty for a response
  Method method() const { return method_; }
  json::Value params() const { return params_; }
  json::Value meta() const { return params_["_meta"]; }
  json::Value result() const { return result_; }
  json::Value error() const { return error_; }

  std::size_t size() const { return size_; }  // bytes of the text that it was read from

  // The whole message as text again, with edits (document order, see json::Edit).
  std::string text(std::span<const json::Edit> edits = {}) const;

 private:
  Message(json::Document document, std::size_t size)
      : document_(std::move(document)), size_(size) {}
  json::Document document_;
  std::size_t size_;
  json::Value id_;
  std::string_view method_name_;
  Method method_ = Method::unknown;
  Kind kind_ = Kind::request;
  json::Value params_;
  json::Value result_;
  json::Value error_;
};

// What a call is about: the tool's or prompt's name or the resource's URI; empty where the method
// has none.
std::string_view subject_of(const Message& message);

// Ready messages. `id` is JSON text; empty leaves it out. `data` is JSON text or empty.
std::string error_response(std::string_view id, int code, std::string_view sentence,
                           std::string_view data = {});
// A tool result that tells the model what was wrong, so that it can correct itself. `modern` adds
// resultType.
std::string tool_error_response(std::string_view id, std::string_view sentence, bool modern);
// `result` is JSON text of an object.
std::string result_response(std::string_view id, std::string_view result);

// Our own error codes lie outside the range that JSON-RPC reserves (-32768 to -32000).
inline constexpr int denied_code = -31403;
inline constexpr int killed_code = -31410;
inline constexpr int cancelled_code = -31499;
inline constexpr int unavailable_code = -31503;
inline constexpr int timeout_code = -31504;

}  // namespace latticegate::mcp
