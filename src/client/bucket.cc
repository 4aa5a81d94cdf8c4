#include "client/bucket.h"

#include <array>
#include <chrono>
#include <format>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/hash.h"

namespace latticegate::client {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::string digest_text(const crypto::Digest& digest) { return std::string(base::text_of(digest)); }

}  // namespace

Result<BucketCredentials> read_bucket_credentials(std::string_view text, std::string_view profile) {
  BucketCredentials found;
  std::string secret;
  bool here = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[')) here = line == std::format("[{}]", profile);
    const std::size_t equals = line.find('=');
    if (!here || line.starts_with('#') || equals == std::string_view::npos) continue;
    const std::string_view name = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (name == "aws_access_key_id") found.key_id = value;
    if (name == "aws_secret_access_key") secret = value;
    if (name == "aws_session_token") found.session = value;
  }
  if (found.key_id.empty() || secret.empty())
    return fail(
        Code::invalid,
        std::format("there is no aws_access_key_id and aws_secret_access_key below [{}]", profile));
  found.secret = crypto::Secret::taken_from(secret);
  return found;
}

std::string bucket_date(base::Time time) {
  return std::format("{:%Y%m%dT%H%M%SZ}", std::chrono::floor<std::chrono::seconds>(time));
}

std::string bucket_path(std::string_view key) {
  std::string path;
  for (const char c : key) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").contains(c);
    path += plain ? std::string(1, c) : std::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return path;
}

std::string bucket_authorization(const BucketRequest& request, const BucketCredentials& credentials,
                                 std::string_view region, std::string_view date) {
  std::string names;
  std::string canonical = std::format("{}\n{}\n\n", request.method, request.path);
  for (const auto& [name, value] : request.headers) {
    canonical += std::format("{}:{}\n", name, value);
    names += (names.empty() ? "" : ";") + name;
  }
  canonical += std::format("\n{}\n{}", names, request.body_sha256);
  const std::string scope = std::format("{}/{}/s3/aws4_request", date.substr(0, 8), region);
  const std::string wanted = std::format("{}\n{}\n{}\n{}", algorithm, date, scope,
                                         crypto::to_hex(crypto::sha256(canonical)));
  std::string first = std::format("AWS4{}", credentials.secret.reveal());
  std::string key = digest_text(crypto::hmac_sha256(first, date.substr(0, 8)));
  crypto::wipe(first);
  for (const std::string_view part :
       {region, std::string_view("s3"), std::string_view("aws4_request")})
    key = digest_text(crypto::hmac_sha256(key, part));
  const std::string signature = crypto::to_hex(crypto::hmac_sha256(key, wanted));
  crypto::wipe(key);
  return std::format("{} Credential={}/{},SignedHeaders={},Signature={}", algorithm,
                     credentials.key_id, scope, names, signature);
}

Task<Result<bool>> put_locked(net::HttpPool& pool, const BucketCredentials& credentials,
                              std::string_view region, const LockedObject& object, base::Time now) {
  const std::string date = bucket_date(now);
  const crypto::Digest hash = crypto::sha256(object.body);
  const std::string body_sha256 = crypto::to_hex(hash);
  std::string path = pool.url().path;
  if (!path.ends_with('/')) path += '/';
  path += bucket_path(object.key);
  std::vector<std::pair<std::string, std::string>> headers{
      {"content-type", "text/plain; charset=utf-8"},
      {"host", pool.url().authority},
      // What is there is never overwritten, also where a lock would let a second version be made.
      {"if-none-match", "*"},
      {"x-amz-checksum-sha256", base::to_base64(hash)},
      {"x-amz-content-sha256", body_sha256},
      {"x-amz-date", date},
      {"x-amz-object-lock-mode", object.mode == LockMode::compliance ? "COMPLIANCE" : "GOVERNANCE"},
      {"x-amz-object-lock-retain-until-date",
       std::format("{:%Y-%m-%dT%H:%M:%SZ}",
                   std::chrono::floor<std::chrono::seconds>(object.until))}};
  if (!credentials.session.empty())
    headers.emplace_back("x-amz-security-token", credentials.session);
  const std::string authorization = bucket_authorization(
      {.method = "PUT", .path = path, .headers = headers, .body_sha256 = body_sha256}, credentials,
      region, date);
  std::string lines = std::format("Authorization: {}\r\n", authorization);
  for (const auto& [name, value] : headers)
    if (name != "host") lines += std::format("{}: {}\r\n", name, value);
  CO_TRY(auto connection, co_await pool.exchange({.method = "PUT",
                                                  .path = path,
                                                  .headers = lines,
                                                  .body = object.body,
                                                  .has_body = true,
                                                  .idempotent = true,
                                                  .head_timeout = std::chrono::seconds(30)}));
  const int status = connection->head().status;
  CO_TRY(const std::string_view answer, co_await connection->read_body());
  const std::string said = base::printable(answer.substr(0, 300));
  pool.give_back(std::move(connection));
  if (status == 200 || status == 201 || status == 204) co_return true;
  if (status == 412) co_return false;
  co_return fail(status == 400 || status == 401 || status == 403 || status == 404
                     ? Code::forbidden
                     : Code::unavailable,
                 std::format("the bucket answered {}: {}", status, said));
}

}  // namespace latticegate::client
