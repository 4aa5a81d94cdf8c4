#include "net/smtp.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <format>
#include <utility>

#include <fcntl.h>

#include "base/bytes.h"
#include "base/log.h"
#include "net/socket.h"

namespace latticegate::net {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr std::size_t longest_line = 1'000;
constexpr std::size_t most_lines = 100;
constexpr std::size_t longest_words = 200;
constexpr std::string_view hello = "EHLO latticegate\r\n";

std::string encoded(std::string_view text) { return base::to_base64(base::bytes_of(text)); }

// A line that begins with a dot gets another one (RFC 5321, 4.5.2).
std::string with_dots(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  bool begins = true;
  for (const char c : text) {
    if (begins && c == '.') out += '.';
    out += c;
    begins = c == '\n';
  }
  if (!out.ends_with("\r\n")) out += "\r\n";
  return out + ".\r\n";
}

bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const std::string_view one = words.substr(0, words.find(' '));
    if (one == word) return true;
    words.remove_prefix(std::min(words.size(), one.size() + 1));
  }
  return false;
}

}  // namespace

Result<std::string> SmtpDialogue::take(std::string_view line) {
  int code = 0;
  const bool numbered =
      line.size() >= 3 &&
      std::from_chars(line.data(), line.data() + 3, code).ptr == line.data() + 3 && code >= 200 &&
      code <= 599 && (line.size() == 3 || line[3] == ' ' || line[3] == '-');
  if (!numbered || ++lines_ > most_lines)
    return fail(Code::malformed, "the server does not speak SMTP");
  const std::string_view words = line.size() > 4 ? line.substr(4) : std::string_view();
  if (step_ == Step::hello && code == 250) {
    offers_tls_ = offers_tls_ || words == "STARTTLS";
    if (words.starts_with("AUTH ")) {
      offers_plain_ = has_word(words, "PLAIN");
      offers_login_ = has_word(words, "LOGIN");
    }
  }
  if (line.size() > 3 && line[3] == '-') return std::string();
  lines_ = 0;
  return answered(code, words);
}

Result<std::string> SmtpDialogue::answered(int code, std::string_view words) {
  const auto wanted = [&] {
    switch (step_) {
      case Step::greeting:
      case Step::start_tls: return 220;
      case Step::hello:
      case Step::from:
      case Step::to:
      case Step::text: return 250;
      case Step::login: return offers_plain_ ? 235 : 334;
      case Step::login_user: return 334;
      case Step::login_password: return 235;
      case Step::data: return 354;
      case Step::quit: return 221;
    }
    std::unreachable();
  }();
  if (step_ == Step::quit) {  // it has the letter, whatever it says now
    next_ = Next::done;
    return std::string();
  }
  const bool forwards = step_ == Step::to && code == 251;
  if (code != wanted && !forwards)
    return fail(Code::unavailable, std::format("the mail server answered {} {}", code,
                                               base::printable(words.substr(0, longest_words))));
  switch (step_) {
    case Step::greeting: step_ = Step::hello; return std::string(hello);
    case Step::hello: return after_hello();
    case Step::start_tls: next_ = Next::secure; return std::string();
    case Step::login:
      if (offers_plain_) return begin_letter();
      step_ = Step::login_user;
      return encoded(login_.user) + "\r\n";
    case Step::login_user: step_ = Step::login_password; return encoded(login_.password) + "\r\n";
    case Step::login_password: return begin_letter();
    case Step::from:
    case Step::to:
      if (receivers_ < letter_.to.size()) {
        step_ = Step::to;
        return std::format("RCPT TO:<{}>\r\n", letter_.to[receivers_++]);
      }
      step_ = Step::data;
      return std::string("DATA\r\n");
    case Step::data: step_ = Step::text; return with_dots(letter_.text);
    case Step::text: step_ = Step::quit; return std::string("QUIT\r\n");
    case Step::quit: break;
  }
  std::unreachable();
}

Result<std::string> SmtpDialogue::after_hello() {
  if (!secured_ && demands_tls_) {
    if (!offers_tls_) return fail(Code::crypto, "the mail server offers no TLS");
    step_ = Step::start_tls;
    return std::string("STARTTLS\r\n");
  }
  if (login_.user.empty()) return begin_letter();
  if (!offers_plain_ && !offers_login_)
    return fail(Code::unsupported, "the mail server offers neither AUTH PLAIN nor AUTH LOGIN");
  step_ = Step::login;
  if (!offers_plain_) return std::string("AUTH LOGIN\r\n");
  return std::format("AUTH PLAIN {}\r\n",
                     encoded(std::format("{0}{1}{0}{2}", '\0', login_.user, login_.password)));
}

