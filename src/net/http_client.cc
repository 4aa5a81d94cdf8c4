#include "net/http_client.h"

#include <array>
#include <charconv>
#include <format>

namespace latticegate::net {

using base::Code;
using base::fail;
using base::Result;

Result<Url> parse_url(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return fail(Code::invalid, std::format("'{}' is no http:// or https:// URL", text));
  }
  const std::size_t end = rest.find_first_of("/?#");
  const std::string_view authority = rest.substr(0, end);
  std::string_view path = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  path = path.substr(0, path.find('#'));
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F)
      return fail(Code::invalid,
                  std::format("the URL '{}' contains white space or a control character", text));
  if (authority.contains('@'))
    return fail(Code::invalid, "a URL with user information is not accepted: use a credential");
  url.authority = authority;
  std::string_view host = authority;
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos)
      return fail(Code::invalid, std::format("'{}' is not a host", authority));
    if (close + 1 < host.size() && host[close + 1] == ':') port = host.substr(close + 2);
    host = host.substr(1, close - 1);
  } else if (const std::size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (host.empty()) return fail(Code::invalid, std::format("the URL '{}' names no host", text));
  url.host = host;
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) {
    const auto [stop, error] = std::from_chars(port.begin(), port.end(), url.port);
    if (error != std::errc() || stop != port.end() || url.port == 0)
      return fail(Code::invalid, std::format("'{}' is not a port", port));
  }
  url.path = path.starts_with('/') ? std::string(path) : std::format("/{}", path);
  return url;
}

ClientConnection::ClientConnection(Loop& loop, std::unique_ptr<Stream> stream,
                                   const HttpParser::Limits& limits)
    : stream_(std::move(stream)), reader_(loop, *stream_, HttpParser::Side::response, limits) {}

HttpPool::HttpPool(Loop& loop, Url url, std::shared_ptr<const TlsContext> tls,
                   const ClientOptions& options, std::optional<Address> address)
    : loop_(loop),
      url_(std::move(url)),
      tls_(std::move(tls)),
      options_(options),
      fixed_address_(address.has_value()) {
  if (address) addresses_.push_back(*std::move(address));
}
HttpPool::~HttpPool() = default;

std::unique_ptr<ClientConnection> HttpPool::take_idle() {
  const base::Instant now = loop_.now();
  while (!idle_.empty()) {
    std::unique_ptr<ClientConnection> connection = std::move(idle_.back());
    idle_.pop_back();
    if (connection->gone_ || now - connection->idle_since_ > options_.idle_timeout) continue;
    return connection;
  }
  return nullptr;
}

Task<Result<std::unique_ptr<ClientConnection>>> HttpPool::open() {
  if (addresses_.empty()) {
    CO_TRY(addresses_, co_await resolve(loop_, url_.host, url_.port));
  }
  // A copy: another request that fails meanwhile clears the list.
  const std::vector<Address> addresses = addresses_;
  auto connected = co_await connect_socket(loop_, addresses, options_.connect_timeout);
  if (!connected) {
    if (!fixed_address_) addresses_.clear();  // a name may lead elsewhere next time
    co_return std::unexpected(std::move(connected).error());
  }
  std::unique_ptr<Stream> stream;
  if (tls_) {
    CO_TRY(stream, co_await tls_handshake(loop_, tls_, connected->fd, std::move(connected->peer),
                                          options_.connect_timeout));
    tls_group_ = stream->peer().tls_group;
  } else {
    stream = socket_stream(loop_, connected->fd, std::move(connected->peer));
  }
  auto connection = std::make_unique<ClientConnection>(loop_, std::move(stream), options_.limits);
  co_return connection;
}

