#include "policy/validate.h"

#include <string>
#include <utility>

#include "cedar/schema.h"
#include "cedar/validate.h"
#include "json/value.h"
#include "policy/detail/load.h"

namespace latticegate::policy {
namespace {

base::Result<cedar::Schema> schema_of(const ValidateFiles& files) {
  if (files.schema.empty()) return cedar::parse_schema(schema_text(files.tools), "the model");
  // No schema text begins with a brace.
  const std::size_t first = files.schema.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || files.schema[first] != '{')
    return cedar::parse_schema(files.schema, files.schema_name);
  const auto document = json::Document::parse(files.schema, {.depth = 300});
  if (!document) return base::within(files.schema_name, document.error());
  return cedar::parse_schema(document->root(), files.schema_name);
}

}  // namespace

base::Result<CheckReport> validate_policies(std::span<const PolicyText> texts,
                                            const ValidateFiles& files) {
  auto read = read_policies(texts, false);
  if (!read) return std::unexpected(std::move(read).error());
  const auto schema = schema_of(files);
  if (!schema) return std::unexpected(schema.error());
  CheckReport report;
  report.policies = read->set.size() + read->set.templates().size();
  const cedar::Validation validation = cedar::validate(read->set, *schema, {.level = files.level});
  const cedar::Policy* inapplicable = nullptr;
  for (const cedar::Finding& finding : validation.findings) {
    // That no action applies says more than that the policy is never true, and comes first.
    if (finding.problem == cedar::Problem::no_applicable_action) inapplicable = finding.policy;
    if (finding.problem == cedar::Problem::impossible && inapplicable == finding.policy) continue;
    (cedar::is_error(finding.problem) ? report.errors : report.warnings)
        .push_back(cedar::describe(finding));
  }
  return report;
}

}  // namespace latticegate::policy
