#include "tool_arguments.h"

#include <format>

#include "json/value.h"
#include "json/write.h"

namespace latticegate::app {

using base::Code;
using base::fail;

base::Result<std::string> tool_arguments(const std::vector<std::string>& values) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const std::string& value : values) {
    const std::size_t equals = value.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Code::invalid, std::format("'{}' is not name=value or name:=json", value));
    const bool typed = value[equals - 1] == ':';
    writer.key(value.substr(0, equals - (typed ? 1 : 0)));
    if (!typed) {
      writer.string(value.substr(equals + 1));
      continue;
    }
    const std::string text = value.substr(equals + 1);
    const auto document = json::Document::parse(text);
    if (!document)
      return fail(Code::invalid,
                  std::format("'{}' is not JSON: {}", text, document.error().detail));
    writer.value(document->root());
  }
  writer.end_object();
  return out;
}

}  // namespace latticegate::app
