#include "crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <climits>
#include <ctime>
#include <format>
#include <memory>
#include <optional>

#include "crypto/hash.h"

namespace latticegate::crypto {
namespace {

using base::Code;
using base::fail;
using base::Result;

template <auto FreeFunction>
struct Free {
  template <class T>
  void operator()(T* object) const {
    FreeFunction(object);
  }
};
using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Free<BN_free>>;

// libcrypto's own words about the last failure; empties its queue.
std::string reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* const text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "no reason given" : text;
}

BioPtr reader(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string drain(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

bool clean(std::string_view text) {
  return base::is_utf8(text) && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
         });
}

std::string distinguished_name(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return drain(out.get());
}

std::string common_name(const X509_NAME* name) {
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
  if (size < 0) return {};
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

std::optional<base::Time> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  // A certificate may say the year 9999; 64 bits of nanoseconds end in 2262.
  if (parts.tm_year + 1900 > 2261) return base::Time::max();
  if (parts.tm_year + 1900 < 1678) return base::Time::min();
  const std::chrono::sys_days day{std::chrono::year(parts.tm_year + 1900) /
                                  std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)) /
                                  std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
  return base::Time(day) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
         std::chrono::seconds(parts.tm_sec);
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string address_of(const ASN1_OCTET_STRING* octets) {
  const std::string raw = text_of(octets);
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned>(static_cast<unsigned char>(raw[i]));
  };
  if (raw.size() == 4) return std::format("{}.{}.{}.{}", byte(0), byte(1), byte(2), byte(3));
  if (raw.size() != 16) return {};
  // RFC 5952: the first longest run of two or more zero groups is "::".
  std::array<unsigned, 8> group{};
  for (std::size_t i = 0; i < 8; ++i) group[i] = byte(2 * i) << 8 | byte(2 * i + 1);
  std::size_t best = 8;
  std::size_t length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t end = i;
    while (end < 8 && group[end] == 0) ++end;
    if (end - i > length) {
      best = i;
      length = end - i;
    }
  }
  std::string out;
  for (std::size_t i = 0; i < 8;) {
    if (i == best) {
      out += "::";
      i += length;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    out += std::format("{:x}", group[i++]);
  }
  return out;
}

std::string key_name(X509* certificate) {
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  if (key == nullptr) return "unknown";
  const char* const type = EVP_PKEY_get0_type_name(key);
  if (type == nullptr) return "unknown";
  const std::string_view name = type;
  if (name == "EC") {
    std::array<char, 64> group{};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return "EC";
    const std::string_view curve(group.data(), size);
    if (curve == "prime256v1") return "EC P-256";
    if (curve == "secp384r1") return "EC P-384";
    if (curve == "secp521r1") return "EC P-521";
    return std::format("EC {}", curve);
  }
  if (name.starts_with("RSA")) return std::format("{} {}", name, EVP_PKEY_get_bits(key));
  return std::string(name);
}

Result<void> read_names(X509* certificate, Certificate& out) {
  int critical = -1;  // -1: absent, -2: there twice
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  if (names == nullptr) {
    if (critical == -1) return {};
    ERR_clear_error();
    return fail(Code::malformed, "the certificate's alternative names cannot be read");
  }
  const int count = sk_GENERAL_NAME_num(names.get());
  if (static_cast<std::size_t>(count) > certificate_names_limit)
    return fail(Code::too_large,
                std::format("the certificate has {} alternative names, at most {} are accepted",
                            count, certificate_names_limit));
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    std::vector<std::string>* list = nullptr;
    std::string text;
    switch (name->type) {
      case GEN_DNS:
        list = &out.dns;
        text = text_of(name->d.dNSName);
        break;
      case GEN_URI:
        list = &out.uris;
        text = text_of(name->d.uniformResourceIdentifier);
        break;
      case GEN_EMAIL:
        list = &out.emails;
        text = text_of(name->d.rfc822Name);
        break;
      case GEN_IPADD:
        list = &out.addresses;
        text = address_of(name->d.iPAddress);
        break;
      default: continue;  // directory names and the like identify nobody here
    }
    if (text.empty() || !clean(text))
      return fail(Code::malformed, "the certificate has an alternative name that is no clean text");
    list->push_back(std::move(text));
  }
  return {};
}

