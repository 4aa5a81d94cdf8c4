// wrap: a stdio server with the gateway in front of it, in one process, for clients that start
// their servers.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <print>
#include <thread>

#include "base/bytes.h"
#include "base/log.h"
#include "commands.h"
#include "config/files.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "endpoint.h"
#include "gateway/gateway.h"
#include "json/write.h"

extern char** environ;

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

struct Arguments {
  std::vector<std::string> command;
  std::vector<std::string> env;
  std::string policies;
  std::string state;
  bool verbose = false;
};

// $XDG_STATE_HOME/latticegate/wrap (XDG Base Directory Specification).
Result<std::filesystem::path> state_root() {
  if (const char* const set = std::getenv("XDG_STATE_HOME"); set != nullptr && *set == '/')
    return std::filesystem::path(set) / "latticegate" / "wrap";
  if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/')
    return std::filesystem::path(home) / ".local" / "state" / "latticegate" / "wrap";
  return fail(Code::invalid, "neither HOME nor XDG_STATE_HOME is set; say --state DIRECTORY");
}

// A folder that this process has for itself: the command's own, or the next one when another client
// runs the same command at this moment. The lock ends with the process.
Result<std::filesystem::path> take_folder(const std::filesystem::path& root,
                                          const std::vector<std::string>& command) {
  std::string words;
  for (const std::string& word : command) words += word + '\0';
  const std::string name =
      std::format("{}-{}", std::filesystem::path(command.front()).filename().string(),
                  crypto::to_hex(crypto::sha256(words)).substr(0, 12));
  for (int i = 1; i <= 32; ++i) {
    const std::filesystem::path folder = root / (i == 1 ? name : std::format("{}-{}", name, i));
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (!error) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
    if (error)
      return fail(Code::io, std::format("cannot make {}: {}", folder.string(), error.message()));
    const int fd = ::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return fail(Code::io, std::format("cannot open {}", (folder / "lock").string()));
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return folder;  // kept open
    ::close(fd);
  }
  return fail(Code::overloaded, "this command is wrapped 32 times already");
}

// What the wrapped server finds in its environment: all that this process found, as without us, or
// what was named. Our own variables are none of its business.
std::vector<std::string> variables(const std::vector<std::string>& named) {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string name(text.substr(0, text.find('=')));
    const bool basic = name == "PATH" || name == "HOME" || name == "USER" || name == "LANG" ||
                       name == "TMPDIR" || name == "SHELL";
    const bool wanted = named.empty() || basic || std::ranges::find(named, name) != named.end();
    if (wanted && !name.starts_with("LATTICEGATE_")) names.push_back(name);
  }
  return names;
}

std::string config_text(const Arguments& given, const std::string& token,
                        const std::filesystem::path& folder) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  writer.key("listen").begin_object().member("address", "127.0.0.1:0").member("tls", "off");
  writer.end_object();
  writer.key("identity")
      .begin_object()
      .key("tokens")
      .begin_array()
      .begin_object()
      .member("agent", "local")
      .member("sha256", crypto::to_hex(crypto::sha256(token)))
      .end_object()
      .end_array()
      .end_object();
  writer.key("servers").begin_object().key("wrapped").begin_object();
  writer.key("stdio").begin_array();
  for (const std::string& word : given.command) writer.string(word);
  writer.end_array();
  writer.member("cwd", std::filesystem::current_path().string());
  writer.key("pass").begin_array();
  for (const std::string& name : variables(given.env)) writer.string(name);
  writer.end_array().end_object().end_object();
  writer.key("policy").begin_object();
  writer.member("directory",
                given.policies.empty()
                    ? (folder / "policies").string()
                    : std::filesystem::absolute(given.policies).lexically_normal().string());
  writer.end_object();
  writer.key("log")
      .begin_object()
      .member("level", given.verbose ? "info" : "warning")
      .end_object()
      .end_object();
  return out;
}

Result<void> write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return fail(Code::io, std::format("cannot write {}", path.string()));
  return {};
}

// Without policies of the user's own, everything that the detectors and pins let pass is allowed.
Result<void> default_policies(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::create_directory(folder / "policies", error)) {
    if (error) return fail(Code::io, std::format("cannot make {}", (folder / "policies").string()));
    return {};  // they are the user's since the first start
  }
  return write_file(folder / "policies" / "all.cedar",
                    "@id(\"all\")\npermit (principal, action, resource);\n");
}

int wrap(const Arguments& given) {
  auto root = given.state.empty() ? state_root()
                                  : Result<std::filesystem::path>(
                                        std::filesystem::absolute(given.state).lexically_normal());
  if (!root) return complain("wrap", root.error());
  auto folder = take_folder(*root, given.command);
  if (!folder) return complain("wrap", folder.error());
  if (given.policies.empty())
    if (auto made = default_policies(*folder); !made) return complain("wrap", made.error());
  // Nobody else on this machine can speak to the server through us: the token lives in memory only.
  std::array<std::byte, 32> secret{};
  crypto::SystemRandom().fill(secret);
  const std::string token = base::to_base64(secret);
  const std::filesystem::path file = *folder / "latticegate.yaml";
  if (auto written = write_file(file, config_text(given, token, *folder)); !written)
    return complain("wrap", written.error());

  auto loaded = config::load(file);
  if (!loaded) return complain("wrap", loaded.error());
  const base::SystemClock clock;
  const base::Log log(clock, STDERR_FILENO, loaded->config->log.level, loaded->config->log.format);
  auto read = [file]() -> Result<std::shared_ptr<const config::Config>> {
    auto again = config::load(file);
    if (!again) return std::unexpected(std::move(again).error());
    return again->config;
  };
  auto gateway = gateway::Gateway::start(loaded->config, std::move(read), clock, log);
  if (!gateway) return complain("wrap", gateway.error());
  std::println(stderr,
               "latticegate: settings, approvals and the audit log of this server are in {}",
               folder->string());
  std::jthread serving([&gateway] { (*gateway)->run(); });
  client::Options endpoint;
  endpoint.url = (*gateway)->address() + "/mcp/wrapped";
  endpoint.bearer = token;
  const int outcome = pass_lines(endpoint);
  (*gateway)->stop();
  serving.join();
  return outcome;
}

}  // namespace

void add_wrap(CLI::App& parser, Chosen& chosen) {
  CLI::App* const command = parser.add_subcommand(
      "wrap", "Start a stdio server behind a gateway of its own, for the client that starts us");
  auto given = std::make_shared<Arguments>();
  command->add_option("command", given->command, "The server's program and arguments, behind --")
      ->required();
  command->add_option(
      "--policies", given->policies,
      "Folder with Cedar policies (default: all that is not conspicuous is allowed)");
  command->add_option("--env", given->env,
                      "Pass only these variables and the basic ones (default: all but ours)");
  command->add_option("--state", given->state,
                      "Folder for settings, approvals and audit logs (default: "
                      "$XDG_STATE_HOME/latticegate/wrap)");
  command->add_flag("-v,--verbose", given->verbose, "Log what the gateway does");
  command->footer(
      "In the client's configuration, in place of the server's own command:\n"
      "  {\"command\": \"latticegate\", \"args\": [\"wrap\", \"--\", \"mcp-server-filesystem\", "
      "\"/data\"]}");
  command->callback([&chosen, given] { chosen = [given] { return wrap(*given); }; });
}

}  // namespace latticegate::app
