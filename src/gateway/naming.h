// Names behind one door: how tools, prompts and resources of several servers are told apart.
//
// A server's tool `get` is `crm__get` to the client. Model providers take names of at most 64
// letters, digits, _ and -; what does not fit is shortened with a digest, always in the same way.
// No server can choose a tool's name so that it reads as another server's: a prefix holds "__" only
// at its end, so the first "__" of a name ends the prefix, and prefixes are given by the operator's
// names of servers. Within a server, a name that looks as if it were shortened is shortened, too,
// so that nothing can pose as the short form of something else.
//
// Resources keep their URI behind "latticegate://SERVER/", so that templates can be expanded by
// clients that know nothing of this. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace latticegate::gateway {

inline constexpr std::size_t longest_name = 64;

// What names of a server begin with, "__" included; at most 34 bytes. Two servers may have the same
// one only if their names are long or odd and their digests agree in 32 bits: whoever makes a door
// checks.
std::string prefix_of(std::string_view server);

// The name for clients. Without a prefix the name itself, whatever it is.
std::string outward_name(std::string_view prefix, std::string_view name);

struct NameParts {
  std::string_view prefix;  // with its "__"
  std::string_view rest;
  bool shortened = false;  // then `rest` is not the server's name: whoever knows it has to look
};
// Nothing when the name has no prefix or nothing behind it.
std::optional<NameParts> parts_of(std::string_view name);

std::string outward_uri(std::string_view server, std::string_view uri);
struct UriParts {
  std::string_view server;
  std::string_view uri;
};
std::optional<UriParts> uri_parts_of(std::string_view text);

// Servers choose the ids of their tasks, and two may choose the same: "SERVER:ID".
std::string outward_task(std::string_view server, std::string_view id);
struct TaskParts {
  std::string_view server;
  std::string_view id;
};
std::optional<TaskParts> task_parts_of(std::string_view text);

}  // namespace latticegate::gateway
