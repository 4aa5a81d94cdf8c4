#include "net/http.h"

#include <llhttp.h>

#include <algorithm>
#include <format>

#include "base/storage.h"

namespace latticegate::net {
namespace {

using base::Code;
using base::fail;
using base::Result;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

bool same_name(std::string_view name, std::string_view lower_name) {
  if (name.size() != lower_name.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i)
    if (lower(name[i]) != lower_name[i]) return false;
  return true;
}

std::optional<std::string_view> Head::find(std::string_view name) const {
  for (const Header& header : headers)
    if (same_name(header.name, name)) return header.value;
  return std::nullopt;
}

std::size_t Head::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      headers, [name](const Header& header) { return same_name(header.name, name); }));
}

struct HttpParser::Machine {
  static const llhttp_settings_t settings;
  llhttp_t parser;
  HttpParser* owner = nullptr;
  std::string_view url;
  std::string_view field;
  std::string_view value;
  std::string_view body;
  std::uint64_t head_bytes = 0;
  std::uint64_t body_bytes = 0;
  bool response_to_head = false;
  bool started = false;
  bool header_open = false;  // a header's value was seen but not stored
  std::optional<base::Error> error;

  static Machine& of(llhttp_t* parser) { return *static_cast<Machine*>(parser->data); }
  // Pieces of one token lie next to each other, because the head lies in one buffer.
  static void extend(std::string_view& token, const char* at, std::size_t length) {
    token = token.empty() ? std::string_view(at, length)
                          : std::string_view(token.data(),
                                             static_cast<std::size_t>(at - token.data()) + length);
  }
  int refuse(Code code, std::string words) {
    if (!error) error = base::Error{code, std::move(words)};
    return HPE_USER;
  }
  int store() {
    if (!header_open) return 0;
    header_open = false;
    Head& head = owner->head_;
    const std::size_t most = std::min(owner->limits_.fields, max_headers);
    if (head.headers.size() >= most)
      return refuse(Code::too_large, std::format("more than {} header fields", most));
    head.headers.push_back({field, trimmed(value)});
    field = {};
    value = {};
    return 0;
  }
};