Result<Certificate> describe(X509* certificate) {
  Certificate out;
  out.subject = distinguished_name(X509_get_subject_name(certificate));
  out.issuer = distinguished_name(X509_get_issuer_name(certificate));
  out.common_name = common_name(X509_get_subject_name(certificate));
  if (!clean(out.subject) || !clean(out.issuer) || !clean(out.common_name))
    return fail(Code::malformed, "the certificate has a name that is no clean text");
  const auto from = time_of(X509_get0_notBefore(certificate));
  const auto until = time_of(X509_get0_notAfter(certificate));
  if (!from || !until) return fail(Code::malformed, "the certificate's validity is no time");
  out.not_before = *from;
  out.not_after = *until;
  if (const auto read = read_names(certificate, out); !read) return std::unexpected(read.error());

  const BignumPtr serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (serial != nullptr) {
    char* const text = BN_bn2hex(serial.get());
    if (text != nullptr) out.serial = text;
    OPENSSL_free(text);
    std::ranges::transform(out.serial, out.serial.begin(), [](char c) {
      return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
    });
  }
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return fail(Code::malformed, "the certificate cannot be written again");
  out.sha256 = to_hex(sha256(
      base::ByteView(reinterpret_cast<const std::byte*>(der), static_cast<std::size_t>(size))));
  OPENSSL_free(der);
  out.key = key_name(certificate);
  out.authority = X509_check_ca(certificate) == 1;
  ERR_clear_error();
  return out;
}

X509Ptr decode_pem(std::string_view pem) {
  const BioPtr bio = reader(pem);
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Result<void> add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1)
    return fail(Code::invalid, std::format("a certificate cannot say {}: {}", value, reason()));
  return {};
}

bool set_time(ASN1_TIME* field, base::Time time) {
  return ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(
                                  std::chrono::time_point_cast<std::chrono::system_clock::duration>(
                                      std::chrono::floor<std::chrono::seconds>(time)))) != nullptr;
}

Result<std::string> alternative_names(const CertificateOrder& order) {
  std::string out;
  const auto add = [&](std::string_view kind, const std::vector<std::string>& names) -> bool {
    for (const std::string& name : names) {
      // A comma would begin another name in libcrypto's notation.
      if (!clean(name) || name.empty() || name.find(',') != std::string::npos) return false;
      out += std::format("{}{}:{}", out.empty() ? "" : ",", kind, name);
    }
    return true;
  };
  if (!add("DNS", order.dns) || !add("IP", order.addresses) || !add("URI", order.uris))
    return fail(Code::invalid, "an alternative name is empty or has a comma or control character");
  return out;
}

}  // namespace

Result<Certificate> read_certificate(std::string_view pem) {
  // A file may hold a chain; only its beginning is of interest, and only so much of it.
  const auto begin = pem.find("-----BEGIN CERTIFICATE-----");
  if (begin == std::string_view::npos)
    return fail(Code::malformed, "no \"BEGIN CERTIFICATE\" line found");
  constexpr std::string_view last_line = "-----END CERTIFICATE-----";
  const auto end = pem.find(last_line, begin);
  if (end == std::string_view::npos)
    return fail(Code::malformed, "no \"END CERTIFICATE\" line found");
  const std::string_view one = pem.substr(begin, end + last_line.size() - begin);
  if (one.size() > certificate_limit.count)
    return fail(Code::too_large, std::format("a certificate of {} bytes, at most {} are accepted",
                                             one.size(), certificate_limit.count));
  const X509Ptr certificate = decode_pem(one);
  if (certificate == nullptr)
    return fail(Code::malformed, std::format("not a PEM certificate: {}", reason()));
  return describe(certificate.get());
}

