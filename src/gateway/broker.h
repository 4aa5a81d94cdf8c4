// Broker: gets the tokens that one server asks for, as the gateway's own. A client's token is never
// shown to a server; what the gateway shows is its own, the same for all clients.
//
// It acts on a refusal: 401, or 403 that names scopes (oauth/client.h). Whoever is refused at the
// same time waits for one attempt. It does not try again before `rest` after a failure, nor for
// scopes that the token has already, nor more than `most` times within ten seconds. Tokens and
// registrations live as long as the configuration: nothing is written to disk.
//
// When a conversation that used the server is stopped, the token is given up: forgotten at once, so
// that the next request asks for another, and taken back at the authorization server where that has
// an endpoint for it (RFC 7009). At most once a second, whatever is stopped.
//
// Any thread; requests run on the loop of whoever asks.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "crypto/jws.h"
#include "net/channel.h"
#include "net/loop.h"
#include "net/task.h"
#include "net/tls.h"
#include "oauth/client.h"

namespace latticegate::gateway {

class Broker {
 public:
  using TlsFor =
      std::function<base::Result<std::shared_ptr<const net::TlsContext>>(std::string_view host)>;
  static constexpr std::chrono::seconds rest{5};
  static constexpr std::size_t most = 4;

  // Code::crypto when the key is none. `log` outlives it.
  [[nodiscard]] static base::Result<std::shared_ptr<Broker>> make(std::string server,
                                                                  std::string url,
                                                                  const config::OAuth& settings,
                                                                  const TlsFor& tls,
                                                                  const base::Log& log);

  // The header's value; empty while there is no token, or one that is about to end.
  std::string authorization(base::Instant now) const;
  // Gets another one after `shown` was refused with this status and WWW-Authenticate.
  // Code::forbidden when no other can help.
  net::Task<base::Result<void>> renew(net::Loop& loop, std::string shown, int status,
                                      std::string challenge);

  // What became of what was held.
  struct GivenUp {
    bool held = false;     // otherwise there was nothing to give up
    bool revoked = false;  // the authorization server said so
    std::string issuer;
    std::string trouble;  // why not, for operators
  };
  // Forgets token and refresh token and has them revoked. Takes as long as the authorization server
  // does, at most `patience` for each; nobody should wait for it.
  net::Task<GivenUp> give_up(net::Loop& loop);
  // Whom this one takes over from after a reload: sessions may still hold that one's token.
  void follow(const std::shared_ptr<Broker>& before) { before_ = before; }

 private:
  struct Answer {
    int status = 0;
    std::string body;
    std::string location;
  };
  struct Found {
    oauth::Resource resource;
    oauth::Issuer issuer;
  };
  Broker(std::string server, std::string url, TlsFor tls, const base::Log& log)
      : server_(std::move(server)), url_(std::move(url)), tls_(std::move(tls)), log_(log) {}

  net::Task<base::Result<Answer>> fetch(net::Loop& loop, std::string_view method, std::string url,
                                        std::string headers, std::string body) const;
  net::Task<base::Result<Found>> discover(net::Loop& loop, const oauth::Challenge& challenge) const;
  net::Task<base::Result<oauth::Registration>> registration(net::Loop& loop,
                                                            const oauth::Issuer& issuer,
                                                            const oauth::Scopes& scopes);
  // As the client that it is registered as.
  net::Task<base::Result<Answer>> ask_as_client(net::Loop& loop, const oauth::Issuer& issuer,
                                                const oauth::Registration& known,
                                                std::string endpoint,
                                                oauth::Parameters parameters) const;
  net::Task<base::Result<oauth::Token>> ask_token(net::Loop& loop, const Found& found,
                                                  const oauth::Registration& known,
                                                  oauth::Parameters parameters) const;
  net::Task<base::Result<oauth::Token>> with_code(net::Loop& loop, const Found& found,
                                                  const oauth::Registration& known,
                                                  const std::string& scopes) const;
  net::Task<base::Result<void>> attempt(net::Loop& loop, const oauth::Challenge& challenge);

  std::string server_;
  std::string url_;
  TlsFor tls_;
  const base::Log& log_;
  config::OAuth::Grant grant_{};
  oauth::Registration given_;  // by the configuration
  std::optional<crypto::JwsKey> key_;
  oauth::Scopes scopes_;
  std::string issuer_;
  std::string document_;
  std::string redirect_;

  mutable std::mutex mutex_;
  std::string authorization_;
  base::Instant until_ = base::Instant::max();
  std::string refresh_;
  std::string token_issuer_;
  oauth::Issuer by_;        // of the token
  oauth::Registration as_;  // and whom it was given to
  base::Instant gave_up_at_{};
  oauth::Scopes held_;  // asked for with the token
  std::string bound_;   // the issuer that the given registration was first used at
  std::map<std::string, oauth::Registration, std::less<>> registered_;  // by issuer
  bool busy_ = false;
  std::vector<std::shared_ptr<net::Channel<bool>>> waiting_;
  base::Instant not_before_{};
  std::deque<base::Instant> given_at_;  // the latest tokens
  std::optional<base::Error> trouble_;
  std::weak_ptr<Broker> before_;
};

}  // namespace latticegate::gateway
