// Puts objects into a bucket of an object store with the API of S3, locked: nobody, the gateway's
// administrators included, takes one away or overwrites it before its time is over.
//
// Requests are signed with version 4 of AWS's signatures (HMAC-SHA-256 over method, path, headers
// and the body's hash), which other makers' stores understand, too. The signing part is pure.
//
// Posture: credentials are secrets and stay out of errors; what the store answers is cut and told.
// One loop, one request at a time.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "net/http_client.h"
#include "net/task.h"

namespace latticegate::client {

struct BucketCredentials {
  std::string key_id;
  crypto::Secret secret;
  std::string session;  // token of temporary credentials; empty: none
};
// From lines "aws_access_key_id = ..." below [profile], as the tools of AWS have them.
// Code::invalid: there is no such profile, or it lacks one of the two.
[[nodiscard]] base::Result<BucketCredentials> read_bucket_credentials(std::string_view text,
                                                                      std::string_view profile);

// What is signed of a request.
struct BucketRequest {
  std::string_view method;
  std::string_view path;  // as it is sent; without a query
  // Names in lower case, in their order; "host", "x-amz-content-sha256" and "x-amz-date" among
  // them.
  std::span<const std::pair<std::string, std::string>> headers;
  std::string_view body_sha256;  // hexadecimal
};
// The value of the Authorization header. `date` is that of x-amz-date: "20261122T140211Z".
std::string bucket_authorization(const BucketRequest& request, const BucketCredentials& credentials,
                                 std::string_view region, std::string_view date);
// "20261122T140211Z", and the name of a key as a path: what is not unreserved as %XX.
std::string bucket_date(base::Time time);
std::string bucket_path(std::string_view key);

enum class LockMode : std::uint8_t { compliance, governance };

struct LockedObject {
  std::string_view key;  // below the URL's path
  std::string_view body;
  base::Time until;  // locked until then
  LockMode mode = LockMode::compliance;
};
// True: it is there now. False: there was one of that name, and it stays. Code::forbidden: not with
// these credentials, or the bucket has no object lock; Code::unavailable and others: not now.
[[nodiscard]] net::Task<base::Result<bool>> put_locked(net::HttpPool& pool,
                                                       const BucketCredentials& credentials,
                                                       std::string_view region,
                                                       const LockedObject& object, base::Time now);

}  // namespace latticegate::client