Result<Certificate> read_certificate_der(base::ByteView der) {
  if (der.size() > certificate_limit.count)
    return fail(Code::too_large, std::format("a certificate of {} bytes, at most {} are accepted",
                                             der.size(), certificate_limit.count));
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const begin = at;
  const X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr)
    return fail(Code::malformed, std::format("not a DER certificate: {}", reason()));
  if (static_cast<std::size_t>(at - begin) != der.size())
    return fail(Code::malformed, "bytes after the certificate");
  return describe(certificate.get());
}

Result<CertifiedKey> make_certificate(const CertificateOrder& order) {
  const auto names = alternative_names(order);
  if (!names) return std::unexpected(names.error());
  if (!clean(order.common_name) || order.common_name.size() > 64)
    return fail(Code::invalid, "a common name has at most 64 bytes and no control character");

  std::array<char, 6> curve{"P-256"};  // taken as a pointer to characters that could change
  const KeyPtr key(order.key == KeyKind::ml_dsa_87
                       ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ML-DSA-87")
                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.data()));
  const X509Ptr certificate(X509_new());
  if (key == nullptr || certificate == nullptr)
    return fail(Code::crypto, std::format("no key could be made: {}", reason()));

  X509Ptr issuer;
  KeyPtr issuer_key;
  if (order.issuer != nullptr) {
    issuer = decode_pem(order.issuer->certificate_pem);
    const BioPtr bio = reader(order.issuer->key_pem.reveal());
    issuer_key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (issuer == nullptr || issuer_key == nullptr)
      return fail(Code::invalid, std::format("the issuer cannot be read: {}", reason()));
  }
  X509* const by = issuer != nullptr ? issuer.get() : certificate.get();
  EVP_PKEY* const with = issuer_key != nullptr ? issuer_key.get() : key.get();

  const BignumPtr serial(BN_new());
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  const bool filled =
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 && serial != nullptr &&
      BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())) != nullptr &&
      set_time(X509_getm_notBefore(certificate.get()), order.from) &&
      set_time(X509_getm_notAfter(certificate.get()), order.from + order.lifetime) &&
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(order.common_name.data()),
                                 static_cast<int>(order.common_name.size()), -1, 0) == 1 &&
      X509_set_issuer_name(certificate.get(), X509_get_subject_name(by)) == 1 &&
      X509_set_pubkey(certificate.get(), key.get()) == 1;
  if (!filled) return fail(Code::crypto, std::format("no certificate could be made: {}", reason()));

  struct Extension {
    int nid;
    std::string value;
  };
  std::vector<Extension> extensions{
      {NID_basic_constraints, order.authority ? "critical,CA:TRUE" : "critical,CA:FALSE"},
      {NID_key_usage,
       order.authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature"},
      {NID_subject_key_identifier, "hash"},
  };
  if (!order.authority) extensions.push_back({NID_ext_key_usage, "serverAuth,clientAuth"});
  if (!names->empty()) extensions.push_back({NID_subject_alt_name, *names});
  if (order.issuer != nullptr) extensions.push_back({NID_authority_key_identifier, "keyid"});
  for (const Extension& extension : extensions)
    if (auto added = add_extension(certificate.get(), by, extension.nid, extension.value); !added)
      return std::unexpected(std::move(added).error());

  // ML-DSA hashes by itself.
  if (X509_sign(certificate.get(), with, EVP_PKEY_is_a(with, "EC") == 1 ? EVP_sha256() : nullptr) ==
      0)
    return fail(Code::crypto, std::format("the certificate could not be signed: {}", reason()));

  const BioPtr out(BIO_new(BIO_s_mem()));
  const BioPtr key_out(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(out.get(), certificate.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1)
    return fail(Code::crypto, std::format("the certificate could not be written: {}", reason()));
  std::string key_text = drain(key_out.get());
  return CertifiedKey{drain(out.get()), Secret::taken_from(key_text)};
}

Result<CertifiedKey> make_development_certificate(base::Time now, KeyKind key) {
  using namespace std::chrono_literals;
  return make_certificate({.common_name = "latticegate development",
                           .dns = {"localhost"},
                           .addresses = {"127.0.0.1", "::1"},
                           .uris = {},
                           .from = now - 1h,
                           .lifetime = std::chrono::days(365),
                           .key = key});
}

}  // namespace latticegate::crypto
