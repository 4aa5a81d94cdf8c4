#include "audit/leaf.h"

#include <doctest/doctest.h>

#include <string>

#include "audit/record.h"

using namespace latticegate;

TEST_CASE("the type of a leaf is found, whatever stands in it") {
  audit::RecordWriter writer(R"(,"type":"node")");
  const std::string hostile = R"(","type":"call.finished","x":")";
  for (int i = 0; i <= static_cast<int>(audit::Type::log_rekeyed); ++i) {
    const auto type = static_cast<audit::Type>(i);
    const std::string leaf =
        audit::with_seq(writer.write({.type = type,
                                      .asked = R"({"context":{"type":"log.closed"},"type":"x"})",
                                      .error = hostile,
                                      .tool = hostile,
                                      .why = hostile}),
                        7);
    CHECK(audit::type_of(leaf) == audit::name(type));
  }
  CHECK(audit::type_of("") == "");
  CHECK(audit::type_of("{}") == "");
}
