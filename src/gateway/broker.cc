#include "gateway/broker.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "crypto/random.h"
#include "net/http_client.h"

namespace latticegate::gateway {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::chrono::seconds patience{10};  // for one answer
constexpr std::chrono::seconds between_giving_up{1};
constexpr std::chrono::seconds early{30};  // a token is not used to its last second
constexpr std::string_view form_headers =
    "Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n";

std::string random_text() {
  std::array<std::byte, 32> bytes{};
  crypto::SystemRandom().fill(bytes);
  return std::string(base::text_of(bytes));
}

}  // namespace

Result<std::shared_ptr<Broker>> Broker::make(std::string server, std::string url,
                                             const config::OAuth& settings, const TlsFor& tls,
                                             const base::Log& log) {
  std::shared_ptr<Broker> made(new Broker(std::move(server), std::move(url), tls, log));
  made->grant_ = settings.grant;
  made->given_.id = settings.client_id;
  if (settings.client_secret) made->given_.secret = settings.client_secret->value.reveal();
  if (settings.private_key) {
    auto key = crypto::JwsKey::from_pem(settings.private_key->value.reveal());
    if (!key) return std::unexpected(std::move(key).error());
    made->key_ = *std::move(key);
  }
  made->scopes_.insert(settings.scopes.begin(), settings.scopes.end());
  made->issuer_ = settings.issuer;
  made->document_ = settings.client_metadata;
  made->redirect_ = settings.redirect;
  return made;
}

std::string Broker::authorization(base::Instant now) const {
  const std::scoped_lock lock(mutex_);
  return now < until_ ? authorization_ : std::string();
}

Task<Result<void>> Broker::renew(net::Loop& loop, std::string shown, int status,
                                 std::string header) {
  const oauth::Challenge challenge = oauth::parse_challenge(header);
  std::shared_ptr<net::Channel<bool>> wait;
  {
    const std::scoped_lock lock(mutex_);
    const base::Instant now = loop.clock().instant();
    if (shown != authorization_ && now < until_) co_return Result<void>();
    if (status == 403 && std::ranges::includes(held_, challenge.scopes))
      co_return fail(Code::forbidden, "the server asks for scopes that the token has");
    if (busy_) {
      wait = std::make_shared<net::Channel<bool>>(loop, 1);
      waiting_.push_back(wait);
    } else if (now < not_before_ && trouble_) {
      co_return std::unexpected(*trouble_);
    } else if (given_at_.size() == most && now - given_at_.front() < std::chrono::seconds(10)) {
      co_return fail(Code::unavailable, "the server refuses one token after the other");
    } else {
      busy_ = true;
    }
  }
  if (wait) {
    const auto done = co_await wait->pop();
    if (done.value == true) co_return Result<void>();
    const std::scoped_lock lock(mutex_);
    co_return std::unexpected(
        trouble_.value_or(base::Error{Code::unavailable, "no token was given"}));
  }
  Result<void> result = co_await attempt(loop, challenge);
  std::vector<std::shared_ptr<net::Channel<bool>>> waiting;
  {
    const std::scoped_lock lock(mutex_);
    busy_ = false;
    trouble_ = result ? std::nullopt : std::optional(result.error());
    if (!result) not_before_ = loop.clock().instant() + rest;
    waiting.swap(waiting_);
  }
  if (result)
    log_.info("a token was given for a server", {{"server", server_}});
  else
    log_.warning("no token was given for a server",
                 {{"server", server_}, {"reason", base::describe(result.error())}});
  for (const auto& each : waiting) (void)each->push(result.has_value());
  co_return result;
}

