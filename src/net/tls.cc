#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <format>

#include "base/storage.h"
#include "crypto/certificate.h"
#include "net/detail/descriptor.h"

namespace latticegate::net {
namespace {

using base::Code;
using base::fail;
using base::Result;
using detail::Wake;

template <auto Free>
struct Freed {
  void operator()(auto* object) const { Free(object); }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freed<SSL_free>>;

constexpr std::size_t record_size = 16 * 1024;

// The oldest entry of OpenSSL's error queue, which is emptied.
std::string ssl_reason() {
  std::string words = "unknown reason";
  if (const unsigned long error = ERR_get_error(); error != 0) {
    const char* const text = ERR_reason_error_string(error);
    if (text != nullptr) words = text;
  }
  ERR_clear_error();
  return words;
}

Bio bio_of(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Result<void> use_certificate(SSL_CTX* context, std::string_view chain_pem,
                             std::string_view key_pem) {
  const Bio chain = bio_of(chain_pem);
  const Certificate leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (!leaf) return fail(Code::crypto, "the certificate is not readable PEM: " + ssl_reason());
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return fail(Code::crypto, "the certificate is not usable: " + ssl_reason());
  while (X509* const next = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))
    if (SSL_CTX_add_extra_chain_cert(context, next) != 1) {  // takes it over on success only
      X509_free(next);
      return fail(Code::crypto, "the certificate chain is not usable: " + ssl_reason());
    }
  ERR_clear_error();  // the end of the file is an entry in the queue
  const Bio key_text = bio_of(key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  if (!key) return fail(Code::crypto, "the private key is not readable PEM: " + ssl_reason());
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1)
    return fail(Code::crypto,
                "the private key does not belong to the certificate: " + ssl_reason());
  return {};
}

Result<void> trust(SSL_CTX* context, std::string_view ca_pem) {
  const Bio text = bio_of(ca_pem);
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (true) {
    const Certificate ca(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    if (!ca) break;
    if (X509_STORE_add_cert(store, ca.get()) != 1)
      return fail(Code::crypto, "a CA certificate is not usable: " + ssl_reason());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(Code::crypto, "no CA certificate in the PEM text");
  // An issuing CA may be the trust anchor itself.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

Result<Context> make_context(const SSL_METHOD* method, const pqc::Rules& rules,
                             std::string_view groups) {
  Context context(SSL_CTX_new(method));
  if (!context) return fail(Code::crypto, "no TLS context: " + ssl_reason());
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_options(raw,
                      SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_read_ahead(raw, 1);
  if (SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) != 1)
    return fail(Code::crypto, "TLS 1.3 is not available: " + ssl_reason());
  if (SSL_CTX_set1_groups_list(raw, std::string(groups).c_str()) != 1)
    return fail(Code::crypto, std::format("this OpenSSL does not know all groups of '{}': {}",
                                          groups, ssl_reason()));
  if (!rules.signature_algorithms.empty() &&
      SSL_CTX_set1_sigalgs_list(raw, std::string(rules.signature_algorithms).c_str()) != 1)
    return fail(Code::crypto,
                "this OpenSSL does not know the profile's signature algorithms: " + ssl_reason());
  if (!rules.cipher_suites.empty() &&
      SSL_CTX_set_ciphersuites(raw, std::string(rules.cipher_suites).c_str()) != 1)
    return fail(Code::crypto,
                "this OpenSSL does not know the profile's cipher suites: " + ssl_reason());
  return context;
}

// The code points of draft-ietf-tls-ecdhe-mlkem and draft-ietf-tls-mlkem; empty for all others.
std::string_view post_quantum_group(unsigned code) {
  switch (code) {
    case 0x0200: return "MLKEM512";
    case 0x0201: return "MLKEM768";
    case 0x0202: return "MLKEM1024";
    case 0x11EB: return "SecP256r1MLKEM768";
    case 0x11EC: return "X25519MLKEM768";
    case 0x11ED: return "SecP384r1MLKEM1024";
    default: return {};
  }
}

// True when the ClientHello offers a group that the profile takes (RFC 8446 4.2.7).
bool offers_acceptable(SSL* ssl, pqc::Profile profile) {
  const unsigned char* groups = nullptr;
  std::size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_groups, &groups, &length) != 1)
    return false;
  for (std::size_t i = 2; i + 1 < length; i += 2) {
    const unsigned group = static_cast<unsigned>(groups[i]) << 8 | groups[i + 1];
    if (pqc::acceptable(profile, post_quantum_group(group))) return true;
  }
  return false;
}

// A client that cannot do it is told so before any key share is computed, and by the alert that
// says why.
int refuse_classical(SSL* ssl, int* alert, void* profile) {
  if (offers_acceptable(ssl, *static_cast<const pqc::Profile*>(profile)))
    return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_INSUFFICIENT_SECURITY;
  return SSL_CLIENT_HELLO_ERROR;
}

std::shared_ptr<const crypto::Certificate> certificate_of(SSL* ssl) {
  const Certificate certificate(SSL_get1_peer_certificate(ssl));
  if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK) return nullptr;
  unsigned char* der = nullptr;
  const int length = i2d_X509(certificate.get(), &der);
  if (length <= 0) return nullptr;
  auto read =
      crypto::read_certificate_der(std::as_bytes(std::span(der, static_cast<std::size_t>(length))));
  OPENSSL_free(der);
  if (!read) return nullptr;
  return std::make_shared<const crypto::Certificate>(*std::move(read));
}

}  // namespace

namespace {

// OpenSSL's view of a descriptor. Its own socket BIO would do, but for one thing: here a short read
// is told to the descriptor, so that the next read of the stream waits instead of asking the
// kernel again.
detail::Descriptor& descriptor_of(BIO* bio) {
  return *static_cast<detail::Descriptor*>(BIO_get_data(bio));
}

int write_descriptor(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t count =
      ::send(descriptor_of(bio).fd(), data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int read_descriptor(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  detail::Descriptor& descriptor = descriptor_of(bio);
  const ssize_t count = ::recv(descriptor.fd(), into, static_cast<std::size_t>(size), 0);
  if (count < 0 && errno != EAGAIN && errno != EINTR) return -1;
  if (count < size) descriptor.drained();
  if (count < 0) BIO_set_retry_read(bio);
  return static_cast<int>(count);
}

long control_descriptor(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;  // nothing is held back here
}

BIO* descriptor_bio(detail::Descriptor& descriptor) {
  struct Free {
    void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
  };
  static const std::unique_ptr<BIO_METHOD, Free> method = [] {
    std::unique_ptr<BIO_METHOD, Free> made(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "descriptor"));
    if (made) {
      BIO_meth_set_write(made.get(), write_descriptor);
      BIO_meth_set_read(made.get(), read_descriptor);
      BIO_meth_set_ctrl(made.get(), control_descriptor);
    }
    return made;
  }();
  if (!method) return nullptr;
  BIO* const bio = BIO_new(method.get());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &descriptor);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace

struct TlsContext::State {
  Context context;
  pqc::Profile profile{};
  bool is_server = false;
  std::string server_name;
  bool numeric_name = false;
};

namespace {

class TlsStream final : public Stream {
 public:
  TlsStream(std::shared_ptr<const TlsContext> context,
            std::unique_ptr<detail::Descriptor> descriptor, Session session, Peer peer)
      : context_(std::move(context)),
        descriptor_(std::move(descriptor)),
        ssl_(std::move(session)),
        peer_(std::move(peer)) {}
  ~TlsStream() override { descriptor_->close(); }

  Task<Result<std::size_t>> read(std::span<char> into) override {
    for (;;) {
      if (!descriptor_->open()) co_return fail(Code::closed, "closed");
      if (!descriptor_->is_readable() && SSL_has_pending(ssl_.get()) == 0) {
        fairness_.waited();
        const Wake wake = co_await descriptor_->readable();
        if (wake != Wake::ready) co_return woken(wake);
      }
      std::size_t count = 0;
      ERR_clear_error();
      if (SSL_read_ex(ssl_.get(), into.data(), into.size(), &count) == 1) {
        if (fairness_.turn_is_over()) co_await descriptor_->loop().yield();
        co_return count;
      }
      switch (SSL_get_error(ssl_.get(), 0)) {
        case SSL_ERROR_WANT_READ: {  // perhaps in the middle of a record
          const Wake wake = co_await descriptor_->readable();
          if (wake != Wake::ready) co_return woken(wake);
          break;
        }
        case SSL_ERROR_WANT_WRITE: {
          const Wake wake = co_await descriptor_->writable();
          if (wake != Wake::ready) co_return woken(wake);
          break;
        }
        case SSL_ERROR_ZERO_RETURN: co_return std::size_t{0};
        default: co_return fail(Code::closed, "TLS: " + ssl_reason());
      }
    }
  }

  Task<Result<void>> write(std::span<const std::string_view> parts) override {
    // Small parts share one record; a large part is written from where it is.
    std::string& gathered = scratch_;
    gathered.clear();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::string_view part = parts[i];
      if (gathered.size() + part.size() <= record_size) {
        gathered += part;
        if (i + 1 < parts.size()) continue;
        CO_CHECK(co_await write_all(gathered));
      } else {
        if (!gathered.empty()) CO_CHECK(co_await write_all(gathered));
        gathered.clear();
        CO_CHECK(co_await write_all(part));
      }
    }
    if (scratch_.capacity() > 4 * record_size) base::free_storage(scratch_);
    if (fairness_.turn_is_over()) co_await descriptor_->loop().yield();
    co_return Result<void>();
  }

  Task<Result<void>> wait_readable() override {
    if (!descriptor_->open()) co_return fail(Code::closed, "closed");
    if (SSL_has_pending(ssl_.get()) != 0) co_return Result<void>();
    // An idle connection keeps no buffer.
    if (scratch_.capacity() > 1024) base::free_storage(scratch_);
    const Wake wake = co_await descriptor_->readable();
    if (wake != Wake::ready) co_return woken(wake);
    co_return Result<void>();
  }

  void on_hangup(std::function<void()> callback) override {
    hangup_ = std::move(callback);
    if (hangup_)
      watch_for_hangup();
    else
      descriptor_->when_idle(nullptr);
  }

  void set_deadline(base::Instant at) override {
    if (descriptor_->open()) descriptor_->set_deadline(at);
  }
  void clear_deadline() override {
    if (descriptor_->open()) descriptor_->clear_deadline();
  }
  void close() override { descriptor_->close(); }
  Task<void> shutdown() override {
    if (descriptor_->open()) {
      ERR_clear_error();
      SSL_shutdown(ssl_.get());  // close_notify, sent if the socket takes it at once; the peer's is
                                 // not waited for
      ::shutdown(descriptor_->fd(), SHUT_WR);
    }
    descriptor_->close();
    co_return;
  }
  const Peer& peer() const override { return peer_; }

 private:
  static std::unexpected<base::Error> woken(Wake wake) {
    return wake == Wake::expired ? fail(Code::timeout, "the time limit passed")
                                 : fail(Code::closed, "closed");
  }

  void watch_for_hangup() {
    descriptor_->when_idle([this] {
      char byte = 0;
      ERR_clear_error();
      const int count = SSL_peek(ssl_.get(), &byte, 1);
      if (count > 0) return;
      const int why = SSL_get_error(ssl_.get(), count);
      if (why == SSL_ERROR_WANT_READ) {  // half a record, or one without data
        watch_for_hangup();
      } else if (why != SSL_ERROR_WANT_WRITE) {
        if (const auto call = std::exchange(hangup_, nullptr)) call();
      }
    });
  }

  Task<Result<void>> write_all(std::string_view text) {
    while (!text.empty()) {
      if (!descriptor_->open()) co_return fail(Code::closed, "closed");
      std::size_t count = 0;
      ERR_clear_error();
      if (SSL_write_ex(ssl_.get(), text.data(), text.size(), &count) == 1) {
        text.remove_prefix(count);
        continue;
      }
      const int why = SSL_get_error(ssl_.get(), 0);
      if (why == SSL_ERROR_WANT_WRITE) {
        const Wake wake = co_await descriptor_->writable();
        if (wake != Wake::ready) co_return woken(wake);
      } else if (why == SSL_ERROR_WANT_READ) {
        const Wake wake = co_await descriptor_->readable();
        if (wake != Wake::ready) co_return woken(wake);
      } else {
        co_return fail(Code::closed, "TLS: " + ssl_reason());
      }
    }
    co_return Result<void>();
  }

  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<detail::Descriptor> descriptor_;
  Session ssl_;
  Peer peer_;
  std::string scratch_;
  std::function<void()> hangup_;
  Fairness fairness_;
};

}  // namespace

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsServerOptions& options) {
  const pqc::Rules& rules = pqc::rules(options.profile);
  auto context = make_context(TLS_server_method(), rules, rules.server_groups);
  if (!context) return std::unexpected(std::move(context).error());
  SSL_CTX* const raw = context->get();
  if (auto used = use_certificate(raw, options.certificate_pem, options.key_pem); !used)
    return std::unexpected(std::move(used).error());
  // Sessions are cached, not sealed into tickets, so that they can be revoked; one context never
  // resumes another's.
  const std::string_view id = "latticegate";
  SSL_CTX_set_session_id_context(
      raw, static_cast<const unsigned char*>(static_cast<const void*>(id.data())),
      static_cast<unsigned>(id.size()));
  SSL_CTX_set_num_tickets(raw, 1);
  SSL_CTX_sess_set_cache_size(raw, 4096);
  if (!options.client_ca_pem.empty()) {
    if (auto trusted = trust(raw, options.client_ca_pem); !trusted)
      return std::unexpected(std::move(trusted).error());
    SSL_CTX_set_verify(
        raw,
        SSL_VERIFY_PEER |
            (options.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        nullptr);
  }
  auto state = std::make_unique<State>();
  state->context = std::move(*context);
  state->profile = options.profile;
  if (!rules.classical_allowed)
    SSL_CTX_set_client_hello_cb(raw, refuse_classical, &state->profile);  // lives as long
  state->is_server = true;
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(state)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsClientOptions& options) {
  const pqc::Rules& rules = pqc::rules(options.profile);
  auto context = make_context(TLS_client_method(), rules, rules.client_groups);
  if (!context) return std::unexpected(std::move(context).error());
  SSL_CTX* const raw = context->get();
  if (options.ca_pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(raw) != 1)
      return fail(Code::crypto, "no system trust store: " + ssl_reason());
  } else if (auto trusted = trust(raw, options.ca_pem); !trusted) {
    return std::unexpected(std::move(trusted).error());
  }
  if (!options.certificate_pem.empty())
    if (auto used = use_certificate(raw, options.certificate_pem, options.key_pem); !used)
      return std::unexpected(std::move(used).error());
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  auto state = std::make_unique<State>();
  state->context = std::move(*context);
  state->profile = options.profile;
  state->server_name = options.server_name;
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(options.server_name.c_str());
  state->numeric_name = address != nullptr;
  ASN1_OCTET_STRING_free(address);
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(state)));
}

