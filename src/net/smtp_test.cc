#include "net/smtp.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace latticegate;
using namespace latticegate::net;

namespace {

const Letter letter{.from = "gate@ours.example",
                    .to = {"soc@ours.example", "boss@ours.example"},
                    .text = "Subject: x\r\n\r\n.hidden\r\n..\r\nlast"};

// What the client says to a server that says these lines; "*" where the handshake would be.
std::string played(const SmtpLogin& login, bool secured, bool demands,
                   std::vector<std::string_view> lines) {
  SmtpDialogue dialogue(letter, login, secured, demands);
  std::string said;
  for (const std::string_view line : lines) {
    const auto answer = dialogue.take(line);
    if (!answer) return said + "! " + answer.error().detail;
    said += *answer;
    if (dialogue.next() == SmtpDialogue::Next::secure) said += "*" + dialogue.secured();
  }
  return said + (dialogue.next() == SmtpDialogue::Next::done ? "." : "");
}

constexpr std::string_view data = "Subject: x\r\n\r\n..hidden\r\n...\r\nlast\r\n.\r\n";

}  // namespace

TEST_CASE("a letter is handed in") {
  CHECK(played({}, true, true,
               {"220-mail.example", "220 ready", "250-mail.example", "250 SIZE 1000", "250 ok",
                "250 ok", "251 forwards", "354 go on", "250 taken", "221 bye"}) ==
        "EHLO latticegate\r\nMAIL FROM:<gate@ours.example>\r\nRCPT TO:<soc@ours.example>\r\n"
        "RCPT TO:<boss@ours.example>\r\nDATA\r\n" +
            std::string(data) + "QUIT\r\n.");
}

TEST_CASE("a password is said under TLS, in the way that the server has") {
  const SmtpLogin login{"gate", "secret"};
  CHECK(played(login, true, true, {"220 x", "250-x", "250 AUTH LOGIN PLAIN", "235 ok"}) ==
        "EHLO latticegate\r\nAUTH PLAIN AGdhdGUAc2VjcmV0\r\nMAIL FROM:<gate@ours.example>\r\n");
  CHECK(played(login, true, true,
               {"220 x", "250-x", "250 AUTH LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6",
                "235 ok"}) ==
        "EHLO latticegate\r\nAUTH LOGIN\r\nZ2F0ZQ==\r\nc2VjcmV0\r\nMAIL "
        "FROM:<gate@ours.example>\r\n");
  CHECK(played(login, true, true, {"220 x", "250 AUTH CRAM-MD5"}).ends_with("nor AUTH LOGIN"));
  CHECK(played(login, true, true, {"220 x", "250 AUTH PLAIN", "535 no"})
            .ends_with("answered 535 no"));
  // Before TLS it is not said, whatever is offered; and what was offered then does not count.
  CHECK(played(login, false, true,
               {"220 x", "250-AUTH PLAIN", "250 STARTTLS", "220 go", "250-x", "250 AUTH LOGIN"}) ==
        "EHLO latticegate\r\nSTARTTLS\r\n*EHLO latticegate\r\nAUTH LOGIN\r\n");
  CHECK(played(login, false, true, {"220 x", "250 AUTH PLAIN"}) ==
        "EHLO latticegate\r\n! the mail server offers no TLS");
  CHECK(played(login, false, true, {"220 x", "250 STARTTLS", "454 not now"})
            .ends_with("answered 454 not now"));
}

TEST_CASE("what is refused, or is no SMTP, is an error") {
  for (const std::vector<std::string_view>& lines : std::vector<std::vector<std::string_view>>{
           {"HTTP/1.1 400"},
           {""},
           {"22"},
           {"220x"},
           {"999 x"},
           {"554 no"},
           {"220 x", "421 later"},
           {"220 x", "250 x", "550 not you"},
           {"220 x", "250 x", "250 ok", "550 unknown"},
           {"220 x", "250 x", "250 ok", "250 ok", "250 ok", "354 go", "552 too large"}})
    CHECK(played({}, true, true, lines).contains("! "));
  const std::vector<std::string_view> endless(200, "220-x");
  CHECK(played({}, true, true, endless).ends_with("does not speak SMTP"));
  // Its words come printable and cut.
  const std::string loud = "550 " + std::string(5'000, '\x1b');
  CHECK(played({}, true, true, {loud}).size() < 1'500);
}