Task<Result<void>> HttpPool::send(ClientConnection& connection, const ClientRequest& request) {
  connection.limit_body(options_.limits.body);
  // A string of its own while it is in use: two requests may be on their way at once.
  std::string out = std::move(out_);
  out.clear();
  out += request.method;
  out += ' ';
  out += request.path.empty() ? std::string_view(url_.path) : request.path;
  out += " HTTP/1.1\r\nHost: ";
  out += url_.authority;
  out += "\r\n";
  out += request.headers;
  if (request.has_body) {
    std::array<char, 20> digits;
    out += "Content-Length: ";
    out.append(
        digits.data(),
        std::to_chars(digits.data(), digits.data() + digits.size(), request.body.size()).ptr);
    out += "\r\n";
  }
  out += "\r\n";
  connection.stream().set_deadline(loop_.now() + options_.write_timeout);
  const std::string_view parts[] = {out, request.has_body ? request.body : std::string_view()};
  auto written = co_await connection.stream().write(parts);
  out_ = std::move(out);
  co_return written;
}

Task<Result<std::unique_ptr<ClientConnection>>> HttpPool::exchange(const ClientRequest& request,
                                                                   Abort* abort) {
  struct Active {  // forgets the connection when the attempt is over, however it ends
    Abort* abort;
    Active(Abort* owner, ClientConnection* connection) : abort(owner) {
      if (abort != nullptr) abort->active_ = connection;
    }
    Active(const Active&) = delete;
    Active& operator=(const Active&) = delete;
    ~Active() {
      if (abort != nullptr) abort->active_ = nullptr;
    }
  };
  for (int attempt = 0;; ++attempt) {
    std::unique_ptr<ClientConnection> connection = take_idle();
    if (!connection) {
      CO_TRY(connection, co_await open());
    }
    const bool reused = connection->reused_;
    if (abort != nullptr && abort->requested()) co_return fail(Code::cancelled, "cancelled");
    const Active active(abort, connection.get());
    connection->stream().on_hangup(nullptr);
    auto sent = co_await send(*connection, request);
    if (abort != nullptr && abort->requested()) co_return fail(Code::cancelled, "cancelled");
    if (sent) {
      const std::chrono::milliseconds patience =
          request.head_timeout.value_or(options_.head_timeout);
      connection->stream().set_deadline(loop_.now() + patience);
      auto head = co_await connection->reader_.read_head(request.method == "HEAD");
      while (head && *head && connection->head().status / 100 == 1)  // interim answers
        head = co_await connection->reader_.read_head(request.method == "HEAD");
      if (abort != nullptr && abort->requested()) co_return fail(Code::cancelled, "cancelled");
      connection->stream().clear_deadline();
      if (head && *head) co_return connection;
      if (!head && head.error().code == Code::timeout)
        co_return fail(Code::timeout, std::format("no answer within {}", patience));
      if (!reused || !request.idempotent || attempt > 1)
        co_return fail(Code::unavailable, head
                                              ? "the server closed the connection without an answer"
                                              : base::describe(head.error()));
    } else if (!reused || !request.idempotent || attempt > 1) {
      co_return fail(Code::unavailable, base::describe(sent.error()));
    }
  }
}

Task<Result<void>> HttpPool::reach() {
  co_await loop_.yield();  // what ended meanwhile is noticed
  std::unique_ptr<ClientConnection> connection = take_idle();
  if (!connection) {
    CO_TRY(connection, co_await open());
  }
  keep(std::move(connection));
  co_return Result<void>();
}

void HttpPool::give_back(std::unique_ptr<ClientConnection> connection) {
  if (!connection || !connection->message_complete() || !connection->head().keep_alive ||
      connection->reader_.has_more() || idle_.size() >= options_.idle_connections)
    return;
  keep(std::move(connection));
}

void HttpPool::keep(std::unique_ptr<ClientConnection> connection) {
  connection->reused_ = true;
  connection->idle_since_ = loop_.now();
  ClientConnection* const watched = connection.get();
  // The watch serves twice: it tells of a server that closes, and the next answer is waited for on
  // it.
  watched->stream().on_hangup([watched] { watched->gone_ = true; });
  idle_.push_back(std::move(connection));
}

}  // namespace latticegate::net
