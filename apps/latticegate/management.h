// What the commands that talk to a running gateway share: where it is, and how it is asked.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "json/value.h"

namespace latticegate::app {

struct Where {
  std::string config = "latticegate.yaml";
  std::string socket;
  bool json = false;
};
// --config and --socket.
CLI::App* with_place(CLI::App* command, const std::shared_ptr<Where>& where);
// Those and --json.
CLI::App* with_where(CLI::App* command, const std::shared_ptr<Where>& where);

// The socket's path.
base::Result<std::string> socket_of(const Where& where);

// Asks the management socket, prints the answer or what went wrong; gives the exit code.
int ask(const Where& where, std::string_view method, std::string_view path, std::string_view body,
        const std::function<void(json::Value)>& print);
// An object of texts; empty ones are left out.
std::string body_of(std::initializer_list<std::pair<std::string_view, std::string_view>> members);

}  // namespace latticegate::app
