#include "gateway/exceptions.h"

#include <doctest/doctest.h>

#include <vector>

using namespace latticegate;

TEST_CASE("what an operator excepts is no finding there, and nowhere else") {
  const base::Time now = base::Time(std::chrono::hours(1000));
  const std::vector<config::Exception> exceptions{{.rule = "github-pat",
                                                   .server = "ci",
                                                   .tool = {},
                                                   .field = {},
                                                   .reason = "test keys",
                                                   .owner = {},
                                                   .until = now},
                                                  {.rule = "instruction",
                                                   .server = {},
                                                   .tool = "read_mail",
                                                   .field = {},
                                                   .reason = "people write so",
                                                   .owner = {},
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

TEST_CASE("an exception for a field holds in it and below it, and for no other of a like name") {
  const std::vector<config::Exception> exceptions{{.rule = "github-pat",
                                                   .server = {},
                                                   .tool = {},
                                                   .field = "a/b",
                                                   .reason = "examples",
                                                   .owner = "docs",
                                                   .until = {}}};
  struct Row {
    std::string_view pointer;
    bool excepted;
  };
  for (const Row& row : {Row{"/a~1b", true}, Row{"/x/a~1b/0/text", true}, Row{"/a/b", false},
                         Row{"/a~1bc", false}, Row{"/xa~1b", false}, Row{"", false}}) {
    CAPTURE(row.pointer);
    inspect::Findings found;
    found.items.resize(1);
    found.items[0].rule = "github-pat";
    found.items[0].pointer = row.pointer;
    gateway::leave_out(found, exceptions, "ci", "build", {});
    CHECK(found.items.empty() == row.excepted);
  }
}
