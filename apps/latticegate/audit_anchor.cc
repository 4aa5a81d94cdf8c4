// audit cosign: ask a witness over HTTP to sign the log. audit anchor: put its checkpoint where the
// gateway cannot take it back.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <print>

#include "add_checkpoint.h"
#include "audit/witness.h"
#include "base/log.h"
#include "client/bucket.h"
#include "client/client.h"
#include "commands.h"
#include "crypto/hash.h"
#include "log_reading.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "policy_files.h"
#include "seen.h"
#include "store/sealer.h"
#include "store/tree_writer.h"

extern char** environ;

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;
using net::Task;

struct Arguments {
  LogChoice log;
  std::string to;
  std::string ca;
  std::string file;
  std::string git;
  std::string bucket;
  std::string region = "us-east-1";
  std::string credentials;
  std::string profile = "default";
  std::uint64_t days = 400;
  bool governance = false;
  std::vector<std::string> keys;
};

// The endpoint of a URL, over TLS where it says so.
struct Endpoint {
  net::Url url;
  std::shared_ptr<const net::TlsContext> tls;
};
Result<Endpoint> endpoint_of(const std::string& text, const std::string& ca) {
  auto url = net::parse_url(text);
  if (!url) return std::unexpected(std::move(url).error());
  client::Options options;
  if (!ca.empty()) {
    auto pem = file_text(ca);
    if (!pem) return std::unexpected(std::move(pem).error());
    options.ca_pem = *std::move(pem);
  }
  auto tls = client::tls_for(*url, options);
  if (!tls) return std::unexpected(std::move(tls).error());
  return Endpoint{.url = *std::move(url), .tls = *std::move(tls)};
}

struct Asked {
  int status = 0;
  std::string body;
};

Task<Result<Asked>> ask(net::HttpPool& pool, const std::string& body) {
  CO_TRY(auto connection, co_await pool.exchange({.method = "POST",
                                                  .path = {},
                                                  .headers = "Content-Type: text/plain\r\n",
                                                  .body = body,
                                                  .has_body = true,
                                                  .idempotent = true,
                                                  .head_timeout = std::chrono::seconds(20)}));
  Asked asked{.status = connection->head().status, .body = {}};
  CO_TRY(const std::string_view text, co_await connection->read_body());
  asked.body = text;
  pool.give_back(std::move(connection));
  co_return asked;
}

// What the witness signed last it says itself, in its 409.
Task<Result<std::string>> cosigned(net::HttpPool& pool, const std::filesystem::path& log) {
  std::uint64_t old_size = 0;
  for (int attempt = 0; attempt < 4; ++attempt) {
    CO_TRY(const std::string request, add_checkpoint_request(log, old_size));
    CO_TRY(const Asked asked, co_await ask(pool, request));
    if (asked.status == 200) co_return audit::read_add_checkpoint(request)->note + asked.body;
    if (asked.status != 409)
      co_return fail(Code::forbidden,
                     std::format("the witness does not sign ({}): {}", asked.status,
                                 base::printable(asked.body.substr(0, asked.body.find('\n')))));
    const char* const end = asked.body.data() + asked.body.size();
    if (std::from_chars(asked.body.data(), end, old_size).ec != std::errc())
      co_return fail(Code::malformed, "the witness names no size");
  }
  co_return fail(Code::unavailable, "the witness is asked by others at the same time");
}

int cosign(const Arguments& given) {
  const auto log = choose_log(given.log);
  if (!log) return complain("audit log", log.error());
  const auto witnesses = keys_given(given.keys);
  if (!witnesses) return complain("--witness", witnesses.error());
  auto endpoint = endpoint_of(given.to, given.ca);
  if (!endpoint) return complain("--to", endpoint.error());
  std::string& path = endpoint->url.path;
  if (!path.ends_with("/add-checkpoint"))
    path += path.ends_with('/') ? "add-checkpoint" : "/add-checkpoint";
  const base::SystemClock clock;
  net::Loop loop(0, clock);
  net::HttpPool pool(loop, std::move(endpoint->url), std::move(endpoint->tls), {});
  const auto note = client::run_alone(loop, cosigned(pool, log->directory));
  if (!note) {
    std::println(stderr, "latticegate: {}", base::printable(note.error().detail));
    return note.error().code == Code::forbidden ? wrong : unreachable;
  }
  // What is kept has to be of use later.
  const auto opened = audit::open_checkpoint(*note, *witnesses);
  if (!opened) {
    std::println(stderr, "latticegate: the witness's signature is not good: {}",
                 base::printable(opened.error().detail));
    return wrong;
  }
  if (given.file.empty()) {
    std::print("{}", *note);
  } else if (auto written = write_whole(given.file, *note); !written) {
    (void)complain(given.file, written.error());
    return unknown;
  }
  std::println(stderr, "{} records witnessed by {}", opened->checkpoint.size,
               base::printable(witnesses->front().name()));
  return done;
}

