// ToolHive's authorization file (`type: cedarv1`): Cedar policies of another model.
#pragma once
#include <string_view>

#include "base/result.h"
#include "json/value.h"
#include "policy/detail/rule_writer.h"

namespace latticegate::policy {

// `found`: there are policies in it. An error when one of them is no Cedar.
[[nodiscard]] base::Result<void> translate_toolhive(json::Value root, std::string_view server,
                                                    RuleWriter& writer, bool& found);

}  // namespace latticegate::policy
