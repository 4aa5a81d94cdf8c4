// Finding tools by words, for doors behind which there are more than a model should read. Ranks
// descriptors that the caller may see; what that is was decided before. Pure.
//
// A word of the query counts where it is a word of the tool's name (most), of its title or of its
// description, and less where it only begins one. Equal ranks are ordered by name, so that the same
// question has the same answer.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace latticegate::gateway {

// The three tools that stand for all others.
inline constexpr std::string_view search_tool = "search_tools";
inline constexpr std::string_view describe_tool = "describe_tools";
inline constexpr std::string_view call_tool = "call_tool";
// Their descriptors as elements of a list, JSON text.
std::string_view search_tool_descriptors();

inline constexpr std::size_t most_found = 50;
inline constexpr std::size_t usually_found = 10;

struct Searched {
  std::string_view name;
  std::string_view title;
  std::string_view description;
};
// Positions of the best, at most `most` of them, best first. Only the first 32 words of the query
// count. Without a word in the query: the first by name.
std::vector<std::size_t> search(std::span<const Searched> tools, std::string_view query,
                                std::size_t most);

}  // namespace latticegate::gateway