// What llhttp calls; the same for every parser.
const llhttp_settings_t HttpParser::Machine::settings = [] {
  llhttp_settings_t made;
  llhttp_settings_init(&made);
  made.on_message_begin = [](llhttp_t* p) {
    Machine::of(p).started = true;
    return 0;
  };
  made.on_url = [](llhttp_t* p, const char* at, std::size_t n) {
    Machine& machine = Machine::of(p);
    // One blank stands before the target (RFC 9112 3); llhttp skips more. The method lies before it
    // in the same buffer.
    if (machine.url.empty() && (at[-1] != ' ' || at[-2] == ' '))
      return machine.refuse(Code::malformed, "more than one blank before the target");
    Machine::extend(machine.url, at, n);
    return 0;
  };
  made.on_header_field = [](llhttp_t* p, const char* at, std::size_t n) {
    Machine& machine = Machine::of(p);
    if (machine.owner->head_complete_)
      return machine.refuse(Code::malformed, "trailers are not accepted");
    if (machine.header_open)
      if (const int stored = machine.store(); stored != 0) return stored;
    Machine::extend(machine.field, at, n);
    return 0;
  };
  made.on_header_value = [](llhttp_t* p, const char* at, std::size_t n) {
    Machine& machine = Machine::of(p);
    // A value that continues after a line end is folded: its pieces do not touch.
    if (!machine.value.empty() && at != machine.value.data() + machine.value.size())
      return machine.refuse(Code::malformed, "a folded header line");
    Machine::extend(machine.value, at, n);
    machine.header_open = true;
    return 0;
  };
  made.on_header_value_complete = [](llhttp_t* p) {
    Machine& machine = Machine::of(p);
    machine.header_open = true;  // also for an empty value
    return machine.store();
  };
  made.on_headers_complete = [](llhttp_t* p) -> int {
    Machine& machine = Machine::of(p);
    if (const int stored = machine.store(); stored != 0) return stored;
    Head& head = machine.owner->head_;
    head.minor = p->http_minor;
    head.status = p->status_code;
    head.method =
        machine.owner->side_ == Side::request
            ? std::string_view(llhttp_method_name(static_cast<llhttp_method_t>(p->method)))
            : std::string_view();
    head.target = machine.url;
    head.chunked = (p->flags & F_CHUNKED) != 0;
    head.keep_alive = llhttp_should_keep_alive(p) != 0;
    if (p->http_major != 1 || p->http_minor > 1)
      return machine.refuse(Code::unsupported,
                            std::format("HTTP version {}.{}", p->http_major, p->http_minor));
    if (auto framed = machine.owner->check_framing(); !framed)
      return machine.refuse(framed.error().code, framed.error().detail);
    machine.owner->head_complete_ = true;
    if (p->upgrade != 0 || machine.owner->head_.method == "CONNECT")
      return machine.refuse(Code::unsupported, "protocol upgrades are not offered");
    // 1 = no body follows.
    return machine.owner->side_ == Side::response && machine.response_to_head
               ? 1
               : static_cast<int>(HPE_PAUSED);
  };
  made.on_body = [](llhttp_t* p, const char* at, std::size_t n) -> int {
    Machine& machine = Machine::of(p);
    machine.body_bytes += n;
    if (machine.body_bytes > machine.owner->limits_.body.count)
      return machine.refuse(Code::too_large, std::format("the body is larger than {} bytes",
                                                         machine.owner->limits_.body.count));
    machine.body = {at, n};
    return HPE_PAUSED;
  };
  made.on_chunk_extension_name = [](llhttp_t* p, const char*, std::size_t n) -> int {
    Machine& machine = Machine::of(p);
    machine.head_bytes += n;
    return machine.head_bytes > machine.owner->limits_.head.count
               ? machine.refuse(Code::too_large, "chunk extensions without end")
               : 0;
  };
  made.on_chunk_extension_value = made.on_chunk_extension_name;
  made.on_message_complete = [](llhttp_t* p) -> int {
    Machine::of(p).owner->message_complete_ = true;
    return HPE_PAUSED;
  };
  return made;
}();

HttpParser::HttpParser(Side side, Limits limits)
    : side_(side), limits_(limits), machine_(std::make_unique<Machine>()) {
  machine_->owner = this;
  reset();
}

HttpParser::~HttpParser() = default;

void HttpParser::reset(bool response_to_head) {
  Machine& m = *machine_;
  llhttp_init(&m.parser, side_ == Side::request ? HTTP_REQUEST : HTTP_RESPONSE, &m.settings);
  m.parser.data = &m;
  m.url = m.field = m.value = m.body = {};
  m.head_bytes = 0;
  m.body_bytes = 0;
  m.response_to_head = response_to_head;
  m.started = false;
  m.header_open = false;
  m.error.reset();
  head_.headers.clear();
  head_.length.reset();
  head_.host = head_.target = head_.method = {};
  head_.status = 0;
  head_.chunked = false;
  head_.keep_alive = true;
  head_complete_ = false;
  message_complete_ = false;
}

void HttpParser::set_body_limit(base::Bytes limit) { limits_.body = limit; }
void HttpParser::release_head() {
  base::free_storage(head_.headers);
  head_.host = head_.target = {};
}
bool HttpParser::idle() const { return !machine_->started; }

