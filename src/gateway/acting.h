// Acting: what a call touches, in the words of behaviour/habit.h: its tool and server with their
// segment and data domains, and what its arguments name: schemas and tables of SQL, hosts of URLs,
// the first two folders of paths, and the only number among them; and the values of its arguments
// for behaviour/arguments.h.
//
// One walk over the arguments; strings above 16 KiB and what is nested deeper than 8 are left out.
// The result views the arguments and what it holds itself: neither moved nor copied.
#pragma once
#include <forward_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "behaviour/arguments.h"
#include "behaviour/habit.h"
#include "cedar/arena.h"
#include "config/config.h"
#include "json/value.h"

namespace latticegate::gateway {

class Acting {
 public:
  Acting() = default;
  Acting(const Acting&) = delete;
  Acting& operator=(const Acting&) = delete;

  // `tool` is empty for resources and prompts; then `uri` may be a resource's.
  void look(const config::Server& server, std::string_view tool, std::string_view uri,
            json::Value arguments, base::Time at);
  const behaviour::Act& act() const { return act_; }
  std::span<const behaviour::Given> given() const [[clang::lifetimebound]] { return given_; }

 private:
  void walk(json::Value value, std::string_view name, std::uint32_t depth);
  void give(std::string_view name, std::string_view text, std::optional<double> number = {});
  void take(std::string_view text);
  void count(std::string_view text);
  void add(behaviour::Thing kind, std::string_view name);
  std::string_view keep(std::string text);

  behaviour::Act act_;
  std::vector<behaviour::Touched> touched_;
  std::vector<behaviour::Given> given_;
  std::forward_list<std::string> kept_;
  cedar::Arena arena_;
  std::size_t numbers_ = 0;
  std::size_t counted_ = 0;  // texts that end in a number
  std::int64_t last_ = 0;    // the last of those
};

}  // namespace latticegate::gateway
