#include "gateway/exceptions.h"

#include <doctest/doctest.h>

#include <vector>

using namespace latticegate;

TEST_CASE("what an operator excepts is no finding there, and nowhere else") {
  const base::Time now = base::Time(std::chrono::hours(1000));
  const std::vector<config::Exception> exceptions{
      {.rule = "github-pat", .server = "ci", .tool = {}, .reason = "test keys", .until = now},
      {.rule = "instruction",
       .server = {},
       .tool = "read_mail",
       .reason = "people write so",
       .until = {}}};
  const auto left = [&](std::string_view server, std::string_view tool, base::Time at) {
    inspect::Findings found;
    found.items.resize(2);
    found.items[0].rule = "github-pat";
    found.items[0].kind = inspect::FindingKind::secret;
    found.items[1].rule = "model-result-task";
    found.items[1].kind = inspect::FindingKind::instruction;
    gateway::leave_out(found, exceptions, server, tool, at);
    CHECK(found.items.size() + found.excepted.size() == 2);
    return found.rules();
  };
  using Rules = std::vector<std::string>;
  const base::Time before = now - std::chrono::seconds(1);
  CHECK(left("ci", "build", before) == Rules{"model-result-task"});
  CHECK(left("ci", "build", now) == Rules{"github-pat", "model-result-task"});
  CHECK(left("crm", "build", before) == Rules{"github-pat", "model-result-task"});
  CHECK(left("crm", "read_mail", before) == Rules{"github-pat"});
  CHECK(left("ci", "read_mail", before).empty());
}