// Redirects are not followed; where one leads is told.
Task<Result<Broker::Answer>> Broker::fetch(net::Loop& loop, std::string_view method,
                                           std::string url, std::string headers,
                                           std::string body) const {
  if (!oauth::may_ask(url, url_))
    co_return fail(Code::forbidden, std::format("{} is not asked: it is not https",
                                                base::printable(url.substr(0, 200))));
  CO_TRY(const net::Url where, net::parse_url(url));
  std::shared_ptr<const net::TlsContext> tls;
  if (where.tls) {
    CO_TRY(tls, tls_(where.host));
  }
  net::ClientOptions options;
  options.limits.body = {oauth::longest_document};
  options.connect_timeout = patience;
  options.head_timeout = patience;
  net::HttpPool pool(loop, where, std::move(tls), options);
  CO_TRY(auto connection, co_await pool.exchange({.method = method,
                                                  .path = {},
                                                  .headers = headers,
                                                  .body = body,
                                                  .has_body = method == "POST",
                                                  .idempotent = method == "GET"}));
  connection->stream().set_deadline(loop.now() + patience);
  Answer answer{.status = connection->head().status,
                .body = {},
                .location = std::string(connection->head().find("location").value_or(""))};
  CO_TRY(const std::string_view text, co_await connection->read_body());
  answer.body = text;
  co_return answer;
}

Task<Result<Broker::Found>> Broker::discover(net::Loop& loop,
                                             const oauth::Challenge& challenge) const {
  Found found;
  bool known = false;
  for (const std::string& url : oauth::resource_urls(url_, challenge)) {
    const auto answer = co_await fetch(loop, "GET", url, "Accept: application/json\r\n", {});
    if (!answer || answer->status != 200) continue;
    CO_TRY(found.resource, oauth::read_resource(answer->body, url_));
    known = true;
    break;
  }
  if (!known) co_return fail(Code::unavailable, "the server does not say who gives tokens");
  std::string issuer = found.resource.issuers.front();
  if (!issuer_.empty()) {
    if (!std::ranges::contains(found.resource.issuers, issuer_))
      co_return fail(Code::forbidden, "the server does not name the configured issuer any more");
    issuer = issuer_;
  }
  for (const std::string& url : oauth::issuer_urls(issuer)) {
    const auto answer = co_await fetch(loop, "GET", url, "Accept: application/json\r\n", {});
    if (!answer || answer->status != 200) continue;
    CO_TRY(found.issuer, oauth::read_issuer(answer->body, issuer, url_));
    co_return found;
  }
  co_return fail(Code::unavailable, "the authorization server has no metadata");
}

Task<Result<oauth::Registration>> Broker::registration(net::Loop& loop, const oauth::Issuer& issuer,
                                                       const oauth::Scopes& scopes) {
  if (!given_.id.empty()) {
    const std::scoped_lock lock(mutex_);
    if (bound_.empty()) bound_ = issuer.issuer;
    if (bound_ != issuer.issuer)
      co_return fail(Code::forbidden, "the client id belongs to another issuer");
    co_return given_;
  }
  if (!document_.empty() && issuer.takes_documents)
    co_return oauth::Registration{.id = document_, .secret = {}, .authentication = "none"};
  {
    const std::scoped_lock lock(mutex_);
    if (const auto known = registered_.find(issuer.issuer); known != registered_.end())
      co_return known->second;
  }
  if (issuer.registration_endpoint.empty())
    co_return fail(Code::forbidden, "the authorization server registers nobody; set client_id");
  CO_TRY(const Answer answer,
         co_await fetch(loop, "POST", issuer.registration_endpoint,
                        "Accept: application/json\r\nContent-Type: application/json\r\n",
                        oauth::registration_request(redirect_, scopes, true)));
  if (answer.status / 100 != 2)
    co_return fail(Code::forbidden,
                   std::format("the registration was refused with {}", answer.status));
  CO_TRY(oauth::Registration made, oauth::read_registration(answer.body));
  const std::scoped_lock lock(mutex_);
  co_return registered_.insert_or_assign(issuer.issuer, std::move(made)).first->second;
}

