// run: the gateway. config: what a configuration file means.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <print>
#include <thread>

#include "base/log.h"
#include "commands.h"
#include "config/files.h"
#include "config/keys.h"
#include "gateway/gateway.h"

namespace latticegate::app {
namespace {

using base::Result;

// Signals come to one thread, as values, and never interrupt the loops.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set_, signal);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  // Passes signals to the gateway, which must outlive what finish() ends.
  void serve(gateway::Gateway& gateway) {
    thread_ = std::jthread([this, &gateway](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        int signal = 0;
        if (::sigwait(&set_, &signal) != 0 || stop.stop_requested()) continue;
        if (signal == SIGHUP)
          gateway.reload();
        else
          gateway.stop();
      }
    });
  }
  void finish() {
    thread_.request_stop();
    ::pthread_kill(thread_.native_handle(), SIGTERM);  // what it waits for
    thread_.join();
  }

 private:
  sigset_t set_{};
  std::jthread thread_;
};

int run(const std::filesystem::path& file) {
  auto loaded = config::load(file);
  if (!loaded) return complain("configuration", loaded.error());
  const base::SystemClock clock;
  const base::Log log(clock, STDERR_FILENO, loaded->config->log.level, loaded->config->log.format);
  for (const std::string& warning : loaded->warnings) log.warning(warning);
  Signals signals;
  auto read = [file]() -> Result<std::shared_ptr<const config::Config>> {
    auto again = config::load(file);
    if (!again) return std::unexpected(std::move(again).error());
    return again->config;
  };
  auto gateway = gateway::Gateway::start(loaded->config, std::move(read), clock, log);
  if (!gateway) return complain("start", gateway.error());
  signals.serve(**gateway);
  std::println(stderr, "ready {}", (*gateway)->address());
  (*gateway)->run();
  signals.finish();
  log.info("stopped");
  return done;
}

}  // namespace

void add_run(CLI::App& parser, Chosen& chosen) {
  CLI::App* const run_command =
      parser.add_subcommand("run", "Start the gateway and serve until SIGTERM (SIGHUP reloads)");
  auto file = std::make_shared<std::string>("latticegate.yaml");
  run_command->add_option("-c,--config", *file, "The configuration file")->capture_default_str();
  run_command->callback([&chosen, file] { chosen = [file] { return run(*file); }; });

  CLI::App* const config_command =
      parser.add_subcommand("config", "Check a configuration and show what it means");
  config_command->require_subcommand(1);
  CLI::App* const show =
      config_command->add_subcommand("show", "Check the file and print every setting in force");
  show->add_option("-c,--config", *file, "The configuration file")->capture_default_str();
  auto origin = std::make_shared<bool>(false);
  show->add_flag("--origin", *origin,
                 "Behind each value where it was given: file:line:column, environment variable or "
                 "default");
  show->callback([&chosen, file, origin] {
    chosen = [file, origin] {
      auto loaded = config::load(*file);
      if (!loaded) return complain("configuration", loaded.error());
      for (const std::string& warning : loaded->warnings)
        std::println(stderr, "warning: {}", warning);
      std::print("{}", *origin ? config::describe(*loaded) : config::describe(*loaded->config));
      return static_cast<int>(done);
    };
  });
}

}  // namespace latticegate::app