// Appended and synced: where only appending is allowed (chattr +a, an object-locked mount), what is
// there stays.
Result<void> append_to(const std::string& file, std::string_view text) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor < 0)
    return fail(Code::io, std::format("cannot open {}: {}", file, base::os_reason(errno)));
  const bool good =
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(descriptor) == 0;
  const int number = errno;
  ::close(descriptor);
  if (!good)
    return fail(Code::io, std::format("cannot write {}: {}", file, base::os_reason(number)));
  return {};
}

int run_git(std::vector<std::string> words) {
  words.insert(words.begin(), "git");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  if (::posix_spawnp(&child, "git", nullptr, nullptr, argv.data(), environ) != 0) return -1;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Result<client::BucketCredentials> bucket_credentials(const Arguments& given) {
  if (!given.credentials.empty()) {
    const auto text = file_text(given.credentials);
    if (!text) return std::unexpected(text.error());
    return client::read_bucket_credentials(*text, given.profile);
  }
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  client::BucketCredentials found{.key_id = variable("AWS_ACCESS_KEY_ID"),
                                  .secret = crypto::Secret(variable("AWS_SECRET_ACCESS_KEY")),
                                  .session = variable("AWS_SESSION_TOKEN")};
  if (found.key_id.empty() || found.secret.empty())
    return fail(Code::invalid,
                "give --credentials, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  return found;
}

// The name of a log where names are short and plain.
std::string short_name(const audit::Checkpoint& head) {
  return crypto::to_hex(crypto::sha256(head.origin)).substr(0, 16);
}

int anchor_in_bucket(const Arguments& given, const audit::Checkpoint& head, std::string_view note) {
  auto endpoint = endpoint_of(given.bucket, given.ca);
  if (!endpoint) return complain("--bucket", endpoint.error());
  const auto credentials = bucket_credentials(given);
  if (!credentials) return complain("--credentials", credentials.error());
  const base::SystemClock clock;
  const std::string key = std::format("{}/{:020}.checkpoint", short_name(head), head.size);
  net::Loop loop(0, clock);
  net::HttpPool pool(loop, std::move(endpoint->url), std::move(endpoint->tls), {});
  const client::LockedObject object{
      .key = key,
      .body = note,
      .until = clock.now() + std::chrono::days(given.days),
      .mode = given.governance ? client::LockMode::governance : client::LockMode::compliance};
  const auto put = client::run_alone(
      loop, client::put_locked(pool, *credentials, given.region, object, clock.now()));
  if (!put) {
    std::println(stderr, "latticegate: {}", base::printable(put.error().detail));
    return put.error().code == Code::forbidden ? wrong : unreachable;
  }
  std::println(stderr, "{} {}, locked for {} days", key,
               *put ? "is in the bucket" : "was in the bucket already", given.days);
  return done;
}

int anchor(const Arguments& given) {
  if ((given.file.empty() ? 0 : 1) + (given.git.empty() ? 0 : 1) + (given.bucket.empty() ? 0 : 1) !=
      1) {
    std::println(stderr, "latticegate: audit anchor takes --file, --git or --bucket");
    return usage;
  }
  const auto log = choose_log(given.log);
  if (!log) return complain("audit log", log.error());
  const auto note =
      store::read_file(store::checkpoint_path(log->directory), audit::note_limit.count);
  if (!note) return complain("audit log", note.error());
  const auto pub = store::read_file(store::public_keys_path(log->directory), 64 * 1024);
  const auto keys = pub ? store::read_verifier_keys(*pub) : std::unexpected(pub.error());
  if (!keys) return complain("log.pub", keys.error());
  const auto opened = audit::open_checkpoint(*note, *keys);
  if (!opened) {
    (void)complain("checkpoint", opened.error());
    return wrong;
  }
  const audit::Checkpoint& head = opened->checkpoint;
  if (!given.bucket.empty()) {
    if (const int outcome = anchor_in_bucket(given, head, *note); outcome != done) return outcome;
  } else if (!given.file.empty()) {
    if (auto done = append_to(given.file, *note + "\n"); !done) {
      (void)complain("--file", done.error());
      return unknown;
    }
  } else {
    const std::string name = short_name(head) + ".checkpoint";
    if (auto written = write_whole(std::filesystem::path(given.git) / name, *note); !written) {
      (void)complain("--git", written.error());
      return unknown;
    }
    const bool good =
        run_git({"-C", given.git, "add", "--", name}) == 0 &&
        run_git({"-C", given.git, "commit", "--quiet", "-m",
                 std::format("{}: {} records", head.origin, head.size), "--", name}) == 0;
    if (!good) {
      std::println(stderr, "latticegate: git did not take it");
      return unknown;
    }
  }
  std::println(stderr, "{} records of {} anchored", head.size, base::printable(head.origin));
  return done;
}

}  // namespace

void add_audit_anchor(CLI::App& audit, Chosen& chosen) {
  auto given = std::make_shared<Arguments>();
  CLI::App* const cosign_command = audit.add_subcommand(
      "cosign", "Ask a witness over HTTP to sign the log (C2SP add-checkpoint)");
  add_log_options(*cosign_command, given->log);
  cosign_command->add_option("--to", given->to, "The witness: https://witness.example/")
      ->required();
  cosign_command->add_option("--witness", given->keys, "Its verifier keys, or a file with them")
      ->required();
  cosign_command->add_option("--ca", given->ca,
                             "PEM file of the authority to trust instead of the system's");
  cosign_command->add_option("--file", given->file,
                             "Write the signed checkpoint there, not to standard output");
  cosign_command->footer(
      "Exit codes: 0 signed, 1 not signed: the log is not the one that the witness knows, 2 usage, "
      "5 not reachable.");
  cosign_command->callback([&chosen, given] { chosen = [given] { return cosign(*given); }; });

  CLI::App* const anchor_command = audit.add_subcommand(
      "anchor", "Put the log's checkpoint where the gateway cannot take it back");
  add_log_options(*anchor_command, given->log);
  anchor_command->add_option("--file", given->file,
                             "Append it to this file, which only grows (chattr +a)");
  anchor_command->add_option("--git", given->git, "Commit it in this working copy");
  anchor_command->add_option(
      "--bucket", given->bucket,
      "Put it into this bucket, locked: https://s3.eu-central-1.amazonaws.com/acme-anchors/gate-1");
  anchor_command->add_option("--region", given->region, "With --bucket: where that is")
      ->capture_default_str();
  anchor_command->add_option(
      "--credentials", given->credentials,
      "With --bucket: a file with aws_access_key_id and aws_secret_access_key; without it, the "
      "environment's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  anchor_command->add_option("--profile", given->profile, "Of that file")->capture_default_str();
  anchor_command->add_option("--days", given->days, "How long it is locked")->capture_default_str();
  anchor_command->add_flag("--governance", given->governance,
                           "Lock it so that accounts with a special right may end that");
  anchor_command->add_option("--ca", given->ca,
                             "PEM file of the authority to trust instead of the system's");
  anchor_command->footer(
      "The bucket has object lock (S3 API, signatures of version 4); an object's name is the log's "
      "and the\nnumber of its records, and what is there stays. Exit codes: 0 anchored, 1 the log "
      "is not what its keys\nsigned, or the bucket refuses, 2 usage, 3 it cannot be written, 5 "
      "not reachable.");
  anchor_command->callback([&chosen, given] { chosen = [given] { return anchor(*given); }; });
}

}  // namespace latticegate::app