std::string SmtpDialogue::begin_letter() {
  step_ = Step::from;
  return std::format("MAIL FROM:<{}>\r\n", letter_.from);
}

// What was offered before counts no more (RFC 3207, 4.2).
std::string SmtpDialogue::secured() {
  secured_ = true;
  offers_plain_ = offers_login_ = offers_tls_ = false;
  step_ = Step::hello;
  next_ = Next::read;
  return std::string(hello);
}

namespace {

class Connection {
 public:
  Connection(Loop& loop, const SmtpServer& server, base::Instant limit)
      : loop_(loop), server_(server), limit_(limit) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (spare_ >= 0) ::close(spare_);
  }

  Task<Result<void>> open() {
    CO_TRY(const auto addresses, co_await resolve(loop_, server_.host, server_.port));
    CO_TRY(auto connected, co_await connect_socket(loop_, addresses, left()));
    if (server_.tls) {
      CO_TRY(stream_, co_await tls_handshake(loop_, server_.context, connected.fd,
                                             std::move(connected.peer), left()));
    } else {
      // The plain stream owns its descriptor and closes it; TLS begins on another one for the same
      // connection.
      if (server_.demands_tls) spare_ = ::fcntl(connected.fd, F_DUPFD_CLOEXEC, 0);
      peer_ = connected.peer;
      stream_ = socket_stream(loop_, connected.fd, std::move(connected.peer));
      if (server_.demands_tls && spare_ < 0) co_return fail(Code::io, base::os_reason(errno));
    }
    stream_->set_deadline(limit_);
    co_return Result<void>();
  }

  Task<Result<void>> secure() {
    if (!buffer_.empty())
      co_return fail(Code::crypto, "the mail server spoke between its yes and the handshake");
    stream_.reset();
    CO_TRY(stream_, co_await tls_handshake(loop_, server_.context, std::exchange(spare_, -1),
                                           std::move(peer_), left()));
    stream_->set_deadline(limit_);
    co_return Result<void>();
  }

  Task<Result<std::string>> line() {
    for (;;) {
      if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        if (line.ends_with('\r')) line.pop_back();
        co_return line;
      }
      if (buffer_.size() > longest_line)
        co_return fail(Code::malformed, "the server does not speak SMTP");
      std::array<char, 1024> bytes{};
      CO_TRY(const std::size_t count, co_await stream_->read(bytes));
      if (count == 0) co_return fail(Code::closed, "the mail server closed the connection");
      buffer_.append(bytes.data(), count);
    }
  }

  Task<Result<void>> send(std::string text) { co_return co_await stream_->write_one(text); }

 private:
  std::chrono::milliseconds left() const {
    return std::max(
        std::chrono::milliseconds(1),
        std::chrono::duration_cast<std::chrono::milliseconds>(limit_ - loop_.clock().instant()));
  }
  Loop& loop_;
  const SmtpServer& server_;
  base::Instant limit_;
  std::unique_ptr<Stream> stream_;
  Peer peer_;
  int spare_ = -1;
  std::string buffer_;
};

}  // namespace

Task<Result<void>> hand_in(Loop& loop, const SmtpServer& server, const Letter& letter,
                           std::chrono::milliseconds timeout) {
  Connection connection(loop, server, loop.clock().instant() + timeout);
  CO_CHECK(co_await connection.open());
  SmtpDialogue dialogue(letter, server.login, server.tls, server.demands_tls);
  while (dialogue.next() != SmtpDialogue::Next::done) {
    CO_TRY(const std::string line, co_await connection.line());
    CO_TRY(std::string answer, dialogue.take(line));
    if (dialogue.next() == SmtpDialogue::Next::secure) {
      CO_CHECK(co_await connection.secure());
      answer = dialogue.secured();
    }
    if (!answer.empty()) CO_CHECK(co_await connection.send(std::move(answer)));
  }
  co_return Result<void>();
}

}  // namespace latticegate::net