Result<HttpParser::Fed> HttpParser::feed(std::string_view bytes) {
  Machine& m = *machine_;
  Fed fed;
  m.body = {};
  const bool had_head = head_complete_;
  const char* const start = bytes.data();
  const llhttp_errno_t status = llhttp_execute(&m.parser, start, bytes.size());
  if (status == HPE_OK) {
    fed.used = bytes.size();
  } else if (status == HPE_PAUSED) {
    fed.used = static_cast<std::size_t>(llhttp_get_error_pos(&m.parser) - start);
    llhttp_resume(&m.parser);
    // A message may be over with its head or with this piece of its body; llhttp says so when it
    // runs again, on no bytes.
    const std::string_view piece = m.body;
    if (!message_complete_ && llhttp_execute(&m.parser, start + fed.used, 0) == HPE_PAUSED)
      llhttp_resume(&m.parser);
    m.body = piece;
  } else if (m.error) {
    return std::unexpected(*m.error);
  } else {
    return fail(Code::malformed,
                std::format("not valid HTTP: {}", llhttp_get_error_reason(&m.parser)));
  }
  if (!had_head) {
    m.head_bytes += head_complete_ ? 0 : fed.used;
    if (m.head_bytes > limits_.head.count)
      return fail(Code::too_large,
                  std::format("the head is larger than {} bytes", limits_.head.count));
  }
  fed.head_done = !had_head && head_complete_;
  fed.body = m.body;
  fed.message_done = message_complete_;
  return fed;
}

Result<void> HttpParser::end_of_stream() {
  if (llhttp_finish(&machine_->parser) == HPE_OK || message_complete_) {
    message_complete_ = true;
    return {};
  }
  return fail(Code::closed, "the connection ended inside a message");
}

// RFC 9112 6.1-6.3, stricter: whatever is ambiguous is refused, never repaired.
Result<void> HttpParser::check_framing() {
  std::size_t lengths = 0;
  std::size_t codings = 0;
  std::size_t hosts = 0;
  for (const Header& header : head_.headers) {
    if (same_name(header.name, "content-length")) {
      ++lengths;
      std::uint64_t value = 0;
      if (header.value.empty() || header.value.size() > 15)
        return fail(Code::malformed, "Content-Length is no plain number");
      for (const char c : header.value) {
        if (c < '0' || c > '9') return fail(Code::malformed, "Content-Length is no plain number");
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
      }
      head_.length = value;
    } else if (same_name(header.name, "transfer-encoding")) {
      ++codings;
      if (!same_text(header.value, "chunked"))
        return fail(Code::unsupported, "a transfer coding other than chunked");
    } else if (same_name(header.name, "host")) {
      ++hosts;
      head_.host = header.value;
    }
  }
  if (lengths > 1) return fail(Code::malformed, "more than one Content-Length");
  if (codings > 1) return fail(Code::malformed, "more than one Transfer-Encoding");
  if (lengths > 0 && codings > 0)
    return fail(Code::malformed, "both Content-Length and Transfer-Encoding");
  if (codings > 0 && head_.minor == 0) return fail(Code::malformed, "chunked in HTTP/1.0");
  if (head_.length && *head_.length > limits_.body.count)
    return fail(Code::too_large,
                std::format("the body is larger than {} bytes", limits_.body.count));
  if (side_ == Side::response) return {};
  if (hosts > 1) return fail(Code::malformed, "more than one Host");
  if (hosts == 0 && head_.minor == 1) return fail(Code::malformed, "no Host");
  if (head_.target.starts_with('/') || head_.target == "*") return {};
  const std::size_t scheme = head_.target.find("://");
  if (scheme == std::string_view::npos)
    return fail(Code::malformed, "the target is neither a path nor an absolute URI");
  const std::string_view rest = head_.target.substr(scheme + 3);
  const std::size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  if (!same_text(authority, head_.host))
    return fail(Code::malformed, "the target's authority is not the Host");
  head_.target = slash == std::string_view::npos ? std::string_view("/") : rest.substr(slash);
  return {};
}

bool is_media_type(std::string_view value, std::string_view type) {
  return same_text(trimmed(value.substr(0, value.find(';'))), type);
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

int status_of(const base::Error& error) {
  switch (error.code) {
    case Code::too_large: return error.detail.starts_with("the body") ? 413 : 431;
    case Code::unsupported: return error.detail.starts_with("HTTP version") ? 505 : 501;
    case Code::timeout: return 408;
    default: return 400;
  }
}

}  // namespace latticegate::net
