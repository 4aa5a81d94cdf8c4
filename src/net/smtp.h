// SMTP (RFC 5321) as a client that hands in one letter: the dialogue as a machine without I/O, and
// the connection that drives it.
//
// TLS from the first byte (port 465, RFC 8314) or after STARTTLS (RFC 3207), which is then
// demanded: a server that does not offer it, or that says anything between its yes and the
// handshake, is an error. A password (AUTH PLAIN or LOGIN) is never said in plain text, except to
// this machine.
//
// Posture: the server is configured and still not believed: lines of at most 1,000 bytes, 100 of
// them in an answer, all within one time limit. What it says gets into errors printable and cut.
//
// libcurl would do the same, with 30 libraries (LDAP, Kerberos, RTMP, SSH) in the process of a
// gateway and a second TLS configuration beside ours.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls.h"

namespace latticegate::net {

struct Letter {
  std::string from;             // "gate@ours.example"
  std::vector<std::string> to;  // the same form; at least one
  std::string text;             // head and body, in lines with CR LF, 7 bit
};

struct SmtpLogin {
  std::string user;  // empty: none
  std::string password;
};

class SmtpDialogue {
 public:
  enum class Next : std::uint8_t { read, secure, done };

  // `secured`: TLS from the first byte. `demands_tls`: else STARTTLS, or nothing is said.
  SmtpDialogue(const Letter& letter, const SmtpLogin& login, bool secured, bool demands_tls)
      : letter_(letter), login_(login), secured_(secured), demands_tls_(demands_tls) {}

  // Takes a line of the server, without its end. What is to be sent, if anything.
  [[nodiscard]] base::Result<std::string> take(std::string_view line);
  // The handshake is done. What is to be sent.
  std::string secured();
  Next next() const { return next_; }

 private:
  enum class Step : std::uint8_t {
    greeting,
    hello,
    start_tls,
    login,
    login_user,
    login_password,
    from,
    to,
    data,
    text,
    quit
  };
  base::Result<std::string> answered(int code, std::string_view words);
  base::Result<std::string> after_hello();
  std::string begin_letter();

  const Letter& letter_;
  const SmtpLogin& login_;
  bool secured_;
  bool demands_tls_;
  Step step_ = Step::greeting;
  Next next_ = Next::read;
  std::size_t lines_ = 0;
  std::size_t receivers_ = 0;
  bool offers_tls_ = false;
  bool offers_plain_ = false;
  bool offers_login_ = false;
};

struct SmtpServer {
  std::string host;
  std::uint16_t port = 465;
  bool tls = true;                            // from the first byte
  bool demands_tls = true;                    // else STARTTLS
  std::shared_ptr<const TlsContext> context;  // null: in plain text, for this machine only
  SmtpLogin login;
};

// One connection, one letter, within the time. Errors: Code::unavailable with the server's words,
// Code::timeout, Code::crypto.
Task<base::Result<void>> hand_in(Loop& loop, const SmtpServer& server, const Letter& letter,
                                 std::chrono::milliseconds timeout);

}  // namespace latticegate::net