Task<Result<std::unique_ptr<Stream>>> tls_handshake(Loop& loop,
                                                    std::shared_ptr<const TlsContext> context,
                                                    int fd, Peer peer,
                                                    std::chrono::milliseconds timeout) {
  auto descriptor = std::make_unique<detail::Descriptor>(loop, fd);
  const TlsContext::State& state = context->state();
  Session ssl(SSL_new(state.context.get()));
  BIO* const bio = descriptor_bio(*descriptor);
  if (!ssl || bio == nullptr) {
    BIO_free(bio);
    co_return fail(Code::crypto, "no TLS session: " + ssl_reason());
  }
  SSL_set_bio(ssl.get(), bio, bio);  // owns it from here on
  if (state.is_server) {
    SSL_set_accept_state(ssl.get());
  } else {
    SSL_set_connect_state(ssl.get());
    if (state.numeric_name) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), state.server_name.c_str());
    } else {
      SSL_set1_host(ssl.get(), state.server_name.c_str());
      // The macro SSL_set_tlsext_host_name has an old-style cast.
      std::string name = state.server_name;
      SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    }
  }
  descriptor->set_deadline(loop.clock().instant() + timeout);
  for (;;) {
    ERR_clear_error();
    const int status = SSL_do_handshake(ssl.get());
    if (status == 1) break;
    Wake wake = Wake::ready;
    switch (SSL_get_error(ssl.get(), status)) {
      case SSL_ERROR_WANT_READ: wake = co_await descriptor->readable(); break;
      case SSL_ERROR_WANT_WRITE: wake = co_await descriptor->writable(); break;
      case SSL_ERROR_SSL: {
        const long verdict = SSL_get_verify_result(ssl.get());
        const bool refused =  // by refuse_classical, the only callback that can
            state.is_server && ERR_GET_REASON(ERR_peek_error()) == SSL_R_CALLBACK_FAILED;
        std::string words = ssl_reason();
        if (refused)
          words = std::format("the client offers no key exchange of profile {} ({})",
                              pqc::name(state.profile), pqc::rules(state.profile).server_groups);
        if (verdict != X509_V_OK)
          words += std::format(" ({})", X509_verify_cert_error_string(verdict));
        co_return fail(Code::crypto, "TLS handshake: " + words);
      }
      default:
        ERR_clear_error();
        co_return fail(Code::closed, "the peer left during the TLS handshake");
    }
    if (wake == Wake::expired) co_return fail(Code::timeout, "the TLS handshake took too long");
    if (wake == Wake::closed) co_return fail(Code::closed, "closed");
  }
  descriptor->clear_deadline();
  const char* const group = SSL_get0_group_name(ssl.get());
  peer.tls_group = group != nullptr ? group : "";
  peer.tls_version = SSL_get_version(ssl.get());
  if (!pqc::acceptable(state.profile, peer.tls_group))
    co_return fail(Code::crypto,
                   std::format("the negotiated group '{}' is not allowed by profile {}",
                               peer.tls_group, pqc::name(state.profile)));
  peer.certificate = certificate_of(ssl.get());
  // Explicit type: g++ 14 does not convert a unique_ptr to a base class inside co_return.
  std::unique_ptr<Stream> stream = std::make_unique<TlsStream>(
      std::move(context), std::move(descriptor), std::move(ssl), std::move(peer));
  co_return stream;
}

}  // namespace latticegate::net
