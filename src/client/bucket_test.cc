#include "client/bucket.h"

#include <doctest/doctest.h>

#include <chrono>
#include <format>
#include <string>
#include <utility>
#include <vector>

using namespace latticegate;
using Headers = std::vector<std::pair<std::string, std::string>>;

namespace {

client::BucketCredentials published() {
  std::string secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
  return {.key_id = "AKIAIOSFODNN7EXAMPLE",
          .secret = crypto::Secret::taken_from(secret),
          .session = {}};
}

}  // namespace

TEST_CASE("signatures are those of the examples that the makers of the protocol publish") {
  const std::string nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const std::string date = "20130524T000000Z";
  const std::string host = "examplebucket.s3.amazonaws.com";
  const Headers read{{"host", host},
                     {"range", "bytes=0-9"},
                     {"x-amz-content-sha256", nothing},
                     {"x-amz-date", date}};
  CHECK(client::bucket_authorization(
            {.method = "GET", .path = "/test.txt", .headers = read, .body_sha256 = nothing},
            published(), "us-east-1", date) ==
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  const std::string body = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  const Headers put{{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                    {"host", host},
                    {"x-amz-content-sha256", body},
                    {"x-amz-date", date},
                    {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  const std::string path = "/" + client::bucket_path("test$file.text");
  CHECK(path == "/test%24file.text");
  CHECK(client::bucket_authorization(
            {.method = "PUT", .path = path, .headers = put, .body_sha256 = body}, published(),
            "us-east-1", date)
            .ends_with("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST_CASE("dates and names have their form") {
  using namespace std::chrono;
  const base::Time time{sys_days(2026y / November / 22) + 14h + 2min + 11s + 999ms};
  CHECK(client::bucket_date(time) == "20261122T140211Z");
  CHECK(client::bucket_path("a/b c+\xC3\xA9~.checkpoint") == "a/b%20c%2B%C3%A9~.checkpoint");
}

TEST_CASE("credentials are read as the tools of AWS write them") {
  const std::string text =
      "# comment\n[other]\naws_access_key_id = A\naws_secret_access_key = B\n\n[default]\r\n"
      "aws_access_key_id=KEY\r\naws_secret_access_key = s3cr=et\nregion = x\n"
      "aws_session_token = token\n";
  const auto found = client::read_bucket_credentials(text, "default");
  REQUIRE(found.has_value());
  CHECK(found->key_id == "KEY");
  CHECK(found->secret.reveal() == "s3cr=et");
  CHECK(found->session == "token");
  CHECK(client::read_bucket_credentials(text, "other")->session.empty());
  for (const auto& [bad, profile] : {std::pair<std::string, std::string>{text, "third"},
                                     {"", "default"},
                                     {"[default]\naws_access_key_id = A\n", "default"}}) {
    const auto none = client::read_bucket_credentials(bad, profile);
    REQUIRE_FALSE(none.has_value());
    CHECK_FALSE(none.error().detail.contains("KEY"));
  }
}
