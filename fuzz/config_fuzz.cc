// Whatever the text, reading ends in a configuration or in messages with a place; a configuration
// can be described.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/read.h"

namespace config = latticegate::config;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const config::Surroundings surroundings{
      .read_file = [](const auto&) -> latticegate::base::Result<config::FileText> {
        return config::FileText{"secret\n", true};
      },
      .variable = [](const std::string& name) -> std::optional<std::string> {
        return name == "NONE" ? std::nullopt : std::optional<std::string>("hidden-value");
      },
      .look = {},
  };
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded =
      config::read({.text = text, .name = "f.yaml", .directory = "/d"}, surroundings);
  if (!loaded) {
    if (!loaded.error().detail.starts_with("f.yaml")) std::abort();
    return 0;
  }
  const std::string described = config::describe(*loaded->config);
  if (described.empty() || (!text.contains("hidden-value") && described.contains("hidden-value")))
    std::abort();
  return 0;
}