Task<Result<Broker::Answer>> Broker::ask_as_client(net::Loop& loop, const oauth::Issuer& issuer,
                                                   const oauth::Registration& known,
                                                   std::string endpoint,
                                                   oauth::Parameters parameters) const {
  std::string headers(form_headers);
  std::string proof;
  const std::string way = oauth::authentication_for(issuer, known, key_.has_value());
  if (way == "client_secret_basic") {
    headers += std::format("Authorization: {}\r\n", oauth::basic_authorization(known));
  } else {
    parameters.emplace_back("client_id", known.id);
    if (way == "client_secret_post") parameters.emplace_back("client_secret", known.secret);
  }
  if (way == "private_key_jwt") {
    const std::int64_t now = base::to_unix_ms(loop.clock().now()) / 1000;
    const std::string id = base::to_base64url(base::bytes_of(random_text()));
    CO_TRY(proof, key_->sign(oauth::assertion(known.id, issuer.issuer, id, now)));
    parameters.emplace_back("client_assertion_type",
                            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    parameters.emplace_back("client_assertion", proof);
  }
  co_return co_await fetch(loop, "POST", std::move(endpoint), std::move(headers),
                           oauth::form(parameters));
}

Task<Result<oauth::Token>> Broker::ask_token(net::Loop& loop, const Found& found,
                                             const oauth::Registration& known,
                                             oauth::Parameters parameters) const {
  parameters.emplace_back("resource", found.resource.resource);
  CO_TRY(const Answer answer,
         co_await ask_as_client(loop, found.issuer, known, found.issuer.token_endpoint,
                                std::move(parameters)));
  if (answer.status != 200)
    co_return fail(Code::forbidden,
                   std::format("the token request was refused with {}", answer.status));
  co_return oauth::read_token(answer.body);
}

// The endpoint answers at once: the code is in the address that a browser would be sent to.
Task<Result<oauth::Token>> Broker::with_code(net::Loop& loop, const Found& found,
                                             const oauth::Registration& known,
                                             const std::string& scopes) const {
  if (!found.issuer.s256)
    co_return fail(Code::forbidden, "the authorization server does not prove who asks (PKCE S256)");
  if (found.issuer.authorization_endpoint.empty())
    co_return fail(Code::unavailable, "the issuer names no authorization endpoint");
  const oauth::Proof proof = oauth::make_proof(random_text());
  const std::string state = base::to_base64url(base::bytes_of(random_text()));
  const oauth::Parameters request{{"response_type", "code"},
                                  {"client_id", known.id},
                                  {"redirect_uri", redirect_},
                                  {"scope", scopes},
                                  {"state", state},
                                  {"code_challenge", proof.challenge},
                                  {"code_challenge_method", "S256"},
                                  {"resource", found.resource.resource}};
  CO_TRY(
      const Answer answer,
      co_await fetch(loop, "GET",
                     oauth::with_parameters(found.issuer.authorization_endpoint, request), "", {}));
  if (answer.status / 100 != 3)
    co_return fail(Code::forbidden, "the authorization server asks for a person");
  CO_TRY(const std::string code,
         oauth::read_redirect(answer.location, redirect_, state, found.issuer));
  oauth::Parameters exchange{{"grant_type", "authorization_code"},
                             {"code", code},
                             {"redirect_uri", redirect_},
                             {"code_verifier", proof.verifier}};
  co_return co_await ask_token(loop, found, known, std::move(exchange));
}

Task<Result<void>> Broker::attempt(net::Loop& loop, const oauth::Challenge& challenge) {
  CO_TRY(const Found found, co_await discover(loop, challenge));
  const bool code = grant_ == config::OAuth::Grant::authorization_code;
  oauth::Scopes before = scopes_;
  std::string refresh;
  {
    const std::scoped_lock lock(mutex_);
    // What was asked of another issuer is its own affair.
    if (token_issuer_ == found.issuer.issuer) {
      before.insert(held_.begin(), held_.end());
      refresh = std::exchange(refresh_, {});
      if (!std::ranges::includes(held_, challenge.scopes)) refresh.clear();
    }
  }
  const oauth::Scopes wanted =
      oauth::wanted_scopes(challenge, found.resource, found.issuer, before, code);
  const std::string scopes = oauth::text_of(wanted);
  CO_TRY(const oauth::Registration known, co_await registration(loop, found.issuer, wanted));
  Result<oauth::Token> token = fail(Code::unavailable, "no token yet");
  if (!refresh.empty()) {
    oauth::Parameters again{{"grant_type", "refresh_token"}, {"refresh_token", refresh}};
    token = co_await ask_token(loop, found, known, std::move(again));
  }
  if (!token && code) token = co_await with_code(loop, found, known, scopes);
  if (!token && !code) {
    oauth::Parameters itself{{"grant_type", "client_credentials"}, {"scope", scopes}};
    token = co_await ask_token(loop, found, known, std::move(itself));
  }
  if (!token) co_return std::unexpected(std::move(token).error());
  const std::scoped_lock lock(mutex_);
  const base::Instant now = loop.clock().instant();
  authorization_ = "Bearer " + token->access;
  refresh_ = token->refresh;
  token_issuer_ = found.issuer.issuer;
  by_ = found.issuer;
  as_ = known;
  held_ = wanted;
  until_ = base::Instant::max();
  if (token->seconds && *token->seconds > early.count() && *token->seconds < 1'000'000'000)
    until_ = now + std::chrono::seconds(*token->seconds) - early;
  given_at_.push_back(now);
  if (given_at_.size() > most) given_at_.pop_front();
  co_return Result<void>();
}

Task<Broker::GivenUp> Broker::give_up(net::Loop& loop) {
  if (const std::shared_ptr<Broker> before = before_.lock()) (void)co_await before->give_up(loop);
  std::chrono::nanoseconds early_by{};
  {
    const std::scoped_lock lock(mutex_);
    const base::Instant now = loop.clock().instant();
    if (gave_up_at_ != base::Instant{} && now - gave_up_at_ < between_giving_up)
      early_by = between_giving_up - (now - gave_up_at_);
  }
  if (early_by.count() > 0)
    co_await loop.sleep(std::chrono::ceil<std::chrono::milliseconds>(early_by));
  GivenUp out;
  oauth::Issuer by;
  oauth::Registration as;
  std::string access;
  std::string refresh;
  {
    const std::scoped_lock lock(mutex_);
    if (authorization_.empty() && refresh_.empty()) co_return out;
    gave_up_at_ = loop.clock().instant();
    constexpr std::string_view scheme = "Bearer ";
    access = std::exchange(authorization_, {});
    if (access.starts_with(scheme)) access.erase(0, scheme.size());
    refresh = std::exchange(refresh_, {});
    until_ = base::Instant::max();
    given_at_.clear();  // nobody refused them
    by = by_;
    as = as_;
  }
  out.held = true;
  out.issuer = by.issuer;
  if (by.revocation_endpoint.empty()) {
    out.trouble = "the authorization server has no revocation endpoint";
    co_return out;
  }
  out.revoked = true;
  // First the refresh token: with it goes what came of it.
  for (const bool whole : {true, false}) {
    const std::string_view token = whole ? refresh : access;
    if (token.empty()) continue;
    oauth::Parameters parameters{{"token", token},
                                 {"token_type_hint", whole ? "refresh_token" : "access_token"}};
    const auto answer =
        co_await ask_as_client(loop, by, as, by.revocation_endpoint, std::move(parameters));
    if (answer && answer->status == 200) continue;
    out.revoked = false;
    out.trouble = answer ? std::format("the authorization server answered {}", answer->status)
                         : base::describe(answer.error());
    if (!answer) break;  // who does not answer is not waited for twice
  }
  co_return out;
}

}  // namespace latticegate::gateway
