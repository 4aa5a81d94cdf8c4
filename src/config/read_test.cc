#include "config/read.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "config/files.h"
#include "config/keys.h"
#include "yaml/node.h"

using namespace latticegate;
using namespace latticegate::config;
namespace fs = std::filesystem;

namespace {

fs::path data() {
  const char* source = std::getenv("LATTICEGATE_SOURCE");
  return fs::path(source != nullptr ? source : ".") / "tests/data/config";
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<fs::path> files_in(const fs::path& directory) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

// Set LATTICEGATE_UPDATE to write down what is understood now, then read the difference before you
// commit it.
bool update_wanted() { return std::getenv("LATTICEGATE_UPDATE") != nullptr; }

// A machine with a few variables and files, the same everywhere.
Surroundings toy_machine() {
  return {
      .read_file = [](const fs::path& file) -> base::Result<FileText> {
        if (file == "/srv/gate/secrets/crm") return FileText{"token-of-crm\n", false};
        if (file == "/srv/gate/secrets/open") return FileText{"token-in-the-open\n", true};
        if (file == "/srv/gate/secrets/empty") return FileText{"\n", false};
        if (file == "/srv/gate/secrets/two-lines") return FileText{"one\ntwo\n", false};
        return base::fail(base::Code::not_found,
                          std::format("cannot open {}: No such file or directory", file.string()));
      },
      .variable = [](const std::string& name) -> std::optional<std::string> {
        if (name == "CRM_TOKEN") return "token-from-variable";
        if (name == "CREDENTIALS_DIRECTORY") return "/run/credentials/gate";
        if (name == "REPLICAS_KEY") return std::string(64, '7');
        if (name == "EMPTY") return "";
        return std::nullopt;
      },
      .look =
          [](const fs::path& path) {
            const std::string name = path.filename().string();
            if (name.starts_with("missing")) return Kind::nothing;
            return name.ends_with(".pem") ? Kind::file : Kind::directory;
          },
  };
}

base::Result<Loaded> read_text(std::string_view text) {
  return read({.text = text, .name = "gate.yaml", .directory = "/srv/gate"}, toy_machine());
}

std::string understood(std::string_view text) {
  auto loaded = read_text(text);
  if (!loaded) return "error: " + loaded.error().detail;
  return describe(*loaded->config);
}

// Every path of the file in the table's spelling.
void collect(const yaml::Node& node, const std::string& at, std::set<std::string>& into) {
  const Key* row = find_key(at);
  if (row != nullptr) into.insert(at);
  const bool free_names = row != nullptr && row->type == Type::names;
  if (row != nullptr && (row->type == Type::secret || row->type == Type::variables)) return;
  for (const yaml::Entry& entry : node.entries())
    collect(entry.value,
            at.empty() ? entry.key : std::format("{}.{}", at, free_names ? "*" : entry.key), into);
  if (row != nullptr && row->type == Type::list)
    for (const yaml::Node& item : node.items()) collect(item, at + "[]", into);
}

}  // namespace

TEST_CASE("good files are understood as written beside them") {
  const auto files = files_in(data() / "good");
  REQUIRE(files.size() >= 3);
  for (const fs::path& file : files) {
    std::string got = understood(text_of(file));
    auto loaded = read_text(text_of(file));
    if (loaded)
      for (const std::string& warning : loaded->warnings) got += "warning: " + warning + "\n";
    const fs::path expected = fs::path(file).replace_extension(".expect");
    if (update_wanted()) std::ofstream(expected, std::ios::binary) << got;
    CHECK_MESSAGE(got == text_of(expected), file.filename().string());
  }
}

TEST_CASE("bad files are refused with the words in their comments") {
  // "#> line:column: sentence" lines at the end of each file are the whole error, in order.
  const auto files = files_in(data() / "bad");
  REQUIRE(files.size() >= 100);
  for (const fs::path& file : files) {
    const std::string text = text_of(file);
    std::string expected;
    const std::size_t first = std::min(text.find("#> "), text.size());
    for (std::size_t at = first; at < text.size(); at = text.find("#> ", at + 1)) {
      if (!expected.empty()) expected += '\n';
      expected += "gate.yaml:" + text.substr(at + 3, text.find('\n', at) - at - 3);
    }
    const auto loaded = read_text(text);
    const std::string got = loaded ? "accepted" : loaded.error().detail;
    CHECK_MESSAGE(got == expected, file.filename().string());
    if (update_wanted()) {
      std::string noted = text.substr(0, first);
      for (std::size_t at = 0; at < got.size();) {
        const std::size_t end = std::min(got.find('\n', at), got.size());
        std::string_view line(got.data() + at, end - at);
        if (line.starts_with("gate.yaml:")) line.remove_prefix(10);
        noted += std::format("#> {}\n", line);
        at = end + 1;
      }
      std::ofstream(file, std::ios::binary) << noted;
    }
  }
}

TEST_CASE("the file that shows every key shows every key") {
  std::set<std::string> shown;
  for (const std::string_view file :
       {"good/every-key.yaml", "good/stdio.yaml", "good/credential.yaml"}) {
    const auto parsed = yaml::parse(text_of(data() / file), file);
    REQUIRE(parsed.has_value());
    collect(*parsed, "", shown);
  }
  for (const Key& key : keys()) CHECK_MESSAGE(shown.contains(std::string(key.path)), key.path);
}

TEST_CASE("every key has its defaults where the table says") {
  // A file with each default written out means the same as a file without.
  const std::string server = "servers:\n  files:\n    stdio: [some-server]\n";
  std::string spelt;
  for (const Key& key : keys()) {
    if (key.path.contains('*') || key.path.contains('[') || key.path.starts_with("identity") ||
        key.path == "servers")
      continue;
    if (key.type == Type::list) continue;
    const std::string last(key.path.substr(key.path.rfind('.') + 1));
    const std::string indent(2 * static_cast<std::size_t>(std::ranges::count(key.path, '.')), ' ');
    if (key.type == Type::section)
      spelt += std::format("{}{}:\n", indent, last);
    else if (!key.fallback.empty() && !key.fallback.starts_with('<'))
      spelt += std::format("{}{}: {}\n", indent, last, key.fallback);
  }
  CHECK(understood(spelt + server) == understood(server));
  std::string spelt_server = server;
  for (const Key& key : keys()) {
    if (!key.path.starts_with("servers.*.") || key.path.contains("tools")) continue;
    const std::string_view rest = key.path.substr(10);
    const std::string indent(4 + 2 * static_cast<std::size_t>(std::ranges::count(rest, '.')), ' ');
    const std::string last(rest.substr(rest.rfind('.') + 1));
    if (rest.starts_with("tls") || rest.starts_with("credential")) continue;
    if (key.type == Type::section)
      spelt_server += std::format("{}{}:\n", indent, last);
    else if (!key.fallback.empty())
      spelt_server += std::format("{}{}: {}\n", indent, last, key.fallback);
  }
  CHECK(understood(spelt_server) == understood(server));
}

TEST_CASE("Config{} has the same defaults as a file") {
  const auto loaded = read_text("servers: {}");
  REQUIRE(loaded.has_value());
  Config plain;
  plain.directory = "/srv/gate";
  plain.policy.directory = plain.directory / plain.policy.directory;
  plain.audit.directory = plain.directory / plain.audit.directory;
  plain.audit.keys = plain.directory / plain.audit.keys;
  plain.state.directory = plain.directory / plain.state.directory;
  plain.control.socket = plain.directory / plain.control.socket;
  CHECK(describe(plain) == describe(*loaded->config));
}

TEST_CASE("a server takes three lines") {
  const auto loaded = read_text("servers:\n  files:\n    stdio: [mcp-server-filesystem, ./data]\n");
  REQUIRE(loaded.has_value());
  CHECK(loaded->config->servers.size() == 1);
  CHECK(loaded->warnings.empty());
  const auto& stdio = std::get<Stdio>(loaded->config->servers.at("files").transport);
  CHECK(stdio.command == std::vector<std::string>{"mcp-server-filesystem", "./data"});
  CHECK(stdio.directory == "/srv/gate");
}

TEST_CASE("JSON is read too") {
  CHECK(understood(R"({"servers": {"files": {"stdio": ["some-server"]}}})") ==
        understood("servers:\n  files:\n    stdio: [some-server]\n"));
}

TEST_CASE("secrets are resolved, and no description or error shows them") {
  const std::string text =
      "servers:\n"
      "  crm: {url: \"https://crm.example/mcp\", credential: {bearer: {env: CRM_TOKEN}}}\n"
      "  erp: {url: \"https://erp.example/mcp\", credential: {bearer: {file: secrets/crm}}}\n"
      "  db: {stdio: [db], env: {PASSWORD: {file: secrets/open}, MODE: quiet}}\n";
  const auto loaded = read_text(text);
  REQUIRE(loaded.has_value());
  const auto& servers = loaded->config->servers;
  CHECK(std::get<Http>(servers.at("crm").transport).bearer->value.reveal() ==
        "token-from-variable");
  CHECK(std::get<Http>(servers.at("erp").transport).bearer->value.reveal() == "token-of-crm");
  CHECK(std::get<Stdio>(servers.at("db").transport).env[0].value.value.reveal() ==
        "token-in-the-open");
  const std::string described = describe(*loaded->config);
  CHECK(described.contains("servers.crm.credential.bearer: from env CRM_TOKEN"));
  CHECK_FALSE(described.contains("token-"));
  REQUIRE(loaded->warnings.size() == 1);
  CHECK(loaded->warnings[0] ==
        "gate.yaml:4:44: the secret file /srv/gate/secrets/open is readable by every user of this "
        "machine; chmod o-r");
}

TEST_CASE("many problems are told at once, in the order of the file, and not without end") {
  std::string text = "servers:\n";
  for (int i = 0; i < 30; ++i)
    text += std::format("  s{}: {{stdio: [x], sensitivty: 1, protocol: newest}}\n", i);
  const auto loaded = read_text(text);
  REQUIRE_FALSE(loaded.has_value());
  const std::string& detail = loaded.error().detail;
  CHECK(detail.starts_with("gate.yaml:2:"));
  CHECK(std::ranges::count(detail, '\n') == 20);
  CHECK(detail.ends_with("and 40 more"));
}

TEST_CASE("the environment stands before the file") {
  const auto read_with = [](std::string_view text, std::vector<Override> overrides) {
    Surroundings around = toy_machine();
    around.overrides = std::move(overrides);
    return read({.text = text, .name = "gate.yaml", .directory = "/srv/gate"}, around);
  };
  const std::string_view file =
      "servers: {a: {stdio: [x]}}\nlimits: {body: 1MiB, calls: 7}\nlisten: {tls: off}\n";
  const auto loaded = read_with(file, {{"LATTICEGATE_LIMITS__BODY", "2MiB"},
                                       {"LATTICEGATE_LIMITS__TIMEOUTS__IDLE", "3s"},
                                       {"LATTICEGATE_LISTEN__ADDRESS", "[::1]:1234"},
                                       {"LATTICEGATE_LISTEN__HOSTS", "[a.example, b.example]"},
                                       {"LATTICEGATE_LOG__LEVEL", ""}});
  REQUIRE(loaded.has_value());
  CHECK(loaded->config->limits.body == 2_MiB);
  CHECK(loaded->config->limits.calls == 7);
  CHECK(loaded->config->limits.timeouts.idle == std::chrono::seconds(3));
  CHECK(loaded->config->listen.address == Address{"::1", 1234});
  CHECK(loaded->config->listen.hosts == std::vector<std::string>{"a.example", "b.example"});
  CHECK(loaded->config->log.level == base::Level::info);  // empty: not given
  const std::string shown = describe(*loaded);
  for (const std::string_view line :
       {"limits.body: 2097152B  # LATTICEGATE_LIMITS__BODY:1:1\n",
        "limits.calls: 7  # gate.yaml:2:29\n", "limits.streams: 16  # default\n",
        "listen.tls: off  # gate.yaml:3:15\n", "servers.a.stdio: [x]  # gate.yaml:1:22\n",
        "servers.a.sensitivity: 0  # default\n"})
    CHECK_MESSAGE(shown.contains(line), line);

  const auto refused = read_with(file, {{"LATTICEGATE_LIMITS__BODY", "many"},
                                        {"LATTICEGATE_LIMTS__CALLS", "1"},
                                        {"LATTICEGATE_LISTEN__TLS__PROFILE", "required"},
                                        {"LATTICEGATE_LOG__LEVEL", "{"},
                                        {"LATTICEGATE_LISTEN__HOSTS", "[a, [b"}});
  REQUIRE_FALSE(refused.has_value());
  for (const std::string_view words :
       {"LATTICEGATE_LIMITS__BODY:1:1: body: expected a size",
        "the environment variable LATTICEGATE_LIMTS__CALLS names no setting; did you mean "
        "LATTICEGATE_LIMITS__CALLS?",
        "LATTICEGATE_LISTEN__TLS__PROFILE cannot be put into the file",
        "LATTICEGATE_LOG__LEVEL:1:1: level: ", "LATTICEGATE_LISTEN__HOSTS:1:"})
    CHECK_MESSAGE(refused.error().detail.contains(words), refused.error().detail);
}

TEST_CASE("the example configurations are good") {
  const char* source = std::getenv("LATTICEGATE_SOURCE");
  if (source == nullptr) return;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(source) / "examples")) {
    if (entry.path().filename() != "latticegate.yaml") continue;
    const auto loaded = load(entry.path());
    CHECK_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().detail));
    if (loaded) CHECK(loaded->warnings.empty());
  }
}

TEST_CASE("files that cannot be read say why") {
  CHECK(load("/nonexistent/gate.yaml").error().detail ==
        "cannot open /nonexistent/gate.yaml: No such file or directory");
  CHECK(load("/").error().detail == "/ is not a file");
}
